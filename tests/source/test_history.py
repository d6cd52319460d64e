"""Facts of a branch's history."""

from pathlib import Path

import pytest

from controller.adapters.git import GitRepository, commit_content
from controller.kernel.objects import MissingObject, Oid
from controller.source.budget import HistoryTooWide
from controller.source.history import NotOnBranch, ancestry, path_changes, release_changes
from controller.source.repository import NoBranch, open_source
from tests.support import damage
from tests.support.repositories import ALICE, MAIN, bare
from tests.support.trees import git, raw_tree

RELEASE = "environments/production/release.json"


def path_of(repository: GitRepository) -> list[Oid]:
    tip = repository.target(MAIN)
    assert tip is not None
    return list(reversed(list(repository.first_parents(tip))))


def test_only_commits_that_changed_the_release_are_named_oldest_first(tmp_path: Path) -> None:
    repository = bare(
        tmp_path,
        {"README.md": b"1"},
        {RELEASE: b"1"},
        {"README.md": b"2"},
        {RELEASE: b"2"},
        {"environments/staging/release.json": b"3"},
    )
    one, two, three, four, five = path_of(repository)

    assert release_changes(repository, "production", None, five) == [(two, one), (four, three)]
    assert release_changes(repository, "production", two, five) == [(four, three)]
    assert release_changes(repository, "production", four, five) == []
    assert release_changes(repository, "staging", one, five) == [(five, four)]
    assert release_changes(repository, "production", five, five) == []


def test_a_release_that_is_deleted_is_a_change(tmp_path: Path) -> None:
    repository = bare(tmp_path, {RELEASE: b"1", "a": b""}, {RELEASE: None})
    one, two = path_of(repository)

    assert release_changes(repository, "production", one, two) == [(two, one)]
    assert release_changes(repository, "production", None, one) == [(one, None)]


def test_a_start_that_is_not_on_the_branch_is_refused(tmp_path: Path) -> None:
    repository = bare(tmp_path, {RELEASE: b"1"}, {RELEASE: b"2"})
    one, two = path_of(repository)

    with pytest.raises(NotOnBranch):
        release_changes(repository, "production", two, one)


def test_a_merge_counts_once_whatever_it_brought(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "environments" / "production").mkdir(parents=True)
    (tmp_path / RELEASE).write_text("1")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "1")
    git(tmp_path, "switch", "-qc", "side")
    for text in ("2", "3"):
        (tmp_path / RELEASE).write_text(text)
        git(tmp_path, "commit", "-qam", text)
    git(tmp_path, "switch", "-q", "main")
    git(tmp_path, "merge", "-q", "--no-ff", "-m", "merge", "side")
    repository = GitRepository.open(tmp_path)
    first, merge = path_of(repository)
    side = repository.resolve("side~1")
    assert side is not None

    assert release_changes(repository, "production", first, merge) == [(merge, first)]
    assert ancestry(repository, side, merge).descends
    assert not ancestry(repository, side, merge).on_first_parent_path
    assert ancestry(repository, first, merge).on_first_parent_path


def test_the_same_tree_on_a_rewritten_branch_does_not_descend(tmp_path: Path) -> None:
    repository = bare(tmp_path, {RELEASE: b"1"}, {RELEASE: b"2"}, {RELEASE: b"1"})
    one, two, three = path_of(repository)
    rewritten = repository.write_commit(
        commit_content(repository.tree_of(three), [one], ALICE, "forced")
    )

    assert ancestry(repository, two, three).descends
    assert not ancestry(repository, two, rewritten).descends
    assert not ancestry(repository, Oid(b"\7" * 20), three).accepted_exists


def test_an_accepted_commit_that_the_repository_lost_is_not_a_rewritten_branch(
    tmp_path: Path,
) -> None:
    repository = bare(tmp_path, {"a": b"1"}, {"a": b"2"}, {"a": b"3"})
    tip = repository.target(MAIN)
    assert tip is not None
    accepted = repository.parents_of(tip)[0]
    damage.remove(repository, accepted)
    repository = GitRepository.open(repository.path)

    with pytest.raises(MissingObject):
        ancestry(repository, accepted, tip)

    elsewhere = Oid(b"\xaa" * 20)
    whole = bare(tmp_path / "whole", {"a": b"1"})
    head = whole.target(MAIN)
    assert head is not None
    assert not ancestry(whole, elsewhere, head).accepted_exists


