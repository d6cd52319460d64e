"""How rows become SQL: each table's columns, and the values a row puts into them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from controller.artifacts.tables import row_key, span
from controller.kernel import strictjson
from controller.kernel.instants import Window, format_instant
from controller.plan.rows import STORED_TABLES, StoredRow

Extra = str | int | None
_FIRST = ("row_key", "effective_from", "effective_to")
_LAST = ("file_id", "revision")


@dataclass(frozen=True, slots=True)
class Reference:
    """A column that holds the row key of another table's row."""

    column: str
    target: str


@dataclass(frozen=True, slots=True)
class StoreTable:
    """One table: `name` in SQL, `table` in files; `derived` columns come from the cells."""

    table: str
    name: str
    derived: tuple[str, ...]
    cells: tuple[str, ...]
    key: tuple[str, ...]
    references: tuple[Reference, ...]
    derive: Callable[[tuple[str, ...]], tuple[Extra, ...]]

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column, in the order of the table."""
        return (*_FIRST, *self.derived, *self.cells, *_LAST)

    @property
    def content(self) -> tuple[str, ...]:
        """The columns a digest covers: everything but where a row comes from."""
        return (*_FIRST, *self.derived, *self.cells)

    def values(self, row: StoredRow, file_id: int, revision: int) -> tuple[Extra, ...]:
        """Return a row's values, in the order of `columns`; windows as text, absent as None."""
        return (
            row.key,
            *window_texts(row.window),
            *self.derive(row.cells),
            *(cell or None for cell in row.cells),
            file_id,
            revision,
        )


def window_texts(window: Window) -> tuple[str, str]:
    """Return a window as PostgreSQL reads it; open ends are infinities."""
    return (
        format_instant(window.start) if window.start else "-infinity",
        format_instant(window.end) if window.end else "infinity",
    )


@lru_cache(maxsize=1 << 16)
def reference_key(table: str, identifier: str) -> int:
    """Return the row key of a participant or an endpoint."""
    return row_key(table, (identifier,))


def _nothing(_cells: tuple[str, ...]) -> tuple[Extra, ...]:
    return ()


def _identifier(cells: tuple[str, ...]) -> tuple[Extra, ...]:
    return (reference_key("participants", cells[0]),)


def _endpoint(cells: tuple[str, ...]) -> tuple[Extra, ...]:
    return (reference_key("participants", cells[1]),)


def _capability(cells: tuple[str, ...]) -> tuple[Extra, ...]:
    return (reference_key("endpoints", cells[0]),)


def _range(cells: tuple[str, ...]) -> tuple[Extra, ...]:
    lo, hi = span(cells[0], cells[1])
    participant = cells[10]
    key = reference_key("participants", participant) if participant else None
    return (lo, hi, (hi - lo).bit_length(), key)


def _rule(cells: tuple[str, ...]) -> tuple[Extra, ...]:
    rule = strictjson.parse(cells[3].encode())
    participant, endpoint = rule.get("participant_id"), rule.get("endpoint_id")
    return (
        reference_key("participants", participant) if participant else None,
        reference_key("endpoints", endpoint) if endpoint else None,
    )


_PARTICIPANT = Reference("participant_key", "participants")
_ENDPOINT = Reference("endpoint_key", "endpoints")


def _store_table(
    table: str,
    name: str,
    derive: Callable[[tuple[str, ...]], tuple[Extra, ...]] = _nothing,
    derived: tuple[str, ...] = (),
    references: tuple[Reference, ...] = (),
) -> StoreTable:
    cells = tuple(
        {"effective_from": "cell_from", "effective_to": "cell_to"}.get(column, column)
        for column in STORED_TABLES[table].columns
    )
    key = ("lo", "hi") if table == "ranges" else STORED_TABLES[table].key
    return StoreTable(table, name, derived, cells, key, references, derive)


STORE_TABLES: Mapping[str, StoreTable] = {
    each.table: each
    for each in (
        _store_table("participants", "participant"),
        _store_table(
            "identifiers", "identifier", _identifier, ("participant_key",), (_PARTICIPANT,)
        ),
        _store_table("endpoints", "endpoint", _endpoint, ("participant_key",), (_PARTICIPANT,)),
        _store_table("capabilities", "capability", _capability, ("endpoint_key",), (_ENDPOINT,)),
        _store_table(
            "ranges", "range", _range, ("lo", "hi", "level", "participant_key"), (_PARTICIPANT,)
        ),
        _store_table(
            "rules",
            "rule",
            _rule,
            ("participant_key", "endpoint_key"),
            (_PARTICIPANT, _ENDPOINT),
        ),
    )
}
"""By the name files use, in the order rows are put."""
