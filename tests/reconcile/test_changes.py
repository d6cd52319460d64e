"""What changed since a revision: enough to bring an older copy to the newest state."""

from collections.abc import Iterator
from typing import Any

import pytest

from controller.adapters.postgres import Connection, connect
from controller.reconcile.changes import UnknownRevision, changes
from controller.reconcile.resolve import NothingApplied
from controller.stores.directory.changes import Change, Place
from tests.support.directory import days, row
from tests.support.resolving import ENVIRONMENT, FILES, Town

ONE = row("identifiers", participant_id="p0", scheme="bic", value="ONE")
TWO = row("identifiers", participant_id="p0", scheme="bic", value="TWO")


@pytest.fixture
def town(database_url: str) -> Iterator[Town]:
    connection = connect(database_url, application_name="tests", autocommit=True)
    yield Town(connection, 5)
    connection.close()


def told(connection: Connection[Any], since: int) -> dict[tuple[str, ...], str]:
    page = changes(connection, ENVIRONMENT, since)
    assert page.following is None
    return {(one.table, *one.key): one.kind.value for one in page.changes}


def test_keys_that_came_changed_and_went_are_told(town: Town) -> None:
    town.apply([row("participants", id="p0"), ONE, TWO], [])
    three = row("identifiers", participant_id="p0", scheme="bic", value="THREE")
    other = row("identifiers", participant_id="p0", scheme="bic", value="TWO", usage="other")
    town.apply([three, other], [ONE, TWO])

    assert told(town.connection, 1) == {
        ("identifiers", "bic", "THREE"): "A",
        ("identifiers", "bic", "TWO"): "M",
        ("identifiers", "bic", "ONE"): "D",
    }
    assert told(town.connection, 2) == {}
    assert set(told(town.connection, 0).values()) == {"A"}


def test_a_key_that_came_and_went_in_between_is_not_told(town: Town) -> None:
    town.apply([row("participants", id="p0")], [])
    town.apply([ONE], [])
    town.apply([], [ONE])

    assert told(town.connection, 1) == {}
    assert told(town.connection, 2) == {("identifiers", "bic", "ONE"): "D"}


def test_another_window_of_a_key_is_a_change_of_it(town: Town) -> None:
    now = row("identifiers", days(None, 5), participant_id="p0", scheme="bic", value="ONE")
    later = row("identifiers", days(5, None), participant_id="p0", scheme="bic", value="ONE")
    town.apply([row("participants", id="p0"), now], [])
    town.apply([later], [])

    assert told(town.connection, 1) == {("identifiers", "bic", "ONE"): "M"}


def test_a_row_that_only_moved_is_no_change(town: Town) -> None:
    town.apply([row("participants", id="p0"), ONE], [])
    town.apply([ONE._replace(source=FILES[1])], [ONE])

    assert told(town.connection, 1) == {}


def test_pages_together_are_everything_once(town: Town) -> None:
    town.begin()
    for _ in range(5):
        town.step()
    everything = changes(town.connection, ENVIRONMENT, 1).changes
    assert len(everything) > 7

    found: list[Change] = []
    after: Place | None = None
    while True:
        page = changes(town.connection, ENVIRONMENT, 1, after=after, limit=3)
        assert len(page.changes) <= 3
        found += page.changes
        after = page.following
        if after is None:
            break

    assert tuple(found) == everything


def test_a_revision_that_is_not_there_is_refused(town: Town) -> None:
    with pytest.raises(NothingApplied):
        changes(town.connection, ENVIRONMENT, 0)
    town.begin()

    for since in (-1, 3):
        with pytest.raises(UnknownRevision):
            changes(town.connection, ENVIRONMENT, since)
    assert changes(town.connection, ENVIRONMENT, 2).changes == ()
