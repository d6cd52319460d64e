"""A work tree seen as git objects."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.adapters.git import GitRepository
from controller.adapters.worktree import DEPTH_MAX, ChangedUnderUs, TooMuch, snapshot
from controller.artifacts.levels import BadTree
from controller.artifacts.walk import files, find, read_blob
from controller.kernel.objects import MissingObject, Oid
from tests.support.trees import git


@pytest.fixture
def work(tmp_path: Path) -> Path:
    for path in ("bundles/a/b/files/x.csv", "bundles/a/b/files/d/y.csv", "trust/root/1.root.json"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    (tmp_path / "README.md").write_text("hi")
    return tmp_path


def walked(where: Path) -> list[str]:
    found = snapshot(where)
    return [file.path for file in files(found.objects, found.tree, "")]


def test_only_our_folders_are_seen(work: Path) -> None:
    assert walked(work) == [
        "bundles/a/b/files/d/y.csv",
        "bundles/a/b/files/x.csv",
        "trust/root/1.root.json",
    ]


def test_ids_are_those_that_git_computes(work: Path) -> None:
    (work / "bundles" / "empty" / "folder").mkdir(parents=True)
    (work / "bundles" / "a-b").write_text("sorts before a/")
    (work / "bundles" / "a.b").write_text("so does this")
    git(work, "init", "-q", "-b", "main")
    git(work, "add", "-A", "bundles", "trust")

    assert snapshot(work).tree.hex() == git(work, "write-tree")


def test_contents_are_read_when_asked_for(work: Path) -> None:
    found = snapshot(work)
    entry = find(found.objects, found.tree, "bundles/a/b/files/x.csv")
    assert entry is not None

    assert read_blob(found.objects, entry.oid, "x.csv", 100) == b"bundles/a/b/files/x.csv"
    assert list(found.objects.read_many([entry.oid])) == [b"bundles/a/b/files/x.csv"]


@pytest.mark.parametrize(
    "later", ["BUNDLES/a/b/files/x.csv", "shorter", "bundles/a/b/files/x.csv+"]
)
def test_a_file_that_changes_under_us_is_noticed(work: Path, later: str) -> None:
    found = snapshot(work)
    entry = find(found.objects, found.tree, "bundles/a/b/files/x.csv")
    assert entry is not None
    (work / "bundles/a/b/files/x.csv").write_text(later)

    with pytest.raises(ChangedUnderUs):
        read_blob(found.objects, entry.oid, "x.csv", 100)


def test_a_file_that_became_a_link_is_not_followed(work: Path) -> None:
    found = snapshot(work)
    entry = find(found.objects, found.tree, "bundles/a/b/files/x.csv")
    assert entry is not None
    path = work / "bundles/a/b/files/x.csv"
    path.rename(work / "moved")
    path.symlink_to(work / "moved")

    with pytest.raises(ChangedUnderUs):
        found.objects.read(entry.oid)


def test_a_link_an_executable_a_pipe_and_odd_names_are_refused_by_the_walker(work: Path) -> None:
    folder = work / "bundles"
    makers: dict[str, Callable[[Path], object]] = {
        "link": lambda path: path.symlink_to("/etc/passwd"),
        "run": lambda path: path.touch(0o755),
        "pipe": os.mkfifo,
        "UPPER": Path.touch,
        ".DS_Store": Path.touch,
        "a b": Path.touch,
    }
    for name, make in makers.items():
        make(folder / name)

        with pytest.raises(BadTree) as refusal:
            walked(work)

        assert refusal.value.path == f"bundles/{name}"
        (folder / name).unlink()
    assert len(walked(work)) == 3


def test_a_name_that_is_no_text_is_refused_by_the_walker(work: Path) -> None:
    (Path(os.fsdecode(os.fsencode(work) + b"/bundles/\xff"))).touch()

    with pytest.raises(BadTree):
        walked(work)


def test_a_repository_in_a_bundle_is_refused(work: Path) -> None:
    (work / "bundles" / "sub" / ".git").mkdir(parents=True)

    with pytest.raises(BadTree):
        walked(work)


def test_folders_without_end_are_refused(work: Path) -> None:
    (work / "bundles" / "/".join("d" * (DEPTH_MAX + 1))).mkdir(parents=True)

    with pytest.raises(TooMuch):
        snapshot(work)


def test_an_empty_folder_of_ours_holds_nothing(tmp_path: Path) -> None:
    assert walked(tmp_path) == []


def test_older_objects_are_found_in_the_repository_below(work: Path) -> None:
    repository = GitRepository.init(work, bare=False)
    old = repository.write_blob(b"old")

    assert snapshot(work, under=repository).objects.read(old) == b"old"
    with pytest.raises(MissingObject):
        snapshot(work).objects.read(old)
    with pytest.raises(MissingObject):
        snapshot(work, under=repository).objects.header(Oid(b"\7" * 20))
