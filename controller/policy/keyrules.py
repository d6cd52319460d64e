"""Rules about rows of one key: one at a time, no hole between them, none that is never in force."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from controller.artifacts.tables import TABLES
from controller.kernel.findings import Finding
from controller.policy.dataset import Row, Scene, place_of, positions, say
from controller.policy.rail import Rail, Rule
from controller.policy.text import finding, quoted


def unique(rule: Rule, words: Mapping[str, Any], scene: Scene) -> Iterator[Finding]:
    """One key (canonical, or folded in case) at one time: the later row of two is reported.

    With `variants` only rows whose keys are written differently count, with `differ` only rows
    whose named column differs.
    """
    table, key = words["table"], words["key"]
    rows = _picked(words, table, scene.rows.tables[table])
    at = positions(table, key)
    differ = positions(table, [words["differ"]])[0] if "differ" in words else None
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
            about = f"{quoted(later.cells[at[-1]])} also stands in {place_of(earlier)}"
            yield say(rule, later, key[-1], about)


def gap(rule: Rule, words: Mapping[str, Any], scene: Scene) -> Iterator[Finding]:
    """One key's windows follow each other without a hole."""
    table = words["table"]
    key = list(TABLES[table].key)
    groups = _groups(scene.rows.tables[table], _keyer(table, key, {}, scene.rail))
    for group in groups:
        order = sorted(group, key=lambda row: (row.start, row.end))
        for before, after in pairwise(order):
            if before.end < after.start:
                about = f"nothing from {before.end} to {after.start}"
                yield say(rule, after, "effective_from", about)


def inside(rule: Rule, words: Mapping[str, Any], scene: Scene) -> Iterator[Finding]:
    """A row is in force at some time within its bundle's window."""
    del words
    for _table, (cells, path, line) in scene.rows.never:
        yield finding(rule, path, line, "effective_from", f"{cells[-2]} to {cells[-1]}")


def _picked(words: Mapping[str, Any], table: str, rows: Sequence[Row]) -> Sequence[Row]:
    for column, values in words.get("where", {}).items():
        (at,) = positions(table, [column])
        wanted = frozenset(values)
        rows = [row for row in rows if row.cells[at] in wanted]
    return rows


def _keyer(
    table: str, key: Sequence[str], words: Mapping[str, Any], rail: Rail
) -> Callable[[Row], object]:
    at = positions(table, key)
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
