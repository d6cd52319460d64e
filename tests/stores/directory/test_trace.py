"""Every row says which file and which revision it comes from."""

from typing import Any

from controller.adapters.postgres import Connection
from controller.plan.rows import SourceFile, StoredRow, key_of
from controller.stores.directory import store
from tests.support.directory import FILE, OPEN, card_range, participant, shards

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


def test_spans_around_digits_are_those_of_ranges_now_and_before_the_smallest_first(
    database: Database,
) -> None:
    wide, gone = card_range("400000", "400999"), card_range("400010", "400019")
    other = card_range("500000", "500009")
    store.apply(database, shards([wide, gone, other]), revision=1, changed={})
    store.apply(database, shards([], [gone]), revision=2, changed={})

    found = store.spans_around(database, "400015")

    assert [tuple(map(str, one)) for one in found] == [gone.parts, wide.parts]
    assert store.spans_around(database, "600000") == ()


def test_a_rule_id_names_the_bundles_that_have_it_or_had_it(database: Database) -> None:
    here, there = (_rule(bundle) for bundle in ("a/here", "b/there"))
    store.apply(database, shards([here, there]), revision=1, changed={})
    store.apply(database, shards([], [there]), revision=2, changed={})

    assert store.bundles_with_rule(database, "one") == ("a/here", "b/there")
    assert store.bundles_with_rule(database, "two") == ()


def _rule(bundle: str) -> StoredRow:
    cells = (bundle, "one", "", '{"id":"one"}', "", "")
    return StoredRow("rules", key_of("rules", cells), OPEN, cells, FILE)
