"""What a commit of ours leaves behind when it dies does not stop the next one, and nothing else."""

import json
from pathlib import Path

import pytest

from controller.adapters import gitleft
from controller.adapters.gitcli import WouldOverwrite, child_environment, commit_paths, run_git
from controller.adapters.gitfaults import RepositoryBusy
from controller.kernel.canonical import sha256

PEOPLE = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Alice"), ("EMAIL", "alice@example.test"))
}


def commit(work: Path, **files: bytes) -> None:
    commit_paths(work, files, "Change", env=child_environment(settings=PEOPLE))


def committed(work: Path, path: str) -> bytes:
    return run_git(["show", f"HEAD:{path}"], work, timeout_seconds=10).stdout


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A work tree with one commit."""
    run_git(["init", "--quiet"], tmp_path, timeout_seconds=10)
    commit(tmp_path, a=b"first\n")
    return tmp_path


def die_after_writing(work: Path, path: str, data: bytes) -> None:
    """Leave what a commit leaves that dies between writing a file and committing it."""
    with gitleft.alone(work / ".git", work) as left:
        left.note({path: data})
    (work / path).write_bytes(data)


def test_a_finished_commit_leaves_no_note(work: Path) -> None:
    assert not (work / ".git" / gitleft.NOTE).exists()


def test_a_file_that_a_dead_commit_wrote_is_written_over(work: Path) -> None:
    die_after_writing(work, "a", b"half done\n")

    commit(work, a=b"second\n")

    assert committed(work, "a") == b"second\n"
    assert not (work / ".git" / gitleft.NOTE).exists()


def test_a_file_that_somebody_edited_after_the_death_is_not_written_over(work: Path) -> None:
    die_after_writing(work, "a", b"half done\n")
    (work / "a").write_bytes(b"edited\n")

    with pytest.raises(WouldOverwrite):
        commit(work, a=b"second\n")

    assert (work / "a").read_bytes() == b"edited\n"


@pytest.mark.parametrize("lock", ["index.lock", "HEAD.lock"])
def test_a_lock_that_a_dead_commit_left_is_taken_away(lock: str, work: Path) -> None:
    die_after_writing(work, "a", b"half done\n")
    (work / ".git" / lock).touch()

    commit(work, a=b"second\n")

    assert committed(work, "a") == b"second\n"


def test_a_lock_that_no_commit_of_ours_left_is_named_and_stays(work: Path) -> None:
    lock = work / ".git" / "index.lock"
    lock.touch()

    with pytest.raises(RepositoryBusy) as refusal:
        commit(work, a=b"second\n")

    assert str(lock) in str(refusal.value)
    assert lock.exists()
    lock.unlink()
    commit(work, a=b"second\n")
    assert committed(work, "a") == b"second\n"


def test_two_of_us_do_not_commit_in_one_work_tree(work: Path) -> None:
    with gitleft.alone(work / ".git", work), pytest.raises(RepositoryBusy):
        commit(work, a=b"second\n")

    commit(work, a=b"second\n")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}'])
def test_a_note_that_cannot_be_read_is_not_no_note(text: str, work: Path) -> None:
    (work / ".git" / gitleft.NOTE).write_text(text)

    with pytest.raises(gitleft.NoteDamaged):
        commit(work, a=b"second\n")

    (work / ".git" / gitleft.NOTE).write_text(json.dumps({"a": sha256(b"first\n")}))
    commit(work, a=b"second\n")
