"""Git's objects and refs, in real repositories."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from controller.adapters.git import (
    MANY,
    Author,
    BadAuthor,
    CommitTooLarge,
    GitRepository,
    NoRepository,
    NotACommit,
    RefMoved,
    commit_content,
)
from controller.artifacts.walk import files
from controller.kernel.errors import Corrupt
from controller.kernel.objects import Header, MissingObject, Oid
from tests.support.repositories import ALICE, MAIN, NOW, bare
from tests.support.trees import git

NOWHERE = Oid(b"\7" * 20)


def test_files_are_committed_without_a_checkout(tmp_path: Path) -> None:
    repository = bare(tmp_path, {"a/b.csv": b"1\n", "c": b"2\n"}, {"a/b.csv": None, "d": b"3\n"})

    assert git(repository.path, "ls-tree", "-r", "--name-only", "main").split() == ["c", "d"]
    assert git(repository.path, "fsck", "--strict") == ""
    assert git(repository.path, "log", "--format=%an <%ae> %aI %s", "-1", "main") == (
        "Alice <alice@example.test> 2026-06-01T00:00:00+00:00 change 2"
    )


def test_a_header_is_known_without_reading(tmp_path: Path) -> None:
    repository = bare(tmp_path, {"a": b"12345"})
    blob = repository.write_blob(b"12345")

    assert repository.header(blob) == Header("blob", 5)
    assert repository.read(blob) == b"12345"


def test_an_object_that_is_missing_is_an_error_and_never_empty(tmp_path: Path) -> None:
    repository = bare(tmp_path, {"a": b"1"})

    for look in (repository.header, repository.read, repository.tree_of, repository.raw_commit):
        with pytest.raises(MissingObject):
            look(NOWHERE)
    with pytest.raises(MissingObject):
        list(repository.read_many([NOWHERE]))
    with pytest.raises(MissingObject):
        list(repository.read_many([repository.write_blob(b"1")] * MANY + [NOWHERE]))


@pytest.mark.parametrize("count", [0, 1, MANY - 1, MANY, 3000])
def test_many_blobs_come_in_the_order_asked_for(tmp_path: Path, count: int) -> None:
    repository = bare(tmp_path)
    few = [repository.write_blob(b"%d\n" % number * number) for number in range(50)]
    asked = [few[number * 7 % 50] for number in range(count)]

    assert list(repository.read_many(iter(asked))) == [repository.read(oid) for oid in asked]


def test_reading_may_stop_halfway(tmp_path: Path) -> None:
    repository = bare(tmp_path)
    oid = repository.write_blob(b"x" * 100_000)
    stream = repository.read_many([oid] * 1000)

    assert isinstance(next(iter(stream)), bytes)
    del stream  # the child ends with it; a leak would be a ResourceWarning, which is an error


def test_a_ref_moves_only_from_where_it_was_seen(tmp_path: Path) -> None:
    repository = bare(tmp_path, {"a": b"1"}, {"a": b"2"})
    new, old = repository.first_parents(repository.target(MAIN) or NOWHERE)

    with pytest.raises(RefMoved) as refusal:
        repository.move(MAIN, old, new)
    with pytest.raises(RefMoved):
        repository.move(MAIN, None, new)
    with pytest.raises(RefMoved):
        repository.move("refs/heads/other", old, new)
    repository.move(MAIN, new, old)
    repository.move("refs/heads/other", None, new)

    assert (refusal.value.expected, refusal.value.found) == (old, new)
    assert repository.references("refs/heads/") == {MAIN: old, "refs/heads/other": new}


def test_a_branch_without_commits_points_to_nothing(tmp_path: Path) -> None:
    repository = bare(tmp_path)

    assert repository.head_ref() == MAIN
    assert (repository.target(MAIN), repository.resolve("main")) == (None, None)


def test_ancestry_is_told_from_likeness(tmp_path: Path) -> None:
    repository = bare(tmp_path, {"a": b"1"}, {"a": b"2"}, {"a": b"1"})
    third, second, first = repository.first_parents(repository.target(MAIN) or NOWHERE)
    alike = repository.write_commit(
        commit_content(repository.tree_of(third), [], ALICE, "the same files")
    )

    assert repository.tree_of(alike) == repository.tree_of(first)
    assert repository.is_ancestor(first, third)
    assert repository.is_ancestor(third, third)
    assert not repository.is_ancestor(third, first)
    assert not repository.is_ancestor(first, alike)
    assert list(repository.first_parents(third, until=first)) == [third, second]


def test_a_tag_names_the_commit_behind_it(tmp_path: Path) -> None:
    repository = bare(tmp_path, {"a": b"1"})
    git(repository.path, "tag", "-a", "-m", "v1", "v1", "main")

    assert repository.resolve("v1") == repository.target(MAIN)
    assert repository.resolve("no-such-thing") is None


def test_a_signature_becomes_the_header_that_git_reads(tmp_path: Path) -> None:
    repository = bare(tmp_path)
    content = commit_content(repository.empty_tree(), [], ALICE, "signed\n\nbody")
    armored = "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n"

    commit = repository.write_commit(content, armored)

    raw = repository.raw_commit(commit)
    assert b"\ngpgsig -----BEGIN SSH SIGNATURE-----\n AAAA\n -----END SSH SIGNATURE-----\n\n" in raw
    assert git(repository.path, "cat-file", "commit", commit.hex()).encode() + b"\n" == raw
    assert git(repository.path, "fsck", "--strict", commit.hex()) == ""


@pytest.mark.parametrize("name", ["", "a\nb", "a<b", "x" * 201])
def test_a_name_that_would_break_a_commit_is_refused(name: str) -> None:
    with pytest.raises(BadAuthor):
        Author(name, "a@b.test", NOW)
    with pytest.raises(BadAuthor):
        replace(ALICE, email=name)


def test_a_folder_that_is_no_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoRepository):
        GitRepository.open(tmp_path)


def test_a_repository_is_found_from_a_folder_in_it(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "a" / "b").mkdir(parents=True)

    assert GitRepository.discover(tmp_path / "a" / "b").path == tmp_path


def test_settings_are_kept_in_the_repository(tmp_path: Path) -> None:
    repository = bare(tmp_path)

    repository.config_set("gpg.format", "ssh")

    assert repository.config_get("gpg.format") == "ssh"
    assert repository.config_get("gpg.nothing") is None
    assert git(repository.path, "config", "gpg.format") == "ssh"


def test_threads_read_one_repository_side_by_side(tmp_path: Path) -> None:
    repository = bare(tmp_path, {f"f{number}": b"%d" % number for number in range(100)})
    tree = repository.tree_of(repository.target(MAIN) or NOWHERE)
    counts: list[int] = []

    def look() -> None:
        counts.append(sum(len(repository.read(file.oid)) for file in files(repository, tree, "")))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert counts == [190] * 4


def test_a_damaged_object_is_corrupt_and_not_missing(tmp_path: Path) -> None:
    repository = bare(tmp_path)
    oid = repository.write_blob(b"precious")
    path = repository.git_dir / "objects" / oid.hex()[:2] / oid.hex()[2:]
    path.chmod(0o644)
    path.write_bytes(b"garbage")

    with pytest.raises(Corrupt) as refusal:
        GitRepository.open(repository.path).read(oid)

    assert not isinstance(refusal.value, MissingObject)


@pytest.mark.parametrize(("characters", "is_read"), [(1_000_000, True), (1_100_000, False)])
def test_a_commit_is_refused_by_its_size_wherever_it_stands(
    tmp_path: Path, characters: int, is_read: bool
) -> None:
    repository = bare(tmp_path, {"a": b"1"})
    first = repository.resolve("main")
    assert first is not None
    tree = repository.tree_of(first)
    long = repository.write_commit(commit_content(tree, [], ALICE, "x" * characters))
    merge = repository.write_commit(commit_content(tree, [first, long], ALICE, "merge"))
    other = repository.write_commit(_other(tree))

    looks = (
        lambda: repository.resolve(long.hex()),
        lambda: repository.raw_commit(long),
        lambda: repository.parents_of(long),
        lambda: repository.is_ancestor(other, merge),
    )

    for look in looks:
        if is_read:
            look()
        else:
            with pytest.raises(CommitTooLarge) as refusal:
                look()
            assert refusal.value.hint.startswith("it may be damaged: `git fsck --full`")


@pytest.mark.parametrize("kind", ["tag", "tree", "blob"])
def test_a_branch_on_something_else_than_a_commit_is_told_from_one_on_nothing(
    tmp_path: Path, kind: str
) -> None:
    repository = bare(tmp_path, {"a": b"1"})
    git(repository.path, "-c", "user.name=a", "-c", "user.email=a@b", "tag", "-am", "t", "v1")
    names = {"tag": "refs/tags/v1", "tree": "main^{tree}", "blob": "main:a"}
    found = git(repository.path, "rev-parse", names[kind]).strip()
    (repository.git_dir / MAIN).write_text(f"{found}\n")
    there = Oid(bytes.fromhex(found))

    with pytest.raises(NotACommit, match=f"{found} is a {kind}"):
        list(repository.first_parents(there))
    with pytest.raises(NotACommit):
        repository.raw_commit(there)
    with pytest.raises(MissingObject) as gone:
        repository.raw_commit(NOWHERE)
    assert type(gone.value) is MissingObject


def _other(tree: Oid) -> bytes:
    return commit_content(tree, [], ALICE, "of another history")


def test_an_ancestor_by_any_parent_is_found_and_others_are_not(tmp_path: Path) -> None:
    repository = bare(tmp_path, {"a": b"1"}, {"a": b"2"})
    tip = repository.resolve("main")
    assert tip is not None
    tree = repository.tree_of(tip)
    side = repository.write_commit(
        commit_content(tree, list(repository.parents_of(tip)), ALICE, "s")
    )
    merge = repository.write_commit(commit_content(tree, [tip, side], ALICE, "merge"))
    other = repository.write_commit(_other(tree))

    assert [repository.is_ancestor(one, merge) for one in (merge, tip, side, other)] == [
        *(True, True, True),
        False,
    ]
    assert not repository.is_ancestor(merge, tip)
