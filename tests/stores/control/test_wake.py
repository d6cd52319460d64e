"""Requests to look again are one however many there are, and none is lost."""

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.adapters.postgres import Connection, connect
from controller.stores.control import wake
from tests.support.control import NOON


def ask(database: Connection[Any], reason: str = "webhook") -> wake.Wake:
    made = wake.request(database, "production", reason=reason, now=NOON)
    database.commit()
    return made


def test_nobody_has_asked_for_a_look(database: Connection[Any]) -> None:
    assert not wake.read(database, "production").is_due


def test_a_request_is_due_until_a_look_that_began_after_it_is_over(
    database: Connection[Any],
) -> None:
    ask(database)
    began = wake.read(database, "production")
    assert began.is_due

    wake.handled(database, began)

    assert not wake.read(database, "production").is_due


def test_what_is_asked_in_the_middle_of_a_look_is_due_after_it(database: Connection[Any]) -> None:
    ask(database)
    began = wake.read(database, "production")
    ask(database, "manual")

    wake.handled(database, began)

    left = wake.read(database, "production")
    assert (left.is_due, left.reason) == (True, "manual")


def test_an_older_look_that_ends_late_takes_nothing_back(database: Connection[Any]) -> None:
    ask(database)
    slow = wake.read(database, "production")
    ask(database)
    wake.handled(database, wake.read(database, "production"))

    wake.handled(database, slow)

    assert wake.read(database, "production").handled == 2


def test_whoever_listens_is_told(database: Connection[Any], database_url: str) -> None:
    listener = connect(database_url, application_name="tests", autocommit=True)
    listener.execute(f"LISTEN {wake.CHANNEL}".encode())

    ask(database)

    told = [notice.payload for notice in listener.notifies(timeout=5, stop_after=1)]
    listener.close()
    assert told == ["production"]


def test_a_long_reason_is_cut(database: Connection[Any]) -> None:
    assert len(ask(database, "x" * 5_000).reason) == wake.REASON_LENGTH_MAX


@settings(max_examples=30)
@given(st.lists(st.sampled_from(["ask", "begin", "end"]), max_size=20))
def test_no_request_is_lost_whatever_the_order(steps: list[str]) -> None:
    """The law of the counter, on values alone: what was asked after a look began is still due."""
    requested = handled = began = 0
    unseen = False
    for step in steps:
        if step == "ask":
            requested, unseen = requested + 1, True
        elif step == "begin":
            began, unseen = requested, False
        else:
            handled = max(handled, began)
        one = wake.Wake("production", requested, handled, NOON + timedelta(0), "")
        assert not unseen or one.is_due
