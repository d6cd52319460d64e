"""The git program as a child, and commits in a person's own work tree."""

import time
from pathlib import Path

import pytest

from controller.adapters.gitcli import (
    GitDeadline,
    GitFailed,
    WouldOverwrite,
    child_environment,
    commit_paths,
    run_git,
)
from tests.support.trees import git

PEOPLE = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_AUTHOR_NAME": "Test",
    "GIT_AUTHOR_EMAIL": "test@example.test",
    "GIT_COMMITTER_NAME": "Test",
    "GIT_COMMITTER_EMAIL": "test@example.test",
}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "a").write_text("1\n")
    (tmp_path / "b").write_text("1\n")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "start")
    return tmp_path


def test_the_environment_of_the_caller_does_not_lead_git_astray() -> None:
    found = child_environment({"GIT_DIR": "/elsewhere", "SSH_AUTH_SOCK": "/agent"})

    assert "GIT_DIR" not in found
    assert found["SSH_AUTH_SOCK"] == "/agent"
    assert found["GIT_TERMINAL_PROMPT"] == "0"


def test_what_git_writes_is_returned(work: Path) -> None:
    assert run_git(["rev-parse", "--is-bare-repository"], work, timeout_seconds=10).stdout == (
        b"false\n"
    )


def test_what_git_refuses_is_an_error_with_its_words(work: Path) -> None:
    with pytest.raises(GitFailed) as refusal:
        run_git(["rev-parse", "--verify", "nothing"], work, timeout_seconds=10)

    assert refusal.value.status == 128
    assert "fatal" in refusal.value.stderr


def test_a_child_that_hangs_is_killed_with_its_children(work: Path) -> None:
    started = time.monotonic()

    with pytest.raises(GitDeadline):
        run_git(["-c", "alias.hang=!sleep 60", "hang"], work, timeout_seconds=0.3)

    assert time.monotonic() - started < 10


def test_a_commit_of_ours_is_clean_and_leaves_other_edits_alone(work: Path) -> None:
    (work / "a").write_text("edited\n")
    (work / "b").write_text("staged\n")
    (work / "new").write_text("untracked\n")
    git(work, "add", "b")

    commit_paths(
        work,
        {"environments/production/release.json": b"{}\n", "x/y": b"2\n"},
        "Release 1",
        env=child_environment(settings=PEOPLE),
    )

    assert git(work, "show", "--name-only", "--format=%s", "HEAD").split() == [
        "Release",
        "1",
        "environments/production/release.json",
        "x/y",
    ]
    assert git(work, "status", "--porcelain") == "M a\nM  b\n?? new"
    assert (work / "a").read_text() == "edited\n"


def test_a_file_is_deleted_by_a_commit_of_ours(work: Path) -> None:
    commit_paths(work, {"a": None}, "Drop a", env=child_environment(settings=PEOPLE))

    assert git(work, "ls-files") == "b"
    assert git(work, "status", "--porcelain") == ""


def test_an_uncommitted_edit_is_never_wiped_out(work: Path) -> None:
    (work / "a").write_text("mine\n")

    with pytest.raises(WouldOverwrite) as refusal:
        commit_paths(work, {"a": b"ours\n"}, "Overwrite", env=child_environment(settings=PEOPLE))

    assert refusal.value.paths == ("a",)
    assert (work / "a").read_text() == "mine\n"


def test_an_uncommitted_file_with_the_same_bytes_is_committed(work: Path) -> None:
    (work / "a").write_text("ours\n")

    commit_paths(work, {"a": b"ours\n"}, "Same", env=child_environment(settings=PEOPLE))

    assert git(work, "status", "--porcelain") == ""


def test_an_unchanged_file_makes_no_commit(work: Path) -> None:
    before = git(work, "rev-parse", "HEAD")

    commit_paths(work, {"a": b"1\n", "gone": None}, "Same", env=child_environment(settings=PEOPLE))

    assert git(work, "rev-parse", "HEAD") == before


def test_the_first_commit_of_a_repository_is_made(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")

    commit_paths(tmp_path, {"a": b"1\n"}, "First", env=child_environment(settings=PEOPLE))

    assert git(tmp_path, "log", "--format=%s") == "First"
