"""Rows as they are compared with each other: of every bundle, each with when it is in force.

Two rows conflict only while both are in force: a row's window is its own cut to its bundle's.
Windows are held as pairs of wire texts, "" for an open start and "~" for an open end, because
instants of one form sort as text. Rows whose own window cannot be read are left to the row rules.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from controller.artifacts.tables import TABLES, span
from controller.kernel.findings import Finding
from controller.kernel.instants import Window, format_instant
from controller.policy.checks import check
from controller.policy.judges import matching
from controller.policy.rail import Rail, Rule
from controller.policy.spans import Meetings, meet
from controller.policy.text import finding

OPEN_END = "~"
_FIRST, _LAST = matching("^[0-9]{6,11}$"), matching("^(?:[0-9]{6,11})?$")

Cells = tuple[str, ...]
Place = tuple[Cells, str, int]
"""A row's cells (every column of its table), its file and its line."""


@dataclass(frozen=True, slots=True)
class LintBundle:
    """One live bundle version as the cross-row rules see it."""

    bundle: str
    rail: Rail
    window: Window
    tables: Mapping[str, Sequence[Place]]


class Row(NamedTuple):
    """A row in force from `start` on and before `end`."""

    cells: Cells
    path: str
    line: int
    start: str
    end: str


@dataclass(slots=True)
class Rows:
    """The rows rules look at: of every bundle, or of one rail."""

    tables: dict[str, list[Row]] = field(default_factory=lambda: {table: [] for table in TABLES})
    never: list[tuple[str, Place]] = field(default_factory=list)
    _columns: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    _met: Meetings | None = None

    def column(self, table: str, column: str) -> Sequence[str]:
        """Return the cells of one column of a table, in the order of its rows."""
        found = self._columns.get((table, column))
        if found is None:
            (at,) = positions(table, [column])
            found = self._columns[table, column] = [row.cells[at] for row in self.tables[table]]
        return found

    def meetings(self) -> Meetings:
        """Return how card ranges meet; found once for all rules that ask."""
        if self._met is None:
            self._met = encounters(self.tables["ranges"])
        return self._met


@dataclass(frozen=True, slots=True)
class Scene:
    """What one rule may look at: `rows` it speaks about, `all` that references may lead to."""

    rail: Rail
    rows: Rows
    all: Rows


def gather(bundles: Sequence[LintBundle]) -> tuple[Rows, dict[str, Rows]]:
    """Return all rows, and those of each rail, with the windows in which they are in force."""
    every, by_rail = Rows(), {bundle.rail.name: Rows() for bundle in bundles}
    known = check("calendar")
    for bundle in bundles:
        own = by_rail[bundle.rail.name]
        low, high = _texts(bundle.window)
        for table, places in bundle.tables.items():
            rows, never = _in_force(places, low, high, known)
            every.tables[table].extend(rows)
            own.tables[table].extend(rows)
            own.never.extend((table, place) for place in never)
            every.never.extend((table, place) for place in never)
    return every, by_rail


def _texts(window: Window) -> tuple[str, str]:
    return (
        format_instant(window.start) if window.start else "",
        format_instant(window.end) if window.end else OPEN_END,
    )


def _in_force(
    places: Iterable[Place], low: str, high: str, known: Callable[[str], bool]
) -> tuple[list[Row], list[Place]]:
    rows: list[Row] = []
    never: list[Place] = []
    add = rows.append
    for place in places:
        cells, path, line = place
        start, end = cells[-2], cells[-1]
        if not start and not end:
            add(Row(cells, path, line, low, high))
            continue
        if not (_readable(start, known) and _readable(end, known)) or (start >= end > ""):
            continue
        start, end = max(start, low), min(end or OPEN_END, high)
        if start < end:
            add(Row(cells, path, line, start, end))
        else:
            never.append(place)
    return rows, never


def _readable(instant: str, known: Callable[[str], bool]) -> bool:
    return not instant or (len(instant) == 20 and instant[0] == "2" and known(instant))


def encounters(rows: Sequence[Row]) -> Meetings:
    """Return how card ranges meet; spans that cannot be read are left to the row rules."""
    firsts, lasts = [row.cells[0] for row in rows], [row.cells[1] for row in rows]
    places: Sequence[int] = range(len(rows))
    if not (_FIRST.every(firsts) and _LAST.every(lasts) and all(map(_is_even, firsts, lasts))):
        good = [at for at in places if _is_span(firsts[at], lasts[at])]
        places, rows = good, [rows[at] for at in good]
        firsts, lasts = [firsts[at] for at in good], [lasts[at] for at in good]
    spans = [
        (*numbers, row.start, row.end, at)
        for at, row, numbers in zip(places, rows, map(span, firsts, lasts), strict=True)
    ]
    return meet(spans)


def _is_span(first: str, last: str) -> bool:
    return _FIRST.one(first) and _LAST.one(last) and _is_even(first, last)


def _is_even(first: str, last: str) -> bool:
    """Whether a range ends with as many digits as it starts with, and not before."""
    return not last or (len(last) == len(first) and first <= last)


def positions(table: str, columns: Iterable[str]) -> list[int]:
    """Return where columns stand among all cells of a table's row."""
    known = TABLES[table].columns
    return [known.index(column) for column in columns]


def place_of(row: Row) -> str:
    """Return a row's file and line, as findings end with them where they name another row."""
    return f"{row.path} line {row.line}"


def say(rule: Rule, row: Row, column: str, about: str) -> Finding:
    """Return what `rule` says about a row."""
    return finding(rule, row.path, row.line, column, about)
