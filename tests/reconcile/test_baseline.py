"""The pinned baseline: a pass refuses to run where it is no commit of the repository."""

import pytest

from controller.adapters.git import GitRepository
from controller.kernel.objects import MissingObject, Oid
from controller.reconcile.baseline import BaselineMissing
from controller.reconcile.cycle import run_pass
from controller.reconcile.preview import preview
from controller.reconcile.status import State, read_status
from tests.support import damage
from tests.support.world import NEW_RANGE, Shop

NOWHERE = Oid(b"\xab" * 20)


def test_a_baseline_that_is_not_there_is_refused_before_the_first_revision(new_shop: Shop) -> None:
    new_shop.baseline = NOWHERE

    with pytest.raises(BaselineMissing) as refusal:
        run_pass(new_shop.world())

    assert (refusal.value.baseline, refusal.value.kind) == (NOWHERE, None)
    assert new_shop.revision == 0


def test_a_baseline_that_is_not_there_is_refused_after_it_too(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.baseline = NOWHERE

    for pass_of in (run_pass, preview):
        with pytest.raises(BaselineMissing):
            pass_of(shop.world())

    condition = read_status(shop.world(), shop.clock.now()).condition
    assert (condition.state, condition.reason) == (State.STALLED, BaselineMissing.code)
    assert "repository.baseline" in condition.hint
    assert shop.revision == 1


def test_where_nothing_is_left_to_do_it_is_refused_as_well(shop: Shop) -> None:
    shop.baseline = NOWHERE

    with pytest.raises(BaselineMissing):
        run_pass(shop.world())


def test_a_baseline_that_is_there_is_no_obstacle(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])

    run_pass(shop.world())

    assert shop.revision == 2


def test_a_baseline_that_is_no_commit_is_refused_as_what_it_is(shop: Shop) -> None:
    shop.baseline = shop.tree

    with pytest.raises(BaselineMissing, match="is a tree, not a commit"):
        run_pass(shop.world())


def test_a_baseline_that_the_branch_lost_is_a_damaged_repository(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    damage.remove(shop.repository, shop.baseline)

    with pytest.raises(MissingObject):
        run_pass(shop.world(repository=GitRepository.open(shop.folder)))
