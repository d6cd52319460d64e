"""Digests find what somebody else changed."""

from typing import Any

import pytest

from controller.adapters.postgres import Connection
from controller.stores.directory import store
from controller.stores.directory.digest import DigestDiffers
from tests.support.directory import days, participant, shards

Database = Connection[Any]


def test_an_edit_behind_our_back_is_found(database: Database) -> None:
    store.apply(database, shards([participant("a")]), revision=1, changed={})
    database.execute("UPDATE directory.participant SET name = 'Mallory'")

    with pytest.raises(DigestDiffers) as found:
        store.verify(database)

    assert found.value.table == "participants"


def test_an_untouched_store_verifies(database: Database) -> None:
    store.apply(database, shards([participant("a")]), revision=1, changed={})

    assert store.verify(database)["participants"].rows == 1


def test_digests_of_another_algorithm_are_made_anew(database: Database) -> None:
    store.apply(database, shards([participant("a")]), revision=1, changed={})
    database.execute("UPDATE directory.table_digest SET algorithm = 'older', digest = 7")

    store.apply(database, shards([participant("b")]), revision=2, changed={})

    assert store.verify(database)["participants"].rows == 2


def test_rows_without_an_end_are_counted_up_to_a_number(database: Database) -> None:
    rows = [participant(name) for name in ("a", "b", "c")]
    store.apply(database, shards([*rows, participant("d", days(1, 9))]), revision=1, changed={})

    assert store.endless(database, {"participants": 10}) == {"participants": 3}
    assert store.endless(database, {"participants": 2, "ranges": 5}) == {
        "participants": 2,
        "ranges": 0,
    }
