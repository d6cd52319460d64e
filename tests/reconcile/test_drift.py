"""A look names exactly the rows that nobody declared, whatever else was edited beside them."""

from collections.abc import Iterable

import pytest

from controller.audit.state import LiveBundleDiffers
from controller.reconcile import drift
from controller.reconcile.drift import RowsUnaccountable
from controller.reconcile.drifted import ColumnDrift, Drift, Kind
from controller.stores.directory import digest
from tests.support.world import NEW_RANGE, OTHER_RANGE, Shop

OPEN = "infinity"


def run(shop: Shop, *statements: str) -> None:
    """Edit production as somebody does who may write to the database."""
    connection = shop.world().connection
    for statement in statements:
        connection.execute(statement.encode())


def look(shop: Shop, **how: bool) -> Drift:
    found = drift.look(shop.world(), **how)
    assert found is not None
    return found


def told(found: Drift) -> list[tuple[object, ...]]:
    """Return every row that is told: table, kind, key and columns."""
    return [
        (table.table, row.kind.value, "/".join(row.key), dict_of(row.columns))
        for table in found.tables
        for row in table.rows
    ]


def dict_of(columns: Iterable[ColumnDrift]) -> dict[str, tuple[str | None, str | None]]:
    return {one.column: (one.declared, one.stored) for one in columns}


def test_what_was_applied_is_no_drift(shop: Shop) -> None:
    assert drift.look(shop.world()) is None
    assert drift.look(shop.world(), every_row=True) is None


def test_before_the_first_revision_nothing_is_declared(new_shop: Shop) -> None:
    assert drift.look(new_shop.world()) is None


def test_a_cell_that_was_edited_is_named_with_both_values(shop: Shop) -> None:
    run(shop, "UPDATE directory.participant SET name = 'Mallory' WHERE id = 'harbour-bank'")

    assert told(look(shop)) == [
        ("participants", "changed", "harbour-bank", {"name": ("Harbour Bank", "Mallory")})
    ]


def test_looking_at_drift_leaves_nothing_behind(shop: Shop) -> None:
    run(shop, "UPDATE directory.participant SET name = 'Mallory' WHERE id = 'harbour-bank'")
    before = shop.footprint()

    look(shop)

    assert shop.footprint() == before


def test_a_row_that_was_deleted_is_missing(shop: Shop) -> None:
    run(shop, "DELETE FROM directory.range WHERE iin_start = '990105'")

    ((table, kind, key, columns),) = told(look(shop))

    assert (table, kind, key) == ("ranges", "missing", "990105000000/990105999999")
    assert isinstance(columns, dict)
    assert columns["brand"] == ("Harbour Gold", None)


def test_a_row_that_was_inserted_is_extra(shop: Shop) -> None:
    run(
        shop,
        "INSERT INTO directory.participant SELECT 1, effective_from, effective_to, 'mallory',"
        " name, legal_name, country, roles, currencies, parent_id, contact, status, cell_from,"
        " cell_to, file_id, revision FROM directory.participant WHERE id = 'harbour-bank'",
    )

    ((table, kind, key, columns),) = told(look(shop))

    assert (table, kind, key) == ("participants", "extra", "mallory")
    assert isinstance(columns, dict)
    assert columns["id"] == (None, "mallory")


@pytest.mark.parametrize(
    ("column", "value", "declared", "stored"),
    [
        ("effective_from", "2026-01-01", "-infinity", "2026-01-01 00:00:00+00"),
        ("effective_to", "2026-12-01 00:00:00.5", OPEN, "2026-12-01 00:00:00.5+00"),
    ],
)
def test_a_window_that_was_moved_is_one_row_that_changed(
    shop: Shop, column: str, value: str, declared: str, stored: str
) -> None:
    run(shop, f"UPDATE directory.participant SET {column} = '{value}' WHERE id = 'harbour-bank'")

    assert told(look(shop)) == [
        ("participants", "changed", "harbour-bank", {column: (declared, stored)})
    ]


def test_a_table_that_was_emptied_misses_every_row(shop: Shop) -> None:
    rows = len(shop.ranges())
    run(shop, "TRUNCATE directory.range")

    (table,) = look(shop).tables

    assert table.counts == {Kind.MISSING: rows, Kind.EXTRA: 0, Kind.CHANGED: 0}


def test_a_sum_that_was_edited_is_found_though_all_rows_are_right(shop: Shop) -> None:
    run(shop, "UPDATE directory.table_digest SET digest = 7 WHERE table_name = 'range'")

    (table,) = look(shop).tables

    assert (table.table, table.total, table.kept[-16:]) == ("ranges", 0, f"{7:016x}")
    assert table.live == table.recorded


