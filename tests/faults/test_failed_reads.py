"""What a pass reads and cannot is never "nothing there": the table of faults, and what each says.

For each: the error with its code and exit code, production as it was, and after the healing one
pass that finishes. The codes are those of docs/runbooks/faults.md.
"""

import contextlib
import re
import resource
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from controller.adapters.embedded import EmbeddedPostgres, NoSpace, StateUnusable
from controller.adapters.git import GitRepository
from controller.adapters.gitcli import run_git
from controller.app import wiring
from controller.app.settings import load
from controller.artifacts import walk
from controller.kernel.objects import Oid
from tests.faults.test_database_faults import FAULTS as DATABASE_FAULTS
from tests.faults.test_database_faults import failure
from tests.house.test_errors import leaves
from tests.support import damage, world
from tests.support.commands import Desk
from tests.support.house import ROOT
from tests.support.world import MAIN, RANGES

PAGE = ROOT / "docs/runbooks/faults.md"


@dataclass(frozen=True)
class Host:
    """A deploy host with one release applied and another to go, and copies to heal it from."""

    desk: Desk
    whole: Path

    @property
    def repository(self) -> GitRepository:
        """The artifact repository."""
        return GitRepository.open(self.desk.folder)

    @property
    def git_dir(self) -> Path:
        """Where the repository keeps its objects and references."""
        return self.desk.folder / ".git"

    def keys(self, name: str) -> Path:
        """A file of the host's own."""
        return self.desk.home / "keys" / name

    def file(self) -> Oid:
        """The object of a file that the next pass has to read."""
        repository = self.repository
        tip = repository.target(MAIN)
        assert tip is not None
        found = walk.find(repository, repository.tree_of(tip), RANGES)
        assert found is not None
        return found.oid

    def heal(self) -> None:
        """Put back what was there before anything broke."""
        for name in ("shop", "keys"):
            shutil.rmtree(self.desk.home / name, ignore_errors=True)
            (self.desk.home / name).unlink(missing_ok=True)
            shutil.copytree(self.whole / name, self.desk.home / name, symlinks=True)


Break = Callable[[Host], None]


def object_fault(broken: damage.Break) -> Break:
    """Break the repository where it holds the file that is read next."""
    return lambda host: broken(host.repository, host.file())


def ref(text: str) -> Break:
    """Let the branch's file hold something else."""

    def write(host: Host) -> None:
        (host.git_dir / MAIN).write_text(text)

    return write


def lose_branch(host: Host) -> None:
    """Delete the branch."""
    (host.git_dir / MAIN).unlink()


def pack_junk(host: Host) -> None:
    """Let the file of the packed references hold something else."""
    lose_branch(host)
    (host.git_dir / "packed-refs").write_text("rubbish rubbish\n")


def cut_history(host: Host) -> None:
    """Put a shallow clone in the repository's place."""
    shallow = host.desk.home / "shallow"
    url = f"file://{host.desk.folder}"
    arguments = ["clone", "--quiet", "--depth=1", url, str(shallow)]
    run_git(arguments, host.desk.home, timeout_seconds=60)
    shutil.rmtree(host.desk.folder)
    shallow.rename(host.desk.folder)


def lose_folder(host: Host) -> None:
    """Lose the repository."""
    shutil.rmtree(host.desk.folder)


def key(change: Callable[[Path], None], name: str) -> Break:
    """Change one of the host's own files."""
    return lambda host: change(host.keys(name))


def cut(path: Path) -> None:
    """Lose the second half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    """Lose what a file holds."""
    path.write_bytes(b"")


def lose(path: Path) -> None:
    """Lose a file."""
    path.unlink()


def open_to_others(path: Path) -> None:
    """Let everybody read a file."""
    path.chmod(0o644)


def replace_by_folder(path: Path) -> None:
    """Put a folder in a file's place."""
    path.unlink()
    path.mkdir()


