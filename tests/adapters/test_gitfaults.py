"""What cannot be read is never "nothing there": each fault of a repository has its own error."""

import errno
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.adapters import gitfaults
from controller.adapters.git import GitRepository, RepositoryBusy
from controller.adapters.gitcli import run_git
from controller.adapters.gitfaults import (
    AlternateGone,
    NotStarted,
    ObjectDamaged,
    PackDamaged,
    RefDamaged,
    RepositoryFull,
    RepositoryGone,
    RepositoryNotAllowed,
    ShallowHistory,
)
from controller.kernel.errors import ControllerError
from controller.kernel.objects import MissingObject, Oid
from tests.support import damage
from tests.support.damage import Break
from tests.support.postgres import passable_folder
from tests.support.repositories import MAIN, bare

COMMITS = 3

Read = Callable[[GitRepository, list[Oid]], object]


def history(where: Path) -> tuple[GitRepository, list[Oid]]:
    """Return a repository with some commits, the newest first."""
    changes: list[dict[str, bytes | None]] = [{"a/b": b"%d" % number} for number in range(COMMITS)]
    repository = bare(where, *changes)
    tip = repository.target(MAIN)
    assert tip is not None
    return repository, list(repository.first_parents(tip))


READS: dict[str, Read] = {
    "first parents": lambda repository, commits: list(repository.first_parents(commits[0])),
    "ancestry": lambda repository, commits: repository.is_ancestor(commits[-1], commits[0]),
    "a commit": lambda repository, commits: repository.raw_commit(commits[1]),
    "its tree": lambda repository, commits: repository.tree_of(commits[1]),
    "whether it is there": lambda repository, commits: repository.has(commits[1]),
    "many": lambda repository, commits: list(repository.read_many(commits * 30)),
}
# What only asks whether an object's file is there is content with any file.
ASKS_FOR_A_NAME = "whether it is there"

BROKEN: list[tuple[Break, type[ControllerError]]] = [
    (damage.remove, MissingObject),
    (damage.scramble, ObjectDamaged),
    (damage.empty, ObjectDamaged),
    (damage.cut_pack, PackDamaged),
    (damage.scramble_pack, ObjectDamaged),
    (damage.lose_index, PackDamaged),
    (damage.cut_index, PackDamaged),
    (damage.lose_alternate, AlternateGone),
]


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize(("broken", "error"), BROKEN, ids=lambda one: one.__name__)
def test_a_broken_repository_says_what_is_broken_whatever_is_read(
    broken: Break, error: type[ControllerError], read: str, tmp_path: Path
) -> None:
    repository, commits = history(tmp_path)
    broken(repository, commits[1])
    if broken is not damage.lose_repository:
        repository = GitRepository.open(repository.git_dir)

    if read == ASKS_FOR_A_NAME and error in {MissingObject, ObjectDamaged}:
        return
    with pytest.raises(error) as found:
        READS[read](repository, commits)

    assert found.value.hint


@pytest.mark.parametrize("read", READS)
def test_a_whole_repository_says_nothing(read: str, tmp_path: Path) -> None:
    assert READS[read](*history(tmp_path))


def test_a_repository_that_goes_away_is_not_an_empty_one(tmp_path: Path) -> None:
    repository, commits = history(tmp_path)
    file = repository.entry(repository.tree_of(commits[0]), "a/b")
    assert file is not None
    damage.lose_repository(repository, file)

    for read in (
        lambda: repository.target(MAIN),
        lambda: repository.resolve("main"),
        lambda: repository.references("refs/"),
        lambda: repository.header(file),
        lambda: repository.has(file),
        lambda: list(repository.read_many([file] * 100)),
        lambda: repository.write_blob(b"more"),
    ):
        with pytest.raises(RepositoryGone):
            read()


def test_an_object_that_is_not_there_is_not_there_when_everything_can_be_read(
    tmp_path: Path,
) -> None:
    repository, commits = history(tmp_path)
    damage.remove(repository, commits[1])

    assert not GitRepository.open(repository.git_dir).has(commits[1])


@pytest.mark.parametrize("close", [damage.close_object, damage.close_objects])
def test_an_object_that_we_may_not_read_is_not_missing(close: Break) -> None:
    with passable_folder() as folder:
        repository, commits = history(folder)
        close(repository, commits[1])
        with damage.as_ordinary_user(folder):
            for name, read in READS.items():
                if name != ASKS_FOR_A_NAME or close is damage.close_objects:
                    with pytest.raises(RepositoryNotAllowed):
                        read(GitRepository.open(repository.git_dir), commits)


# History


def test_a_history_that_was_cut_off_does_not_begin_there(tmp_path: Path) -> None:
    repository, commits = history(tmp_path)
    url = f"file://{repository.git_dir}"
    run_git(
        ["clone", "--quiet", "--bare", "--depth=2", url, "cut"],
        tmp_path,
        timeout_seconds=60,
    )
    cut = GitRepository.open(tmp_path / "cut")

    for read in ("first parents", "ancestry"):
        with pytest.raises(ShallowHistory):
            READS[read](cut, commits)
    with pytest.raises(ShallowHistory):
        cut.has(commits[-1])
    assert list(cut.first_parents(commits[0], until=commits[1])) == [commits[0]]
    assert cut.is_ancestor(commits[0], commits[0]) is not True or cut.has(commits[0])


