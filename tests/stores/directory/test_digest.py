"""Digests find what somebody else changed."""

from typing import Any

import pytest

from controller.adapters.postgres import Connection
from controller.plan.rows import SourceFile
from controller.stores.directory import store
from controller.stores.directory.digest import DigestDiffers
from tests.support.directory import FILE, card_range, days, participant, row, shards

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


CARD, LONGER = card_range("411111"), card_range("422222")
OLD, NEW = participant("a"), participant("a", name="Anew")


@pytest.mark.parametrize("changed", [{}, {"participants": 10_000}, {"ranges": 10_000}])
def test_what_an_apply_says_the_tables_add_up_to_is_what_is_kept(
    database: Database, changed: dict[str, int]
) -> None:
    steps = [([OLD, CARD], []), ([NEW], [OLD]), ([LONGER], [CARD]), ([], [NEW]), ([], [])]
    for number, (put, drop) in enumerate(steps, start=1):
        rows = store.prepare(database, shards(put, drop), revision=number, changed=changed)

        told = rows.send().finish()

        assert told == store.kept(database) == store.verify(database)


def test_a_file_that_is_not_known_gets_a_number_beside_one_that_is(database: Database) -> None:
    elsewhere = SourceFile(FILE.bundle, "bundles/card-bin/tests/files/other.csv")
    moved = row("participants", source=elsewhere, id="b", name="b")
    store.apply(database, shards([OLD]), revision=1, changed={})

    store.apply(database, shards([NEW, moved], [OLD]), revision=2, changed={})

    found = {one.cells[0]: one.source for one in store.stored_rows(database, "participants")}
    assert found == {"a": FILE, "b": elsewhere}


def test_rows_without_an_end_are_counted_up_to_a_number(database: Database) -> None:
    rows = [participant(name) for name in ("a", "b", "c")]
    store.apply(database, shards([*rows, participant("d", days(1, 9))]), revision=1, changed={})

    assert store.endless(database, {"participants": 10}) == {"participants": 3}
    assert store.endless(database, {"participants": 2, "ranges": 5}) == {
        "participants": 2,
        "ranges": 0,
    }
