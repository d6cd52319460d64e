"""An account gets to what it needs, or the directory in its way is named; nothing is opened."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from controller.adapters import embedded_home
from controller.adapters.embedded_home import Account, blocker, find_binaries
from tests.support.postgres import passable_folder

STRANGER = Account("stranger", uid=4_000_001, gid=4_000_001)


def test_the_first_closed_directory_on_the_way_is_named() -> None:
    with passable_folder() as folder:
        deep = folder / "closed" / "open" / "state"
        deep.mkdir(parents=True)
        (folder / "closed").chmod(0o700)

        assert blocker(deep, STRANGER) == folder / "closed"


def test_directories_that_may_only_be_passed_are_enough() -> None:
    with passable_folder() as folder:
        deep = folder / "passable" / "state"
        deep.mkdir(parents=True)
        (folder / "passable").chmod(0o711)

        assert blocker(deep, STRANGER) is None


@pytest.mark.parametrize(
    ("uid", "gid", "mode", "passes"),
    [
        (None, 1, 0o700, True),
        (None, 1, 0o677, False),
        (1, None, 0o710, True),
        (1, None, 0o701, False),
        (1, 1, 0o701, True),
        (1, 1, 0o710, False),
    ],
)
def test_owner_group_and_others_are_judged_as_the_kernel_does(
    uid: int | None, gid: int | None, mode: int, passes: bool
) -> None:
    with passable_folder() as folder:
        door = folder / "door"
        door.mkdir()
        account = Account(
            "somebody",
            uid=door.stat().st_uid if uid is None else STRANGER.uid + uid,
            gid=door.stat().st_gid if gid is None else STRANGER.gid + gid,
        )
        door.chmod(mode)

        assert (blocker(door / "inside", account) is None) is passes
        door.chmod(0o700)


def test_a_copy_of_the_binaries_runs_and_is_open_whatever_the_umask() -> None:
    with passable_folder() as folder:
        before = os.umask(0o077)
        try:
            embedded_home._copy_binaries(find_binaries(), folder / "binaries")
        finally:
            os.umask(before)
        [postgres] = folder.glob("binaries/**/bin/postgres")
        result = subprocess.run([postgres, "--version"], capture_output=True, check=True)

        assert embedded_home._usable(postgres.parent, STRANGER)
        assert result.stdout.startswith(b"postgres (PostgreSQL) 18")


def test_a_state_directory_we_make_lets_others_through_for_root_only(tmp_path: Path) -> None:
    state = embedded_home.open_state(tmp_path / "state")

    expected = 0o711 if os.geteuid() == 0 else 0o700
    assert stat.S_IMODE(state.stat().st_mode) == expected


def test_what_is_remembered_is_for_its_owner_only(tmp_path: Path) -> None:
    state = embedded_home.open_state(tmp_path / "state")
    facts = embedded_home.read_facts(state, None)

    assert embedded_home.read_facts(state, None) == facts
    assert stat.S_IMODE((state / "embedded.json").stat().st_mode) == 0o600
    (state / "embedded.json").chmod(0o644)
    with pytest.raises(embedded_home.StateNotOurs):
        embedded_home.read_facts(state, None)


def test_a_damaged_memory_is_not_guessed_around(tmp_path: Path) -> None:
    state = embedded_home.open_state(tmp_path / "state")
    embedded_home.write_private(state / "embedded.json", '{"id": "x"')

    with pytest.raises(embedded_home.StateDamaged):
        embedded_home.read_facts(state, None)
