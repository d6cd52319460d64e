"""Watching a branch of a local repository: what moves it rings, what does not is quiet."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from controller.adapters.gitfaults import RepositoryGone
from controller.adapters.watch import WatchUnavailable, watch_branch
from tests.support.house import ROOT
from tests.support.repositories import bare
from tests.support.trees import git


@dataclass
class Bell:
    """Counts how often it rang."""

    rang: int = 0
    _ringing: threading.Condition = field(default_factory=threading.Condition)

    def ring(self) -> None:
        with self._ringing:
            self.rang += 1
            self._ringing.notify_all()

    def reaches(self, times: int, seconds: float = 10) -> bool:
        with self._ringing:
            return self._ringing.wait_for(lambda: self.rang >= times, seconds)


@contextmanager
def watched(git_dir: Path, branch: str = "main", look_ms: int = 60_000) -> Iterator[Bell]:
    """Watch from another thread, until the block ends; by events alone if not told otherwise."""
    bell, stop = Bell(), threading.Event()
    thread = threading.Thread(
        target=watch_branch,
        args=(git_dir, branch),
        kwargs={"changed": bell.ring, "stop": stop, "look_ms": look_ms},
    )
    thread.start()
    try:
        assert bell.reaches(1)
        time.sleep(0.3)  # until the watch stands
        yield bell
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture
def commits(tmp_path: Path) -> list[str]:
    """Return the commits of the repository below `tmp_path`, the first first."""
    repository = bare(tmp_path, {"a": b"1\n"}, {"a": b"2\n"}, {"a": b"3\n"})
    return git(repository.path, "rev-list", "--reverse", "main").split()


@pytest.fixture
def git_dir(tmp_path: Path, commits: list[str]) -> Path:
    path = tmp_path / "repository.git"
    git(path, "update-ref", "refs/heads/main", commits[0])
    return path


def test_a_branch_that_moves_rings_at_once(git_dir: Path, commits: list[str]) -> None:
    with watched(git_dir) as bell:
        started = time.monotonic()
        git(git_dir, "update-ref", "refs/heads/main", commits[1])
        assert bell.reaches(2)
        assert time.monotonic() - started < 0.9

        git(git_dir, "update-ref", "refs/heads/main", commits[2])
        assert bell.reaches(3)


def test_packed_references_ring(git_dir: Path, commits: list[str]) -> None:
    with watched(git_dir) as bell:
        git(git_dir, "pack-refs", "--all")
        assert bell.reaches(2)
        seen = bell.rang
        git(git_dir, "update-ref", "refs/heads/main", commits[1])
        assert bell.reaches(seen + 1)


def test_a_branch_in_folders_that_come_and_go_rings(git_dir: Path, commits: list[str]) -> None:
    ref = "refs/heads/release/2026/live"
    with watched(git_dir, "release/2026/live") as bell:
        git(git_dir, "update-ref", ref, commits[0])
        assert bell.reaches(2)
        seen = bell.rang
        git(git_dir, "update-ref", "-d", ref)
        assert bell.reaches(seen + 1)
        seen = bell.rang
        git(git_dir, "update-ref", ref, commits[1])
        assert bell.reaches(seen + 1)
        seen = bell.rang
        git(git_dir, "update-ref", ref, commits[2])
        assert bell.reaches(seen + 1)


def test_what_no_event_told_of_is_seen_all_the_same(git_dir: Path, commits: list[str]) -> None:
    elsewhere = git_dir.with_name("elsewhere")
    elsewhere.hardlink_to(git_dir / "refs" / "heads" / "main")  # a change by that name tells nobody
    with watched(git_dir, look_ms=200) as bell:
        elsewhere.write_text(f"{commits[1]}\n")

        assert bell.reaches(2)


def test_other_branches_and_objects_are_quiet(git_dir: Path, commits: list[str]) -> None:
    with watched(git_dir) as bell:
        git(git_dir, "update-ref", "refs/heads/other", commits[1])
        git(git_dir, "update-ref", "refs/heads/audit/one", commits[1])
        git(git_dir, "hash-object", "-w", "--stdin", stdin=b"new")

        assert not bell.reaches(2, seconds=1.5)


def test_a_linked_work_tree_is_watched_where_its_branches_are(
    git_dir: Path, commits: list[str], tmp_path: Path
) -> None:
    git(git_dir, "worktree", "add", "-q", "-b", "side", str(tmp_path / "linked"), commits[0])
    linked = git_dir / "worktrees" / "linked"

    with watched(linked) as bell:
        git(git_dir, "update-ref", "refs/heads/main", commits[1])

        assert bell.reaches(2)


def test_a_repository_that_goes_away_is_told(git_dir: Path) -> None:
    errors: list[BaseException] = []

    def watch() -> None:
        try:
            watch_branch(git_dir, "main", changed=lambda: None, stop=threading.Event())
        except RepositoryGone as error:
            errors.append(error)

    thread = threading.Thread(target=watch)
    thread.start()
    time.sleep(0.3)
    git_dir.rename(git_dir.with_name("gone.git"))
    thread.join(10)

    assert [type(one) for one in errors] == [RepositoryGone]


def test_a_system_that_watches_nothing_more_is_told(git_dir: Path) -> None:
    script = (
        "import resource, sys; from pathlib import Path; from threading import Event\n"
        "from controller.adapters.watch import WatchUnavailable, watch_branch\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 64))\n"
        "try:\n"
        "    watch_branch(Path(sys.argv[1]), 'main', changed=lambda: None, stop=Event())\n"
        "except WatchUnavailable as error:\n"
        "    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)); print(error.code)"
    )

    said = subprocess.run(
        [sys.executable, "-c", script, str(git_dir)],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip

    assert said.stdout.split() == [WatchUnavailable.code]
