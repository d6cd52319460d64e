"""Run one command and write down what it cost: a program of the standard library alone.

    python -I -S meter.py REPORT COMMAND …

The kernel counts what a process held before it became another program as part of that one's peak.
So the process that starts the command has to be a small one, which a test process is not.
"""

import json
import os
import resource
import sys
from pathlib import Path

CPU_SECONDS_MAX = 60
ADDRESS_SPACE_MAX_BYTES = 6 << 30
"""Where a command that has lost all measure is stopped, for the sake of the machine."""


def main(report: str, *command: str) -> int:
    """Return the command's exit code; its CPU seconds and peak memory go to a JSON file."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS_MAX, CPU_SECONDS_MAX))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_MAX_BYTES, ADDRESS_SPACE_MAX_BYTES))
    child = os.posix_spawn(command[0], command, os.environ)  # noqa: TID251  handed on as it is
    # Of one process and of those it has waited for in turn: `git` children count.
    _, status, usage = os.wait4(child, 0)
    facts = {
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_bytes": usage.ru_maxrss * 1024,
    }
    Path(report).write_text(json.dumps(facts))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
