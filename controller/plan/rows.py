"""Rows as the store keeps them: a key, a window, the cells of one signed line, and its file.

A row's stored window is the line's own window inside the window of the versions that carry it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

from controller.artifacts.tables import TABLES, Table, row_key, span
from controller.kernel.instants import Window, format_instant

RULES = Table(
    "rules",
    ("bundle", "id", "priority", "document", "effective_from", "effective_to"),
    ("bundle", "id"),
)
"""Routing rules as a table: one row for each rule of a document, `document` in canonical JSON."""

STORED_TABLES: Mapping[str, Table] = {**TABLES, RULES.name: RULES}
"""Every table of the directory, in the order rows are put."""

OPEN = Window()
_UNIT = "\x1f"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of a bundle: `path` is the path in the repository."""

    bundle: str
    path: str


class StoredRow(NamedTuple):
    """One row of a table of the store.

    A named tuple, not a dataclass: a cold load makes millions of them.
    """

    table: str
    key: int
    window: Window
    cells: tuple[str, ...]
    source: SourceFile

    @property
    def parts(self) -> tuple[str, ...]:
        """The key's text, in parts."""
        return key_parts(self.table, self.cells)


def key_parts(table: str, cells: tuple[str, ...]) -> tuple[str, ...]:
    """Return the key of a row as text; a range's key is its padded span."""
    return _KEY_PARTS[table](cells)


def key_of(table: str, cells: tuple[str, ...]) -> int:
    """Return the number that stands for a row's key."""
    return row_key(table, key_parts(table, cells))


def own_window(cells: tuple[str, ...]) -> Window:
    """Return the window a line declares for itself: its last two cells."""
    if not cells[-2] and not cells[-1]:
        return OPEN
    return Window.parse(cells[-2], cells[-1])


def row_text(row: StoredRow) -> str:
    """Return a row as one unambiguous text: what plan digests are made of.

    The separators are control characters, which no cell may hold.
    """
    return _UNIT.join((row.table, window_text(row.window), *row.cells))


def window_text(window: Window) -> str:
    """Return a window as one unambiguous text: its start and its end, each empty where open."""
    start, end = window.start, window.end
    return f"{format_instant(start) if start else ''}{_UNIT}{format_instant(end) if end else ''}"


def _parts_of(table: Table) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    if table.name == "ranges":
        return _span_parts
    columns = [table.columns.index(column) for column in table.key]
    if len(columns) == 1:
        return lambda cells: (cells[columns[0]],)
    return itemgetter(*columns)


def _span_parts(cells: tuple[str, ...]) -> tuple[str, ...]:
    lo, hi = span(cells[0], cells[1])
    return (str(lo), str(hi))


_KEY_PARTS = {name: _parts_of(table) for name, table in STORED_TABLES.items()}