AUDIT, PINNED, SETTINGS = "countersign-audit", "1.root.json", "countersign.toml"
FAULTS: dict[str, tuple[Break, str, int]] = {
    "an object is missing": (object_fault(damage.remove), "objects.missing", 2),
    "an object holds other bytes": (object_fault(damage.scramble), "git.object_damaged", 2),
    "an object is empty": (object_fault(damage.empty), "git.object_damaged", 2),
    "a pack was cut off": (object_fault(damage.cut_pack), "git.pack_damaged", 2),
    "a pack holds other bytes": (object_fault(damage.scramble_pack), "git.object_damaged", 2),
    "a pack has lost its index": (object_fault(damage.lose_index), "git.pack_damaged", 2),
    "the index of a pack was cut off": (object_fault(damage.cut_index), "git.pack_damaged", 2),
    "what objects are borrowed from is gone": (
        object_fault(damage.lose_alternate),
        "git.alternate_gone",
        2,
    ),
    "the branch is gone": (lose_branch, "source.no_branch", 2),
    "the branch is rubbish": (ref("rubbish\n"), "git.ref_damaged", 2),
    "the branch is empty": (ref(""), "git.ref_damaged", 2),
    "the branch names a lost commit": (ref(f"{'a' * 40}\n"), "objects.missing", 2),
    "the packed references are rubbish": (pack_junk, "git.ref_damaged", 2),
    "the clone is shallow": (cut_history, "git.shallow", 2),
    "the repository is gone": (lose_folder, "git.no_repository", 2),
    "the audit key is missing": (key(lose, AUDIT), "keyfiles.unsafe", 2),
    "the audit key is open to others": (key(open_to_others, AUDIT), "keyfiles.unsafe", 2),
    "the audit key is a folder": (key(replace_by_folder, AUDIT), "keyfiles.unsafe", 2),
    "the audit key is empty": (key(empty, AUDIT), "trust.bad_private_key", 2),
    "the audit key was cut off": (key(cut, AUDIT), "trust.bad_private_key", 2),
    "the pinned root is missing": (key(lose, PINNED), "settings.invalid", 2),
    "the pinned root is a folder": (key(replace_by_folder, PINNED), "settings.invalid", 2),
    "the pinned root is empty": (key(empty, PINNED), "trust.malformed_envelope", 3),
    "the pinned root was cut off": (key(cut, PINNED), "trust.malformed_envelope", 3),
}


@pytest.fixture(scope="module")
def first_desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the home of the deploy host that all others are copies of."""
    return Desk.make(tmp_path_factory.mktemp("first-desk")).home


@pytest.fixture
def host(first_desk: Path, tmp_path: Path, database_url: str) -> Host:
    """Return a host with one release applied and another to go."""
    (tmp_path / "host").mkdir()
    desk = Desk(first_desk).copy(tmp_path / "host", database_url)
    assert desk.run("reconcile").exit_code == 0
    desk.shop().publish(add=[world.NEW_RANGE])
    shutil.copytree(desk.home, tmp_path / "whole", symlinks=True)
    return Host(desk, tmp_path / "whole")


def revision(host: Host) -> int:
    """Return the revision that production is at, whatever became of the host."""
    with wiring.database(load(host.whole / "keys" / SETTINGS)) as connection:
        row = connection.execute("SELECT max(revision) FROM controller.revision").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_read_has_an_error_of_its_own_and_production_stays(
    fault: str, host: Host
) -> None:
    broken, code, exit_code = FAULTS[fault]
    broken(host)

    error, said = failure(host.desk), host.desk.run("reconcile")
    asked = host.desk.run("status")

    assert (error.code, error.exit_code, said.exit_code) == (code, exit_code, exit_code)
    assert str(error) in said.err
    assert error.hint
    assert revision(host) == 1
    # What only a pass reads does not keep `status` from answering.
    assert asked.exit_code in {1, exit_code}
    if asked.exit_code == 1:
        assert code in asked.out or str(error) in asked.out
    host.heal()
    assert host.desk.run("reconcile").exit_code == 0
    assert revision(host) == 2


def test_the_faults_of_one_run_are_told_apart() -> None:
    codes = {code for _, code, _ in FAULTS.values()}

    assert len(codes) > 10


# No room


@contextlib.contextmanager
def no_room() -> Iterator[None]:
    """Let no file of this process grow, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_no_room_for_the_audit_commit_leaves_the_revision_and_owes_the_commit(host: Host) -> None:
    with no_room():
        error = failure(host.desk)
        asked = host.desk.run("status", "-o", "json")

    assert (error.code, error.exit_code) == ("git.full", 2)
    assert revision(host) == 2
    assert asked.json["audit_waiting"] == 1
    assert host.desk.run("reconcile").exit_code == 0
    assert host.desk.run("status", "-o", "json").json["audit_waiting"] == 0
    assert host.desk.run("audit", "verify").exit_code == 0


