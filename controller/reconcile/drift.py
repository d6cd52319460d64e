"""Drift: live rows that nobody declared, found by what tables add up to, told row by row.

Three things say what a table adds up to: its rows, what the last apply kept, and the last audit
record. Where one of them differs, the rows are held against those that a fresh load of the signed
release would put there. All is seen at one moment, so a revision that comes meanwhile is no drift.

The bundles that are live are proven against the release that the record names, so that a row which
was edited together with all that is kept beside it is found as well. Who edited a row is not said:
the database does not know.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from controller.adapters.postgres import Connection
from controller.artifacts.layout import BundleId
from controller.audit import state
from controller.audit.record import AuditRecord
from controller.kernel.canonical import Digest, Json, canonical
from controller.kernel.errors import Corrupt
from controller.plan.changes import Changes
from controller.plan.live import LiveVersion
from controller.policy.text import masked
from controller.reconcile import bulk
from controller.reconcile.apply import digest_texts
from controller.reconcile.drifted import ColumnDrift, Drift, Kind, RowDrift, TableDrift
from controller.reconcile.world import World
from controller.stores.control import store as control
from controller.stores.control.model import Applied
from controller.stores.directory import declared
from controller.stores.directory import store as directory
from controller.stores.directory.declared import FILE, Declared, Difference, Numbering, Values
from controller.stores.directory.model import TableDigest
from controller.stores.directory.moment import sketch
from controller.stores.directory.tables import STORE_TABLES

ROWS_MAX = 100
"""So many rows of a table are shown; all are counted, and the digest covers all."""
VALUE_MAX = 200
_DIGITS_MAX = 12
"""A range's number has so many; a longer one may be a card number."""


class RowsUnaccountable(Corrupt):
    """A table holds rows that stand for one key twice: its own constraints are gone."""

    code = "drift.rows_unaccountable"

    def __init__(self, table: str, *, live: int, expected: int) -> None:
        super().__init__(
            f"{table} holds {live} rows; those that were compared make {expected}",
            hint="a primary key of the schema `directory` is gone: docs/runbooks/drift.md",
        )
        self.table = table


def look(world: World, *, every_row: bool = False) -> Drift | None:
    """Look at all tables now; return `None` where everything is as declared, or nothing applied.

    Nothing stays written. `every_row` compares the rows although their sums agree: a sum has no
    key, and can be hit by somebody who works for it. Raises `Corrupt` where what the comparison
    would start from is not what was recorded.
    """
    connection = world.connection
    with sketch(connection):
        before = control.read_applied(connection, world.environment)
        if before is None:
            return None
        sums = sums_of(connection, before)
        wanted = tuple(STORE_TABLES) if every_row else sums.differing
        if not wanted:
            return None
        numbering = declared.known_numbers(connection)
        return compare(world, before, sums, declare(world, sums, wanted, numbering))


@dataclass(frozen=True, slots=True)
class Sums:
    """What the tables add up to: as they are, as the applies kept it, as the last record says."""

    record: AuditRecord
    live: Mapping[str, TableDigest]
    kept: Mapping[str, TableDigest]

    @property
    def differing(self) -> tuple[str, ...]:
        """The tables of which two of the three differ, or cannot be compared."""
        return tuple(table for table in STORE_TABLES if not self.agree(table))

    def agree(self, table: str) -> bool:
        """Whether all three say the same, by the hashes of the server that runs now."""
        if self.kept[table] != self.live[table]:
            return False
        return self.text(self.live, table) == self.recorded(table, self.text(self.live, table))

    def text(self, digests: Mapping[str, TableDigest], table: str) -> str:
        """Return a table's sum as records write it."""
        return digest_texts(digests)[table]

    def recorded(self, table: str, default: str | None = None) -> str | None:
        """Return what the record says; one that says nothing of a table contradicts nothing."""
        return self.record.tables.get(table, default)


def sums_of(connection: Connection[Any], before: Applied) -> Sums:
    """Add up every table; raise `AppliedDiffers` where the last record is of another revision."""
    record = state.last_record(connection)
    if record is None or record.revision != before.revision:
        raise state.AppliedDiffers(
            before.environment,
            "revision",
            recorded=record.revision if record is not None else None,
            found=before.revision,
        )
    return Sums(record, directory.recompute(connection), directory.kept(connection))


