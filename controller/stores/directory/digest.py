"""What each table adds up to: kept by every apply, recomputed by one query per table.

The digest is the exclusive or of PostgreSQL's record hashes over content and windows, not over
files and revisions: one content has one digest, however it came about. It has no key, so it finds
accidents and plain edits, not somebody who solves for a collision.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from controller.adapters.postgres import Connection, DictRow, dict_row
from controller.kernel.errors import Corrupt
from controller.stores.directory.model import TableDigest
from controller.stores.directory.sql import QUERIES
from controller.stores.directory.statements import DELTA
from controller.stores.directory.tables import STORE_TABLES


class DigestDiffers(Corrupt):
    """A table's content is not what the applies made it."""

    code = "directory.digest_differs"

    def __init__(self, table: str, *, kept: TableDigest, live: TableDigest) -> None:
        super().__init__(
            f"{table}: {live.rows} rows add up to {live.digest:x}, "
            f"{kept.rows} rows and {kept.digest:x} were kept",
            hint="someone else wrote to the store: `countersign audit verify` says which table",
        )
        self.table, self.kept, self.live = table, kept, live


def kept(connection: Connection[Any]) -> dict[str, TableDigest]:
    """Return what the applies kept, by table."""
    return _by_table(ask(connection))


def ask(connection: Connection[Any]) -> Iterable[DictRow]:
    """Ask what the applies kept; `renewed` reads the answer."""
    return connection.cursor(row_factory=dict_row).execute(QUERIES["kept_digests"])


def _by_table(answer: Iterable[DictRow]) -> dict[str, TableDigest]:
    rows = {row.pop("table_name"): row for row in answer}
    return {name: TableDigest(name, **rows[table.name]) for name, table in STORE_TABLES.items()}


def endless(connection: Connection[Any], most: Mapping[str, int]) -> dict[str, int]:
    """Count the rows of some tables that have no end, up to so many of each: more is not read."""
    cursor = connection.cursor()
    found = {}
    for table, limit in most.items():
        row = cursor.execute(DELTA[table]("endless"), {"most": limit}).fetchone()
        assert row is not None
        found[table] = int(row[0])
    return found


def recompute(connection: Connection[Any]) -> dict[str, TableDigest]:
    """Read every row and return what the tables add up to; about 0.3 s for a million rows."""
    return {name: _recompute(connection, name) for name in STORE_TABLES}


def verify(connection: Connection[Any]) -> dict[str, TableDigest]:
    """Return the recomputed digests; raise `DigestDiffers` for the first table that is off.

    After an upgrade of PostgreSQL the kept digests were made by another algorithm: then only the
    numbers of rows can be compared, and `renewed` keeps new ones.
    """
    before, now = kept(connection), recompute(connection)
    for table, live in now.items():
        same_algorithm = before[table].algorithm == live.algorithm
        if before[table].rows != live.rows or (
            same_algorithm and before[table].digest != live.digest
        ):
            raise DigestDiffers(table, kept=before[table], live=live)
    return now


def renewed(
    connection: Connection[Any], answer: Iterable[DictRow] | None = None
) -> dict[str, TableDigest]:
    """Return what is kept, after adding up anew where another version of PostgreSQL hashed.

    `answer` is that of `ask`, where it was asked before.
    """
    digests = _by_table(answer if answer is not None else ask(connection))
    for table, before in digests.items():
        if before.algorithm != algorithm(connection):
            digests[table] = _recompute(connection, table)
            keep(connection, digests[table])
    return digests


def keep(connection: Connection[Any], digest: TableDigest) -> None:
    """Write what a table adds up to."""
    connection.execute(
        QUERIES["store_digest"],
        {
            "table_name": STORE_TABLES[digest.table].name,
            "rows": digest.rows,
            "digest": digest.digest,
            "algorithm": digest.algorithm,
        },
    )


def _recompute(connection: Connection[Any], table: str) -> TableDigest:
    return of_table(connection, table, f"directory.{STORE_TABLES[table].name}")


def of_table(connection: Connection[Any], table: str, live: str) -> TableDigest:
    """Add up a relation that has the columns of `table`."""
    cursor = connection.cursor(row_factory=dict_row)
    row = cursor.execute(DELTA[table]("recompute", live=live)).fetchone()
    assert row is not None
    return TableDigest(table, row["rows"], row["digest"], algorithm(connection))


def algorithm(connection: Connection[Any]) -> str:
    """Name how this server hashes records: no version promises the hashes of another."""
    return f"bit_xor hash_record_extended, PostgreSQL {connection.info.server_version // 10_000}"
