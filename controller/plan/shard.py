"""What one file makes the store drop and put, row by row, and only for the lines that differ."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TypeAlias, cast

from controller.artifacts import strictcsv
from controller.artifacts.linediff import middle
from controller.kernel import strictjson
from controller.kernel.canonical import canonical
from controller.kernel.errors import Refused
from controller.kernel.instants import Window, union
from controller.plan.rows import (
    OPEN,
    STORED_TABLES,
    SourceFile,
    StoredRow,
    key_of,
    own_window,
)

_CELLS = attrgetter("cells")

Windows: TypeAlias = tuple[Window, ...]
Cells: TypeAlias = tuple[str, ...]
_Unit: TypeAlias = bytes | Cells


class UnreadableRows(Refused):
    """A file of a live version does not have the form its table has."""

    code = "plan.unreadable_rows"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}", hint="run `countersign validate` on this version")
        self.path, self.reason = path, reason


@dataclass(frozen=True, slots=True)
class ShardChange:
    """The rows that one file makes the store drop and put, in a total order."""

    source: SourceFile
    table: str
    removed: tuple[StoredRow, ...]
    added: tuple[StoredRow, ...]


@dataclass(frozen=True, slots=True)
class Content:
    """One of a file's contents, and when it counts before and after."""

    data: bytes
    before: Windows
    after: Windows


def shard_change(source: SourceFile, table: str, contents: Sequence[Content]) -> ShardChange | None:
    """Return what one file makes change, or `None` when nothing does."""
    units, cells = _units(source, table, contents)
    sides: dict[int, _Sides] = {}
    removed: list[StoredRow] = []
    added: list[StoredRow] = []
    for unit, mask in _masks(source, units):
        side = sides.get(mask)
        if side is None:
            side = sides[mask] = _sides(*_merged(contents, mask))
        if not (side.going or side.coming):
            continue
        row = cells(unit)
        own = own_window(row)
        key = key_of(table, row)
        going, coming = (
            (side.going, side.coming)
            if own is OPEN
            else apart(_within(side.before, own), _within(side.after, own))
        )
        if going:
            removed += [StoredRow(table, key, one, row, source) for one in going]
        if coming:
            added += [StoredRow(table, key, one, row, source) for one in coming]
    if not removed and not added:
        return None
    return ShardChange(
        source,
        table,
        _ordered(removed),
        _ordered(added),
    )


@dataclass(frozen=True, slots=True)
class _Sides:
    """When lines count before and after, and so what goes and comes of those without own ends."""

    before: Windows
    after: Windows
    going: Windows
    coming: Windows


def _sides(before: Windows, after: Windows) -> _Sides:
    return _Sides(before, after, *apart(before, after))


def apart(before: Windows, after: Windows) -> tuple[Windows, Windows]:
    """Return the windows that are only before, and those that are only after."""
    return (
        tuple(one for one in before if one not in after),
        tuple(one for one in after if one not in before),
    )


def _ordered(rows: list[StoredRow]) -> tuple[StoredRow, ...]:
    """Order rows by their cells; the windows of one line are already in order, and stay so."""
    return tuple(sorted(rows, key=_CELLS))


def _within(windows: Windows, own: Window) -> Windows:
    inside = (window.intersect(own) for window in windows)
    return tuple(window for window in inside if window is not None)


def _merged(contents: Sequence[Content], mask: int) -> tuple[Windows, Windows]:
    some = [content for index, content in enumerate(contents) if mask >> index & 1]
    if len(some) == 1:
        return some[0].before, some[0].after
    return (
        union(window for content in some for window in content.before),
        union(window for content in some for window in content.after),
    )


def _masks(source: SourceFile, units: Sequence[Collection[_Unit]]) -> Iterator[tuple[_Unit, int]]:
    """Yield each different line with the set of contents it stands in, as bits."""
    masks: dict[_Unit, int] = {}
    for index, some in enumerate(units):
        bit = 1 << index
        for unit in some:
            mask = masks.get(unit, 0)
            if mask & bit:
                raise UnreadableRows(source.path, "a line that stands twice")
            masks[unit] = mask | bit
    return iter(masks.items())


