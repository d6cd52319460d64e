"""The wheel, as a stranger meets it: `pip install` in an empty venv, and then the demo."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from controller import __version__
from tests.support.house import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("wheel")]


def run(command: Sequence[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    # Nothing of the checkout may leak in: neither its environment nor its folder.
    environment = {
        name: value
        for name, value in os.environ.items()  # noqa: TID251
        if not name.startswith(("PYTHON", "VIRTUAL_ENV", "COUNTERSIGN", "DATABASE", "UV_PROJECT"))
    }
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    uv = ROOT / ".tools/bin/uv"
    found = uv if uv.exists() else shutil.which("uv")
    if found is None:
        pytest.skip("needs uv, which `make setup` brings")
    folder = tmp_path_factory.mktemp("dist")
    built = run(
        [found, "build", "--wheel", "--python", sys.executable, "--out-dir", folder, ROOT], folder
    )
    assert built.returncode == 0, built.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the commands in an empty venv that holds the wheel and what it asks for."""
    folder = tmp_path_factory.mktemp("stranger")
    venv.create(folder / "venv", with_pip=True)
    commands = folder / "venv" / "bin"
    pip: list[str | Path] = [commands / "python", "-m", "pip", "--disable-pip-version-check"]
    done = run([*pip, "install", "--quiet", "--only-binary", ":all:", wheel], folder)
    assert done.returncode == 0, done.stderr
    return commands


def test_the_wheel_carries_all_it_needs_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    migrations = {path.name for path in (ROOT / "controller/stores/migrations").glob("*.sql")}
    shipped = "controller/_shipped"

    assert tops == {"controller", f"countersign-{__version__}.dist-info"}
    assert {name.rsplit("/", 1)[1] for name in names if "/migrations/0" in name} == migrations
    assert any(name.startswith(f"{shipped}/policies/") for name in names)
    assert any(name.startswith(f"{shipped}/bundles/") for name in names)
    assert any(name.endswith("/queries.sql") for name in names)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_every_file_of_rails_and_bundles_is_in_the_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = [
        path.relative_to(ROOT)
        for folder in ("policies", "bundles")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    ]

    assert [path for path in sources if f"controller/_shipped/{path.as_posix()}" not in names] == []


def test_the_installed_command_says_which_version_it_is(installed: Path, tmp_path: Path) -> None:
    done = run([installed / "countersign", "version"], tmp_path)

    assert done.returncode == 0, done.stderr
    assert __version__ in done.stdout


def test_the_module_is_the_same_command(installed: Path, tmp_path: Path) -> None:
    by_name = run([installed / "countersign", "version"], tmp_path)
    by_module = run([installed / "python", "-m", "controller", "version"], tmp_path)

    assert (by_module.returncode, by_module.stdout) == (by_name.returncode, by_name.stdout)


def test_the_demo_tells_the_whole_story(installed: Path, tmp_path: Path) -> None:
    done = run([installed / "countersign", "demo"], tmp_path)

    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_wheel_was_not_found_in_the_checkout(installed: Path, tmp_path: Path) -> None:
    done = run(
        [installed / "python", "-c", "import controller; print(controller.__file__)"], tmp_path
    )

    assert Path(done.stdout.strip()).is_relative_to(installed.parent)
    assert sys.prefix not in done.stdout
