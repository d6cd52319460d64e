"""What a revision owes is done once."""

from typing import Any

import pytest

from controller.adapters.postgres import Connection, connect, transaction
from controller.stores.control import outbox
from controller.stores.control.refusals import HistoryFixed, IllegalMove
from controller.stores.control.statements import run
from tests.support.control import MINUTE, NOON


def test_what_is_owed_comes_back_oldest_first_and_only_when_due(
    database: Connection[Any],
) -> None:
    first = outbox.enqueue(database, "manifest", {"generation": 1}, NOON)
    second = outbox.enqueue(database, "manifest", {"generation": 2}, NOON)
    outbox.enqueue(database, "manifest", {"generation": 3}, NOON + MINUTE)
    outbox.enqueue(database, "other", {}, NOON)

    rows = outbox.claim(database, "manifest", now=NOON, limit=10)

    assert [row.id for row in rows] == [first, second]
    assert rows[0].payload == {"generation": 1}


def test_an_effect_that_is_done_is_owed_no_more(database: Connection[Any]) -> None:
    outbox.enqueue(database, "manifest", {}, NOON)
    (row,) = outbox.claim(database, "manifest", now=NOON, limit=1)

    outbox.finish(database, [row.id])

    assert outbox.queued(database, "manifest") == 0
    with pytest.raises(IllegalMove):
        run(database, "UPDATE controller.outbox SET state = 'queued'", {})


def test_an_effect_that_failed_is_tried_again_later(database: Connection[Any]) -> None:
    outbox.enqueue(database, "manifest", {}, NOON)
    (row,) = outbox.claim(database, "manifest", now=NOON, limit=1)

    outbox.postpone(database, row, error="disk full", due_at=NOON + MINUTE)

    assert outbox.claim(database, "manifest", now=NOON, limit=1) == ()
    (again,) = outbox.claim(database, "manifest", now=NOON + MINUTE, limit=1)
    assert (again.attempts, again.last_error) == (1, "disk full")


def test_an_effect_cannot_become_another_one(database: Connection[Any]) -> None:
    outbox.enqueue(database, "manifest", {}, NOON)

    with pytest.raises(HistoryFixed):
        run(database, "UPDATE controller.outbox SET payload = '{\"more\": 1}'", {})


def test_two_workers_never_hold_the_same_row(database: Connection[Any], database_url: str) -> None:
    with transaction(database):
        for number in range(3):
            outbox.enqueue(database, "manifest", {"n": number}, NOON)
    with connect(database_url, application_name="other") as other, transaction(database):
        mine = outbox.claim(database, "manifest", now=NOON, limit=2)

        theirs = outbox.claim(other, "manifest", now=NOON, limit=2)

        other.rollback()
    assert len(mine) == 2
    assert len(theirs) == 1
    assert {row.id for row in mine}.isdisjoint(row.id for row in theirs)
