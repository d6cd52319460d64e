"""Memory is counted over a process and all that came of it."""

import subprocess
import sys
import time

from benchmarks.memory import family

HOLD = "data = bytearray(b'x' * 50_000_000); print('held', flush=True); input()"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOLD!r}])"


def test_what_a_child_holds_counts() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        parent.stdout.readline()
        watch = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.memory", str(parent.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert len(list(family(parent.pid))) == 2
        time.sleep(2)
        found, _ = watch.communicate()
        parent.stdin.close()

    assert 50_000_000 < int(found) < 200_000_000
