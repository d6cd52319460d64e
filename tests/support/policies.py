"""The shipped rails, and their cases, for tests."""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from controller.artifacts.tables import TABLES
from controller.kernel.findings import Finding
from controller.kernel.instants import Window
from controller.policy.lint import (
    LintBundle,
    lint_dataset,
    lint_document,
    lint_rows,
    lint_shard,
    stray,
    widen,
)
from controller.policy.rail import Rail, read_rails

POLICIES = Path(__file__).parents[2] / "policies"


def policy_files() -> dict[str, bytes]:
    """Return every file of `policies/` by its path below it."""
    return {
        path.relative_to(POLICIES).as_posix(): path.read_bytes()
        for path in sorted(POLICIES.rglob("*"))
        if path.is_file()
    }


@cache
def shipped() -> Mapping[str, Rail]:
    """Return the shipped rails, read once."""
    return read_rails(policy_files())


@dataclass(frozen=True)
class Case:
    """A file of `cases/`: files as people would write them, and the one rule that speaks."""

    path: Path
    document: Mapping[str, Any]

    @property
    def rail(self) -> Rail:
        folder = self.path.relative_to(POLICIES).parts[0]
        host = self.document.get("rail", "_template") if folder == "_common" else folder
        return shipped()[host]

    @property
    def expected(self) -> tuple[str, str, int] | None:
        expect = self.document.get("expect")
        return (expect["rule"], expect["file"], expect["line"]) if expect else None

    def findings(self) -> list[Finding]:
        """Lint the case's files at both levels, as the daemon would."""
        return lint_files(
            self.rail,
            {name: _bytes(content) for name, content in self.document["files"].items()},
            Window.parse(*self.document.get("window", [None, None])),
        )


def cases(verdict: str) -> Iterator[Case]:
    """Yield the cases that must `pass`, or those that must `fail`."""
    for path in sorted(POLICIES.glob(f"*/cases/{verdict}/*.json")):
        yield Case(path, json.loads(path.read_text()))


def lint_files(rail: Rail, files: Mapping[str, bytes], window: Window) -> list[Finding]:
    """Lint one bundle made of `<table>.csv` and `rules/*.json` files."""
    found: list[Finding] = []
    tables: dict[str, list[tuple[tuple[str, ...], str, int]]] = {}
    for name, data in files.items():
        if not name.endswith((".csv", ".json")):
            found.append(stray(rail, name))
            continue
        if name.endswith(".json"):
            found += lint_document(rail, name.split("/")[0], data, name)
            continue
        table = name.split("/")[0].removesuffix(".csv")
        rows, problems = lint_shard(rail, table, data, name)
        found += problems
        full = widen(rail, table, rows)
        tables.setdefault(table, []).extend(
            (cells, name, line) for line, cells in enumerate(full, start=2)
        )
    return found + lint_dataset([LintBundle(f"{rail.name}/case", rail, window, tables)])


def row(table: str, **cells: str) -> tuple[str, ...]:
    """Return a full row with the named cells filled."""
    unknown = set(cells) - set(TABLES[table].columns)
    assert not unknown, unknown
    return tuple(cells.get(column, "") for column in TABLES[table].columns)


def rail_row(rail: Rail, table: str, **cells: str) -> tuple[str, ...]:
    """Return a row of the rail's own columns with the named cells filled."""
    return tuple(cells.get(column, "") for column in rail.tables[table].columns)


def judge(rail: Rail, table: str, **cells: str) -> list[str]:
    """Return the rules that speak about one row, in order."""
    found = lint_rows(rail, table, [rail_row(rail, table, **cells)], [2], f"{table}.csv")
    return [finding.rule for finding in found]


def _bytes(content: str | list[str] | dict[str, str]) -> bytes:
    if isinstance(content, list):
        return "".join(f"{line}\n" for line in content).encode()
    if isinstance(content, dict):
        return base64.b64decode(content["base64"])
    return content.encode()
