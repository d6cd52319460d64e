"""A root that a refused pass has followed stays, also where nothing was ever applied."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from controller.authoring.starting import ENVIRONMENT
from controller.reconcile.cycle import converge, run_pass
from controller.reconcile.keeping import keep_roots
from controller.reconcile.pinned import PinChanged
from controller.reconcile.repin import NothingToRecord, PinNotNewer, repin
from controller.reconcile.status import read_status
from controller.stores.control.model import OtherEnvironment, StaleWriter
from controller.trust.core import Expired, RepositoryDiffers, ThresholdNotMet
from controller.trust.envelope import parse
from controller.trust.root import Pin
from tests.reconcile.test_decide import nothing, rotate
from tests.support.world import SetClock, Shop


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


# Another pin, where roots were kept and nothing was applied


def another_root(shop: Shop, *, repository: str | None = None, **changes: object) -> Pin:
    """Return the pin of a root that carol alone signs from now on, as its only owner."""
    carol = shop.signer("carol").public.id

    def change(document: dict[str, Any]) -> None:
        document["roles"]["root"] = {"keys": [carol], "threshold": 1}
        document.update(changes)
        document["repository"] = repository or document["repository"]

    _, envelope = shop.next_root(change, by=("carol",))
    return Pin(envelope, parse(envelope).digest)


def test_a_new_host_starts_from_another_root_once_a_person_says_so(new_shop: Shop) -> None:
    pushed_back_after_a_refusal(new_shop)
    world = new_shop.world(pin=another_root(new_shop, version=3))
    with pytest.raises(PinChanged, match="does not follow root 2") as refusal:
        run_pass(world)

    assert repin(world) is None

    found = read_status(world, new_shop.clock.now())
    assert "countersign root pin" in refusal.value.hint
    assert (found.root and found.root.version, found.condition.reason) == (3, "NothingApplied")
    assert new_shop.audit_commits() == []
    with pytest.raises(NothingToRecord, match="one that this controller follows"):
        repin(world)
    (outcome,) = converge(world)
    applied = new_shop.applied()
    assert outcome.revision is not None
    assert applied is not None
    assert (applied.serial_current, applied.root_version, applied.revision) == (1, 3, 1)
    assert len(new_shop.audit_commits()) == 1


@pytest.mark.stops("incident.11-root-rollback")
def test_a_number_that_a_new_host_has_followed_never_means_another_root(new_shop: Shop) -> None:
    pushed_back_after_a_refusal(new_shop)
    world = new_shop.world(pin=another_root(new_shop))
    before = new_shop.footprint()

    with pytest.raises(PinChanged) as stopped:
        run_pass(world)
    with pytest.raises(PinNotNewer) as refusal:
        repin(world)

    assert "empty database" in stopped.value.hint
    assert "empty database" in refusal.value.hint
    assert new_shop.footprint() == before


def test_a_new_host_does_not_start_from_the_root_of_another_repository(new_shop: Shop) -> None:
    pushed_back_after_a_refusal(new_shop)
    pin = another_root(new_shop, repository=str(UUID(int=1)), version=3)
    before = new_shop.footprint()

    with pytest.raises(RepositoryDiffers):
        repin(new_shop.world(pin=pin))

    assert new_shop.footprint() == before


def test_a_new_host_does_not_start_from_a_root_that_has_expired(new_shop: Shop) -> None:
    pushed_back_after_a_refusal(new_shop)
    expired = another_root(new_shop, version=3)
    new_shop.clock.advance(timedelta(days=5_000))
    before = new_shop.footprint()

    with pytest.raises(Expired):
        repin(new_shop.world(pin=expired))

    assert new_shop.footprint() == before


def test_another_root_is_not_recorded_where_somebody_applied_a_release_meanwhile(
    new_shop: Shop,
) -> None:
    """The first pass runs between the look at production and the record."""
    pushed_back_after_a_refusal(new_shop)
    new_shop.release(new_shop.statement(), by=("alice", "carol"))

    class Overtaken(SetClock):
        def now(self) -> datetime:
            new_shop.reconcile()
            return super().now()

    world = new_shop.world(pin=another_root(new_shop, version=3), clock=Overtaken())

    with pytest.raises(StaleWriter):
        repin(world)

    assert (new_shop.revision, new_shop.held_root_version()) == (1, 2)


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
