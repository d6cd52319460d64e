"""The most memory that a process and its children held together, seen from beside them.

`python -m benchmarks.memory PID` looks until its input ends, then prints bytes. What processes
share is counted once (Linux's proportional set size), and what runs this module is not counted.
"""

import os
import select
import sys
from collections.abc import Iterator
from pathlib import Path

_PAUSE_SECONDS = 0.1


def main(pid: str) -> None:
    """Look again and again until whoever started this closes our input."""
    peak = 0
    while not select.select([sys.stdin], [], [], _PAUSE_SECONDS)[0]:
        peak = max(peak, sum(map(_bytes_of, family(int(pid)))))
    print(peak)


def family(pid: int) -> Iterator[int]:
    """Yield a process and all that came of it, but for this very one."""
    yield pid
    try:
        children = [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text(encoding="ascii").split()
        ]
    except OSError:
        return
    for child in children:
        if child != os.getpid():
            yield from family(child)


def _bytes_of(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))


if __name__ == "__main__":
    main(*sys.argv[1:])
