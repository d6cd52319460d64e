"""Rules that compare rows with rows: keys, references, successors, windows and ranges.

Two rows conflict only while both are in force: a row's window is its own cut to its bundle's.
Windows are held as pairs of wire texts, "" for an open start and "~" for an open end, because
instants of one form sort as text. Rows whose own window cannot be read are left to the row rules.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from controller.artifacts.tables import TABLES, span
from controller.kernel.findings import Finding
from controller.kernel.instants import Window, format_instant
from controller.policy.checks import check
from controller.policy.rail import Rail, Rule
from controller.policy.rules import ACROSS, finding
from controller.policy.spans import Meeting, Span, meet
from controller.policy.text import masked, quoted

OPEN_END = "~"

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
    met: list[tuple[Row, Row, Meeting]] | None = None

    def encounters(self) -> list[tuple[Row, Row, Meeting]]:
        """Return how ranges meet, (inner, outer, how); found once for all rules that ask."""
        if self.met is None:
            self.met = encounters(self.tables["ranges"])
        return self.met


@dataclass(frozen=True, slots=True)
class Scene:
    """What one rule may look at: `rows` it speaks about, `all` that references may lead to."""

    rail: Rail
    rows: Rows
    all: Rows


AcrossCheck = Callable[[Rule, Mapping[str, Any], Scene], Iterator[Finding]]


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


def run_rules(bundles: Sequence[LintBundle]) -> Iterator[Finding]:
    """Yield what every cross-row rule of the bundles' rails has to say."""
    every, by_rail = gather(bundles)
    rails = {bundle.rail.name: bundle.rail for bundle in bundles}
    common: set[str] = set()
    for name, rail in sorted(rails.items()):
        own = Scene(rail, by_rail[name], every)
        together = Scene(rail, every, every)
        for rule in rail.rules:
            is_common = rule.id.startswith("common/")
            for words in rule.checks:
                if words["kind"] not in ACROSS:
                    continue
                if not is_common or words["kind"] == "needed":
                    yield from _CHECKS[words["kind"]](rule, words, own)
                elif rule.id not in common:
                    yield from _CHECKS[words["kind"]](rule, words, together)
            # The common rules are the same in every rail: they speak once, about all rows.
        common |= {rule.id for rule in rail.rules if rule.id.startswith("common/")}


def _positions(table: str, columns: Iterable[str]) -> list[int]:
    known = TABLES[table].columns
    return [known.index(column) for column in columns]


def _say(rule: Rule, row: Row, column: str, about: str) -> Finding:
    return finding(rule, row.path, row.line, column, about)


def _at(row: Row) -> str:
    return f"{row.path} line {row.line}"


def _picked(words: Mapping[str, Any], table: str, rows: Sequence[Row]) -> Sequence[Row]:
    for column, values in words.get("where", {}).items():
        (at,) = _positions(table, [column])
        wanted = frozenset(values)
        rows = [row for row in rows if row.cells[at] in wanted]
    return rows


def _unique(rule: Rule, words: Mapping[str, Any], scene: Scene) -> Iterator[Finding]:
    """One key (canonical, or folded in case) at one time: the later row of two is reported.

    With `variants` only rows whose keys are written differently count, with `differ` only rows
    whose named column differs.
    """
    table, key = words["table"], words["key"]
    rows = _picked(words, table, scene.rows.tables[table])
    at = _positions(table, key)
    differ = _positions(table, [words["differ"]])[0] if "differ" in words else None
    groups = _groups(rows, _keyer(table, key, words, scene.rail))
    for group in groups:
        reported: set[tuple[str, int]] = set()
        for earlier, later in _together(group):
            if words.get("variants") and all(earlier.cells[i] == later.cells[i] for i in at):
                continue
            if earlier.cells == later.cells and earlier.path == later.path:
                continue  # the same line twice: reading the file has said so
            if differ is not None and earlier.cells[differ] == later.cells[differ]:
                continue
            if (later.path, later.line) in reported:
                continue
            reported.add((later.path, later.line))
            about = f"{quoted(later.cells[at[-1]])} also stands in {_at(earlier)}"
            yield _say(rule, later, key[-1], about)