def test_the_head_is_the_followed_branch(tmp_path: Path) -> None:
    repository = bare(tmp_path, {"a": b"1"})
    source = open_source(repository.path, "main")

    revision = source.head()

    assert str(revision) == f"main@sha1:{revision.commit.hex()}"
    assert source.tree(revision) == repository.tree_of(revision.commit)


def test_a_branch_that_is_not_there_is_refused_and_never_empty(tmp_path: Path) -> None:
    repository = bare(tmp_path, {"a": b"1"})

    with pytest.raises(NoBranch):
        open_source(repository.path, "other").head()


def with_folder(repository: GitRepository, size: int, *, onto: Oid) -> Oid:
    """Store a commit that puts so many names beside a release."""
    release = repository.entry(repository.tree_of(onto), RELEASE)
    assert release is not None
    names = [b"release.json", *(b"z%05d" % number for number in range(size))]
    tree = raw_tree((b"100644", name, release) for name in names)
    for name in (b"production", b"environments"):
        below = Oid(repository._odb.write(2, tree).raw)
        tree = raw_tree([(b"40000", name, below)])
    return committed(repository, tree, onto=onto)


def committed(repository: GitRepository, tree: bytes, *, onto: Oid) -> Oid:
    """Store a commit of a raw tree."""
    top = Oid(repository._odb.write(2, tree).raw)
    return repository.write_commit(commit_content(top, [onto], ALICE, "Change"))


def test_a_folder_larger_than_any_real_one_holds_nothing(tmp_path: Path) -> None:
    repository = bare(tmp_path, {RELEASE: b"1"})
    (one,) = path_of(repository)
    fits = with_folder(repository, 7_000, onto=one)
    wide = with_folder(repository, 8_000, onto=fits)

    assert path_changes(repository, RELEASE, None, fits) == [(one, None)]
    assert path_changes(repository, RELEASE, None, wide) == [(one, None), (wide, fits)]


def test_a_history_of_too_many_large_folders_is_refused_at_a_commit(tmp_path: Path) -> None:
    repository = bare(tmp_path, {RELEASE: b"1"})
    (tip,) = path_of(repository)
    for number in range(90):
        tip = with_folder(repository, 7_000 + number, onto=tip)

    with pytest.raises(HistoryTooWide, match="up to commit"):
        path_changes(repository, RELEASE, None, tip)
    assert len(release_changes(repository, "production", None, tip)) == 91


def test_large_folders_long_ago_cost_what_the_commits_since_then_bring(tmp_path: Path) -> None:
    repository = bare(tmp_path, {RELEASE: b"1"})
    (first,) = path_of(repository)
    tip = first
    for number in range(75):
        tip = with_folder(repository, 7_000 + number, onto=tip)
    wide = tip
    for number in range(200):
        tree = repository.write_tree({"README.md": b"%d" % number}, repository.tree_of(tip))
        tip = repository.write_commit(commit_content(tree, [tip], ALICE, "Change"))

    with pytest.raises(HistoryTooWide):
        path_changes(repository, RELEASE, None, wide)
    assert len(path_changes(repository, RELEASE, None, tip)) == 1


def test_a_submodule_on_the_way_is_no_folder(tmp_path: Path) -> None:
    repository = bare(tmp_path, {RELEASE: b"1"})
    (one,) = path_of(repository)
    two = committed(repository, raw_tree([(b"160000", b"environments", one)]), onto=one)
    nowhere = Oid(b"1" * 20)
    three = committed(repository, raw_tree([(b"160000", b"environments", nowhere)]), onto=two)

    assert path_changes(repository, RELEASE, None, three) == [(one, None), (two, one)]
