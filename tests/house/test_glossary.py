"""One word, one meaning: what the glossary retires does not come back as a name in the code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.support.house import ROOT

PAGE = (ROOT / "docs/glossary.md").read_text()


def retired() -> set[str]:
    """The words of the table "Words we do not use in names", lower case."""
    section = PAGE.split("## Words we do not use in names", 1)[1]
    return {
        word
        for row in re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
        for word in re.findall(r"`([a-z_]+)`", row)
    }


def names(code: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def words(identifier: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", identifier)}


def offenders(path: Path) -> list[str]:
    found = {*names(path.read_text()), path.stem}
    return sorted(name for name in found if words(name) & retired())


def test_no_retired_word_names_anything() -> None:
    found = {
        str(path.relative_to(ROOT)): offenders(path)
        for path in sorted((ROOT / "controller").rglob("*.py"))
    }

    assert {path: names for path, names in found.items() if names} == {}


def test_a_retired_word_is_seen_inside_a_longer_name(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text("class ChangesetReader: ...\ndef read(plan, host_whitelist): ...\n")

    assert offenders(path) == ["ChangesetReader", "host_whitelist"]


def test_words_stand_in_order_and_once() -> None:
    terms = [term.lower() for term in re.findall(r"^\*\*(.+?)\*\*", PAGE, re.MULTILINE)]

    assert terms == sorted(set(terms))
    assert len(terms) > 30