def declare(
    world: World, sums: Sums, tables: Collection[str], numbering: Numbering
) -> dict[str, Declared]:
    """Put what should be in some tables beside them, from the release that the record names."""
    connection = world.connection
    state.verify_live(connection, world.repository, sums.record)
    live = tuple(
        LiveVersion(BundleId.parse(one.bundle), one.version, one.files_tree, one.window)
        for one in control.live_bundles(connection, world.environment)
    )
    changes = Changes(world.repository, (), live)
    render = bulk.rendering(world.repository)
    return declared.declare(connection, tables, changes, numbering, render)


def compare(
    world: World, before: Applied, sums: Sums, wanted: Mapping[str, Declared]
) -> Drift | None:
    """Return how the tables differ from the declared rows beside them."""
    found = (_table(sums, table, wanted[table]) for table in STORE_TABLES if table in wanted)
    tables = tuple(one for one in found if one is not None)
    return Drift(world.environment, before.revision, tables) if tables else None


def _table(sums: Sums, table: str, wanted: Declared) -> TableDrift | None:
    hashed = hashlib.sha256()
    counts: Counter[Kind] = Counter()
    rows: list[RowDrift] = []
    for one in wanted.differences():
        hashed.update(canonical(_whole(one)) + b"\n")
        row = _row(table, one)
        counts[row.kind] += 1
        if len(rows) < ROWS_MAX:
            rows.append(row)
    _check_accounted(sums.live[table], wanted.digest(), counts)
    if not rows and (sums.agree(table) or _is_of_another_server(sums, table)):
        return None
    return TableDrift(
        table,
        sums.text(sums.live, table),
        sums.text(sums.kept, table),
        sums.recorded(table),
        {kind: counts[kind] for kind in Kind},
        Digest(hashed.hexdigest()),
        tuple(rows),
    )


def _is_of_another_server(sums: Sums, table: str) -> bool:
    """Whether what was kept was made by the hashes of another PostgreSQL, of as many rows."""
    kept, live = sums.kept[table], sums.live[table]
    return kept.algorithm != live.algorithm and kept.rows == live.rows


def _check_accounted(live: TableDigest, wanted: TableDigest, counts: Mapping[Kind, int]) -> None:
    expected = wanted.rows - counts[Kind.MISSING] + counts[Kind.EXTRA]
    same = not any(counts.values()) and live.digest != wanted.digest
    if live.rows != expected or same:
        raise RowsUnaccountable(live.table, live=live.rows, expected=expected)


def _row(table: str, one: Difference) -> RowDrift:
    stored, wanted = one.stored, one.declared
    kind = Kind.CHANGED if stored and wanted else Kind.EXTRA if stored else Kind.MISSING
    columns = tuple(
        ColumnDrift(name, _shown(name, before), _shown(name, after))
        for name, before, after in _columns(stored or {}, wanted or {})
    )
    named = wanted or stored or {}
    key = tuple(_shown(name, named[name]) or "" for name in STORE_TABLES[table].key)
    return RowDrift(kind, key, columns)


def _columns(stored: Values, wanted: Values) -> Iterator[tuple[str, str | None, str | None]]:
    """Yield each column in which two sides differ: its name, what is declared, what is stored."""
    for name in stored or wanted:
        if stored.get(name) != wanted.get(name):
            yield name, wanted.get(name), stored.get(name)


def _whole(one: Difference) -> list[Json]:
    return [dict(one.stored) if one.stored else None, dict(one.declared) if one.declared else None]


def _shown(column: str, value: str | None) -> str | None:
    if value is None:
        return None
    # Row keys are hashes, and a path may hold the first digits of a range.
    plain = column.endswith("_key") or column == FILE
    is_number = column in {"lo", "hi"} and len(value) <= _DIGITS_MAX
    text = value if plain or is_number else masked(value)
    return text if len(text) <= VALUE_MAX else text[: VALUE_MAX - 1] + "…"
