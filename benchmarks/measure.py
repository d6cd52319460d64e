"""Wall time, processor time of us, our children and the server, and medians."""

import os
import resource
import statistics
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """What a piece of work took, in seconds: on the clock, on processors here, in the server."""

    wall: float
    cpu: float
    server_cpu: float = 0.0


class Meter:
    """Filled in when the measured block ends."""

    cost: Cost


def median(costs: Iterable[Cost]) -> Cost:
    """Return the median of each part."""
    some = list(costs)
    return Cost(
        statistics.median(one.wall for one in some),
        statistics.median(one.cpu for one in some),
        statistics.fmean(one.server_cpu for one in some),
    )


@contextmanager
def measured(server: int | None = None) -> Iterator[Meter]:
    """Measure a block; `server` is the process id of a PostgreSQL to watch.

    The server's time has the kernel's resolution of a hundredth of a second: sum it over many runs.
    """
    meter = Meter()
    watched, own, start = server_cpu(server), _own_cpu(), time.perf_counter()
    yield meter
    wall, cpu = time.perf_counter() - start, _own_cpu() - own
    meter.cost = Cost(wall, cpu, server_cpu(server) - watched)


def _own_cpu() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def server_cpu(postmaster: int | None) -> float:
    """Return the processor seconds of a server: its processes, and those that have ended."""
    if postmaster is None:
        return 0.0
    ticks = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            text = (entry / "stat").read_text(encoding="ascii", errors="replace")
        except OSError:
            continue
        fields = text.rpartition(")")[2].split()
        if int(entry.name) == postmaster:
            ticks += sum(int(field) for field in fields[11:15])
        elif int(fields[1]) == postmaster:
            ticks += sum(int(field) for field in fields[11:13])
    return ticks / _TICKS
