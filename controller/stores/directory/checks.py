"""Rows that may not stand together become errors that name them."""

from collections.abc import Mapping
from typing import Any

from controller.adapters.postgres import Connection, dict_row
from controller.kernel.errors import Refused
from controller.kernel.instants import Window
from controller.plan.rows import SourceFile
from controller.stores.directory import files
from controller.stores.directory.errors import DanglingReference, PartialOverlap, clash
from controller.stores.directory.model import RowFacts

Row = Mapping[str, Any]


def first(connection: Connection[Any], statement: bytes, values: Row | None = None) -> Row | None:
    """Run a check and return the first row it finds, if any."""
    cursor = connection.cursor(row_factory=dict_row)
    return cursor.execute(statement, values).fetchone()


def refuse_clash(connection: Connection[Any], table: str, row: Row) -> Refused:
    """Return the error for two rows of one row key."""
    return clash(_facts(connection, table, row, "one", "other"))


def refuse_straddle(connection: Connection[Any], row: Row) -> Refused:
    """Return the error for two ranges that overlap in part."""
    one, other = _facts(connection, "ranges", row, "one", "other")
    return PartialOverlap(one, other)


def refuse_dangling(connection: Connection[Any], table: str, target: str, row: Row) -> Refused:
    """Return the error for a row whose reference leads nowhere."""
    (one,) = _facts(connection, table, row, "one")
    return DanglingReference(one, target=target)


def _facts(connection: Connection[Any], table: str, row: Row, *roles: str) -> list[RowFacts]:
    names = files.name(connection, [row[f"{role}_file"] for role in roles])
    return [
        RowFacts(
            table,
            tuple(part or "" for part in row[f"{role}_key"]),
            Window(row[f"{role}_starts"], row[f"{role}_ends"]),
            names.get(row[f"{role}_file"], SourceFile("", "a file without a name")),
        )
        for role in roles
    ]
