"""One list of events: names that are told apart, and a page that is never behind."""

import re

import pytest

from controller.kernel.events import Event
from tests.support.events_page import PAGE, events_page


def test_the_page_is_written_from_the_list() -> None:
    assert PAGE.read_text() == events_page(Event), "python -m tests.support.events_page"


def test_a_name_is_of_one_event_alone() -> None:
    names = [str(one) for one in Event]

    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-z]+\.[a-z]+(_[a-z]+)*", name)] == []


@pytest.mark.parametrize("event", Event)
def test_an_event_is_found_by_its_name_and_says_one_sentence(event: Event) -> None:
    assert Event.named(str(event)) is event
    assert event.sentence[0].isupper()
    assert re.search(r"[.?]$", event.sentence)


def test_a_name_that_nobody_gave_is_of_no_event() -> None:
    with pytest.raises(KeyError):
        Event.named("controller.nothing")
