"""Packing in the background: nothing is lost, nobody waits, and a death leaves nothing behind."""

import fcntl
import hashlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.adapters import gitpack
from controller.adapters.git import GitRepository
from controller.adapters.gitcli import GitFailed
from controller.kernel.objects import Oid
from tests.support.house import ROOT
from tests.support.repositories import bare
from tests.support.trees import git

MANY = gitpack.LOOSE_MAX + 200
PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="module")
def litter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare repository with very many loose files, `file 0` and so on; to be copied."""
    where = tmp_path_factory.mktemp("litter")
    repository = bare(where, {"a": b"1"})
    for number in range(MANY):
        (where / str(number)).write_bytes(contents(number))
    names = "".join(f"{where / str(number)}\n" for number in range(MANY))
    command = ["git", "hash-object", "-w", "--stdin-paths"]
    subprocess.run(
        command, cwd=repository.path, input=names.encode(), capture_output=True, check=True
    )
    return repository.path


@pytest.fixture
def repository(litter: Path, tmp_path: Path) -> GitRepository:
    shutil.copytree(litter, tmp_path / "repository.git")
    return GitRepository.open(tmp_path / "repository.git")


def contents(number: int) -> bytes:
    return b"file %d\n" % number


def oid(number: int) -> Oid:
    data = contents(number)
    return Oid(hashlib.sha1(b"blob %d\0%s" % (len(data), data)).digest())


def are_all_there(repository: GitRepository) -> bool:
    return all(repository.read(oid(number)) == contents(number) for number in range(MANY))


def counts(repository: GitRepository) -> dict[str, int]:
    lines = git(repository.path, "count-objects", "-v").splitlines()
    return {name: int(value) for name, value in (line.split(": ") for line in lines)}


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_loose_objects_become_one_pack_and_then_go(repository: GitRepository) -> None:
    before = counts(repository)["count"]

    packed = gitpack.pack(repository.git_dir)
    between = counts(repository)
    again = gitpack.pack(repository.git_dir)

    assert (packed, again) == (before, 0)
    assert (between["packs"], between["in-pack"], between["count"]) == (1, before, before)
    after = counts(repository)
    assert (after["packs"], after["in-pack"], after["count"]) == (1, before, 0)
    assert git(repository.path, "fsck", "--strict", "--full", "--no-dangling") == ""
    assert are_all_there(GitRepository.open(repository.path))


def test_a_few_loose_objects_are_left_alone(tmp_path: Path) -> None:
    repository = bare(tmp_path, {str(number): contents(number) for number in range(100)})

    assert not gitpack.is_due(repository.git_dir)
    assert gitpack.start(repository.git_dir) is False
    assert gitpack.pack(repository.git_dir) == 0
    assert counts(repository)["packs"] == 0


def test_one_run_packs_a_bounded_number_and_the_next_goes_on(repository: GitRepository) -> None:

    assert gitpack.pack(repository.git_dir, objects_max=gitpack.LOOSE_MAX) == gitpack.LOOSE_MAX
    assert counts(repository)["in-pack"] == gitpack.LOOSE_MAX


def test_whoever_opened_the_repository_before_reads_on(repository: GitRepository) -> None:
    assert are_all_there(repository)

    gitpack.pack(repository.git_dir)
    gitpack.pack(repository.git_dir)

    assert counts(repository)["count"] == 0
    assert are_all_there(repository)


def test_only_one_packer_is_at_it(repository: GitRepository) -> None:
    with (repository.git_dir / "countersign-pack.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)

        assert gitpack.pack(repository.git_dir) is None
        assert counts(repository)["packs"] == 0
    assert gitpack.pack(repository.git_dir)


def test_what_is_started_packs_after_we_went_on(repository: GitRepository) -> None:

    assert gitpack.start(repository.git_dir) is True

    assert eventually(lambda: counts(repository)["packs"] == 1)
    assert eventually(lambda: gitpack.pack(repository.git_dir) == 0)


def test_commits_are_written_while_a_packer_is_at_it(repository: GitRepository) -> None:
    packer = threading.Thread(target=gitpack.pack, args=(repository.git_dir,))

    packer.start()
    commits = [
        repository.write_commit(
            b"tree %s\nauthor A <a@b> %d +0000\ncommitter A <a@b> 0 +0000\n\nhello\n"
            % (repository.empty_tree().hex().encode(), number)
        )
        for number in range(200)
    ]
    packer.join()
    gitpack.pack(repository.git_dir)

    assert all(GitRepository.open(repository.path).raw_commit(commit) for commit in commits)
    assert git(repository.path, "fsck", "--strict", "--full", "--no-dangling") == ""


def test_a_packer_that_is_killed_loses_nothing_and_the_next_one_finishes(
    repository: GitRepository,
) -> None:
    whole = counts(repository)["count"]

    for tick in itertools.count():
        child = subprocess.Popen(
            [sys.executable, "-m", "controller.adapters.gitpack", str(repository.git_dir)],
            cwd=ROOT,
            start_new_session=True,
        )
        try:
            status: int | None = child.wait(timeout=0.02 + tick * 0.01)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            status = None
        present = git(repository.path, "cat-file", "--batch-check", "--batch-all-objects")
        assert len(present.splitlines()) == whole
        if status is not None:
            break

    assert status == 0
    assert eventually(lambda: gitpack.pack(repository.git_dir) == 0)
    assert counts(repository)["count"] == 0
    assert are_all_there(repository)


def test_a_damaged_object_stops_the_packer_and_nothing_else(repository: GitRepository) -> None:
    name = oid(0).hex()
    damaged = repository.git_dir / "objects" / name[:2] / name[2:]
    good = damaged.read_bytes()
    damaged.chmod(0o644)
    damaged.write_bytes(b"no object")

    with pytest.raises(GitFailed):
        gitpack.pack(repository.git_dir)
    assert gitpack.main(str(repository.git_dir)) == 1
    assert repository.read(oid(1)) == contents(1)

    damaged.write_bytes(good)
    assert gitpack.pack(repository.git_dir)
