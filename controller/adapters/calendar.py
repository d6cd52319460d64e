"""Schedules of people: cron expressions read by the clock on the wall of an IANA time zone.

A time that the clock jumps over in spring begins at the jump, and one that it shows twice in
autumn begins twice: no window is lost, and none is shorter than it says. Its minutes are real ones,
so over such a change it ends an hour later or earlier by the clock than on other days.

Nothing is decided here: schedules in, half-open windows of UTC instants out.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from controller.kernel.errors import Refused
from controller.kernel.instants import Window

MINUTES_MAX = 7 * 24 * 60
_FIELDS = 5
_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_MERGED_MAX = 200
"""How many beginnings make one window at most: a schedule may begin anew in every minute."""


class BadSchedule(Refused):
    """A schedule is no cron expression of five fields, or one that never comes."""

    code = "calendar.bad_schedule"

    def __init__(self, text: str, why: str) -> None:
        super().__init__(
            f"{text[:80]!r} is not a schedule: {why}",
            hint="minute, hour, day of month, month, day of week, as crontab has them: "
            "0 18 * * FRI",
        )


class UnknownZone(Refused):
    """A time zone is not known on this host."""

    code = "calendar.unknown_zone"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"there is no time zone {name[:80]!r} here",
            hint="name it as the IANA does: Europe/Berlin, America/New_York, UTC",
        )


class BadDuration(Refused):
    """A window is longer than a week, or has no length."""

    code = "calendar.bad_duration"

    def __init__(self, minutes: int) -> None:
        super().__init__(f"a window lasts 1 to {MINUTES_MAX:,} minutes, not {minutes:,}")


@dataclass(frozen=True, slots=True)
class Schedule:
    """Windows that come again. One that exists can be worked out; `parse` makes it."""

    cron: str
    minutes: int
    zone: ZoneInfo

    @classmethod
    def parse(cls, cron: str, minutes: int, zone: str) -> Self:
        """Read it; raise `BadSchedule`, `BadDuration` or `UnknownZone`."""
        if not 1 <= minutes <= MINUTES_MAX:
            raise BadDuration(minutes)
        try:
            found = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of zones
            raise UnknownZone(zone) from None
        words = cron.split()
        if len(words) != _FIELDS:
            raise BadSchedule(cron, f"it has {len(words)} fields, not {_FIELDS}")
        try:
            # A leap year is ahead: 29 February comes within the fifty years that are looked at.
            next(CronSim(cron, datetime(2000, 1, 1)))  # noqa: DTZ001  local times have no zone here
        except CronSimError as error:
            raise BadSchedule(cron, str(error)) from None
        except StopIteration:
            raise BadSchedule(cron, "such a day never comes") from None
        return cls(" ".join(words), minutes, found)

    @property
    def lasts(self) -> timedelta:
        """How long each window is."""
        return timedelta(minutes=self.minutes)

    def windows(self, since: datetime) -> Iterator[Window]:
        """Yield the windows that end after `since`, the earliest first, none touching the next.

        Only where one goes on for more than 200 beginnings it is cut, and the next one touches it.
        """
        start: datetime | None = None
        end = since
        merged = 0
        for begins in self._beginnings(since - self.lasts):
            if start is not None and begins + self.lasts <= end:
                continue  # a clock that jumps over a day begins all of that day's at once
            if start is not None and begins <= end and merged < _MERGED_MAX:
                end, merged = begins + self.lasts, merged + 1
                continue
            if start is not None:
                yield Window(start, end)
            # What was cut goes on exactly where it ended.
            start = begins if start is None else max(begins, end)
            end, merged = begins + self.lasts, 0
        if start is not None:
            yield Window(start, end)

    def _beginnings(self, after: datetime) -> Iterator[datetime]:
        """Yield the instants later than `after` at which a window begins, in order."""
        # No zone was ever put back or forward by more than a day.
        local = (after - _DAY).astimezone(self.zone).replace(tzinfo=None, microsecond=0)
        again: list[datetime] = []
        for wall in CronSim(self.cron, local):
            first = self._first(wall)
            while again and again[0] <= first:
                yield heapq.heappop(again)
            if first > after:
                yield first
            second = wall.replace(tzinfo=self.zone, fold=1).astimezone(UTC)
            if second > max(first, after):
                heapq.heappush(again, second)
        yield from sorted(again)

    def _first(self, wall: datetime) -> datetime:
        """Return when the clock shows a time, or jumps over it."""
        instant = wall.replace(tzinfo=self.zone).astimezone(UTC)
        if instant.astimezone(self.zone).replace(tzinfo=None) == wall:
            return instant
        before, jumped = wall.replace(tzinfo=self.zone, fold=1).astimezone(UTC), instant
        new = jumped.astimezone(self.zone).utcoffset()
        while jumped - before > _SECOND:
            between = before + (jumped - before) // 2
            between = between.replace(microsecond=0)
            if between.astimezone(self.zone).utcoffset() == new:
                jumped = between
            else:
                before = between
        return jumped
