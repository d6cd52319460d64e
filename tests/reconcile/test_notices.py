"""What is said to whom, and when: once, again while it lasts, and when it is over."""

from dataclasses import replace
from typing import Any

import pytest

from controller.adapters.postgres import Connection, connect, transaction
from controller.kernel.canonical import NotCanonical
from controller.kernel.errors import Corrupt, Held, Refused
from controller.kernel.events import Severity
from controller.kernel.notices import Notice, NoticeKind
from controller.reconcile.notices import Target, decide, owe
from controller.stores.control import notices as stored
from controller.stores.control import store as control
from controller.stores.control.statements import every
from tests.support.control import MINUTE, NOON, revision, some_oid
from tests.support.telling import (
    AWAY,
    ERRORS,
    EVERYTHING,
    FORGE,
    GRAVE,
    HOUR,
    REFUSED,
    Found,
    Listener,
)

FAILURE, RECOVERY, SUCCESS = NoticeKind.FAILURE, NoticeKind.RECOVERY, NoticeKind.SUCCESS
PENDING = NoticeKind.PENDING
HELD = ERRORS[-1]


def told(notices: list[Notice]) -> list[tuple[NoticeKind, str]]:
    """Return what is said, and of what."""
    return [(one.kind, one.subject) for one in notices]


def test_a_refusal_is_said_once_and_taken_back_when_it_is_over() -> None:
    ear = Listener(GRAVE)

    assert told(ear.hear(Found(error=REFUSED))) == [(FAILURE, "Stalled")]
    assert ear.hear(Found(error=REFUSED)) == []
    (over,) = ear.hear(Found(commit=2))
    assert (over.kind, over.reason, over.since) == (RECOVERY, "refused", NOON + MINUTE)
    assert ear.hear(Found(commit=2)) == []


def test_other_words_for_the_same_are_not_said_again() -> None:
    ear = Listener(GRAVE)
    ear.hear(Found(error=REFUSED))

    assert ear.hear(Found(error=REFUSED, words=" (for 3.217 s now)")) == []


@pytest.mark.parametrize(
    "found", [Found(commit=2, error=REFUSED), Found(error=Corrupt("damaged"))], ids=str
)
def test_another_commit_or_another_reason_is_said(found: Found) -> None:
    ear = Listener(GRAVE)
    ear.hear(Found(error=REFUSED))

    (fresh,) = ear.hear(found)
    assert (fresh.kind, fresh.repeated) == (FAILURE, False)


def test_what_lasts_is_said_again_after_the_interval_and_not_before() -> None:
    ear = Listener(GRAVE)
    ear.hear(Found(error=REFUSED))

    assert ear.hear(Found(error=REFUSED), after=HOUR - MINUTE) == []
    (again,) = ear.hear(Found(error=REFUSED))
    assert (again.repeated, again.since) == (True, NOON + MINUTE)


def test_a_clock_that_was_wrong_keeps_nothing_from_being_said_again() -> None:
    ear = Listener(GRAVE, now=NOON + 1_000 * HOUR)
    ear.hear(Found(error=REFUSED))
    ear.now = NOON

    (again,) = ear.hear(Found(error=REFUSED))
    assert again.repeated
    assert ear.hear(Found(error=REFUSED)) == []


def test_what_lasts_is_not_said_again_where_nobody_wants_that() -> None:
    ear = Listener(replace(GRAVE, repeat=None))
    ear.hear(Found(error=REFUSED))

    assert ear.hear(Found(error=REFUSED), after=1_000 * HOUR) == []


def test_nothing_is_said_again_before_it_was_delivered_once() -> None:
    ear = Listener(GRAVE)
    ear.hear(Found(error=REFUSED))
    ear.said["Stalled"] = replace(ear.said["Stalled"], is_waiting=True)

    assert ear.hear(Found(error=REFUSED), after=5 * HOUR) == []
    assert told(ear.hear(Found(commit=2))) == [(RECOVERY, "Stalled")]


def test_what_is_tried_again_by_itself_wakes_nobody_who_wants_errors_alone() -> None:
    assert Listener(GRAVE).hear(Found(error=AWAY)) == []
    assert told(Listener(EVERYTHING).hear(Found(error=AWAY))) == [(FAILURE, "Unavailable")]