@pytest.mark.stops("insider.unwatched", "insider.rows")
def test_rows_that_were_edited_together_with_their_sum_are_found(shop: Shop) -> None:
    run(shop, "UPDATE directory.participant SET name = 'Mallory' WHERE id = 'harbour-bank'")
    forge_sums(shop)

    (table,) = look(shop).tables

    assert table.live == table.kept != table.recorded
    assert table.total == 1


def forge_sums(shop: Shop) -> None:
    """Make the kept sums those of the rows."""
    connection = shop.world().connection
    for one in digest.recompute(connection).values():
        digest.keep(connection, one)


@pytest.mark.parametrize("rows", ["= rows", "= rows + 1"])
def test_sums_said_to_be_of_another_server_hide_no_row(shop: Shop, rows: str) -> None:
    run(
        shop,
        "UPDATE directory.participant SET name = 'Mallory' WHERE id = 'harbour-bank'",
        f"UPDATE directory.table_digest SET algorithm = 'older', digest = 7, rows {rows}",
    )

    assert told(look(shop))[0][:3] == ("participants", "changed", "harbour-bank")


def test_sums_of_another_server_are_no_drift(shop: Shop) -> None:
    run(shop, "UPDATE directory.table_digest SET algorithm = 'older', digest = 7")

    assert drift.look(shop.world()) is None


def test_all_of_it_at_once_is_told_by_table(shop: Shop) -> None:
    run(
        shop,
        "UPDATE directory.participant SET name = 'Mallory' WHERE id = 'harbour-bank'",
        "DELETE FROM directory.range WHERE iin_start = '990105'",
        "UPDATE directory.range SET brand = 'Else'"
        " WHERE iin_start = (SELECT min(iin_start) FROM directory.range)",
        "TRUNCATE directory.identifier",
        "UPDATE directory.table_digest SET rows = 0",
    )

    found = look(shop)

    kinds = {
        table.table: {k.value: n for k, n in table.counts.items() if n} for table in found.tables
    }
    assert kinds["participants"] == {"changed": 1}
    assert kinds["ranges"] == {"missing": 1, "changed": 1}
    assert found.digest == look(shop).digest


def test_a_file_that_was_renamed_is_found_where_every_row_is_compared(shop: Shop) -> None:
    run(
        shop,
        "UPDATE directory.source_file SET path = 'elsewhere.csv' WHERE path LIKE '%ranges.csv'",
    )

    assert drift.look(shop.world()) is None
    found = look(shop, every_row=True)

    assert {row[0] for row in told(found)} == {"ranges"}
    assert all(set(dict_of(row.columns)) == {"file"} for row in found.tables[0].rows)


def test_what_may_be_a_card_number_is_masked(shop: Shop) -> None:
    run(shop, "UPDATE directory.participant SET contact = 'pan 4111 1111 1111 1111'")

    found = look(shop)

    assert "4111 1111 1111" not in str(found.document())
    assert "4111 1…11" in str(found.document())


def test_the_digest_covers_rows_that_are_not_shown(shop: Shop) -> None:
    connection = shop.world().connection
    insert = (
        "INSERT INTO directory.participant (row_key, effective_from, effective_to, id, name,"
        " file_id, revision) SELECT n, '-infinity', 'infinity', 'p' || n, 'x', 1, 1"
        " FROM generate_series(1, 300) AS n"
    )
    connection.execute(insert.encode())
    first = look(shop)
    (table,) = first.tables
    assert (len(table.rows), table.total) == (drift.ROWS_MAX, 300)
    shown = {row.key[0] for row in table.rows}
    hidden = next(f"p{n}" for n in range(1, 301) if f"p{n}" not in shown)

    run(shop, f"UPDATE directory.participant SET name = 'y' WHERE id = '{hidden}'")

    assert look(shop).tables[0].rows == table.rows
    assert look(shop).digest != first.digest


@pytest.mark.stops("insider.unwatched")
def test_live_bundles_edited_along_with_the_rows_hide_nothing(shop: Shop) -> None:
    run(
        shop,
        "UPDATE directory.participant SET name = 'Mallory' WHERE id = 'harbour-bank'",
        "UPDATE controller.live_bundle SET files_tree = decode(repeat('ab', 20), 'hex')",
    )

    with pytest.raises(LiveBundleDiffers):
        look(shop)


def test_rows_that_stand_twice_where_the_key_is_gone_are_not_explained_away(shop: Shop) -> None:
    run(
        shop,
        "ALTER TABLE directory.participant DROP CONSTRAINT participant_pkey",
        "INSERT INTO directory.participant SELECT * FROM directory.participant"
        " WHERE id = 'harbour-bank'",
    )

    with pytest.raises(RowsUnaccountable):
        look(shop)


def test_a_revision_that_comes_is_no_drift(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.reconcile()
    shop.publish(add=[OTHER_RANGE], drop=[NEW_RANGE])
    shop.reconcile()

    assert drift.look(shop.world(), every_row=True) is None
