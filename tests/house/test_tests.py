"""The tests keep their own rules: they mirror the package and replace nothing behind its back."""

import re

from tests.support.house import ROOT

REPLACEMENT = re.compile(r"\b(?:monkeypatch|unittest\.mock|MagicMock)\b")
FLOORS = sorted(init.parent.name for init in (ROOT / "controller").glob("*/__init__.py"))
MODULES = sorted((ROOT / "tests").rglob("*.py"))


def test_every_floor_has_its_folder_of_tests() -> None:
    assert [
        floor for floor in FLOORS if not (ROOT / "tests" / floor / "__init__.py").exists()
    ] == []


def test_every_folder_of_tests_is_a_package() -> None:
    folders = {path.parent for path in MODULES}

    assert sorted(folder for folder in folders if not (folder / "__init__.py").exists()) == []


def test_nothing_is_patched_or_mocked() -> None:
    others = [path for path in MODULES if path.parent.name != "house"]

    assert [path for path in others if REPLACEMENT.search(path.read_text())] == []


def test_the_name_of_a_test_is_a_sentence() -> None:
    names = [
        name
        for path in MODULES
        for name in re.findall(r"^\s*def (test_\w+)", path.read_text(), re.MULTILINE)
    ]

    assert len(names) > 50
    assert [name for name in names if name.count("_") < 3] == []
