"""The threats that are answered, the tests that show it, and the page that says so.

The catalogue is `tests/attacks/threats.toml`. Tests name threats by id: `@pytest.mark.stops("…")`
shows an attack refused, `@pytest.mark.allows("…")` the nearest lawful action succeed. Both are read
from the source, so that nothing has to run to know them.
"""

import ast
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Any

from tests.support.house import ROOT

CATALOGUE = ROOT / "tests" / "attacks" / "threats.toml"
MARKERS = ("stops", "allows")


class BadCatalogue(ValueError):
    """The catalogue, or a marker, is not written as it has to be."""


class Origin(StrEnum):
    """Where a group of threats comes from."""

    HISTORY = "history"
    ATTACKER = "attacker"
    INCIDENT = "incident"


class State(StrEnum):
    """Whether a threat is answered by tests, waits for what is not built, or is an open fault."""

    TESTED = "tested"
    WAITS = "waits"
    GAP = "gap"


@dataclass(frozen=True)
class Threat:
    """One attack, what stops it, and in which modules. `why` says what an open one waits for."""

    id: str
    attack: str
    check: str
    modules: tuple[str, ...]
    state: State
    why: str = ""


@dataclass(frozen=True)
class Group:
    """Threats of one kind; `see` names groups that belong to it, too."""

    origin: Origin
    name: str
    holds: str
    see: tuple[str, ...]
    threats: tuple[Threat, ...]


@dataclass(frozen=True, order=True)
class Marked:
    """A test that carries a marker; `path` starts at the project's top."""

    path: str
    test: str
    marker: str
    threat: str
    skipped: bool = False


def read_catalogue(text: str) -> tuple[Group, ...]:
    """Read the catalogue; unknown members, ids and groups that stand twice are refused."""
    document = tomllib.loads(text)
    groups = tuple(_group(one) for one in _only(document, {"group"})["group"])
    for names in (
        [group.name for group in groups],
        [threat.id for group in groups for threat in group.threats],
    ):
        if len(set(names)) != len(names):
            raise BadCatalogue(f"twice: {sorted({one for one in names if names.count(one) > 1})}")
    strange = {name for group in groups for name in group.see} - {one.name for one in groups}
    if strange:
        raise BadCatalogue(f"no such groups: {sorted(strange)}")
    return groups


def catalogue() -> tuple[Group, ...]:
    """Return the catalogue."""
    return read_catalogue(CATALOGUE.read_text())


def _only(members: Mapping[str, Any], known: set[str]) -> Mapping[str, Any]:
    if set(members) - known:
        raise BadCatalogue(f"unknown members {sorted(set(members) - known)} in {members}")
    return members


def _group(members: Mapping[str, Any]) -> Group:
    _only(members, {"origin", "name", "holds", "see", "threat"})
    return Group(
        Origin(members["origin"]),
        members["name"],
        members.get("holds", ""),
        tuple(members.get("see", ())),
        tuple(_threat(one) for one in members.get("threat", ())),
    )


def _threat(members: Mapping[str, Any]) -> Threat:
    _only(members, {"id", "attack", "check", "modules", "waits", "gap"})
    state = next((one for one in (State.WAITS, State.GAP) if one.value in members), State.TESTED)
    return Threat(
        members["id"],
        members["attack"],
        members["check"],
        tuple(members["modules"]),
        state,
        members.get(state.value, ""),
    )


def marked(folder: Path = ROOT / "tests") -> list[Marked]:
    """Return every marker of ours on every test below a folder, in order."""
    found = (
        marks_of(path.read_text(), path.relative_to(folder.parent).as_posix())
        for path in folder.rglob("test_*.py")
    )
    return sorted(chain.from_iterable(found))


def marks_of(source: str, path: str) -> Iterator[Marked]:
    """Yield the markers of one module; one that does not decorate a test is refused."""
    tree = ast.parse(source)
    used = 0
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef):
            continue
        names = [_marker(one) for one in node.decorator_list]
        skipped = bool({"skip", "skipif", "xfail"} & set(names))
        for marker, decorator in zip(names, node.decorator_list, strict=True):
            if marker not in MARKERS:
                continue
            used += 1
            if not node.name.startswith("test_"):
                raise BadCatalogue(f"{path}: {node.name} is no test")
            for threat in _arguments(decorator, f"{path}: {node.name}"):
                yield Marked(path, node.name, marker, threat, skipped)
    if used != sum(_is_marker(node) for node in ast.walk(tree)):
        raise BadCatalogue(f"{path}: a marker of ours that decorates no test")


def _marker(decorator: ast.expr) -> str:
    """Return the name of a marker: of `pytest.mark.slow` and `pytest.mark.stops(…)`."""
    call = decorator.func if isinstance(decorator, ast.Call) else decorator
    return call.attr if isinstance(call, ast.Attribute) else ""


def _is_marker(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and node.attr in MARKERS
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == "mark"
    )


def _arguments(decorator: ast.expr, place: str) -> Iterator[str]:
    arguments: Sequence[ast.expr] = decorator.args if isinstance(decorator, ast.Call) else ()
    if not arguments:
        raise BadCatalogue(f"{place}: a marker without a threat")
    for one in arguments:
        if not (isinstance(one, ast.Constant) and isinstance(one.value, str)):
            raise BadCatalogue(f"{place}: write a threat's id as a plain text")
        yield one.value


def faults(groups: Sequence[Group], marks: Sequence[Marked]) -> list[str]:
    """Return what is wrong between the catalogue and the tests."""
    threats = {threat.id: threat for group in groups for threat in group.threats}
    found = [
        f"{one.path} names no threat: {one.threat}" for one in marks if one.threat not in threats
    ]
    found += [f"{one.path} is skipped: {one.test}" for one in marks if one.skipped]
    for threat in threats.values():
        kinds = {one.marker for one in marks if one.threat == threat.id}
        if threat.state is State.TESTED:
            found += [f"{threat.id}: no test {kind} it" for kind in MARKERS if kind not in kinds]
            found += [f"{threat.id}: no module"] if not threat.modules else []
        elif kinds:
            found.append(f"{threat.id} has tests, and is still said to be open: {threat.why}")
        gone = [name for name in threat.modules if not (ROOT / name).is_file()]
        found += [f"{threat.id}: no module {name}" for name in gone]
    found += [f"{group.name}: empty" for group in groups if not (group.threats or group.see)]
    return found
