"""Following a branch: forward only, by one remote or by two that agree, and never to nothing."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.adapters.git import GitRepository
from controller.adapters.mirror import Mirror
from controller.adapters.remoteaddress import Remote
from controller.adapters.remotefaults import BranchGone, RemoteAbsent
from controller.kernel.objects import Oid
from controller.source.follow import (
    BranchElsewhere,
    Follower,
    Judge,
    RemotesDiverge,
    push_branch,
)
from controller.trust.history import HistoryRewritten, NotFromBaseline, check_ancestry
from tests.support.repositories import ALICE, MAIN, bare
from tests.support.trees import git

NOW = datetime(2026, 6, 1, tzinfo=UTC)
AUDIT = "refs/heads/audit/one"


@pytest.fixture
def upstream(tmp_path: Path) -> GitRepository:
    return bare(tmp_path, {"a": b"1\n"}, {"a": b"2\n"})


@pytest.fixture
def second(tmp_path: Path, upstream: GitRepository) -> GitRepository:
    """Return a copy of the repository, kept by others."""
    git(tmp_path, "clone", "-q", "--bare", str(upstream.path), "second.git")
    return GitRepository.open(tmp_path / "second.git")


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return Mirror.made(tmp_path / "state" / "mirror.git", "main")


@pytest.fixture
def follower(mirror: Mirror, upstream: GitRepository) -> Follower:
    return Follower(mirror, "main", remote_at(upstream))


@pytest.fixture
def pair(mirror: Mirror, upstream: GitRepository, second: GitRepository) -> Follower:
    return Follower(mirror, "main", remote_at(upstream), remote_at(second, "remote.second"))


def remote_at(repository: GitRepository, name: str = "remote") -> Remote:
    return Remote(name, f"file://{repository.path}")


def tip(repository: GitRepository, ref: str = MAIN) -> Oid:
    found = repository.target(ref)
    assert found is not None
    return found


def grow(repository: GitRepository, name: str) -> Oid:
    return repository.commit_files(MAIN, {name: b"1\n"}, message=name, author=ALICE)


def put(repository: GitRepository, commit: Oid) -> None:
    """Force a branch to another commit."""
    git(repository.path, "update-ref", MAIN, commit.hex())


def whatever(_: Oid) -> None:
    """Let everything follow."""


def accepted(mirror: Mirror, anchor: Oid) -> Judge:
    """Judge as a pass does once it has accepted a commit."""

    def judge(candidate: Oid) -> None:
        repository = mirror.repository
        descends = repository.has(anchor) and repository.is_ancestor(anchor, candidate)
        check_ancestry(anchor, anchor, candidate, descends=descends)

    return judge


def test_the_mirror_follows_and_says_what_moved(
    follower: Follower, upstream: GitRepository, mirror: Mirror
) -> None:
    first = follower.look(NOW, whatever)
    assert (first.at, first.tip, first.before, first.moved) == (NOW, tip(upstream), None, True)

    old, new = tip(upstream), grow(upstream, "b")
    then = follower.look(NOW, whatever)

    assert (then.tip, then.before, then.moved) == (new, old, True)
    assert mirror.repository.target(MAIN) == new


def test_an_unchanged_branch_writes_nothing_and_is_judged_no_more(
    follower: Follower, mirror: Mirror
) -> None:
    follower.look(NOW, whatever)
    before = {one: one.stat().st_mtime_ns for one in sorted(mirror.git_dir.rglob("*"))}

    def never(_: Oid) -> None:
        raise AssertionError

    assert not follower.look(NOW, never).moved
    assert {one: one.stat().st_mtime_ns for one in sorted(mirror.git_dir.rglob("*"))} == before


@pytest.mark.parametrize("is_new", [False, True])
def test_who_expects_news_sees_the_same(
    follower: Follower, upstream: GitRepository, mirror: Mirror, is_new: bool
) -> None:
    kept = follower.look(NOW, whatever, expects_news=True).tip
    expected = grow(upstream, "b") if is_new else kept

    look = follower.look(NOW, accepted(mirror, kept), expects_news=True)

    assert (look.tip, look.moved) == (expected, is_new)
    git(upstream.path, "update-ref", "-d", MAIN)
    with pytest.raises(BranchGone):
        follower.look(NOW, whatever, expects_news=True)


@pytest.mark.stops("rollback.force-push")
def test_a_rewritten_branch_leaves_the_mirror_where_it_was_each_time(
    follower: Follower, upstream: GitRepository, mirror: Mirror
) -> None:
    kept = follower.look(NOW, whatever).tip
    put(upstream, upstream.parents_of(kept)[0])
    other = grow(upstream, "other")

    def refused() -> None:
        with pytest.raises(HistoryRewritten) as refusal:
            follower.look(NOW, accepted(mirror, kept))
        assert (refusal.value.accepted, refusal.value.head) == (kept, other)
        assert mirror.repository.target(MAIN) == kept

    refused()
    with mirror.held():  # so nothing can be fetched: it is here already
        refused()


@pytest.mark.allows("rollback.force-push")
def test_a_commit_that_was_never_accepted_may_be_taken_back(
    follower: Follower, upstream: GitRepository, mirror: Mirror
) -> None:
    good = follower.look(NOW, whatever).tip
    grow(upstream, "bad")
    follower.look(NOW, accepted(mirror, good))
    put(upstream, good)
    better = grow(upstream, "better")

    assert follower.look(NOW, accepted(mirror, good)).tip == better
    put(upstream, good)
    assert follower.look(NOW, accepted(mirror, good)).tip == good


def test_a_branch_that_goes_back_behind_what_was_accepted_is_refused(
    follower: Follower, upstream: GitRepository, mirror: Mirror
) -> None:
    kept = follower.look(NOW, whatever).tip
    put(upstream, upstream.parents_of(kept)[0])

    with pytest.raises(HistoryRewritten):
        follower.look(NOW, accepted(mirror, kept))

    assert mirror.repository.target(MAIN) == kept


def test_a_deleted_branch_is_an_error_and_never_empty(
    follower: Follower, upstream: GitRepository, mirror: Mirror
) -> None:
    kept = follower.look(NOW, whatever).tip
    git(upstream.path, "update-ref", "-d", MAIN)
    git(upstream.path, "tag", "main", kept.hex())

    with pytest.raises(BranchGone):
        follower.look(NOW, whatever)
    assert mirror.repository.target(MAIN) == kept

    put(upstream, kept)
    assert not follower.look(NOW, whatever).moved


def test_another_repository_is_refused_at_the_first_look(
    follower: Follower, mirror: Mirror, tmp_path: Path
) -> None:
    other = bare(tmp_path / "elsewhere", {"other": b"1\n"})

    def from_baseline(candidate: Oid) -> None:
        baseline = tip(other)
        descends = mirror.repository.has(baseline)
        check_ancestry(None, baseline, candidate, descends=descends)

    with pytest.raises(NotFromBaseline):
        follower.look(NOW, from_baseline)

    assert mirror.repository.target(MAIN) is None


def test_a_mirror_that_was_thrown_away_is_fetched_again(
    follower: Follower, upstream: GitRepository, tmp_path: Path
) -> None:
    kept = follower.look(NOW, whatever).tip
    again = Follower(Mirror.made(tmp_path / "anew.git", "main"), "main", remote_at(upstream))

    assert again.look(NOW, accepted(again.mirror, kept)).tip == kept


# Two remotes


@pytest.mark.allows("mirror.two-remotes")
def test_the_newer_of_two_that_agree_is_taken(
    pair: Follower, upstream: GitRepository, second: GitRepository, mirror: Mirror
) -> None:
    new = grow(upstream, "b")
    assert pair.look(NOW, whatever).tip == new

    git(second.path, "fetch", "-q", str(upstream.path), f"+{MAIN}:{MAIN}")
    newest = grow(second, "c")
    assert pair.look(NOW, whatever).tip == newest
    assert not pair.look(NOW, whatever).moved
    assert mirror.repository.target(MAIN) == newest


@pytest.mark.stops("mirror.two-remotes")
def test_two_histories_are_told_apart_and_neither_is_taken(
    pair: Follower, upstream: GitRepository, second: GitRepository, mirror: Mirror
) -> None:
    kept = pair.look(NOW, whatever).tip
    tips = {"remote": grow(upstream, "b"), "remote.second": grow(second, "c")}

    with pytest.raises(RemotesDiverge) as refusal:
        pair.look(NOW, whatever)

    assert refusal.value.tips == tips
    assert mirror.repository.target(MAIN) == kept


@pytest.mark.stops("mirror.two-remotes")
def test_one_remote_alone_is_not_believed_while_the_other_is_away(
    pair: Follower, upstream: GitRepository, second: GitRepository, mirror: Mirror
) -> None:
    kept = pair.look(NOW, whatever).tip
    new = grow(upstream, "b")
    second.path.rename(second.path.with_name("away.git"))

    with pytest.raises(RemoteAbsent) as refusal:
        pair.look(NOW, whatever)
    assert "remote.second" in str(refusal.value)
    assert mirror.repository.target(MAIN) == kept

    second.path.with_name("away.git").rename(second.path)
    assert pair.look(NOW, whatever).tip == new


def test_a_branch_that_the_second_remote_lacks_is_told(
    pair: Follower, second: GitRepository
) -> None:
    git(second.path, "update-ref", "-d", MAIN)

    with pytest.raises(BranchGone) as refusal:
        pair.look(NOW, whatever)

    assert refusal.value.remote.name == "remote.second"


# The audit branch


def test_a_branch_of_ours_is_pushed_once_and_then_forward(
    upstream: GitRepository, mirror: Mirror
) -> None:
    target = remote_at(upstream, "remote.audit")
    assert not push_branch(mirror, target, AUDIT)

    for name in ("one", "two"):
        mirror.repository.commit_files(AUDIT, {name: b""}, message=name, author=ALICE)
        assert push_branch(mirror, target, AUDIT)
        assert upstream.target(AUDIT) == tip(mirror.repository, AUDIT)
        assert not push_branch(mirror, target, AUDIT)


def test_a_branch_of_ours_that_others_wrote_is_never_written_over(
    upstream: GitRepository, mirror: Mirror
) -> None:
    target = remote_at(upstream, "remote.audit")
    mirror.repository.commit_files(AUDIT, {"one": b""}, message="one", author=ALICE)
    push_branch(mirror, target, AUDIT)
    theirs = upstream.commit_files(AUDIT, {"forged": b""}, message="forged", author=ALICE)
    mirror.repository.commit_files(AUDIT, {"two": b""}, message="two", author=ALICE)

    with pytest.raises(BranchElsewhere) as refusal:
        push_branch(mirror, target, AUDIT)

    assert refusal.value.theirs == theirs
    assert upstream.target(AUDIT) == theirs
