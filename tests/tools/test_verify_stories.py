"""Whatever a controller honestly did, in whatever order, both judges find its trail whole."""

import pytest

from controller.kernel.canonical import sha256
from tests.faults.stories import STORIES, Story
from tests.support.world import Shop
from tests.tools.changes import DAY
from tests.tools.verdicts import judge_audit, prove_audit

PASSES = [one for one in STORIES if one.refusal is None]
BY_THE_OLD_OWNERS = {"a new root", "a reset"}


def year(seed: int) -> list[Story]:
    """Return everything that happens in some order, a new beginning, and some of it again."""
    told = sorted(PASSES, key=lambda one: sha256(f"{seed} {one.name}".encode()))
    before = [one for one in told if not one.pins]
    after = [one for one in before if one.name not in BY_THE_OLD_OWNERS]
    return [*before, *(one for one in told if one.pins), *after]


@pytest.mark.slow
@pytest.mark.allows("audit-key.untrue", "audit-key.unsigned-release")
@pytest.mark.parametrize("seed", range(3))
def test_a_trail_of_everything_that_happens_is_proven(shop: Shop, seed: int) -> None:
    kinds: set[str] = set()
    for number, story in enumerate(year(seed), start=1):
        shop.clock.advance(DAY / 24)
        story.begin(shop, number)
        story.finish(shop)

        judged = judge_audit(shop)

        assert prove_audit(shop) == judged.verdict == "accepted", (story.name, judged.said)
        kinds.add(judged.json["last"]["kind"])
    assert kinds == {"forward", "rollback", "repolicy", "repin"}