# References


def junk(path: Path) -> None:
    path.write_text("rubbish\n")


def packed_junk(path: Path) -> None:
    path.unlink()
    (path.parents[2] / "packed-refs").write_text("rubbish rubbish\n")


@pytest.mark.parametrize("broken", [junk, packed_junk, lambda path: path.write_text("")])
def test_a_reference_that_cannot_be_read_is_not_a_branch_without_commits(
    broken: Callable[[Path], None], tmp_path: Path
) -> None:
    repository, _ = history(tmp_path)
    broken(repository.git_dir / MAIN)

    for _ in range(2):  # libgit2 tells of a broken packed-refs once
        for read in (
            lambda: repository.target(MAIN),
            lambda: repository.resolve("main"),
            lambda: repository.resolve("HEAD"),
            lambda: repository.references("refs/"),
        ):
            with pytest.raises(RefDamaged):
                read()


def test_a_branch_whose_commit_is_lost_is_no_branch_without_commits(tmp_path: Path) -> None:
    repository, commits = history(tmp_path)
    damage.remove(repository, commits[0])
    repository = GitRepository.open(repository.git_dir)

    for name in ("HEAD", "main", "HEAD~1"):
        with pytest.raises(MissingObject):
            repository.resolve(name)


def test_a_name_that_nothing_has_is_nothing(tmp_path: Path) -> None:
    repository, commits = history(tmp_path)

    assert repository.resolve("no-such-branch") is None
    assert repository.resolve("HEAD:a/b") is None
    assert repository.resolve("not a name..") is None
    assert repository.resolve("HEAD~1") == commits[1]
    assert repository.target("refs/heads/none") is None


def test_a_reference_that_we_may_not_read_is_not_nothing() -> None:
    with passable_folder() as folder:
        repository, _ = history(folder)
        (repository.git_dir / MAIN).chmod(0)
        with damage.as_ordinary_user(folder), pytest.raises(RepositoryNotAllowed):
            GitRepository.open(repository.git_dir).target(MAIN)


# Writing


@contextmanager
def no_room() -> Iterator[None]:
    """Let no file of this process grow, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_no_room_for_an_object_or_a_reference_is_said(tmp_path: Path) -> None:
    repository, commits = history(tmp_path)

    for write in (
        lambda: repository.write_blob(b"more"),
        lambda: repository.write_tree({"c": b"more"}, repository.tree_of(commits[0])),
        lambda: repository.move("refs/heads/other", None, commits[0]),
    ):
        with no_room(), pytest.raises(RepositoryFull):
            write()
    assert repository.target("refs/heads/other") is None
    repository.move("refs/heads/other", None, commits[0])


def test_the_words_of_a_full_disk_are_understood_whatever_it_is_called(tmp_path: Path) -> None:
    repository, _ = history(tmp_path)
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        with pytest.raises(RepositoryFull), gitfaults.written(repository.git_dir):
            raise OSError(f"failed to write: {os.strerror(number)}")


def test_a_repository_that_may_not_be_written_is_said() -> None:
    with passable_folder() as folder:
        repository, _ = history(folder)
        for path in (repository.git_dir / "objects").iterdir():
            path.chmod(0o555)
        (repository.git_dir / "objects").chmod(0o555)
        with damage.as_ordinary_user(folder), pytest.raises(RepositoryNotAllowed):
            GitRepository.open(repository.git_dir).write_blob(b"more")


# Locks


def test_a_lock_that_a_dead_process_left_is_taken_away(tmp_path: Path) -> None:
    repository, commits = history(tmp_path)
    for old, new, ref in ((commits[0], commits[1], MAIN), (None, commits[0], "refs/heads/new")):
        (repository.git_dir / f"{ref}.lock").touch()

        repository.move(ref, old, new)

        assert repository.target(ref) == new


def test_a_lock_that_somebody_has_open_is_respected(tmp_path: Path) -> None:
    repository, commits = history(tmp_path)
    lock = repository.git_dir / f"{MAIN}.lock"

    # Files that close again leave free numbers below the lock's: who lists what is open gets one.
    below = [os.open(tmp_path, os.O_RDONLY) for _ in range(8)]
    with lock.open("w"):
        for number in below:
            os.close(number)
        with pytest.raises(RepositoryBusy) as refusal:
            repository.move(MAIN, commits[0], commits[1])

    assert str(lock) in str(refusal.value)
    assert lock.exists()
    assert repository.target(MAIN) == commits[0]


def test_a_repository_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(NotStarted):
        GitRepository.init(tmp_path / "file" / "shop", bare=False)

    assert GitRepository.init(tmp_path / "folder" / "shop", bare=False).worktree is not None


def test_a_repository_that_may_not_be_made_is_not_allowed() -> None:
    with passable_folder() as home:
        home.chmod(0o555)
        with damage.as_ordinary_user(home), pytest.raises(RepositoryNotAllowed):
            GitRepository.init(home / "shop", bare=True)
        home.chmod(0o755)
