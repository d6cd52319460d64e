"""Trails of other controllers are read once, and no further than anybody needs."""

from dataclasses import replace
from pathlib import Path

import pytest

from controller.adapters.git import COMMIT_SIZE_MAX_BYTES, GitRepository
from controller.audit.elsewhere import Elsewhere
from controller.kernel.objects import Oid
from tests.support.trail import Trail, renumbered


class Counted(GitRepository):
    """A repository that knows how many commits were read from it."""

    reads = 0

    def raw_commit(self, oid: Oid, *, size_max_bytes: int = COMMIT_SIZE_MAX_BYTES) -> bytes:
        """Count, and read."""
        self.reads += 1
        return super().raw_commit(oid, size_max_bytes=size_max_bytes)


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    """Return a world in which controller two made revisions 2, 4, 6 and 8."""
    trail = Trail(Counted.init(tmp_path / "shop.git", bare=True))
    trail.build(8)
    theirs = [replace(one, controller="two") for one in trail.records[1::2]]
    trail.rewrite(renumbered(theirs), controller="two")
    trail.rewrite(renumbered(trail.records[::2]))
    return trail


def reads(trail: Trail) -> int:
    assert isinstance(trail.repository, Counted)
    return trail.repository.reads


@pytest.mark.allows("deploy-key.long-trail")
def test_each_commit_of_another_trail_is_read_once_however_many_gaps_there_are(
    trail: Trail,
) -> None:
    before = reads(trail)

    assert len(trail.prove().links) == 4

    assert reads(trail) - before == 4 + 4


def test_nothing_is_read_before_anybody_asks_and_no_more_than_is_asked_for(trail: Trail) -> None:
    elsewhere, before = Elsewhere(trail.repository, ["two"]), reads(trail)

    assert reads(trail) == before
    assert elsewhere.tell("production", range(8, 9))
    assert reads(trail) - before == 1
    assert not elsewhere.tell("production", range(7, 9))
    assert not elsewhere.tell("staging", range(8, 9))
    assert reads(trail) - before == 4


@pytest.mark.stops("deploy-key.long-trail")
@pytest.mark.parametrize(
    ("commits", "size", "last"), [(2, 10**6, 6), (3, 10**6, 4), (9, 4000, 6), (9, 10, None)]
)
def test_what_lies_beyond_the_bounds_explains_nothing(
    trail: Trail, commits: int, size: int, last: int | None
) -> None:
    told = {
        number
        for number in range(1, 9)
        if Elsewhere(trail.repository, ["two"], commits_max=commits, size_max_bytes=size).tell(
            "production", range(number, number + 1)
        )
    }

    assert told == ({number for number in (2, 4, 6, 8) if number >= last} if last else set())


def test_a_trail_that_cannot_be_read_does_not_hide_another(trail: Trail) -> None:
    main = trail.repository.target("refs/heads/main")
    assert main is not None
    trail.point_at(main, "mad")

    assert Elsewhere(trail.repository, ["mad", "none", "two"]).tell("production", range(4, 5))