def test_no_room_for_a_command_leaves_the_branch_where_it_was(host: Host) -> None:
    tip = host.repository.target(MAIN)
    arguments = ["rollback", "--to", "1", "--key", str(host.keys("rollback"))]
    folder = ["-C", str(host.desk.folder)]
    host.desk.shop().sync()

    with no_room():
        said = host.desk.run(*arguments, *folder)

    assert said.exit_code == 2
    assert "cannot write into" in said.err
    assert host.repository.target(MAIN) == tip
    assert host.desk.run("reconcile").exit_code == 0
    assert host.desk.run(*arguments, *folder).exit_code == 0


# A state directory that cannot be used


def state_is_a_file(state: Path) -> None:
    """Put a file in the place of the state directory."""
    state.write_text("")


def state_is_behind_a_file(state: Path) -> None:
    """Put a file in the place of the folder that the state directory is in."""
    state.parent.rmdir()
    state.parent.write_text("")


@pytest.mark.parametrize("broken", [state_is_a_file, state_is_behind_a_file])
def test_a_state_directory_that_cannot_be_used_says_so(
    broken: Callable[[Path], None], tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    state = tmp_path / "folder" / "state"
    broken(state)

    with pytest.raises(StateUnusable) as found:
        EmbeddedPostgres(state).start()

    assert found.value.code == "embedded.state_unusable"
    assert found.value.hint


def test_no_room_for_the_state_directory_says_so(tmp_path: Path) -> None:
    with no_room(), pytest.raises(NoSpace):
        EmbeddedPostgres(tmp_path / "state").start()


# The page


def test_the_page_tells_of_every_code_in_the_tables() -> None:
    codes = {code for _, code, _ in FAULTS.values()} | {one.code for one in DATABASE_FAULTS}
    known = {leaf.code for leaf in leaves()}
    told = set(re.findall(r"^\| `([a-z_.]+)`", PAGE.read_text(), re.MULTILINE))

    assert sorted((codes | ELSEWHERE) - told) == []
    assert sorted(told - known) == []


ELSEWHERE = {
    *("git.full", "git.not_allowed", "git.gone", "git.busy", "git.note_damaged"),
    *("database.unavailable", "database.busy", "database.statement_timed_out", "database.full"),
    *("embedded.no_space", "embedded.state_unusable"),
}
"""Codes that other tests of these faults see."""


def test_git_settings_that_cannot_be_read_are_not_settings_without_a_key(host: Host) -> None:
    host.desk.shop().sync()
    arguments = ["rollback", "--to", "1", "-C", str(host.desk.folder)]
    settings = host.desk.home / "people.gitconfig"
    settings.write_text("[user\n")

    with pytest.MonkeyPatch.context() as home:
        home.setenv("HOME", str(host.desk.home))
        run_git(["config", "--unset-all", "user.signingkey"], host.desk.folder, timeout_seconds=10)
        unset = host.desk.run(*arguments)
        settings.rename(host.desk.home / ".gitconfig")
        broken = host.desk.run(*arguments)

    assert (unset.exit_code, broken.exit_code) == (2, 2)
    assert "git signs with no key here" in unset.err
    assert "bad config" in broken.err
    assert "git signs with no key here" not in broken.err