def test_a_remote_that_is_away_is_one_thing_whatever_commit_is_observed() -> None:
    ear = Listener(EVERYTHING)
    ear.hear(Found(commit=1, error=AWAY))

    assert ear.hear(Found(commit=2, error=AWAY)) == []


def test_while_the_passes_fail_nothing_is_said_to_be_over() -> None:
    ear = Listener(GRAVE)
    ear.hear(Found(error=REFUSED, drifted=True))

    assert ear.hear(Found(error=AWAY, drifted=False)) == []
    assert ear.hear(Found(error=REFUSED, drifted=True)) == []
    assert told(ear.hear(Found(commit=2, drifted=False))) == [
        (RECOVERY, "Stalled"),
        (RECOVERY, "Drifted"),
    ]


def test_what_was_not_looked_at_is_not_over() -> None:
    ear = Listener(GRAVE)
    ear.hear(Found(drifted=True))

    assert ear.hear(Found(drifted=None)) == []
    assert told(ear.hear(Found(drifted=False))) == [(RECOVERY, "Drifted")]


def test_a_hold_is_said_to_those_who_want_warnings() -> None:
    ear = Listener(EVERYTHING)

    assert told(ear.hear(Found(error=HELD))) == [(FAILURE, "Held")]
    assert ear.hear(Found(commit=2, error=HELD)) == []
    assert told(ear.hear(Found(commit=2))) == [(RECOVERY, "Held")]


def test_a_guard_waits_for_a_person_and_so_is_an_error() -> None:
    (said,) = Listener(GRAVE).hear(Found(error=Held("a guard stops it")))

    assert (said.subject, said.severity) == ("Stalled", Severity.ERROR)


def test_of_revisions_a_new_target_is_told_the_newest_alone_and_then_each() -> None:
    ear = Listener(EVERYTHING)

    assert [one.revision for one in ear.hear(Found(newest=3))] == [3]
    assert ear.hear(Found(newest=3)) == []
    assert [one.revision for one in ear.hear(Found(newest=6))] == [4, 5, 6]


def test_who_did_not_ask_for_successes_is_told_none() -> None:
    assert Listener(GRAVE).hear(Found(newest=3)) == []


def test_a_commit_is_shown_as_what_became_of_it() -> None:
    ear = Listener(FORGE)

    said = [
        ear.hear(Found(commit=1)),
        ear.hear(Found(commit=1)),
        ear.hear(Found(commit=2, error=REFUSED)),
        ear.hear(Found(commit=2, error=REFUSED), after=9 * HOUR),
        ear.hear(Found(commit=3, error=HELD)),
        ear.hear(Found(commit=3)),
    ]

    assert [[(one.kind, one.commit) for one in each] for each in said] == [
        [(SUCCESS, some_oid(1))],
        [],
        [(FAILURE, some_oid(2))],
        [],
        [(PENDING, some_oid(3))],
        [(SUCCESS, some_oid(3))],
    ]


def test_a_commit_that_was_decided_on_stays_so_while_the_remote_is_away() -> None:
    ear = Listener(FORGE)
    ear.hear(Found(commit=2, error=REFUSED))

    assert ear.hear(Found(commit=2, error=AWAY)) == []
    assert ear.hear(Found(commit=2, error=REFUSED)) == []


def test_each_commit_that_brought_a_revision_is_a_success() -> None:
    ear = Listener(FORGE)
    ear.hear(Found(commit=1, newest=1))

    fresh = ear.hear(Found(commit=4, newest=4))

    assert sorted((one.kind, one.commit) for one in fresh) == [
        (SUCCESS, some_oid(number)) for number in (2, 3, 4)
    ]


# In the database

TARGETS = (EVERYTHING, GRAVE, FORGE)


def settle(connection: Connection[Any], found: Found, now: Any = NOON) -> int:
    """Owe what a turn found, in a transaction as the loop does."""
    with transaction(connection):
        return owe(connection, "production", TARGETS, found.conditions(now), now)


def owed(connection: Connection[Any]) -> list[tuple[str, str, str]]:
    """Return what is owed, in order: target, kind and subject."""
    rows = every(
        connection,
        "SELECT payload FROM controller.outbox WHERE kind = 'notice' ORDER BY id",
        {},
    )
    payloads = [row["payload"] for row in rows]
    return [(one["target"], one["notice"]["kind"], one["notice"]["subject"]) for one in payloads]


