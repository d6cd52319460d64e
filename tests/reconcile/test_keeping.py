"""A root that a refused pass has followed stays, also where nothing was ever applied."""

from typing import Any

import pytest

from controller.authoring.starting import ENVIRONMENT
from controller.kernel.canonical import sha256
from controller.reconcile.decide import decide
from controller.reconcile.keeping import keep_roots
from controller.reconcile.pinned import PinChanged
from controller.reconcile.repin import NothingToRecord, repin
from controller.stores.control.model import OtherEnvironment, StaleWriter
from controller.trust.core import ThresholdNotMet
from controller.trust.envelope import parse
from controller.trust.root import Pin
from tests.reconcile.test_decide import nothing, rotate
from tests.support.world import Shop


def without_bob(shop: Shop) -> None:
    """Commit a root under which bob signs no release any more."""
    bob = shop.signer("bob").public.id

    def change(document: dict[str, Any]) -> None:
        document["roles"]["release"][ENVIRONMENT]["keys"].remove(bob)

    rotate(shop, change, by=("alice", "carol"))


def started_before_the_first_release(shop: Shop) -> Shop:
    """Let the host start at a commit that declares no release, as a new one often does."""
    (parent,) = shop.repository.parents_of(shop.baseline)
    shop.baseline = parent
    return shop


def pushed_back_after_a_refusal(shop: Shop) -> None:
    """A new host sees release 1 without bob; then somebody forces the root out of the branch."""
    before = started_before_the_first_release(shop).tip
    without_bob(shop)
    with pytest.raises(ThresholdNotMet):
        shop.reconcile()
    shop.force(before)
    shop.sync()


@pytest.mark.stops("incident.11-root-rollback")
def test_a_new_host_keeps_a_root_that_it_saw_before_its_first_release(new_shop: Shop) -> None:
    pushed_back_after_a_refusal(new_shop)

    with pytest.raises(ThresholdNotMet):
        new_shop.reconcile()

    assert (new_shop.serial, new_shop.held_root_version()) == (0, 2)


@pytest.mark.allows("incident.11-root-rollback")
def test_a_new_host_applies_what_the_others_sign_under_the_root_that_it_kept(
    new_shop: Shop,
) -> None:
    pushed_back_after_a_refusal(new_shop)
    new_shop.release(new_shop.statement(), by=("alice", "carol"))

    new_shop.reconcile()

    applied = new_shop.applied()
    assert applied is not None
    assert (applied.serial_current, applied.root_version) == (1, 2)


def test_a_new_host_that_saw_no_other_root_believes_the_pinned_one(new_shop: Shop) -> None:
    started_before_the_first_release(new_shop).reconcile()

    assert (new_shop.serial, new_shop.held_root_version()) == (1, 1)


def test_a_refused_pass_that_follows_no_root_leaves_a_new_host_as_it_was(new_shop: Shop) -> None:
    shop = started_before_the_first_release(new_shop)
    shop.release(shop.statement(), by=("alice",))
    before = shop.footprint()

    with pytest.raises(ThresholdNotMet):
        shop.reconcile()

    assert shop.footprint() == before


def test_a_pin_of_another_chain_needs_another_database_where_roots_were_kept(
    new_shop: Shop,
) -> None:
    pushed_back_after_a_refusal(new_shop)
    _, other = new_shop.next_root(lambda root: root.update(expires="2031-01-01T00:00:00Z"))
    world = new_shop.world(pin=Pin(other, sha256(parse(other).payload)))

    with pytest.raises(PinChanged):
        decide(world, None, new_shop.tip, new_shop.clock.now())
    with pytest.raises(NothingToRecord, match="start with an empty database"):
        repin(world)


def test_roots_are_not_kept_where_somebody_applied_a_release_meanwhile(shop: Shop) -> None:
    rotate(shop, nothing)

    with pytest.raises(StaleWriter):
        keep_roots(shop.world(), None, shop.tip)

    assert shop.held_root_version() == 1


def test_roots_are_not_kept_in_the_database_of_another_environment(shop: Shop) -> None:
    rotate(shop, nothing)

    with pytest.raises(OtherEnvironment):
        keep_roots(shop.world(environment="staging"), None, shop.tip)

    assert shop.held_root_version() == 1


def test_roots_are_kept_beside_the_release_that_is_applied(shop: Shop) -> None:
    rotate(shop, nothing)

    keep_roots(shop.world(), shop.applied(), shop.tip)

    assert shop.held_root_version() == 2
