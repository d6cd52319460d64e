"""Schedules by the clock on the wall, held against `zoneinfo` minute by minute."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.adapters.calendar import (
    MINUTES_MAX,
    BadDuration,
    BadSchedule,
    Schedule,
    UnknownZone,
)

MINUTE = timedelta(minutes=1)
# Days on which a clock was or will be changed: by an hour, by half an hour, at midnight, by a day,
# for Ramadan, and in zones that never do.
CHANGES = [
    ("Europe/Berlin", date(2026, 3, 29)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("America/New_York", date(2026, 3, 8)),
    ("America/New_York", date(2026, 11, 1)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("America/Sao_Paulo", date(2018, 11, 4)),
    ("America/Sao_Paulo", date(2019, 2, 17)),
    ("Africa/Cairo", date(2026, 4, 24)),
    ("Africa/Casablanca", date(2026, 2, 15)),
    ("Africa/Casablanca", date(2026, 3, 22)),
    ("America/Havana", date(2026, 3, 8)),
    ("Pacific/Apia", date(2011, 12, 30)),
    ("Asia/Kolkata", date(2026, 6, 1)),
    ("UTC", date(2026, 6, 1)),
]


def matches(cron: str, wall: datetime) -> bool:
    """Whether a minute on the wall is one of a schedule of plain numbers, steps and stars."""
    minute, hour, day, month, weekday = cron.split()
    by_day = (field(day, wall.day, 1), field(weekday, wall.isoweekday() % 7, 0))
    starred = day.startswith("*") or weekday.startswith("*")
    return (
        field(minute, wall.minute, 0)
        and field(hour, wall.hour, 0)
        and field(month, wall.month, 1)
        and (all(by_day) if starred else any(by_day))
    )


def field(text: str, value: int, first: int) -> bool:
    if text == "*":
        return True
    if text.startswith("*/"):
        return (value - first) % int(text[2:]) == 0
    return any(
        int(low) <= value <= int(high or low)
        for low, _, high in (part.partition("-") for part in text.split(","))
    )


def shown(zone: ZoneInfo, since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield every minute with what the clock on the wall shows."""
    instant = since
    while instant < until:
        yield instant, instant.astimezone(zone).replace(tzinfo=None)
        instant += MINUTE


def expected(cron: str, zone: ZoneInfo, since: datetime, until: datetime) -> set[datetime]:
    """Return when windows begin, by looking at the clock in every minute."""
    found = set()
    last: datetime | None = None
    for instant, wall in shown(zone, since, until):
        jumped = last + MINUTE if last is not None else wall
        while jumped < wall:
            if matches(cron, jumped):
                found.add(instant)
            jumped += MINUTE
        if matches(cron, wall):
            found.add(instant)
        last = wall
    return found


crons = st.builds(
    "{} {} {} {} {}".format,
    st.sampled_from(["*", "0", "30", "*/20", "5,45", "10-12"]),
    st.sampled_from(["*", "0", "2", "1-3", "23", "*/6", "0,1,2"]),
    st.sampled_from(["*", "*", "4", "24-30"]),
    st.sampled_from(["*", "*", "3", "10-12"]),
    st.sampled_from(["*", "*", "0", "1-5", "6"]),
)


@settings(max_examples=30, deadline=None)
@given(
    change=st.sampled_from(CHANGES),
    cron=crons,
    minutes=st.sampled_from([1, 15, 59, 60, 61, 240, 1440]),
    offset=st.integers(-1_000, 1_000),
)
def test_every_minute_is_in_a_window_as_the_clock_on_the_wall_says(
    change: tuple[str, date], cron: str, minutes: int, offset: int
) -> None:
    zone, day = ZoneInfo(change[0]), change[1]
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    since = noon - timedelta(days=1) + offset * MINUTE
    until = since + timedelta(days=2)
    lasts = minutes * MINUTE
    # A day earlier, so that the clock is seen to jump.
    begins = expected(cron, zone, since - lasts - timedelta(days=1), until)
    wanted = {one + step * MINUTE for one in begins for step in range(minutes)}
    wanted = {instant for instant in wanted if since <= instant < until}

    found = set()
    for window in Schedule.parse(cron, minutes, change[0]).windows(since):
        assert window.start is not None
        assert window.end is not None
        if window.start >= until:
            break
        instant = max(window.start, since)
        while instant < min(window.end, until):
            found.add(instant)
            instant += MINUTE

    assert found == wanted


