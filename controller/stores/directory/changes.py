"""Which keys came, changed or went since a revision: what somebody with a copy has to ask for anew.

A row that only moved to another file is no change of a key.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from controller.adapters import queries
from controller.adapters.postgres import Connection, dict_row
from controller.stores.directory.statements import columns
from controller.stores.directory.tables import STORE_TABLES

_CHANGES = queries.load("controller.stores.directory", "changes.sql")["changes"]
_ORDER = list(STORE_TABLES)
_STATEMENTS = {
    name: _CHANGES.format(
        name=table.name, key=", ".join(f"{columns((one,))}::text" for one in table.key)
    ).encode()
    for name, table in STORE_TABLES.items()
}


class Kind(StrEnum):
    """What became of a key, as SwiftRef marks it."""

    ADDED = "A"
    MODIFIED = "M"
    DELETED = "D"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of changes ended: a table, and a row key there."""

    table: str
    row_key: int


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one key; `revision` is the last that touched it."""

    table: str
    key: tuple[str, ...]
    kind: Kind
    revision: int
    place: Place


def changes(
    connection: Connection[Any], since: int, *, after: Place | None = None, limit: int
) -> Iterator[Change]:
    """Yield up to `limit` changes after a revision, by table and row key, from a place on."""
    cursor = connection.cursor(row_factory=dict_row)
    start = _ORDER.index(after.table) if after is not None else 0
    left = limit
    for table in _ORDER[start:]:
        row_key = after.row_key if after is not None and table == after.table else None
        values = {"since": since, "after": row_key, "limit": left}
        for row in cursor.execute(_STATEMENTS[table], values).fetchall():
            key = tuple(part or "" for part in row["key"])
            place = Place(table, row["row_key"])
            yield Change(table, key, Kind(row["kind"]), row["revision"], place)
            left -= 1
        if left == 0:
            return