def _keyer(
    table: str, key: Sequence[str], words: Mapping[str, Any], rail: Rail
) -> Callable[[Row], object]:
    at = _positions(table, key)
    if key == ["scheme", "value"]:
        scheme_at, value_at = at
        steps = {name: scheme.canonical for name, scheme in rail.schemes.items()}
        fold = words.get("fold", False)

        def identifier(row: Row) -> object:
            scheme, value = row.cells[scheme_at], row.cells[value_at]
            value = steps[scheme](value) if scheme in steps else value
            return (scheme, value.casefold() if fold else value)

        return identifier
    if len(at) == 1 and not words.get("fold"):
        (only,) = at
        return lambda row: row.cells[only]
    if words.get("fold"):
        return lambda row: tuple(row.cells[i].casefold() for i in at)
    return lambda row: tuple(row.cells[i] for i in at)


def _groups(rows: Sequence[Row], key: Callable[[Row], object]) -> list[list[Row]]:
    """Return the rows that share a non-empty key with another."""
    first: dict[object, Row] = {}
    more: dict[object, list[Row]] = {}
    for row in rows:
        own = key(row)
        before = first.setdefault(own, row)
        if before is not row:
            more.setdefault(own, [before]).append(row)
    return [group for own, group in more.items() if own not in ("", ("",))]


def _together(group: Sequence[Row]) -> Iterator[tuple[Row, Row]]:
    """Yield pairs (earlier, later in file order) whose windows share an instant.

    Each row is held against those still in force when it starts; a row that meets several is
    named with the first, so a key written n times costs n steps, not n².
    """
    order = sorted(group, key=lambda row: (row.start, row.path, row.line))
    in_force: list[Row] = []
    for row in order:
        in_force = [other for other in in_force if other.end > row.start][:64]
        for other in in_force:
            pair = sorted((row, other), key=lambda one: (one.path, one.line))
            yield pair[0], pair[1]
        in_force.append(row)


def _reference(rule: Rule, words: Mapping[str, Any], scene: Scene) -> Iterator[Finding]:
    """What a column names exists, at some time when the row is in force."""
    table, column, target = words["table"], words["column"], words["to"]
    (at,) = _positions(table, [column])
    rows = scene.rows.tables[table]
    if target == "identifiers":
        yield from _successors_exist(rule, rows, scene)
        return
    windows = _windows(scene.all.tables[target], lambda row: row.cells[0])
    for row in rows:
        name = row.cells[at]
        if name and not _meets(windows.get(name, ()), row):
            yield _say(rule, row, column, f"no {target[:-1]} {quoted(name)}")


def _successors_exist(rule: Rule, rows: Sequence[Row], scene: Scene) -> Iterator[Finding]:
    scheme_at, value_at = _positions("identifiers", ["successor_scheme", "successor_value"])
    named = [row for row in rows if row.cells[value_at]]
    if not named:
        return
    windows = _windows(scene.all.tables["identifiers"], _identity(scene.rail))
    for row in named:
        key = _canonical(scene.rail, row.cells[scheme_at], row.cells[value_at])
        if not _meets(windows.get(key, ()), row):
            yield _say(rule, row, "successor_value", f"no identifier {quoted(row.cells[value_at])}")


def _windows(
    rows: Iterable[Row], key: Callable[[Row], object]
) -> dict[object, list[tuple[str, str]]]:
    windows: dict[object, list[tuple[str, str]]] = {}
    for row in rows:
        windows.setdefault(key(row), []).append((row.start, row.end))
    return windows


_ALWAYS = [("", OPEN_END)]


def _meets(windows: Sequence[tuple[str, str]], row: Row) -> bool:
    return windows == _ALWAYS or any(start < row.end and row.start < end for start, end in windows)


def _canonical(rail: Rail, scheme: str, value: str) -> tuple[str, str]:
    known = rail.schemes.get(scheme)
    return scheme, known.canonical(value) if known else value


def _identity(rail: Rail) -> Callable[[Row], tuple[str, str]]:
    scheme_at, value_at = _positions("identifiers", ["scheme", "value"])
    return lambda row: _canonical(rail, row.cells[scheme_at], row.cells[value_at])


def _needed(rule: Rule, words: Mapping[str, Any], scene: Scene) -> Iterator[Finding]:
    """A participant has at least one row in each table its rail says it lives by."""
    del words
    status_at, parent_at = _positions("participants", ["status", "parent_id"])
    participants = scene.rows.tables["participants"]
    parents = {row.cells[parent_at] for row in participants}
    for table in scene.rail.participants_need:
        (at,) = _positions(table, ["participant_id"])
        holders = {row.cells[at] for row in scene.all.tables[table]}
        for row in participants:
            name = row.cells[0]
            # A group's head or one that has left may stand without rows of its own.
            if name not in holders and name not in parents and row.cells[status_at] != "removed":
                yield _say(rule, row, "id", f"{quoted(name)} has nothing in {table}")


