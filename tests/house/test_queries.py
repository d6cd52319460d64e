"""Queries live beside their only caller: each is used there, and nowhere else."""

import re
from pathlib import Path

import pytest

from tests.support.house import ROOT

FILES = [
    path
    for path in sorted((ROOT / "controller").rglob("*.sql"))
    if path.parent.name != "migrations"
]
NAME = re.compile(r"^-- name: *(\w+)", re.MULTILINE)


def sources(folder: Path) -> str:
    return "\n".join(path.read_text() for path in sorted(folder.rglob("*.py")))


def test_there_are_queries() -> None:
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_query_is_used_beside_its_file(path: Path) -> None:
    code = sources(path.parent)

    assert [name for name in NAME.findall(path.read_text()) if f'"{name}"' not in code] == []


@pytest.mark.parametrize(
    "folder", sorted({path.parent for path in FILES}), ids=lambda path: path.name
)
def test_every_query_that_is_asked_for_exists(folder: Path) -> None:
    asked = set(re.findall(r'QUERIES\["(\w+)"\]', sources(folder)))
    known = {
        name for path in FILES if path.parent == folder for name in NAME.findall(path.read_text())
    }

    assert sorted(asked - known) == []
