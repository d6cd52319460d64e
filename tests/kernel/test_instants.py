"""Instants and windows."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest

from controller.kernel.instants import (
    EmptyWindow,
    NotAnInstant,
    Window,
    format_instant,
    parse_instant,
    parse_when,
    union,
)

NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)


def day(number: int) -> datetime:
    return NEW_YEAR + timedelta(days=number)


def test_an_instant_goes_there_and_back() -> None:
    assert parse_instant("2027-01-01T00:00:00Z") == NEW_YEAR
    assert format_instant(NEW_YEAR) == "2027-01-01T00:00:00Z"
    assert format_instant(NEW_YEAR.astimezone(timezone(timedelta(hours=5)))) == (
        "2027-01-01T00:00:00Z"
    )


@pytest.mark.parametrize(
    "text",
    [
        "2027-01-01T00:00:00",
        "2027-01-01T00:00:00+00:00",
        "2027-01-01T00:00:00.5Z",
        "2027-1-1T00:00:00Z",
        "2027-02-30T00:00:00Z",
        "2027-01-01T24:00:00Z",
        "1999-12-31T23:59:59Z",
        "2200-01-01T00:00:00Z",
        "2027-01-01",
        "２027-01-01T00:00:00Z",
        "",
    ],
)
def test_any_other_way_to_write_an_instant_is_refused(text: str) -> None:
    with pytest.raises(NotAnInstant):
        parse_instant(text)


def test_people_may_name_a_day() -> None:
    assert parse_when("2027-01-01") == NEW_YEAR
    assert parse_when("2027-01-01T00:00:00Z") == NEW_YEAR


def test_a_naive_datetime_is_a_mistake_in_the_program() -> None:
    with pytest.raises(ValueError, match="aware"):
        format_instant(datetime(2027, 1, 1))  # noqa: DTZ001 - that is the mistake


def test_a_window_holds_its_start_and_not_its_end() -> None:
    window = Window(day(1), day(2))

    assert window.contains(day(1))
    assert not window.contains(day(2))
    assert not window.contains(day(1) - timedelta(seconds=1))


def test_an_empty_window_does_not_exist() -> None:
    with pytest.raises(EmptyWindow):
        Window(day(1), day(1))
    assert Window(day(1), day(1) + timedelta(seconds=1)).contains(day(1))


def test_windows_that_touch_do_not_overlap() -> None:
    assert not Window(day(1), day(2)).overlaps(Window(day(2), day(3)))
    assert Window(day(1), day(2)).overlaps(Window(day(1) + timedelta(hours=1), None))


def test_an_open_side_reaches_everything() -> None:
    assert Window().intersect(Window(day(1), day(2))) == Window(day(1), day(2))
    assert Window(None, day(2)).intersect(Window(day(1), None)) == Window(day(1), day(2))
    assert Window(None, day(1)).intersect(Window(day(1), None)) is None


def test_a_union_merges_what_touches_and_keeps_gaps() -> None:
    windows = [Window(day(5), None), Window(day(1), day(2)), Window(day(2), day(3))]

    assert union(windows) == (Window(day(1), day(3)), Window(day(5), None))
    assert union([Window(None, day(1)), Window(day(1), None)]) == (Window(),)
    assert union([]) == ()


@pytest.fixture
def in_tokyo() -> Iterator[None]:
    """Let the process stand nine hours ahead of UTC."""
    environment = os.environ  # noqa: TID251  the zone of a process is set there alone
    before = environment.get("TZ")
    environment["TZ"] = "Asia/Tokyo"
    time.tzset()
    yield
    del environment["TZ"]
    if before is not None:
        environment["TZ"] = before
    time.tzset()


@pytest.mark.usefixtures("in_tokyo")
def test_an_instant_is_written_in_utc_wherever_the_machine_stands() -> None:
    assert time.localtime(0).tm_hour == 9
    text = "2026-12-01T00:00:00Z"

    assert format_instant(parse_instant(text)) == text
    assert format_instant(parse_instant(text).astimezone()) == text
