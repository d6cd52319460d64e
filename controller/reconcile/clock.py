"""The clock guard: no pass judges a date by a clock that others contradict.

Witnesses are what this controller saw before, which no record of its journal is later than, the
database's clock, and the heartbeat, which another machine signed. Each stands for itself: whoever
is asked may be the one that is wrong, and the error names it. A heartbeat in the future, signed by
a stolen key, stops passes like any bad commit would, until a commit takes it away.

It is `Unavailable`: nothing in the repository is at fault, and the same pass succeeds as soon as
the clocks agree. What is applied is served meanwhile.
"""

from datetime import datetime

from controller.kernel.errors import Unavailable
from controller.kernel.instants import format_instant
from controller.trust.history import CLOCK_TOLERANCE, ClockBehind


class ClockAhead(Unavailable):
    """This host's clock is ahead of the database's: no date is judged by it."""

    code = "trust.clock_ahead"

    def __init__(self, now: datetime, database: datetime) -> None:
        super().__init__(
            f"the clock says {format_instant(now)}, the database's {format_instant(database)}",
            hint="set both hosts' clocks by NTP: timedatectl set-ntp true",
        )
        self.now, self.database = now, database


def check_clock(
    now: datetime,
    *,
    seen: datetime | None = None,
    heartbeat: datetime | None = None,
    database: datetime | None = None,
) -> None:
    """Raise `ClockBehind` or `ClockAhead` where `now` is more than 300 seconds off.

    `seen` is the latest instant that a pass was made at, `heartbeat` the one of a heartbeat that is
    believed: both may be any time ago, and neither may be yet to come. `database` is its clock,
    asked at the same moment.
    """
    named = (("a pass", seen), ("the heartbeat", heartbeat), ("the database's clock", database))
    for witness, instant in named:
        if instant is not None and now < instant - CLOCK_TOLERANCE:
            raise ClockBehind(now, instant, witness=witness)
    if database is not None and now > database + CLOCK_TOLERANCE:
        raise ClockAhead(now, database)