def _units(
    source: SourceFile, table: str, contents: Sequence[Content]
) -> tuple[list[Sequence[_Unit]], Callable[[_Unit], Cells]]:
    """Return what is compared, and how it becomes cells.

    Lines where all contents have one header, so that only lines that differ are parsed; cells
    where the header changed, and for documents.
    """
    if table == "rules":
        rules: list[Sequence[_Unit]] = [_rules(source, content.data) for content in contents]
        return rules, _as_cells
    headers = {content.data.partition(b"\n")[0] for content in contents}
    if len(headers) == 1:
        expand = _expander(source, table, headers.pop())
        lines: list[Sequence[_Unit]] = [*_different_lines(source, contents)]
        return lines, cast(Callable[[_Unit], Cells], expand)
    parsed: list[Sequence[_Unit]] = []
    for content in contents:
        expand = _expander(source, table, content.data.partition(b"\n")[0])
        parsed.append([expand(line) for line in strictcsv.lines(content.data)])
    return parsed, _as_cells


def _different_lines(source: SourceFile, contents: Sequence[Content]) -> list[list[bytes]]:
    """Return each content's lines, without those at both ends that all share and nobody asks for.

    The contents have one header, which is not among the lines.
    """
    before, after = _merged(contents, (1 << len(contents)) - 1)
    whole = [content.data for content in contents]
    found = middle(whole)
    closed = all(data.endswith(b"\n") for data in whole)
    if before != after or found.first == 0 or not closed:
        return [strictcsv.lines(data) for data in whole]
    around = found.around(whole[0])
    parts = [part.split(b"\n")[:-1] for part in found.parts]
    for line in {line for part in parts for line in part}:
        if b"\n%s\n" % line in around:
            raise UnreadableRows(source.path, "a line that stands twice")
    return parts


def _as_cells(unit: _Unit) -> Cells:
    assert isinstance(unit, tuple)
    return unit


def _expander(source: SourceFile, table: str, header: bytes) -> Callable[[bytes], Cells]:
    """Return how a line becomes all of the table's cells; columns left out are empty."""
    columns = STORED_TABLES[table].columns
    try:
        names = tuple(header.decode().split(","))
    except UnicodeDecodeError:
        raise UnreadableRows(source.path, "a header that is not UTF-8") from None
    if len(set(names)) != len(names) or not set(names) <= set(columns):
        raise UnreadableRows(source.path, f"not a header of {table}")
    width = len(names)
    if names == columns:

        def read(line: bytes) -> Cells:
            text = line.decode()
            cells = tuple(text.split(","))
            # What needs a closer look, or is wrong, is for the reader of single lines.
            if '"' in text or len(cells) != width or not text.isprintable():
                return strictcsv.parse_line(text, width)
            return cells

        return read
    index = tuple(names.index(name) if name in names else width for name in columns)

    def expand(line: bytes) -> Cells:
        cells = (*strictcsv.parse_line(line.decode(), width), "")
        return tuple([cells[one] for one in index])

    return expand


def _rules(source: SourceFile, data: bytes) -> list[Cells]:
    document = strictjson.parse(data)
    if not isinstance(document, dict) or not isinstance(document.get("rules"), list):
        raise UnreadableRows(source.path, "not a document of routing rules")
    return [_rule(source, rule) for rule in document["rules"]]


def _rule(source: SourceFile, rule: object) -> Cells:
    if not isinstance(rule, dict) or not isinstance(rule.get("id"), str):
        raise UnreadableRows(source.path, "a rule without an id")
    priority = rule.get("priority")
    return (
        source.bundle,
        rule["id"],
        "" if priority is None else str(priority),
        canonical(rule).decode(),
        rule.get("effective_from") or "",
        rule.get("effective_to") or "",
    )
