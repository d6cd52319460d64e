"""Holds of people: one of a kind, over to the second, told with what places them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from controller.adapters.postgres import Connection, DatabaseBusy, connect, transaction
from controller.kernel.errors import ControllerError
from controller.stores.control import events, holds, wake
from controller.stores.control.holds import (
    EXPIRY,
    AlreadyHeld,
    BadHold,
    Hold,
    HoldKind,
    NotHeld,
    Wanted,
)
from controller.stores.control.refusals import HeldMeanwhile, HistoryFixed
from tests.support.control import MINUTE, NOON

HERE = "production"
SECOND = timedelta(seconds=1)


def suspension(**changes: Any) -> Wanted:
    facts = {"kind": HoldKind.SUSPEND, "actor": "ann", "reason": "maintenance", "placed_at": NOON}
    return Wanted(**{**facts, **changes})


@pytest.fixture
def open_database(database_url: str) -> Iterator[Connection[Any]]:
    """Return a connection that commits by itself."""
    with connect(database_url, application_name="tests", autocommit=True) as connection:
        yield connection


def told(connection: Connection[Any]) -> list[tuple[str, str]]:
    return [(one.name, one.actor) for one in events.since(connection, HERE)]


def test_a_hold_is_in_force_until_it_is_lifted(open_database: Connection[Any]) -> None:
    placed = holds.place(open_database, HERE, suspension())
    assert holds.active(open_database, HERE, NOON + 9_999 * MINUTE) == (placed,)

    lifted = holds.lift(
        open_database, HERE, HoldKind.SUSPEND, by="bob", reason="done", now=NOON + MINUTE
    )

    assert holds.active(open_database, HERE, NOON + MINUTE) == ()
    assert (lifted.lifted_at, lifted.lifted_by, lifted.lifted_reason) == (
        NOON + MINUTE,
        "bob",
        "done",
    )
    assert holds.history(open_database, HERE) == (lifted,)
    assert told(open_database) == [("hold.placed", "ann"), ("hold.lifted", "bob")]


def test_a_hold_ends_at_the_second_at_which_it_expires(open_database: Connection[Any]) -> None:
    holds.place(open_database, HERE, suspension(expires_at=NOON + MINUTE))

    assert holds.active(open_database, HERE, NOON + MINUTE - SECOND)
    assert holds.active(open_database, HERE, NOON + MINUTE - timedelta(microseconds=1))
    assert holds.active(open_database, HERE, NOON + MINUTE) == ()
    with pytest.raises(NotHeld):
        holds.lift(open_database, HERE, HoldKind.SUSPEND, by="bob", reason="", now=NOON + MINUTE)


def test_what_is_over_is_written_down_once(open_database: Connection[Any]) -> None:
    holds.place(open_database, HERE, suspension(expires_at=NOON + MINUTE))
    assert holds.end_expired(open_database, HERE, NOON + MINUTE - SECOND) == ()

    (ended,) = holds.end_expired(open_database, HERE, NOON + 5 * MINUTE)

    assert (ended.lifted_at, ended.lifted_by) == (NOON + MINUTE, EXPIRY)
    assert holds.end_expired(open_database, HERE, NOON + 5 * MINUTE) == ()
    assert told(open_database) == [("hold.placed", "ann"), ("hold.lifted", EXPIRY)]


def test_a_second_hold_of_a_kind_is_refused_with_who_holds(open_database: Connection[Any]) -> None:
    holds.place(open_database, HERE, suspension())

    with pytest.raises(AlreadyHeld, match="suspend by ann: maintenance"):
        holds.place(open_database, HERE, suspension(actor="bob"))

    assert told(open_database) == [("hold.placed", "ann")]
    holds.place(open_database, HERE, suspension(kind=HoldKind.FREEZE, actor="bob"))
    holds.place(open_database, "elsewhere", suspension(actor="bob"))


def test_one_that_is_over_gives_way_to_the_next(open_database: Connection[Any]) -> None:
    holds.place(open_database, HERE, suspension(expires_at=NOON + MINUTE))

    placed = holds.place(open_database, HERE, suspension(actor="bob", placed_at=NOON + MINUTE))

    assert holds.active(open_database, HERE, NOON + MINUTE) == (placed,)
    assert [one.lifted_by for one in holds.history(open_database, HERE)] == ["", EXPIRY]


def test_of_two_operators_at_once_one_holds_and_the_other_is_told_who(database_url: str) -> None:
    def attempt(name: str) -> str:
        with connect(database_url, application_name=name, autocommit=True) as connection:
            try:
                return holds.place(connection, HERE, suspension(actor=name)).actor
            except AlreadyHeld as error:
                return str(error)

    names = [f"operator-{number}" for number in range(8)]
    with ThreadPoolExecutor(len(names)) as pool:
        said = list(pool.map(attempt, names))

    (winner,) = [one for one in said if one in names]
    assert [one for one in said if one not in names] == [
        f"it is held already, suspend by {winner}: maintenance"
    ] * (len(names) - 1)


def test_a_hold_that_is_rolled_back_is_not_told(open_database: Connection[Any]) -> None:
    with transaction(open_database), open_database.transaction(force_rollback=True):
        holds.place(open_database, HERE, suspension())

    assert told(open_database) == []
    assert not wake.read(open_database, HERE).is_due


def test_whoever_holds_or_lifts_asks_the_controller_to_look(
    open_database: Connection[Any],
) -> None:
    holds.place(open_database, HERE, suspension())
    asked = wake.read(open_database, HERE)
    holds.lift(open_database, HERE, HoldKind.SUSPEND, by="bob", reason="", now=NOON)

    assert wake.read(open_database, HERE).requested == asked.requested + 1 == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"actor": ""},
        {"actor": " "},
        {"reason": ""},
        {"reason": "two\nlines"},
        {"reason": "x" * 501},
        {"expires_at": NOON},
        {"expires_at": NOON - MINUTE},
    ],
    ids=str,
)
def test_a_hold_says_who_and_why_and_ends_in_the_future(changes: dict[str, Any]) -> None:
    with pytest.raises(BadHold):
        suspension(**changes)
    assert suspension(expires_at=NOON + SECOND)


def test_nothing_is_lifted_where_nothing_holds(open_database: Connection[Any]) -> None:
    holds.place(open_database, HERE, suspension())

    with pytest.raises(NotHeld):
        holds.lift(open_database, HERE, HoldKind.FREEZE, by="bob", reason="", now=NOON)


def test_the_record_of_holds_loses_no_row(open_database: Connection[Any]) -> None:
    holds.place(open_database, HERE, suspension())

    with pytest.raises(HistoryFixed), transaction(open_database):
        open_database.execute("DELETE FROM controller.hold")


@pytest.mark.parametrize(
    ("placed", "is_refused"),
    [
        ([], False),
        ([HoldKind.SUSPEND], True),
        ([HoldKind.FREEZE], True),
        ([HoldKind.OVERRIDE], False),
        ([HoldKind.SUSPEND, HoldKind.OVERRIDE], False),
        ([HoldKind.FREEZE, HoldKind.OVERRIDE], True),
        ([HoldKind.FREEZE, HoldKind.SUSPEND, HoldKind.OVERRIDE], True),
    ],
    ids=str,
)
def test_the_database_refuses_what_a_hold_keeps_out(
    placed: list[HoldKind], is_refused: bool, open_database: Connection[Any]
) -> None:
    for kind in placed:
        holds.place(open_database, HERE, suspension(kind=kind, expires_at=NOON + MINUTE))

    def refused(now_minutes: int) -> bool:
        try:
            with transaction(open_database):
                holds.refuse(open_database, HERE, NOON + now_minutes * MINUTE)
        except HeldMeanwhile:
            return True
        return False

    assert refused(0) is is_refused
    assert not refused(1)


def test_whoever_waits_for_what_is_being_let_in_leaves_when_it_is_over(database_url: str) -> None:
    with (
        connect(database_url, application_name="pass", autocommit=True) as letting,
        connect(database_url, application_name="operator", autocommit=True) as operator,
        ThreadPoolExecutor(1) as pool,
    ):
        with transaction(letting):
            holds.refuse(letting, HERE, NOON)
            holds.place(operator, HERE, suspension())  # it is written at once
            waiting = pool.submit(holds.wait_for_applies, operator, HERE)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.3)
        waiting.result(timeout=30)
        with pytest.raises(HeldMeanwhile), transaction(letting):
            holds.refuse(letting, HERE, NOON)


def test_what_takes_too_long_to_let_in_is_said(database_url: str) -> None:
    with (
        connect(database_url, application_name="pass", autocommit=True) as letting,
        connect(database_url, application_name="operator", autocommit=True) as operator,
        transaction(letting),
    ):
        holds.refuse(letting, HERE, NOON)
        operator.execute("SET lock_timeout = '200ms'")
        with pytest.raises(DatabaseBusy):
            holds.wait_for_applies(operator, HERE)


def test_a_hold_reads_as_one_line(open_database: Connection[Any]) -> None:
    placed: Hold = holds.place(open_database, HERE, suspension(expires_at=NOON + MINUTE))

    assert str(placed) == "suspend by ann until 2026-11-20T12:01:00Z: maintenance"
    assert issubclass(AlreadyHeld, ControllerError)
