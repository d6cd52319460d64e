"""A canonical file read in one go and turned: what many rows are judged and stored from.

Everything here is a few passes in C over the whole file. Whatever a pass does not like makes the
file no sheet; `strictcsv.read` then says what is wrong, cell by cell.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from itertools import compress
from operator import le, lt
from typing import Any

from controller.artifacts.rowtext import (
    CONTROLS,
    FIELD_SIZE_MAX,
    UNSEEN,
    Row,
    cells_of,
    key_columns,
    key_text,
)

_TAB = "\t"
# One pass that makes what must not begin or end a cell two letters, so that three searches do.
_EDGES = bytes.maketrans(b"\n=+-@ ", b"\t\1\1\1\1\2")
_BAD_EDGES = (b"\t\1", b"\t\2", b"\2\t")
_WHITE_EDGE = re.compile(r"(?:^|[\t\n])[^\S\t\n]|[^\S\t\n](?:[\t\n]|$)")
# A character is four bytes at most, so a line this short holds no cell that is too long.
_LINE_MAX = FIELD_SIZE_MAX // 4


class Sheet:
    """The rows of one canonical file: in order of their keys, no line twice.

    `lines[i]` holds row i, a tab between its cells (which no cell may hold); that is also
    PostgreSQL's text format but for backslashes. `columns[name][i]` is one of its cells.
    """

    def __init__(self, names: Sequence[str], lines: list[str], cells: Sequence[str]) -> None:
        self.names, self.lines = tuple(names), lines
        step = len(self.names) + 1
        self.columns: Mapping[str, Sequence[str]] = {
            name: cells[at::step] for at, name in enumerate(self.names)
        }
        self.keys_differ = True
        """Whether no two rows have one key."""

    def rows(self) -> list[Row]:
        """Return the rows, each as a tuple of its cells."""
        return [tuple(line.split(_TAB)) for line in self.lines]


def read_sheet(data: bytes, columns: Sequence[str]) -> Sheet | None:
    """Return a file with exactly these columns as a sheet, or `None` when it is not canonical."""
    header = ",".join(columns).encode() + b"\n"
    if data == header:
        return Sheet(columns, [], [])
    text = _clean_text(data, header)
    if text is None:
        return None
    sheet = _turned(columns, text)
    if sheet is None or (max(map(len, sheet.lines)) > _LINE_MAX and _has_long_cell(sheet)):
        return None
    keys = _keys(sheet)
    sheet.keys_differ = all(map(lt, keys, keys[1:]))
    return sheet if sheet.keys_differ or _is_in_order(sheet, keys) else None


def known_sheet(data: bytes, columns: Sequence[str]) -> Sheet:
    """Return the sheet that `read_sheet` has made of the very same bytes before."""
    header = ",".join(columns).encode() + b"\n"
    body = _tabbed(data[len(header) : -1]) if data != header else None
    sheet = _turned(columns, body.decode()) if body is not None else Sheet(columns, [], [])
    assert sheet is not None, "these bytes were a sheet"
    return sheet


def _turned(columns: Sequence[str], text: str) -> Sheet | None:
    """Cut a text into lines and cells; `None` when a row is not as wide as the columns are many."""
    lines = text.split("\n")
    cells = text.replace("\n", "\t\n\t").split(_TAB)
    step, breaks = len(columns) + 1, len(lines) - 1
    # Every line feed stands where a row of the right width ends, so every row has that width.
    fits = len(cells) == len(lines) * step - 1 and cells[step - 1 :: step].count("\n") == breaks
    return Sheet(columns, lines, cells) if fits else None


def _clean_text(data: bytes, header: bytes) -> str | None:
    """Return the rows with tabs between their cells, or `None` when a cell's text is odd."""
    if not (data.startswith(header) and data.endswith(b"\n")):
        return None
    if len(data.translate(None, CONTROLS)) != len(data):
        return None
    try:
        body = _tabbed(data[len(header) : -1])
        if body is None or not _has_clean_edges(body):
            return None
        text = body.decode()
    except UnicodeDecodeError:
        return None
    return text if text.isascii() or _is_clean_text(text) else None


def _tabbed(body: bytes) -> bytes | None:
    """Return the lines with tabs between their cells, or `None` when one is quoted oddly."""
    if b'"' not in body:
        return body.replace(b",", b"\t")
    lines = body.split(b"\n")
    tabbed = body.replace(b",", b"\t").split(b"\n")
    for at in compress(range(len(lines)), [b'"' in line for line in lines]):
        line = _tabbed_line(lines[at])
        if line is None:
            return None
        tabbed[at] = line
    return b"\n".join(tabbed)


def _tabbed_line(line: bytes) -> bytes | None:
    parts = line.split(b'"')
    if len(parts) == 3:
        before, cell, after = parts
        if b"," in cell and before[-1:] in b"," and after[:1] in b",":
            return before.replace(b",", b"\t") + cell + after.replace(b",", b"\t")
    cells, fault = cells_of(line.decode())
    return None if fault else _TAB.join(cells).encode()


def _has_clean_edges(body: bytes) -> bool:
    edges = b"\t" + body.translate(_EDGES) + b"\t"
    return not any(bad in edges for bad in _BAD_EDGES)


def _has_long_cell(sheet: Sheet) -> bool:
    return any(
        len(cell.encode()) > FIELD_SIZE_MAX for cells in sheet.columns.values() for cell in cells
    )


def _is_clean_text(text: str) -> bool:
    return (
        UNSEEN.search(text.replace(_TAB, ",")) is None
        and _WHITE_EDGE.search(text) is None
        and unicodedata.is_normalized("NFC", text)
    )


def _is_in_order(sheet: Sheet, keys: Sequence[Any]) -> bool:
    """Whether rows with equal keys stand together, and are not the same line twice."""
    return all(map(le, keys, keys[1:])) and len(set(sheet.lines)) == len(sheet.lines)


def _keys(sheet: Sheet) -> Sequence[Any]:
    """Return what puts the rows in order."""
    if "iin_start" in sheet.names:
        return list(map(key_text(sheet.names), sheet.rows()))
    keys = [sheet.columns[name] for name in key_columns(sheet.names)]
    return keys[0] if len(keys) == 1 else list(zip(*keys, strict=True))
