"""What the operating commands print as JSON is what the page about it says."""

import re
from typing import Any

import pytest

from tests.support.commands import Desk
from tests.support.house import ROOT
from tests.support.world import NEW_RANGE

PAGE = (ROOT / "docs" / "machine-output.md").read_text()
# The members of these are names of tables, columns and rules, or another page's business.
OPEN = {
    "rows",
    "tables",
    "counts",
    "rules",
    "cells",
    "matched",
    "participant",
    "endpoints",
    "record",
}
COMMANDS = {
    "status": ["status"],
    "history": ["history"],
    "resolve": ["resolve", "iin", "990600"],
    "trace": ["trace", "iin", "990600"],
    "audit verify": ["audit", "verify"],
    "audit checkpoint": ["audit", "checkpoint"],
    "audit show": ["audit", "show"],
    "validate": ["validate"],
    "diff": ["diff", "production", "main~3"],
    "migrate": ["migrate"],
    "doctor": ["doctor"],
}


def _section(name: str) -> set[str]:
    """Return every word in backquotes of a section."""
    found = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, name
    return set(re.findall(r"`([^`]+)`", found[1]))


def _members(value: Any, name: str = "") -> set[str]:
    if isinstance(value, list):
        return {found for one in value for found in _members(one, name)}
    if not isinstance(value, dict) or (name in OPEN and "table" not in value):
        return set()
    return {*value, *(found for key in value for found in _members(value[key], key))}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_member_stands_on_the_page(name: str, desk: Desk) -> None:
    desk.run("reconcile", "--once")
    desk.shop().publish(add=[NEW_RANGE])
    desk.run("reconcile", "--once")
    where = {"validate": [str(desk.folder)], "diff": ["-C", str(desk.folder)]}.get(name, [])

    said = desk.run(*COMMANDS[name], *where, "-o", "json")

    members = _members(said.json) - {"version"}
    assert members
    assert members - _section(name) == set()


def test_every_operating_command_shows_an_example() -> None:
    for name, command in COMMANDS.items():
        words = name.split() if name.startswith("audit") else command[:1]

        said = Desk.help(*words)

        assert said.exit_code == 0
        assert f"Example: countersign {name}" in said.out
