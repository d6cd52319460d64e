"""Where a row comes from: each version of it, now and before, with its revisions and its file."""

from typing import Any

from controller.adapters.postgres import Connection, dict_row
from controller.artifacts.tables import row_key, span
from controller.kernel.instants import Window
from controller.plan.rows import SourceFile, StoredRow
from controller.stores.directory.model import TraceRow
from controller.stores.directory.sql import QUERIES
from controller.stores.directory.statements import DELTA
from controller.stores.directory.tables import STORE_TABLES


def trace(connection: Connection[Any], table: str, parts: tuple[str, ...]) -> tuple[TraceRow, ...]:
    """Return every row a key has or had, the latest revision first.

    A row of now has no `until_revision`. `parts` are the key's cells; a range's are the first and
    the last number of its padded span. Which line of the file it is, the caller finds there.
    """
    store = STORE_TABLES[table]
    cursor = connection.cursor(row_factory=dict_row)
    cursor.execute(DELTA[table]("trace"), {"key": row_key(table, parts)})
    rows = [
        TraceRow(
            table,
            tuple("" if row[name] is None else str(row[name]) for name in store.key),
            tuple(row[cell] or "" for cell in store.cells),
            Window(row["starts"], row["ends"]),
            SourceFile(row["file_bundle"], row["file_path"]),
            row["revision"],
            row["until_revision"],
        )
        for row in cursor
    ]
    return tuple(row for row in rows if row.key == parts)


def spans_around(connection: Connection[Any], digits: str) -> tuple[tuple[int, int], ...]:
    """Return the padded spans of all ranges that hold these digits, or did; the smallest first."""
    lo, hi = span(digits, digits)
    cursor = connection.cursor(row_factory=dict_row)
    cursor.execute(QUERIES["spans_around"], {"lo": lo, "hi": hi})
    return tuple((row["lo"], row["hi"]) for row in cursor)


def bundles_with_rule(connection: Connection[Any], rule_id: str) -> tuple[str, ...]:
    """Return the bundles that have a routing rule of this id, or had one."""
    cursor = connection.cursor(row_factory=dict_row)
    cursor.execute(QUERIES["bundles_with_rule"], {"id": rule_id})
    return tuple(row["bundle"] for row in cursor)


def stored_rows(connection: Connection[Any], table: str) -> list[StoredRow]:
    """Read a whole table back as rows: for tests and for looking at drift, not for the hot path."""
    cursor = connection.cursor(row_factory=dict_row)
    store = STORE_TABLES[table]
    cursor.execute(DELTA[table]("read_all"))
    return [
        StoredRow(
            table,
            row["row_key"],
            Window(row["starts"], row["ends"]),
            tuple(row[cell] or "" for cell in store.cells),
            SourceFile(row["file_bundle"], row["file_path"]),
        )
        for row in cursor
    ]
