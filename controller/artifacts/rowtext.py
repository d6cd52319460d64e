"""One row as text: the cells of a line, and the texts that put rows in order."""

import re
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import TypeAlias

from controller.artifacts.tables import TABLES

FIELD_SIZE_MAX = 4096

Row: TypeAlias = tuple[str, ...]

CONTROLS = bytes([*range(10), *range(11, 32), 127])
"""Every control character but the line feed."""

# Controls, format characters (bidi, zero width, soft hyphen, tags), line separators, noncharacters.
UNSEEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u180e\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\uffff\U000e0000-\U000e0fff]"
)
"""Characters that nobody sees and no cell may hold."""

_CELL = re.compile(r'"((?:[^"]++|"")*+)"|([^",]*)')


def cells_of(line: str) -> tuple[Row, str]:
    """Return the cells of a line, and what is not canonical about its quotes (or nothing)."""
    if '"' not in line:
        return tuple(line.split(",")), ""
    cells: list[str] = []
    fault, at = "", 0
    while at <= len(line):
        match = _CELL.match(line, at)
        assert match is not None  # the expression matches the empty text
        end = match.end()
        if end < len(line) and line[end] != ",":
            return tuple(line.split(",")), "a quote that is not closed, or stands inside a cell"
        cell = match[2]
        if cell is None:
            cell = match[1].replace('""', '"')
            if "," not in cell and '"' not in cell:
                fault = "quotes around a cell that needs none"
        cells.append(cell)
        at = end + 1
    return tuple(cells), fault


def key_text(columns: Sequence[str]) -> Callable[[Row], Row]:
    """Return the function from a row to the texts that put it in order; see `key_columns`."""
    if "iin_start" in columns:
        start = columns.index("iin_start")
        if "iin_end" not in columns:
            return lambda row: (row[start].ljust(12, "0"), row[start].ljust(12, "9"))
        end = columns.index("iin_end")
        return lambda row: (row[start].ljust(12, "0"), (row[end] or row[start]).ljust(12, "9"))
    picks = [columns.index(name) for name in key_columns(columns)]
    if len(picks) == 1:
        return lambda row: (row[picks[0]],)
    return itemgetter(*picks)


def key_columns(columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns whose cells put rows in order.

    The table is known by its columns: card ranges go by their padded span, other tables by their
    key, and columns of no known table by all cells from the left.
    """
    if "iin_start" in columns:
        return tuple(name for name in ("iin_start", "iin_end") if name in columns)
    for table in TABLES.values():
        if set(columns) <= set(table.columns) and set(table.key) <= set(columns):
            return table.key
    return tuple(columns)
