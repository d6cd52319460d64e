"""Windows that deny and allow: an instant is open or closed, and what is denied stays so."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.adapters.calendar import Schedule
from controller.reconcile.windows import OUTSIDE, ChangeWindow, WindowKind, Windows, opening

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)  # a Friday
MINUTE = timedelta(minutes=1)


def allow(cron: str, minutes: int, zone: str = "UTC") -> ChangeWindow:
    return ChangeWindow(WindowKind.ALLOW, Schedule.parse(cron, minutes, zone), "working hours")


def deny(cron: str, minutes: int, zone: str = "UTC") -> ChangeWindow:
    return ChangeWindow(WindowKind.DENY, Schedule.parse(cron, minutes, zone), "cut-off")


def covers(one: ChangeWindow, instant: datetime) -> bool:
    """Whether a window holds at an instant, worked out from its own past alone."""
    return any(
        window.contains(instant)
        for window, _ in zip(one.schedule.windows(instant), "x", strict=False)
    )


def test_without_windows_everything_is_open() -> None:
    assert Windows().at(NOON).is_open
    assert opening((), NOON).until is None


def test_outside_of_the_only_window_that_allows_it_is_closed_until_that_begins() -> None:
    windows = (allow("0 9 * * MON-FRI", 120),)

    found = opening(windows, NOON)

    assert (found.is_open, found.reason) == (False, OUTSIDE)
    assert found.until == datetime(2026, 11, 23, 9, tzinfo=UTC)
    opened = opening(windows, datetime(2026, 11, 23, 9, tzinfo=UTC))
    assert (opened.is_open, opened.until) == (True, datetime(2026, 11, 23, 11, tzinfo=UTC))


def test_a_window_is_half_open_to_the_second() -> None:
    windows = Windows((deny("0 12 * * *", 60),))

    assert windows.at(NOON - timedelta(microseconds=1)).is_open
    assert not windows.at(NOON).is_open
    assert not windows.at(NOON + timedelta(hours=1, microseconds=-1)).is_open
    assert windows.at(NOON + timedelta(hours=1)).is_open


def test_what_is_denied_stays_denied_inside_a_window_that_allows() -> None:
    windows = (allow("0 9 * * *", 480), deny("0 12 * * *", 60))

    found = opening(windows, NOON)

    assert (found.is_open, found.reason) == (False, "cut-off")
    assert found.until == NOON + timedelta(hours=1)


def test_a_change_that_changes_nothing_is_not_the_next_one() -> None:
    # It is denied at the instant at which the allowed hours end: nothing opens in between.
    windows = (allow("0 9 * * *", 240), deny("0 12 * * *", 120))

    assert opening(windows, NOON).until == datetime(2026, 11, 21, 9, tzinfo=UTC)


def test_what_never_opens_has_no_end_in_sight() -> None:
    assert opening((deny("* * * * *", 1),), NOON).until is None
    assert opening((allow("0 9 * * *", 60), deny("0 0 * * *", 1440)), NOON).until is None


def test_a_clock_that_is_put_back_is_asked_anew() -> None:
    windows = Windows((deny("0 12 * * *", 60),))
    assert not windows.at(NOON).is_open

    assert windows.at(NOON - timedelta(hours=2)).is_open
    assert not windows.at(NOON).is_open


crons = st.sampled_from(
    ["0 9 * * *", "30 2 * * *", "*/30 * * * *", "0 22 * * FRI", "15 1-3 * * *", "0 0 25 10 *"]
)
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
change_windows = st.builds(
    lambda kind, cron, minutes, zone: ChangeWindow(
        kind, Schedule.parse(cron, minutes, zone), "why"
    ),
    st.sampled_from(WindowKind),
    crons,
    st.sampled_from([1, 29, 60, 150, 1_500]),
    zones,
)
instants = st.integers(0, 7 * 24 * 60).map(
    lambda minutes: datetime(2026, 10, 22, tzinfo=UTC) + minutes * MINUTE
)


@given(st.lists(change_windows, max_size=4), instants)
@settings(deadline=None, max_examples=40)
def test_deny_wins_and_no_instant_is_both(windows: list[ChangeWindow], instant: datetime) -> None:
    denied = any(covers(one, instant) for one in windows if one.kind is WindowKind.DENY)
    allows = [one for one in windows if one.kind is WindowKind.ALLOW]
    allowed = not allows or any(covers(one, instant) for one in allows)

    found = opening(windows, instant)

    assert found.is_open == (allowed and not denied)
    assert bool(found.reason) != found.is_open


@given(st.lists(change_windows, min_size=1, max_size=4), instants)
@settings(deadline=None, max_examples=20)
def test_nothing_changes_before_the_change_that_is_announced(
    windows: list[ChangeWindow], instant: datetime
) -> None:
    found = opening(windows, instant)
    until = found.until or instant + timedelta(days=3)
    steps = [instant + MINUTE * step for step in range(0, 3 * 24 * 60, 311)]

    for one in steps:
        if one < until:
            assert opening(windows, one).is_open == found.is_open
    if found.until is not None:
        assert opening(windows, found.until).is_open != found.is_open
        assert opening(windows, found.until - MINUTE).is_open == found.is_open


@given(st.lists(change_windows, max_size=4), st.lists(instants, min_size=2, max_size=6))
@settings(deadline=None, max_examples=40)
def test_what_is_kept_says_what_is_worked_out_anew(
    windows: list[ChangeWindow], asked: list[datetime]
) -> None:
    kept = Windows(tuple(windows))

    assert [kept.at(one) for one in asked] == [opening(windows, one) for one in asked]


@pytest.mark.parametrize("minutes", [1, 59])
def test_a_yearly_window_is_in_sight(minutes: int) -> None:
    windows = (deny("0 0 19 11 *", minutes),)

    found = opening(windows, NOON)

    assert (found.is_open, found.until) == (True, datetime(2027, 11, 19, tzinfo=UTC))