def test_what_is_owed_is_owed_with_the_conditions_or_not_at_all(database: Connection[Any]) -> None:
    def crash() -> None:
        with transaction(database):
            owe(database, "production", TARGETS, Found(error=REFUSED).conditions(NOON), NOON)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        crash()

    assert owed(database) == []
    assert settle(database, Found(error=REFUSED)) == 3
    assert owed(database) == [
        ("everybody", "failure", "Stalled"),
        ("on-call", "failure", "Stalled"),
        ("forge", "failure", "Commit"),
    ]


def test_what_cannot_be_owed_is_not_taken_for_said(database_url: str) -> None:
    beside = connect(database_url, application_name="tests", autocommit=True)
    scene = Found(error=REFUSED).scene(NOON)
    (saying,) = decide(GRAVE, {}, replace(scene, environment="\udcff"))

    with pytest.raises(NotCanonical):
        stored.say(beside, saying)

    assert stored.said(beside, GRAVE.name) == {}
    beside.close()


def test_a_restart_says_nothing_again_and_takes_back_what_was_said(
    database: Connection[Any], database_url: str
) -> None:
    settle(database, Found(error=REFUSED))
    database.commit()
    after = connect(database_url, application_name="tests")

    assert settle(after, Found(error=REFUSED), NOON + MINUTE) == 0
    assert settle(after, Found(commit=2), NOON + MINUTE) == 3
    after.close()
    assert owed(database)[3:] == [
        ("everybody", "recovery", "Stalled"),
        ("on-call", "recovery", "Stalled"),
        ("forge", "success", "Commit"),
    ]


def test_revisions_come_from_the_database_so_that_a_crash_loses_none(
    database: Connection[Any],
) -> None:
    control.append_revision(database, revision(1))
    settle(database, Found())
    for number in (2, 3):
        control.append_revision(database, revision(number))

    settle(database, Found(commit=3))

    said = [one for one in owed(database) if one[0] == "everybody"]
    assert said == [("everybody", "success", "Applied")] * 3


def test_two_who_decide_at_once_say_it_once(database: Connection[Any], database_url: str) -> None:
    other = connect(database_url, application_name="tests")
    before = stored.said(other, GRAVE.name)
    settle(database, Found(error=REFUSED))
    database.commit()

    late = Listener(GRAVE, said=before)
    late.hear(Found(error=REFUSED))
    saying = stored.Saying(None, late.said["Stalled"], late.heard[0])

    assert not stored.say(other, saying)
    assert settle(other, Found(error=REFUSED), NOON + MINUTE) == 0
    other.close()


def test_a_reminder_that_came_in_between_keeps_no_recovery_from_being_said(
    database: Connection[Any],
) -> None:
    settle(database, Found(error=REFUSED))
    stale = stored.said(database, GRAVE.name)["Stalled"]
    finish_all(database)
    settle(database, Found(error=REFUSED), NOON + 2 * HOUR)

    over = replace(stale, is_open=False, said_at=NOON + 3 * HOUR)
    assert not stored.say(database, stored.Saying(stale, over, None))
    settle(database, Found(commit=2), NOON + 3 * HOUR)

    assert [kind for name, kind, _ in owed(database) if name == "on-call"] == [
        "failure",
        "failure",
        "recovery",
    ]


def finish_all(connection: Connection[Any]) -> None:
    """Let everything that is owed be delivered."""
    names = [one.name for one in TARGETS]
    while one := stored.claim(connection, names, now=NOON + 9 * HOUR, until=NOON + 10 * HOUR):
        stored.finish(connection, one)


def test_no_target_costs_no_question() -> None:
    nothing: Any = None

    assert owe(nothing, "production", (), Found().conditions(NOON), NOON) == 0


def test_refusals_of_any_kind_are_told_alike() -> None:
    for error in (Refused("no"), Corrupt("damaged")):
        assert told(Listener(GRAVE).hear(Found(error=error))) == [(FAILURE, "Stalled")]


def test_a_target_that_wants_successes_alone_is_told_of_no_failure() -> None:
    target = Target("feed", EVERYTHING.topics - {next(iter(GRAVE.topics))})

    assert Listener(target).hear(Found(error=REFUSED)) == []
    assert told(Listener(target).hear(Found(newest=1))) == [(SUCCESS, "Applied")]
