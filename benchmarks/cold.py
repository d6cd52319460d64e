"""One cold load in a process of its own, so that its peak memory, with its children, is its own.

`python -m benchmarks.cold FACTS [PROFILE]` reads the database's URL, which holds a password, from
its input, and prints one JSON object.
"""

import cProfile
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from benchmarks.measure import measured
from benchmarks.publish import read_facts
from benchmarks.world import world
from controller.reconcile.cycle import run_pass


def main(facts: str, profile: str = "") -> None:
    """Bring an empty database to the repository's baseline."""
    url = sys.stdin.read().strip()
    published = read_facts(Path(facts))
    profiler = cProfile.Profile() if profile else None
    with world(published, url) as made:
        with _watched() as peak, profiler or nullcontext(), measured() as meter:
            outcome = run_pass(made)
        assert outcome.revision is not None
        assert not outcome.published.waiting
    if profiler is not None:
        profiler.dump_stats(profile)
    rows = sum(counts["rows_put"] for counts in outcome.revision.counts.values())
    numbers = {"peak": peak[0], "rows": rows}
    print(json.dumps({"wall": meter.cost.wall, "cpu": meter.cost.cpu, "numbers": numbers}))


@contextmanager
def _watched() -> Iterator[list[int]]:
    """Fill in how many bytes this process and its children held together at most."""
    command = [sys.executable, "-m", "benchmarks.memory", str(os.getpid())]
    watch = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    peak: list[int] = []
    yield peak
    found, _ = watch.communicate()
    peak.append(int(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
