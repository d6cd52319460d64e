"""Whole files as PostgreSQL's COPY text: a file's rows at once, column by column.

What is the same for all rows of a file's kind (window, revision) is not written at all: the table
they are copied into says it once, as a default.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from controller.artifacts.sheets import Sheet, known_sheet
from controller.artifacts.tables import row_keys
from controller.kernel.errors import Corrupt
from controller.kernel.objects import Objects, Oid
from controller.plan.rows import STORED_TABLES
from controller.stores.directory.tables import STORE_TABLES

Texts = Sequence[str]

_NAMED_BY = {"participant_key": "participant_id", "endpoint_key": "endpoint_id"}
_MAY_NAME_NOBODY = ("ranges",)


class FileText(NamedTuple):
    """Which text is wanted of a file: its rows under a file's number, or (`None`) its keys."""

    table: str
    columns: tuple[str, ...]
    oid: Oid
    sha256: bytes
    size_bytes: int
    file_id: int | None


Render = Callable[[Sequence[FileText]], Iterator[bytes]]
"""Makes the texts of files, in their order."""


def columns_of(table: str, columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns a row's text has, in its order, for a file with these columns."""
    store = STORE_TABLES[table]
    cells = dict(zip(STORED_TABLES[table].columns, store.cells, strict=True))
    return ("row_key", *store.derived, *(cells[name] for name in columns), "file_id")


def render(wanted: FileText, data: bytes) -> bytes:
    """Return the text of one file, a line for each row."""
    if hashlib.sha256(data).digest() != wanted.sha256:
        raise Corrupt(f"a file of {wanted.table} is not what was planned")
    sheet = known_sheet(data, wanted.columns)
    keys = list(map(str, row_keys(wanted.table, _key(wanted.table, sheet))))
    if wanted.file_id is None:
        return "".join([f"{key}\n" for key in keys]).encode()
    parts = [keys, *_derived(wanted.table, sheet), _escaped(sheet.lines)]
    return _joined(parts, f"\t{wanted.file_id}\n").encode()


def _joined(parts: Sequence[Texts], end: str) -> str:
    """Return rows made of one text of each part, with tabs between: one pass in C for each part."""
    rows, step = len(parts[0]), 2 * len(parts)
    texts = ["\t"] * (rows * step)
    for at, part in enumerate(parts):
        texts[2 * at :: step] = part
    texts[step - 1 :: step] = [end] * rows
    return "".join(texts)


def _escaped(lines: list[str]) -> list[str]:
    if not any("\\" in line for line in lines):
        return lines
    return [line.replace("\\", "\\\\") for line in lines]


def _key(table: str, sheet: Sheet) -> list[Texts]:
    if table == "ranges":
        return [list(map(str, numbers)) for numbers in _spans(sheet)]
    empty = [""] * len(sheet.lines)
    return [sheet.columns.get(name, empty) for name in STORED_TABLES[table].key]


def _derived(table: str, sheet: Sheet) -> list[Texts]:
    """Return the texts of the columns that a table derives from its cells."""
    made: dict[str, Texts] = _range_texts(sheet) if table == "ranges" else {}
    store, empty = STORE_TABLES[table], [""] * len(sheet.lines)
    for reference in store.references:
        named = sheet.columns.get(_NAMED_BY[reference.column], empty)
        keys = list(map(str, row_keys(reference.target, [named])))
        if table in _MAY_NAME_NOBODY:
            keys = [key if name else "" for key, name in zip(keys, named, strict=True)]
        made[reference.column] = keys
    return [made[name] for name in store.derived]


def _range_texts(sheet: Sheet) -> dict[str, Texts]:
    lows, highs = _spans(sheet)
    levels = [(high - low).bit_length() for low, high in zip(lows, highs, strict=True)]
    found: Mapping[str, Sequence[int]] = {"lo": lows, "hi": highs, "level": levels}
    return {name: list(map(str, numbers)) for name, numbers in found.items()}


def _spans(sheet: Sheet) -> tuple[list[int], list[int]]:
    starts = sheet.columns["iin_start"]
    ends = sheet.columns.get("iin_end", starts)
    lows = [int(start.ljust(12, "0")) for start in starts]
    highs = [int((end or start).ljust(12, "9")) for start, end in zip(starts, ends, strict=True)]
    return lows, highs


def rendered_here(objects: Objects) -> Render:
    """Return what reads and renders one file after the other, in this process."""

    def run(files: Sequence[FileText]) -> Iterator[bytes]:
        contents = objects.read_many(wanted.oid for wanted in files)
        return map(render, files, contents)

    return run