def _chain(rule: Rule, words: Mapping[str, Any], scene: Scene) -> Iterator[Finding]:
    """A successor has no successor of its own, and nobody succeeds himself."""
    del words
    scheme_at, value_at = _positions("identifiers", ["successor_scheme", "successor_value"])
    identity = _identity(scene.rail)
    rows = [row for row in scene.rows.tables["identifiers"] if row.cells[value_at]]
    redirected = _windows(rows, identity)
    for row in rows:
        target = _canonical(scene.rail, row.cells[scheme_at], row.cells[value_at])
        if target == identity(row):
            yield _say(rule, row, "successor_value", "it names itself")
        elif _meets(redirected.get(target, ()), row):
            about = f"{quoted(row.cells[value_at])} has a successor of its own"
            yield _say(rule, row, "successor_value", about)


def _gap(rule: Rule, words: Mapping[str, Any], scene: Scene) -> Iterator[Finding]:
    """One key's windows follow each other without a hole."""
    table = words["table"]
    key = list(TABLES[table].key)
    groups = _groups(scene.rows.tables[table], _keyer(table, key, {}, scene.rail))
    for group in groups:
        order = sorted(group, key=lambda row: (row.start, row.end))
        for before, after in pairwise(order):
            if before.end < after.start:
                about = f"nothing from {before.end} to {after.start}"
                yield _say(rule, after, "effective_from", about)


def _inside(rule: Rule, words: Mapping[str, Any], scene: Scene) -> Iterator[Finding]:
    del words
    for _table, (cells, path, line) in scene.rows.never:
        yield finding(rule, path, line, "effective_from", f"{cells[-2]} to {cells[-1]}")


def _listed(rule: Rule, words: Mapping[str, Any], scene: Scene) -> Iterator[Finding]:
    """The first characters of an identifier are themselves an identifier of another scheme."""
    scheme_at, value_at = _positions("identifiers", ["scheme", "value"])
    rows = scene.all.tables["identifiers"]
    known = {row.cells[value_at] for row in rows if row.cells[scheme_at] == words["among"]}
    for row in scene.rows.tables["identifiers"]:
        prefix = row.cells[value_at][: words["length"]]
        if row.cells[scheme_at] == words["scheme"] and prefix not in known:
            known.add(prefix)  # one word for each prefix, at the first row that has it
            yield _say(rule, row, "value", f"{quoted(prefix)} is nowhere in {words['among']}")


_SAME = tuple(
    TABLES["ranges"].columns.index(column)
    for column in TABLES["ranges"].columns
    if column not in ("iin_start", "iin_end", "effective_from", "effective_to")
)
_HOLDER = TABLES["ranges"].columns.index("participant_id")


def _spans(rule: Rule, words: Mapping[str, Any], scene: Scene) -> Iterator[Finding]:
    """How ranges meet: `partial`, `equal`, nested `redundant` or nested under `another` holder."""
    for inner, outer, kind in scene.rows.encounters():
        if _is(words["test"], kind, inner, outer):
            about = f"{_range(inner)} and {_range(outer)} in {_at(outer)}"
            yield _say(rule, inner, "iin_start", about)


def _is(test: str, kind: Meeting, inner: Row, outer: Row) -> bool:
    if test in (Meeting.PARTIAL, Meeting.EQUAL):
        return kind == test
    if kind is not Meeting.NESTED:
        return False
    if test == "another":
        return inner.cells[_HOLDER] != outer.cells[_HOLDER]
    return all(inner.cells[at] == outer.cells[at] for at in _SAME)


def _range(row: Row) -> str:
    return masked("-".join(part for part in row.cells[:2] if part))


def encounters(rows: Sequence[Row]) -> list[tuple[Row, Row, Meeting]]:
    """Return how card ranges meet; spans that cannot be read are left to the row rules."""
    spans: list[Span] = []
    for position, row in enumerate(rows):
        first, last = row.cells[0], row.cells[1]
        digits = first.isascii() and first.isdigit() and 6 <= len(first) <= 11
        same = not last or (last.isascii() and last.isdigit() and len(last) == len(first))
        if digits and same:
            low, high = span(first, last)
            if low <= high:
                spans.append((low, high, row.start, row.end, position))
    return [(rows[one.inner], rows[one.outer], one.kind) for one in meet(spans)]


_CHECKS: Mapping[str, AcrossCheck] = {
    "chain": _chain,
    "gap": _gap,
    "inside": _inside,
    "listed": _listed,
    "needed": _needed,
    "reference": _reference,
    "spans": _spans,
    "unique": _unique,
}