@given(
    change=st.sampled_from(CHANGES), cron=crons, minutes=st.integers(1, 3_000), start=st.integers()
)
@settings(max_examples=30, deadline=None)
def test_windows_come_in_order_and_none_overlaps_the_next(
    change: tuple[str, date], cron: str, minutes: int, start: int
) -> None:
    since = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=start % 40_000_000)
    coming = list(islice(Schedule.parse(cron, minutes, change[0]).windows(since), 4))

    spans = [
        (one.start, one.end) for one in coming if one.start is not None and one.end is not None
    ]
    assert len(spans) == len(coming)
    assert all(end > since for _, end in spans)
    assert all(end <= begins for (_, end), (begins, _) in pairwise(spans))


def walls(cron: str, minutes: int, zone: str, day: date) -> list[str]:
    """Return the windows that begin on a day of the zone, as its clock shows them."""
    there = ZoneInfo(zone)
    since = datetime(day.year, day.month, day.day, tzinfo=there).astimezone(UTC)
    after = day + timedelta(days=1)
    until = datetime(after.year, after.month, after.day, tzinfo=there).astimezone(UTC)
    windows = Schedule.parse(cron, minutes, zone).windows(since)
    coming = takewhile(lambda one: one.start is not None and one.start < until, windows)
    return [
        "-".join(f"{end.astimezone(there):%H:%M%z}" for end in (one.start, one.end) if end)
        for one in coming
    ]


@pytest.mark.parametrize(
    ("cron", "minutes", "zone", "day", "wanted"),
    [
        # The clock jumps from 02:00 to 03:00: the window begins at the jump, and lasts as long.
        ("30 2 * * *", 60, "Europe/Berlin", date(2026, 3, 29), ["03:00+0200-04:00+0200"]),
        # It shows 02:30 twice: one window covers both.
        ("30 2 * * *", 60, "Europe/Berlin", date(2026, 10, 25), ["02:30+0200-03:30+0100"]),
        ("30 2 * * *", 20, "Europe/Berlin", date(2026, 10, 25), 2),
        # Real minutes: a night that is an hour shorter ends an hour later by the clock.
        ("0 1 * * *", 120, "Europe/Berlin", date(2026, 3, 29), ["01:00+0100-04:00+0200"]),
        ("0 1 * * *", 120, "Europe/Berlin", date(2026, 10, 25), ["01:00+0200-02:00+0100"]),
        ("0 18 * * *", 60, "America/New_York", date(2026, 11, 1), ["18:00-0500-19:00-0500"]),
        # A jump at midnight, and a day that never was.
        ("0 0 * * *", 30, "Africa/Cairo", date(2026, 4, 24), ["01:00+0300-01:30+0300"]),
        ("0 12 30 12 *", 30, "Pacific/Apia", date(2011, 12, 31), ["00:00+1400-00:30+1400"]),
    ],
)
def test_a_change_of_the_clock_loses_no_window_and_shortens_none(
    cron: str, minutes: int, zone: str, day: date, wanted: list[str] | int
) -> None:
    found = walls(cron, minutes, zone, day)

    assert (len(found) if isinstance(wanted, int) else found) == wanted


def test_a_schedule_that_never_ends_is_cut_and_goes_on_where_it_was_cut() -> None:
    since = datetime(2026, 11, 20, tzinfo=UTC)
    coming = list(islice(Schedule.parse("* * * * *", 1, "UTC").windows(since), 3))

    assert coming[0].contains(since)
    assert all(one.end == other.start for one, other in pairwise(coming))


@pytest.mark.parametrize(
    "cron",
    ["", "* * * *", "0 * * * * *", "@daily", "61 * * * *", "0 0 31 2 *", "a b c d e", "0 0 * * 9"],
)
def test_what_is_no_schedule_is_refused(cron: str) -> None:
    with pytest.raises(BadSchedule):
        Schedule.parse(cron, 60, "UTC")
    assert Schedule.parse("0 18 * * FRI", 60, "UTC").cron == "0 18 * * FRI"


@pytest.mark.parametrize("zone", ["", "Europe", "Mars/Olympus", "../etc/passwd", "/etc/localtime"])
def test_what_is_no_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(UnknownZone):
        Schedule.parse("0 18 * * *", 60, zone)


@pytest.mark.parametrize("minutes", [0, -5, MINUTES_MAX + 1])
def test_a_window_lasts_a_minute_to_a_week(minutes: int) -> None:
    with pytest.raises(BadDuration):
        Schedule.parse("0 18 * * *", minutes, "UTC")
    assert Schedule.parse("0 18 * * *", MINUTES_MAX, "UTC").lasts == timedelta(days=7)
