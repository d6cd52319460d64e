"""The state of production, derived: who has to act, and that asking changes nothing."""

from datetime import timedelta

from controller.plan.guards import Limits
from controller.reconcile.cycle import converge
from controller.reconcile.history import history
from controller.reconcile.status import State, Status, Sync, read_status
from tests.support.world import NEW_RANGE, OLD_RANGE, Shop


def _status(shop: Shop) -> Status:
    return read_status(shop.world(), shop.clock.now())


def test_asking_leaves_no_trace(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    before = shop.footprint()

    _status(shop)

    assert shop.footprint() == before


def test_a_plan_that_a_guard_stops_is_stalled_until_it_is_acknowledged(shop: Shop) -> None:
    shop.limits = Limits(removed_rows=0, small_rows=0)
    shop.publish(drop=[OLD_RANGE])
    held = _status(shop).condition

    shop.ack(shop.decide().plan.digest)
    free = _status(shop).condition

    assert (held.state, held.reason) == (State.STALLED, "plan.guard_tripped")
    assert (free.state, free.reason) == (State.RECONCILING, "Pending")


def test_a_branch_that_was_rewritten_is_stalled(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.reconcile()
    shop.force(shop.baseline)

    found = _status(shop)

    assert found.sync is Sync.OUT_OF_SYNC
    assert found.condition.state is State.STALLED


def test_a_commit_that_changes_nothing_served_is_told_apart(shop: Shop) -> None:
    shop.commit({"README.md": b"# New words\n"})

    condition = _status(shop).condition

    assert condition.state is State.RECONCILING
    assert "changes nothing that is served" in condition.message


def test_a_root_past_its_date_is_said_to_be(shop: Shop) -> None:
    assert not _status(shop).root.expired

    shop.clock.advance(timedelta(days=6 * 365))

    assert _status(shop).root.expired


def test_records_that_wait_for_their_commit_are_counted(new_shop: Shop) -> None:
    world = new_shop.world(signer=None)
    list(converge(world))

    assert read_status(world, new_shop.clock.now()).audit_waiting == 1
    assert history(world, 10)[0].audit_commit is None
    new_shop.reconcile()
    assert read_status(world, new_shop.clock.now()).audit_waiting == 0
    assert history(world, 10)[0].audit_commit == new_shop.audit_commits()[0]
