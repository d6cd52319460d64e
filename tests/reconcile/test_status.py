"""The state of production, derived: who has to act, and that asking changes nothing."""

from datetime import timedelta
from fractions import Fraction

import pytest

from controller.kernel.errors import ControllerError
from controller.plan.guards import Limits
from controller.reconcile.cycle import converge
from controller.reconcile.history import history
from controller.reconcile.status import State, Status, Sync, read_status
from controller.stores.control.statements import run
from tests.support.world import NEW_RANGE, OLD_RANGE, PARTICIPANTS, Shop


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
    before = _status(shop).root
    assert before is not None
    assert not before.expired

    shop.clock.advance(timedelta(days=6 * 365))

    after = _status(shop).root
    assert after is not None
    assert after.expired


def test_records_that_wait_for_their_commit_are_counted(new_shop: Shop) -> None:
    world = new_shop.world(signer=None)
    list(converge(world))

    assert read_status(world, new_shop.clock.now()).audit_waiting == 1
    assert history(world, 10)[0].audit_commit is None
    new_shop.reconcile()
    assert read_status(world, new_shop.clock.now()).audit_waiting == 0
    assert history(world, 10)[0].audit_commit == new_shop.audit_commits()[0]


def test_a_release_that_only_the_database_can_refuse_is_promised_to_nobody(shop: Shop) -> None:
    shop.limits = Limits(removed_share=Fraction(1), removed_rows=10**6, small_rows=10**6)
    lines = shop.read(PARTICIPANTS).decode().splitlines()
    shop.edit(PARTICIPANTS, drop=[one for one in lines if one.startswith("harbour-bank,")])
    shop.release(shop.next_release(shop.sign(shop.next_version())))

    condition = _status(shop).condition

    assert (condition.state, condition.reason) == (State.RECONCILING, "Pending")
    assert "is ready to be tried; the database asks its own rules" in condition.message
    with pytest.raises(ControllerError) as refusal:
        shop.reconcile()
    assert refusal.value.code == "directory.dangling_reference"


def test_a_release_that_is_ready_to_be_tried_may_well_be_applied(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    assert "is ready to be tried" in _status(shop).condition.message

    shop.reconcile()

    assert _status(shop).condition.state is State.READY


def _kept_root(shop: Shop, envelope: bytes) -> None:
    """Put a second root among those that were accepted, as nobody with sense would."""
    statement = "INSERT INTO controller.root VALUES (2, repeat('a', 64), %(envelope)s)"
    run(shop.world().connection, statement, {"envelope": envelope})


@pytest.mark.parametrize("published", [False, True], ids=["settled", "something is published"])
def test_a_kept_root_that_is_rubbish_stalls_and_says_why(shop: Shop, *, published: bool) -> None:
    _kept_root(shop, b"rubbish")
    if published:
        shop.publish(add=[NEW_RANGE])

    found = _status(shop)

    assert (found.condition.state, found.condition.reason) == (
        State.STALLED,
        "trust.malformed_envelope",
    )
    assert found.root is None


def test_a_kept_root_that_follows_the_pinned_one_is_in_force(shop: Shop) -> None:
    _, envelope = shop.next_root(lambda _: None)
    _kept_root(shop, envelope)

    found = _status(shop)

    assert found.condition.state is State.READY
    assert found.root is not None
    assert found.root.version == 2
