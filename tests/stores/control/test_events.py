"""Events are kept in order and never rewritten."""

from typing import Any

import pytest

from controller.adapters.postgres import Connection, IntegrityRefused, translated
from controller.kernel.errors import ControllerError
from controller.kernel.events import Event
from controller.stores.control import events
from controller.stores.control.events import Happened
from tests.support.control import NOON, some_oid


def happen(database: Connection[Any], *which: Event) -> None:
    for one in which:
        events.append(database, "production", Happened(one, NOON, one.sentence))


def test_an_event_comes_back_with_its_facts(database: Connection[Any]) -> None:
    commit = some_oid(3)
    happened = Happened(
        Event.APPLIED,
        NOON,
        "revision 4",
        actor="alice",
        revision=4,
        commit=commit,
        facts={"added": 3},
    )

    events.append(database, "production", happened)

    (found,) = events.since(database, "production")
    assert (found.name, found.severity, found.actor, found.revision, found.commit, found.facts) == (
        "revision.applied",
        "info",
        "alice",
        4,
        commit,
        {"added": 3},
    )


def test_whoever_watches_reads_on_where_they_were(database: Connection[Any]) -> None:
    happen(database, Event.LEADING, Event.LEADING)
    seen = events.since(database, "production")[-1].id

    happen(database, Event.APPLIED)

    assert [one.name for one in events.since(database, "production", after=seen)] == [
        "revision.applied"
    ]


def test_the_newest_come_oldest_first(database: Connection[Any]) -> None:
    happen(database, Event.LEADING, Event.LEADING, Event.APPLIED)

    names = [one.name for one in events.newest(database, "production", limit=2)]

    assert names == ["lease.taken", "revision.applied"]


def test_another_environment_has_events_of_its_own(database: Connection[Any]) -> None:
    happen(database, Event.LEADING)

    assert events.since(database, "staging") == ()


@pytest.mark.parametrize("statement", ["UPDATE controller.event SET message = ''"])
def test_an_event_is_never_rewritten(database: Connection[Any], statement: str) -> None:
    happen(database, Event.LEADING)

    with pytest.raises(ControllerError), translated():
        database.execute(statement.encode())


def test_a_severity_that_nobody_knows_is_refused(database: Connection[Any]) -> None:
    statement = (
        "INSERT INTO controller.event (environment, at, name, severity, message) "
        "VALUES ('production', now(), 'x', 'loud', '')"
    )

    with pytest.raises(IntegrityRefused), translated():
        database.execute(statement.encode())


def test_names_are_unique_and_found_again() -> None:
    assert len({str(one) for one in Event}) == len(Event)
    assert all(Event.named(str(one)) is one for one in Event)
