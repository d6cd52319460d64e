"""Imports go down the floors, stay out of other rooms, and use the doors."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.house import ROOT


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [command, "--no-cache", "--no-logo"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "controller", tmp_path / "controller")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_contract_holds() -> None:
    verdict = lint_imports(ROOT)

    assert verdict.returncode == 0, verdict.stdout
    assert " 0 broken" in verdict.stdout


def test_a_copy_of_the_house_passes_too(copy: Path) -> None:
    assert lint_imports(copy).returncode == 0


@pytest.mark.parametrize(
    ("path", "code", "contract"),
    [
        ("utils/__init__.py", "", "floors"),
        ("kernel/upwards.py", "from controller import plan", "Imports only go down the floors"),
        ("plan/clockwise.py", "import time", "Pure floors touch nothing outside"),
        ("policy/hidden.py", "def read():\n    import os", "Pure floors touch nothing outside"),
        ("trust/neighbour.py", "from controller import artifacts", "Imports only go down"),
        ("reconcile/window.py", "import psycopg", "One third-party library, one door"),
        ("stores/annex/__init__.py", "import controller.stores.attic", "Rooms never import"),
    ],
)
def test_a_broken_contract_is_seen(copy: Path, path: str, code: str, contract: str) -> None:
    for room in ("annex", "attic"):
        (copy / "controller/stores" / room).mkdir()
        (copy / "controller/stores" / room / "__init__.py").touch()
    target = copy / "controller" / path
    target.parent.mkdir(exist_ok=True)
    target.write_text(code + "\n")

    verdict = lint_imports(copy)

    assert verdict.returncode == 1
    assert contract in verdict.stdout + verdict.stderr
