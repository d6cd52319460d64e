"""UTC instants and half-open windows `[start, end)`; time is an argument everywhere below adapters.

Wire form: RFC 3339 in UTC with `Z` and whole seconds, years 2000 to 2199. `None` is an open end.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, Self

from controller.kernel.errors import Refused

_INSTANT = re.compile(r"(2[01]\d\d)-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)Z", re.ASCII)
_DAY = re.compile(r"(2[01]\d\d)-(\d\d)-(\d\d)", re.ASCII)
_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)


class NotAnInstant(Refused):
    """A text is not an RFC 3339 instant in UTC with whole seconds."""

    code = "instant.malformed"


class EmptyWindow(Refused):
    """A window ends before or when it starts."""

    code = "instant.empty_window"


class Clock(Protocol):
    """Where the time comes from; a pass asks once."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        ...


def parse_instant(text: str) -> datetime:
    """Read `2026-12-01T00:00:00Z`; refuse offsets, fractions and years outside 2000 to 2199."""
    match = _INSTANT.fullmatch(text)
    if match is not None:
        try:
            year, month, day, hour, minute, second = (int(part) for part in match.groups())
            return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        except ValueError:
            pass
    raise NotAnInstant(
        f"{text[:40]!r} is not an instant", hint="write it as 2026-12-01T00:00:00Z (UTC)"
    )


def parse_when(text: str) -> datetime:
    """Read what a person types: an instant, or a day, which means its first moment in UTC."""
    if _DAY.fullmatch(text):
        text += "T00:00:00Z"
    return parse_instant(text)


def format_instant(instant: datetime) -> str:
    """Return the wire form; fractions of a second are cut off."""
    if instant.tzinfo is None:
        raise ValueError("an instant must be aware")
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Window:
    """The instants from `start` on and before `end`; `None` leaves a side open."""

    start: datetime | None = None
    end: datetime | None = None

    def __post_init__(self) -> None:
        """A window that exists holds at least one instant."""
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise EmptyWindow(
                f"the window ends at {format_instant(self.end)}, "
                f"not after its start {format_instant(self.start)}",
                hint="effective_to is exclusive and must be later than effective_from",
            )

    @classmethod
    def parse(cls, start: str | None, end: str | None) -> Self:
        """Read two wire instants; `None` and the empty text both leave a side open."""
        return cls(
            parse_instant(start) if start else None,
            parse_instant(end) if end else None,
        )

    def contains(self, instant: datetime) -> bool:
        """Whether `instant` is in: the start is, the end is not."""
        return (self.start is None or self.start <= instant) and (
            self.end is None or instant < self.end
        )

    def overlaps(self, other: "Window") -> bool:
        """Whether some instant is in both."""
        return self.intersect(other) is not None

    def intersect(self, other: "Window") -> "Window | None":
        """Return the instants in both, or `None` when there are none."""
        starts = [start for start in (self.start, other.start) if start is not None]
        ends = [end for end in (self.end, other.end) if end is not None]
        start, end = max(starts, default=None), min(ends, default=None)
        if start is not None and end is not None and start >= end:
            return None
        return Window(start, end)

    @property
    def order(self) -> tuple[bool, datetime, bool, datetime]:
        """Sort by start, then end; open starts come first, open ends last."""
        return (self.start is not None, self.start or _FIRST, self.end is None, self.end or _LAST)


def union(windows: Iterable[Window]) -> tuple[Window, ...]:
    """Return the same instants as disjoint windows in order; windows that touch become one."""
    merged: list[Window] = []
    for window in sorted(windows, key=lambda one: one.order):
        last = merged[-1] if merged else None
        if last is None or (
            last.end is not None and window.start is not None and last.end < window.start
        ):
            merged.append(window)
        elif last.end is not None:
            end = None if window.end is None else max(last.end, window.end)
            merged[-1] = Window(last.start, end)
    return tuple(merged)
