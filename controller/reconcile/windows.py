"""When new revisions may come in: windows that deny, and windows that allow.

What is denied is denied, whatever is allowed. Where any window allows, everything outside of those
is closed; without one, everything that is not denied is open. An instant is open or closed, never
both. Pure: windows and an instant in, the answer and when it changes out.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from controller.adapters.calendar import Schedule
from controller.kernel.instants import Window

AHEAD = timedelta(days=400)
"""How far ahead a change is looked for: yearly windows are within it."""

_BOUNDARIES_MAX = 100
"""How many of them are looked at: what has not changed by then stays so for long."""
OUTSIDE = "outside of every window that allows changes"


class WindowKind(StrEnum):
    """What a window says of the instants in it."""

    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class ChangeWindow:
    """A window of the settings, which comes again and again."""

    kind: WindowKind
    schedule: Schedule
    reason: str


@dataclass(frozen=True, slots=True)
class Opening:
    """Whether changes may come in at an instant, why not, and until when that stays so.

    `until` is `None` where no change is in sight.
    """

    is_open: bool
    reason: str = ""
    until: datetime | None = None


@dataclass(slots=True)
class _Course:
    """One window's way through time, forward only."""

    window: ChangeWindow
    now: datetime
    _coming: Iterator[Window] = field(init=False)
    _next: Window | None = field(init=False)

    def __post_init__(self) -> None:
        self._coming = self.window.schedule.windows(self.now)
        self._next = next(self._coming, None)

    def holds(self, instant: datetime) -> bool:
        """Whether it is in force; `instant` may not go back."""
        while self._next is not None and self._next.end is not None and self._next.end <= instant:
            self._next = next(self._coming, None)
        return self._next is not None and self._next.contains(instant)

    def changes(self, instant: datetime) -> datetime | None:
        """Return when it begins or ends next."""
        if self._next is None:
            return None
        return self._next.end if self.holds(instant) else self._next.start


def opening(windows: Iterable[ChangeWindow], now: datetime) -> Opening:
    """Return whether changes may come in now, and when that changes."""
    courses = [_Course(one, now) for one in windows]
    reason = _closed(courses, now)
    return Opening(reason is None, reason or "", _change(courses, now, is_open=reason is None))


def next_change(window: ChangeWindow, now: datetime) -> tuple[bool, datetime | None]:
    """Return whether one window is in force now, and when it ends or begins next."""
    course = _Course(window, now)
    return course.holds(now), course.changes(now)


def _change(courses: list[_Course], now: datetime, *, is_open: bool) -> datetime | None:
    """Return the first boundary after which the answer is another one."""
    at = now
    for _ in range(_BOUNDARIES_MAX):
        ahead = [one for course in courses if (one := course.changes(at)) is not None]
        at = min(ahead, default=at)
        if not ahead or at > now + AHEAD:
            return None
        if (_closed(courses, at) is None) is not is_open:
            return at
    return None


def _closed(courses: list[_Course], instant: datetime) -> str | None:
    """Return why it is closed, or `None`."""
    allowing = [one for one in courses if one.window.kind is WindowKind.ALLOW]
    for course in courses:
        if course.window.kind is WindowKind.DENY and course.holds(instant):
            return course.window.reason
    if allowing and not any(one.holds(instant) for one in allowing):
        return OUTSIDE
    return None


@dataclass(slots=True)
class Windows:
    """The windows of one host. What was worked out is kept until one begins or ends."""

    windows: tuple[ChangeWindow, ...] = ()
    _found: Opening | None = field(default=None, init=False)
    _kept: Window = field(default=Window(), init=False)

    def at(self, now: datetime) -> Opening:
        """Return whether changes may come in now."""
        if not self.windows:
            return Opening(is_open=True)
        # The start is asked as well: a clock may be put back.
        if self._found is None or not self._kept.contains(now):
            ahead = [one for _, one in (next_change(each, now) for each in self.windows) if one]
            self._found = opening(self.windows, now)
            self._kept = Window(now, min(ahead, default=now + AHEAD))
        return self._found
