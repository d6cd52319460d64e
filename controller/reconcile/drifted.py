"""What drifted, as a value: rows and columns, how many of each kind, one digest for all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from controller.kernel.canonical import Digest, Json, canonical, sha256


class Kind(StrEnum):
    """How a row drifted."""

    MISSING = "missing"
    EXTRA = "extra"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """One column of a row: what is declared, and what is stored; `None` where there is nothing."""

    column: str
    declared: str | None
    stored: str | None


@dataclass(frozen=True, slots=True)
class RowDrift:
    """One row that is not as declared; long numbers are masked and long texts cut."""

    kind: Kind
    key: tuple[str, ...]
    columns: tuple[ColumnDrift, ...]


@dataclass(frozen=True, slots=True)
class TableDrift:
    """One table: what it adds up to in three places, how many rows drifted, and the first of them.

    `rows_sha256` covers all rows that drifted, in full. No row at all: only what is kept of the
    table is wrong.
    """

    table: str
    live: str
    kept: str
    recorded: str | None
    counts: Mapping[Kind, int]
    rows_sha256: Digest
    rows: tuple[RowDrift, ...]

    @property
    def total(self) -> int:
        """How many rows drifted."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Drift:
    """Everything that drifted, at one revision. The digest is what an acknowledgement names."""

    environment: str
    revision: int
    tables: tuple[TableDrift, ...]

    @property
    def rows(self) -> int:
        """How many rows drifted in all tables."""
        return sum(table.total for table in self.tables)

    @property
    def digest(self) -> Digest:
        """Return the digest of exactly this drift, at this revision."""
        return sha256(canonical({"drift": 1, **self._facts(_digested)}))

    def document(self) -> dict[str, Json]:
        """Return the report as JSON members; what may be a card number is masked in it."""
        return {"digest": self.digest, **self._facts(_shown_table)}

    def _facts(self, table: "Callable[[TableDrift], dict[str, Json]]") -> dict[str, Json]:
        return {
            "environment": self.environment,
            "revision": self.revision,
            "tables": [table(one) for one in self.tables],
        }

    def __str__(self) -> str:
        """Say it in one sentence."""
        told = "; ".join(f"{one.table}: {_counted(one)}" for one in self.tables)
        return f"live rows are not what revision {self.revision} applied: {told}"


def _counted(table: TableDrift) -> str:
    told = ", ".join(f"{count} {kind.value}" for kind, count in table.counts.items() if count)
    return told or "only what is kept of it"


def _digested(table: TableDrift) -> dict[str, Json]:
    return {
        "table": table.table,
        "live": table.live,
        "kept": table.kept,
        "recorded": table.recorded,
        **{kind.value: table.counts[kind] for kind in Kind},
        "rows_sha256": table.rows_sha256,
    }


def _shown_table(table: TableDrift) -> dict[str, Json]:
    rows: list[Json] = [
        {
            "kind": row.kind.value,
            "key": list(row.key),
            "columns": [
                {"column": one.column, "declared": one.declared, "stored": one.stored}
                for one in row.columns
            ],
        }
        for row in table.rows
    ]
    return {**_digested(table), "rows": rows}
