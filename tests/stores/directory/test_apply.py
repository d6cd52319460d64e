"""The apply: three ways to one result, and refusals that name their rows."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from controller.adapters.forks import ForkDied
from controller.adapters.postgres import Connection, transaction
from controller.plan.rows import SourceFile, StoredRow
from controller.plan.shard import ShardChange
from controller.stores.directory import store
from controller.stores.directory.copytext import FileText, Render
from controller.stores.directory.errors import (
    AlreadyThere,
    BaseDiffers,
    DanglingReference,
    KeyCollision,
    NotAllCopied,
    OverlappingWindows,
    PartialOverlap,
)
from tests.support.directory import (
    FILE,
    OPEN,
    MemoryObjects,
    card_range,
    cells,
    changes,
    csv,
    days,
    participant,
    row,
    shards,
    version,
)

Database = Connection[Any]
WAYS = pytest.mark.parametrize("way", ["delta", "staged", "rebuild"])
MOVED = SourceFile(FILE.bundle, "bundles/card-bin/tests/files/moved.csv")


def put(
    database: Database,
    *rows: StoredRow,
    drop: tuple[StoredRow, ...] = (),
    way: str = "delta",
    revision: int = 1,
) -> None:
    """Apply rows in a way; to be staged, a table must seem to be large."""
    some: list[ShardChange] = shards(rows, drop)
    tables = {shard.table for shard in some}
    pretended = 1_000_000 if way == "staged" else 0
    counts = dict.fromkeys(tables, {"delta": 1, "staged": 1_001, "rebuild": 10**6}[way])
    pretend(database, pretended)
    done = store.apply(database, some, revision=revision, changed=counts)
    pretend(database, -pretended)
    assert {one.strategy for one in done} <= {way}


def pretend(database: Database, rows: int) -> None:
    database.execute("UPDATE directory.table_digest SET rows = rows + %s", (rows,))


def identifier(of: str, value: str, **more: str) -> StoredRow:
    return row("identifiers", OPEN, FILE, participant_id=of, scheme="bic", value=value, **more)


@WAYS
def test_rows_come_and_go_and_the_digest_follows(database: Database, way: str) -> None:
    alpha, beta, better = participant("a"), participant("b"), participant("b", name="Better")
    put(database, alpha, beta, way=way)

    put(database, better, drop=(beta,), way=way, revision=2)

    assert {one.cells[1] for one in store.stored_rows(database, "participants")} == {"A", "Better"}
    store.verify(database)


@WAYS
def test_one_content_has_one_digest_whatever_the_way(database: Database, way: str) -> None:
    rows = [participant(f"p{number}", name="Ä, \\N") for number in range(30)]
    put(database, *rows[:20], participant("gone"))
    put(database, *rows[20:], drop=(participant("gone"),), way=way, revision=7)
    digest = store.kept(database)["participants"].digest
    database.rollback()

    put(database, *rows)

    assert store.kept(database)["participants"].digest == digest


@WAYS
def test_a_row_that_only_moves_keeps_its_revision_and_makes_no_history(
    database: Database, way: str
) -> None:
    here = participant("a")
    put(database, here, participant("b"))

    put(database, participant("a", source=MOVED), drop=(here,), way=way, revision=2)

    (traced,) = store.trace(database, "participants", ("a",))
    assert (traced.source, traced.revision, traced.until_revision) == (MOVED, 1, None)
    store.verify(database)


@WAYS
def test_a_rebuilt_or_changed_table_keeps_its_indexes(database: Database, way: str) -> None:
    names = "SELECT indexname FROM pg_indexes WHERE schemaname = 'directory' ORDER BY 1"
    before = database.execute(names).fetchall()

    put(database, card_range("400000"), way=way)

    assert database.execute(names).fetchall() == before


@WAYS
def test_a_row_of_a_full_table_changes_in_its_page_and_touches_no_index(
    database: Database, way: str
) -> None:
    rows = [participant(f"p{number}", name="Before") for number in range(500)]
    put(database, *rows, way=way)
    fitting = "SELECT pg_stat_get_xact_tuples_hot_updated('directory.participant'::regclass)"
    before = database.execute(fitting).fetchone()
    changed = [participant(f"p{number}", name="Behind") for number in range(0, 500, 100)]

    put(database, *changed, drop=tuple(rows[::100]), revision=2)

    after = database.execute(fitting).fetchone()
    assert before is not None
    assert after == (before[0] + 5,)


@WAYS
def test_two_windows_of_one_key_that_overlap_are_refused_with_both_rows(
    database: Database, way: str
) -> None:
    put(database, participant("a", days(None, 5)))

    with pytest.raises(OverlappingWindows) as refusal:
        put(database, participant("a", days(4, None), MOVED), way=way, revision=2)

    error = refusal.value
    assert {error.one.window, error.other.window} == {days(None, 5), days(4, None)}
    assert {error.one.source, error.other.source} == {FILE, MOVED}


@WAYS
def test_two_rows_of_one_key_that_start_together_are_refused(database: Database, way: str) -> None:
    with pytest.raises(OverlappingWindows):
        put(database, participant("a"), participant("a", days(None, 3), MOVED), way=way)


@WAYS
def test_two_windows_of_one_key_that_touch_are_fine(database: Database, way: str) -> None:
    put(database, participant("a", days(None, 5)))

    put(database, participant("a", days(5, None)), way=way, revision=2)

    assert len(store.stored_rows(database, "participants")) == 2


@WAYS
def test_two_keys_with_one_row_key_are_refused(database: Database, way: str) -> None:
    one, other = participant("a", days(None, 5)), participant("b", days(5, None))

    with pytest.raises(KeyCollision) as refusal:
        put(database, one, other._replace(key=one.key), way=way)

    assert {refusal.value.one.key, refusal.value.other.key} == {("a",), ("b",)}


@WAYS
def test_a_key_that_collides_with_a_row_that_only_moves_is_refused_as_such(
    database: Database, way: str
) -> None:
    one, other = participant("a"), participant("b")
    put(database, one)
    moved, comes = one._replace(source=MOVED), other._replace(key=one.key)

    with pytest.raises(KeyCollision) as refusal:
        put(database, moved, comes, drop=(one,), way=way, revision=2)

    assert {refusal.value.one.key, refusal.value.other.key} == {("a",), ("b",)}


@WAYS
def test_a_window_that_overlaps_a_row_that_only_moves_is_refused_as_such(
    database: Database, way: str
) -> None:
    one = participant("a", days(0, 5))
    put(database, one)
    moved, comes = one._replace(source=MOVED), participant("a", days(0, 9), name="Other")

    with pytest.raises(OverlappingWindows) as refusal:
        put(database, moved, comes, drop=(one,), way=way, revision=2)

    assert {refusal.value.one.window, refusal.value.other.window} == {days(0, 5), days(0, 9)}


@WAYS
def test_a_key_may_take_the_place_of_one_that_goes_and_has_its_row_key(
    database: Database, way: str
) -> None:
    one, other = participant("a"), participant("b")
    put(database, one)

    put(database, other._replace(key=one.key), drop=(one,), way=way, revision=2)

    assert [row.parts for row in store.stored_rows(database, "participants")] == [("b",)]
    store.verify(database)


@WAYS
def test_ranges_that_overlap_in_part_are_refused_with_both_ranges(
    database: Database, way: str
) -> None:
    put(database, card_range("400000", "400005"))

    with pytest.raises(PartialOverlap) as refusal:
        put(database, card_range("400003", "400009"), way=way, revision=2)

    assert {refusal.value.one.key[0], refusal.value.other.key[0]} == {
        "400000000000",
        "400003000000",
    }


@WAYS
def test_ranges_that_nest_or_are_never_visible_together_are_fine(
    database: Database, way: str
) -> None:
    put(database, card_range("400000", "400005", days(None, 5)))

    put(
        database,
        card_range("40000312"),
        card_range("400003", "400009", days(5, None)),
        way=way,
        revision=2,
    )

    assert len(store.stored_rows(database, "ranges")) == 3


@WAYS
def test_a_reference_to_nobody_is_refused(database: Database, way: str) -> None:
    with pytest.raises(DanglingReference) as refusal:
        put(database, identifier("nobody", "AAAADEFF"), way=way)

    assert (refusal.value.row.key, refusal.value.target) == (("bic", "AAAADEFF"), "participants")


@WAYS
def test_what_is_still_referred_to_may_not_go(database: Database, way: str) -> None:
    alpha = participant("a")
    put(database, alpha, identifier("a", "AAAADEFF"))

    with pytest.raises(DanglingReference):
        put(database, participant("b"), drop=(alpha,), way=way, revision=2)


@WAYS
def test_what_is_referred_to_may_go_together_with_what_refers(database: Database, way: str) -> None:
    alpha, bic = participant("a"), identifier("a", "AAAADEFF")
    put(database, alpha, bic)

    put(database, participant("b"), drop=(alpha, bic), way=way, revision=2)

    assert store.stored_rows(database, "identifiers") == []
    store.verify(database)


@WAYS
def test_dropping_rows_that_are_not_there_stops_everything(database: Database, way: str) -> None:
    with pytest.raises(BaseDiffers) as refusal:
        put(database, participant("b"), drop=(participant("a"),), way=way)

    assert (refusal.value.expected, refusal.value.found) == (1, 0)


@pytest.mark.parametrize("way", ["delta", "staged"])
def test_putting_a_row_that_is_already_there_stops_everything(database: Database, way: str) -> None:
    put(database, participant("a"))

    with pytest.raises(AlreadyThere):
        put(database, participant("a"), way=way, revision=2)


def test_history_cannot_be_rewritten(database: Database) -> None:
    put(database, participant("a"))
    put(database, drop=(participant("a"),), revision=2)

    with pytest.raises(Exception, match="append-only"):
        database.execute("DELETE FROM directory.participant_history")


def two_files(database: Database, render: Render | None = None) -> None:
    objects = MemoryObjects()
    files = {
        f"participants/{key}.csv": csv("participants", [cells("participants", id=key)])
        for key in "ab"
    }
    some = changes(objects, [], [version(objects, files)])
    changed = {"participants": 10**6}
    with transaction(database):
        store.apply(database, some, revision=1, changed=changed, render=render)


def test_a_load_whose_text_does_not_come_leaves_the_table_as_it_was(database: Database) -> None:
    def dying(wanted: Sequence[FileText]) -> Iterator[bytes]:
        yield b"1\ta\tA" + b"\t" * 9 + b"\t%d\n" % (wanted[0].file_id or 0)
        raise ForkDied(-9)

    with pytest.raises(ForkDied):
        two_files(database, dying)

    assert store.stored_rows(database, "participants") == []
    two_files(database)
    assert [one.parts for one in store.stored_rows(database, "participants")] == [("a",), ("b",)]


def test_a_load_that_brings_fewer_rows_than_were_planned_is_refused(database: Database) -> None:
    def lazy(wanted: Sequence[FileText]) -> Iterator[bytes]:
        del wanted
        return iter(())

    with pytest.raises(NotAllCopied) as refusal:
        two_files(database, lazy)

    assert (refusal.value.planned, refusal.value.copied) == (2, 0)
    assert store.stored_rows(database, "participants") == []
