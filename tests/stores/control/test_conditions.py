"""Conditions are written when they change, and remember since when they hold."""

from datetime import timedelta
from typing import Any

from controller.adapters.postgres import Connection
from controller.stores.control import conditions
from controller.stores.control.conditions import Condition, ConditionStatus, ConditionType
from tests.support.control import NOON, some_oid

READY = Condition(ConditionType.READY, ConditionStatus.TRUE, "Applied", "production is at it")
LATER = NOON + timedelta(minutes=5)


def put(database: Connection[Any], *said: Condition, minutes: int = 0) -> None:
    now = NOON + timedelta(minutes=minutes)
    conditions.put(database, "production", said, now)


def the_only_one(database: Connection[Any]) -> conditions.StoredCondition:
    (found,) = conditions.read(database, "production")
    return found


def test_nothing_is_said_before_anybody_ran(database: Connection[Any]) -> None:
    assert conditions.read(database, "production") == ()


def test_a_condition_comes_back_as_it_was_said(database: Connection[Any]) -> None:
    said = Condition(
        ConditionType.STALLED,
        ConditionStatus.TRUE,
        "plan.guard_tripped",
        "too many rows",
        "sign an ack",
        some_oid(7),
    )

    put(database, said)

    assert the_only_one(database).condition == said


def test_what_is_said_again_is_not_written_again(database: Connection[Any]) -> None:
    put(database, READY)
    before = database.execute("SELECT xmin FROM controller.condition").fetchone()
    database.commit()

    put(database, READY, minutes=5)
    database.commit()

    after = database.execute("SELECT xmin FROM controller.condition").fetchone()
    assert (before, the_only_one(database).changed_at) == (after, NOON)


def test_other_words_change_it_and_the_same_status_goes_on(database: Connection[Any]) -> None:
    put(database, READY)

    put(database, Condition(READY.type, READY.status, "Applied", "at another"), minutes=5)

    found = the_only_one(database)
    assert (found.since, found.changed_at) == (NOON, LATER)


def test_another_status_begins_anew(database: Connection[Any]) -> None:
    put(database, READY)

    put(database, Condition(READY.type, ConditionStatus.FALSE, "Stalled", "no"), minutes=5)

    assert the_only_one(database).since == LATER
