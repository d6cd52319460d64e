"""Every row says which file and which revision it comes from."""

from typing import Any

from controller.adapters.postgres import Connection
from controller.plan.rows import SourceFile
from controller.stores.directory import store
from tests.support.directory import FILE, card_range, participant, shards

Database = Connection[Any]


def test_a_key_shows_its_row_and_the_rows_before_with_their_revisions(database: Database) -> None:
    old, new = participant("a", name="Old"), participant("a", name="New")
    store.apply(database, shards([old]), revision=3, changed={})
    store.apply(database, shards([new], [old]), revision=5, changed={})

    now, before = store.trace(database, "participants", ("a",))

    assert (now.cells, now.revision, now.until_revision) == (new.cells, 5, None)
    assert (before.cells, before.revision, before.until_revision) == (old.cells, 3, 5)


def test_a_traced_row_holds_the_cells_of_its_line_and_its_file(database: Database) -> None:
    one = card_range("400000", "400009", brand="A|B", prepaid="false")
    store.apply(database, shards([one]), revision=1, changed={})

    (traced,) = store.trace(database, "ranges", one.parts)

    assert (traced.cells, traced.source) == (one.cells, FILE)
    assert isinstance(traced.source, SourceFile)


def test_a_key_nobody_ever_had_shows_nothing(database: Database) -> None:
    assert store.trace(database, "participants", ("nobody",)) == ()
