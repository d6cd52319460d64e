"""Rules about what rows refer to: it exists, while they are in force."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from controller.kernel.findings import Finding
from controller.policy.dataset import OPEN_END, Row, Scene, positions, say
from controller.policy.rail import Rail, Rule
from controller.policy.text import quoted


def reference(rule: Rule, words: Mapping[str, Any], scene: Scene) -> Iterator[Finding]:
    """What a column names exists, at some time when the row is in force."""
    table, column, target = words["table"], words["column"], words["to"]
    rows = scene.rows.tables[table]
    if target == "identifiers":
        yield from _successors_exist(rule, rows, scene)
        return
    windows = _windows(scene.all.tables[target], lambda row: row.cells[0])
    always = {"", *(name for name, some in windows.items() if some == _ALWAYS)}
    for at, name in enumerate(scene.rows.column(table, column)):
        if name not in always and not _meets(windows.get(name, ()), rows[at]):
            yield say(rule, rows[at], column, f"no {target[:-1]} {quoted(name)}")


def needed(rule: Rule, words: Mapping[str, Any], scene: Scene) -> Iterator[Finding]:
    """A participant has at least one row in each table its rail says it lives by."""
    del words
    status_at, parent_at = positions("participants", ["status", "parent_id"])
    participants = scene.rows.tables["participants"]
    parents = {row.cells[parent_at] for row in participants}
    for table in scene.rail.participants_need:
        holders = set(scene.all.column(table, "participant_id"))
        for row in participants:
            name = row.cells[0]
            # A group's head or one that has left may stand without rows of its own.
            if name not in holders and name not in parents and row.cells[status_at] != "removed":
                yield say(rule, row, "id", f"{quoted(name)} has nothing in {table}")


def chain(rule: Rule, words: Mapping[str, Any], scene: Scene) -> Iterator[Finding]:
    """A successor has no successor of its own, and nobody succeeds himself."""
    del words
    scheme_at, value_at = positions("identifiers", ["successor_scheme", "successor_value"])
    identity = _identity(scene.rail)
    rows = [row for row in scene.rows.tables["identifiers"] if row.cells[value_at]]
    redirected = _windows(rows, identity)
    for row in rows:
        target = _canonical(scene.rail, row.cells[scheme_at], row.cells[value_at])
        if target == identity(row):
            yield say(rule, row, "successor_value", "it names itself")
        elif _meets(redirected.get(target, ()), row):
            about = f"{quoted(row.cells[value_at])} has a successor of its own"
            yield say(rule, row, "successor_value", about)


def listed(rule: Rule, words: Mapping[str, Any], scene: Scene) -> Iterator[Finding]:
    """The first characters of an identifier are themselves an identifier of another scheme."""
    scheme_at, value_at = positions("identifiers", ["scheme", "value"])
    rows = scene.all.tables["identifiers"]
    known = {row.cells[value_at] for row in rows if row.cells[scheme_at] == words["among"]}
    for row in scene.rows.tables["identifiers"]:
        prefix = row.cells[value_at][: words["length"]]
        if row.cells[scheme_at] == words["scheme"] and prefix not in known:
            known.add(prefix)  # one word for each prefix, at the first row that has it
            yield say(rule, row, "value", f"{quoted(prefix)} is nowhere in {words['among']}")


def _successors_exist(rule: Rule, rows: Sequence[Row], scene: Scene) -> Iterator[Finding]:
    scheme_at, value_at = positions("identifiers", ["successor_scheme", "successor_value"])
    named = [row for row in rows if row.cells[value_at]]
    if not named:
        return
    windows = _windows(scene.all.tables["identifiers"], _identity(scene.rail))
    for row in named:
        key = _canonical(scene.rail, row.cells[scheme_at], row.cells[value_at])
        if not _meets(windows.get(key, ()), row):
            yield say(rule, row, "successor_value", f"no identifier {quoted(row.cells[value_at])}")


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
    scheme_at, value_at = positions("identifiers", ["scheme", "value"])
    return lambda row: _canonical(rail, row.cells[scheme_at], row.cells[value_at])
