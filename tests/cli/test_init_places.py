"""`countersign init` where it cannot be: each file system says no in its way, and we in one."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import damage
from tests.support.commands import Said, run
from tests.support.house import ROOT
from tests.support.postgres import passable_folder


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """Return a folder of things that no repository can stand in."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "dangling").symlink_to("nothing")
    (tmp_path / "loop").symlink_to("loop")
    return tmp_path


def demo(folder: Path, keys: Path) -> Said:
    return run("init", folder, "--demo-keys", keys)


@pytest.mark.parametrize("name", ["file", "file/shop", "dangling", "loop", "x" * 300])
def test_what_can_be_no_folder_is_refused_by_name(odd: Path, name: str) -> None:
    found = [
        run("init", odd / name),
        demo(odd / name, odd / "keys"),
        demo(odd / "shop", odd / name),
    ]

    assert [one.exit_code for one in found] == [2, 2, 2]
    assert [str(odd / name) in one.err and "hint:" in one.err for one in found] == [True] * 3
    assert not list(odd.rglob("*.pub"))


def test_a_folder_that_cannot_be_written_is_refused_by_name() -> None:
    with passable_folder() as home:
        closed, keys = home / "closed", home / "keys"
        closed.mkdir()
        with damage.as_ordinary_user(home):
            closed.chmod(0o555)
            found = [run("init", closed), run("init", closed / "shop"), demo(closed, keys)]
            closed.chmod(0o755)
            allowed = run("init", closed)

    assert [one.exit_code for one in found] == [2, 2, 2]
    assert all(str(closed) in one.err and "Permission denied" in one.err for one in found)
    assert allowed.exit_code == 0


@pytest.mark.parametrize("more", [(), ("--demo-keys", "keys")])
def test_a_disk_without_room_is_refused_in_words(tmp_path: Path, more: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "controller", "init", "shop", *more]

    full = subprocess.run(
        ["bash", "-c", 'ulimit -f 0; exec "$@"', "bash", *command],
        cwd=tmp_path,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert full.returncode == 2
    assert "Traceback" not in full.stderr
    assert full.stderr.startswith("error: cannot ")
    assert "File too large" in full.stderr


def test_keys_are_never_made_in_the_repository(tmp_path: Path) -> None:
    shop = tmp_path / "shop"

    inside = [demo(shop, shop), demo(shop, shop / "keys"), demo(shop, tmp_path / "x/../shop/keys")]

    assert [one.exit_code for one in inside] == [2, 2, 2]
    assert all("the keys would stand in the repository" in one.err for one in inside)
    assert not shop.exists()
    assert demo(shop, tmp_path / "keys").exit_code == 0


def test_a_root_that_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{broken")

    gone = run("init", tmp_path / "shop", "--root", tmp_path / "gone.json")
    broken = run("init", tmp_path / "shop", "--root", tmp_path / "broken.json")

    assert [one.exit_code for one in (gone, broken)] == [2, 2]
    assert "gone.json: No such file" in gone.err
    assert "broken.json: line 1" in broken.err
    assert not (tmp_path / "shop").exists()


def test_what_was_left_behind_is_named_for_removal_all_at_once(tmp_path: Path) -> None:
    for name in ("shop", "my keys"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "left").touch()

    told = demo(tmp_path / "shop", tmp_path / "my keys")

    assert told.exit_code == 2
    assert told.err.endswith(f"rm -r {tmp_path}/shop '{tmp_path}/my keys'\n")
