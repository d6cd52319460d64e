"""What a controller that wants signed commits will say is said before they are pushed."""

from pathlib import Path

import pytest

from controller.authoring.pushed import followed, judge_commits
from controller.kernel.objects import Oid
from controller.source.commits import Verify
from controller.trust import root as roots
from controller.trust.root import Root
from tests.support import world
from tests.support.watched import granted
from tests.support.world import MAIN, Shop


@pytest.fixture(scope="module")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the home of the shop that all others are copies of."""
    return world.start(tmp_path_factory.mktemp("pushed"))


@pytest.fixture
def drawer(first_day: Path, tmp_path: Path) -> Shop:
    """Return a shop without a database."""
    return Shop.copy(first_day, tmp_path)


def signing(drawer: Shop) -> Root:
    granted(drawer, "commit", "dora")
    pinned = roots.pin(drawer.pin.envelope, drawer.pin.sha256)
    return roots.follow(pinned, [drawer.read("trust/root/2.root.json")]).root


def rules(drawer: Shop, root: Root, since: Oid | None, tip: Oid | None = None) -> list[str]:
    found = judge_commits(
        drawer.repository,
        root,
        tip or drawer.tip,
        since=since,
        verify=Verify.ALL,
        now=drawer.clock.now(),
    )
    return [f"{one.file} {one.rule}" for one in found]


def test_every_commit_that_would_be_refused_is_told(drawer: Shop) -> None:
    root = signing(drawer)
    since = drawer.tip
    bad = drawer.commit({"notes": b"1"})
    drawer.commit({"notes": b"2"}, by="dora")
    worse = drawer.commit({"notes": b"3"}, by="alice")

    assert rules(drawer, root, since) == [
        f"commit {bad.hex()[:12]} trust/commits.unsigned",
        f"commit {worse.hex()[:12]} trust/commits.untrusted",
    ]


def test_of_signed_commits_and_of_those_that_are_there_already_nothing_is_told(
    drawer: Shop,
) -> None:
    root = signing(drawer)
    since = drawer.tip
    drawer.commit({"notes": b"1"}, by="dora")

    assert rules(drawer, root, since) == []
    assert rules(drawer, root, drawer.tip, since) == []


def test_a_root_without_the_role_is_told_once(drawer: Shop) -> None:
    since = drawer.tip
    tip = drawer.commit({"notes": b"1"})

    assert rules(drawer, drawer.root, since) == [f"commit {tip.hex()[:12]} trust/commits.no_role"]


def test_what_the_remote_holds_is_followed_before_a_branch_and_the_baseline(drawer: Shop) -> None:
    repository, tip = drawer.repository, drawer.tip
    ahead = drawer.commit({"notes": b"1"})

    assert followed(repository, "main", tip) == ahead
    repository.move("refs/remotes/origin/main", None, tip)
    assert followed(repository, "main", None) == tip
    assert followed(repository, "other", tip) == tip
    assert followed(repository, "other", None) is None
    assert followed(repository, "other", Oid(b"\1" * 20)) is None
    assert repository.target(MAIN) == ahead
