"""Which commits are new: by mode, across merges, and never one that stood behind the accepted."""

from pathlib import Path

import pytest

from controller.adapters.git import GitRepository
from controller.kernel.objects import Oid
from controller.source.budget import HISTORY_BYTES
from controller.source.commits import CommitsTooLarge, Verify, commits_after, read_commits
from tests.support.repositories import ALICE, MAIN, bare
from tests.support.trees import git

MODES = [Verify.HEAD, Verify.FIRST_PARENT, Verify.ALL]


@pytest.fixture
def merged(tmp_path: Path) -> tuple[GitRepository, dict[str, Oid]]:
    """Return a history whose tip merges a side that left before what was accepted.

    one ── accepted ── two ── merge ── tip
      └──── side ─── later ───┘
    """
    for arguments in (
        ("init", "-q", "-b", "main"),
        ("commit", "-q", "--allow-empty", "-m", "one"),
        ("branch", "aside"),
        ("commit", "-q", "--allow-empty", "-m", "accepted"),
        ("commit", "-q", "--allow-empty", "-m", "two"),
        ("checkout", "-q", "aside"),
        ("commit", "-q", "--allow-empty", "-m", "side"),
        ("commit", "-q", "--allow-empty", "-m", "later"),
        ("checkout", "-q", "main"),
        ("merge", "-q", "--no-ff", "-m", "merge", "aside"),
        ("commit", "-q", "--allow-empty", "-m", "tip"),
    ):
        git(tmp_path, *arguments)
    lines = git(tmp_path, "log", "--format=%s %H", "main").splitlines()
    named = dict(line.split() for line in lines)
    repository = GitRepository.open(tmp_path)
    return repository, {name: Oid(bytes.fromhex(oid)) for name, oid in named.items()}


def names(found: list[Oid], commits: dict[str, Oid]) -> list[str]:
    by_oid = {oid: name for name, oid in commits.items()}
    return [by_oid[oid] for oid in found]


@pytest.mark.parametrize(
    ("verify", "expected"),
    [
        (Verify.NONE, []),
        (Verify.HEAD, ["tip"]),
        (Verify.FIRST_PARENT, ["two", "merge", "tip"]),
        (Verify.ALL, ["side", "later", "two", "merge", "tip"]),
    ],
)
def test_a_mode_says_which_commits_are_verified(
    merged: tuple[GitRepository, dict[str, Oid]], verify: Verify, expected: list[str]
) -> None:
    repository, commits = merged

    found = commits_after(repository, commits["accepted"], commits["tip"], verify)

    assert names(found, commits) == expected


def test_of_a_branch_that_was_merged_the_wrong_way_round_nothing_old_is_verified(
    merged: tuple[GitRepository, dict[str, Oid]],
) -> None:
    repository, commits = merged

    def after(verify: Verify) -> list[str]:
        return names(commits_after(repository, commits["side"], commits["tip"], verify), commits)

    assert after(Verify.FIRST_PARENT) == ["accepted", "two", "merge", "tip"]
    assert after(Verify.ALL) == ["later", "accepted", "two", "merge", "tip"]


def test_without_an_accepted_commit_all_there_are_are_verified(
    merged: tuple[GitRepository, dict[str, Oid]],
) -> None:
    repository, commits = merged

    found = commits_after(repository, None, commits["tip"], Verify.ALL)

    assert sorted(names(found, commits)) == sorted(commits)


@pytest.mark.parametrize("verify", MODES)
def test_where_nothing_is_new_nothing_is_verified(tmp_path: Path, verify: Verify) -> None:
    repository = bare(tmp_path, {"a": b"1"})
    tip = repository.target(MAIN)
    assert tip is not None

    assert commits_after(repository, tip, tip, verify) == []


def test_commits_are_read_within_bounds(tmp_path: Path) -> None:
    repository = bare(tmp_path, {"a": b"1"})
    most = HISTORY_BYTES // 1_000_000 + 2
    for number in range(most):
        changes: dict[str, bytes | None] = {"a": str(number).encode()}
        repository.commit_files(MAIN, changes, message="long " * 200_000, author=ALICE)
    tip = repository.target(MAIN)
    assert tip is not None
    found = commits_after(repository, None, tip, Verify.ALL)

    with pytest.raises(CommitsTooLarge):
        list(read_commits(repository, found))
    assert len(list(read_commits(repository, found[-5:]))) == 5
