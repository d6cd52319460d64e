"""Queries live beside their only caller: each is used there, and nowhere else."""

import re
from pathlib import Path

import pytest

from tests.support.house import ROOT

FILES = sorted((ROOT / "controller").rglob("queries.sql"))
NAME = re.compile(r"^-- name: *(\w+)", re.MULTILINE)


def sources(folder: Path) -> str:
    return "\n".join(path.read_text() for path in sorted(folder.rglob("*.py")))


def test_there_are_queries() -> None:
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.parent.relative_to(ROOT)))
def test_every_query_is_used_beside_its_file(path: Path) -> None:
    code = sources(path.parent)

    assert [name for name in NAME.findall(path.read_text()) if f'"{name}"' not in code] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.parent.relative_to(ROOT)))
def test_every_query_that_is_asked_for_exists(path: Path) -> None:
    asked = set(re.findall(r'QUERIES\["(\w+)"\]', sources(path.parent)))

    assert sorted(asked - set(NAME.findall(path.read_text()))) == []
