"""What a pass would do is worked out whole, under the newest root, and nothing is written."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from controller.artifacts import layout
from controller.artifacts.release import ReleaseStatement
from controller.authoring.starting import ENVIRONMENT
from controller.kernel.canonical import Digest, sha256
from controller.kernel.instants import format_instant
from controller.reconcile.decide import decide
from controller.reconcile.roots import RootRemoved, RootsNotWhole
from controller.reconcile.world import NoBaseline
from controller.stores.control.model import RevisionKind
from controller.trust.core import Expired, ThresholdNotMet
from controller.trust.envelope import MalformedEnvelope, parse
from controller.trust.history import Equivocation, SerialSkipped
from controller.trust.keys import Scheme
from controller.trust.root import Pin, PinMismatch
from controller.trust.sign import add_signature
from tests.support.world import CARDS, NEW_RANGE, OTHER_RANGE, Shop

YEAR = timedelta(days=365)
DocumentChange = Callable[[dict[str, Any]], None]


def rotate(
    shop: Shop, change: DocumentChange, *, by: tuple[str, ...] = ("alice", "bob")
) -> tuple[str, bytes]:
    """Commit the next root, signed by people; return its path and bytes."""
    path, envelope = shop.next_root(change, by=by)
    shop.commit({path: envelope})
    return path, envelope


def with_dave(shop: Shop) -> DocumentChange:
    """Return a change that makes carol and dave the root's two keys."""
    dave, carol = shop.new_person("dave").public, shop.signer("carol").public

    def change(document: dict[str, Any]) -> None:
        document["keys"][dave.id] = {"owner": "dave", "public": dave.line, "scheme": "ed25519"}
        document["roles"]["root"] = {"keys": [carol.id, dave.id], "threshold": 2}

    return change


def nothing(_document: dict[str, Any]) -> None:
    """Change only the version."""


def test_a_decision_writes_nothing(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    before = shop.footprint()

    decision = shop.decide()

    assert decision.kind is RevisionKind.FORWARD
    assert decision.plan.counts["ranges"].added == 1
    assert shop.footprint() == before


def test_a_decision_taken_twice_names_one_plan(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])

    assert shop.decide().plan.digest == shop.decide().plan.digest


def test_a_host_without_a_baseline_decides_nothing(new_shop: Shop) -> None:
    world = new_shop.world(baseline=None)

    with pytest.raises(NoBaseline):
        decide(world, None, new_shop.tip, new_shop.clock.now())


def test_a_root_that_is_not_the_pinned_one_is_refused(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    world = shop.world(pin=Pin(shop.pin.envelope, Digest("a" * 64)))

    with pytest.raises(PinMismatch):
        decide(world, shop.applied(), shop.tip, shop.clock.now())


# Rotation


def test_a_root_that_old_and_new_keys_signed_is_followed_and_kept(shop: Shop) -> None:
    rotate(shop, with_dave(shop), by=("alice", "bob", "carol", "dave"))
    shop.publish(add=[NEW_RANGE])

    shop.reconcile()

    assert shop.serial == 2
    assert shop.held_root_version() == 2
    applied = shop.applied()
    assert applied is not None
    assert applied.root_version == 2


@pytest.mark.parametrize("by", [("alice", "bob"), ("carol", "dave")], ids=["old", "new"])
def test_a_root_that_only_old_or_only_new_keys_signed_is_refused(
    shop: Shop, by: tuple[str, str]
) -> None:
    rotate(shop, with_dave(shop), by=by)
    shop.publish(add=[NEW_RANGE])

    with pytest.raises(ThresholdNotMet) as refusal:
        shop.reconcile()

    assert refusal.value.need == 2
    assert (shop.serial, shop.held_root_version()) == (1, 1)


def test_a_root_that_one_of_two_signed_is_refused_even_where_no_release_changed(
    shop: Shop,
) -> None:
    rotate(shop, nothing, by=("alice",))

    with pytest.raises(ThresholdNotMet) as refusal:
        shop.reconcile()

    assert (refusal.value.have, refusal.value.need) == (1, 2)


def test_a_root_that_comes_without_a_release_is_kept(shop: Shop) -> None:
    rotate(shop, nothing)

    (outcome,) = shop.reconcile()

    assert outcome.revision is None
    assert shop.held_root_version() == 2


@pytest.mark.parametrize("instead", [None, b"rubbish"])
def test_a_root_that_was_committed_stays(shop: Shop, instead: bytes | None) -> None:
    rotate(shop, nothing)
    shop.reconcile()
    shop.commit({layout.root_path(2): instead})

    with pytest.raises(RootRemoved):
        shop.reconcile()

    assert shop.held_root_version() == 2


@pytest.mark.stops("incident.11-root-rollback")
def test_a_new_host_does_not_believe_a_key_whose_revocation_was_deleted(shop: Shop) -> None:
    def revoke(document: dict[str, Any]) -> None:
        carol = shop.signer("carol").public.id
        at = format_instant(shop.clock.now())
        document["revoked"] = {carol: {"at": at, "reason": "lost"}}

    rotate(shop, revoke)
    shop.commit({layout.root_path(2): None})
    shop.edit(add=[NEW_RANGE])
    live = shop.sign(shop.next_version(), by=["bob", "carol"])
    shop.release(shop.next_release(live), by=["bob", "carol"])

    with pytest.raises(RootRemoved):
        shop.reconcile()

    assert shop.serial == 1


def test_a_root_may_gain_a_signature(shop: Shop) -> None:
    path, envelope = rotate(shop, nothing)
    shop.reconcile()
    opened = parse(envelope)
    more = add_signature(opened, shop.signer("carol"), Scheme.ED25519)
    shop.commit({path: more.to_bytes()})

    shop.reconcile()

    assert shop.held_root_version() == 2


def test_rubbish_where_the_next_root_belongs_is_refused(shop: Shop) -> None:
    shop.commit({layout.root_path(2): b"rubbish"})

    with pytest.raises(MalformedEnvelope) as refusal:
        shop.reconcile()

    assert refusal.value.path == layout.root_path(2)
    assert shop.held_root_version() == 1


def test_a_root_after_a_gap_is_refused(shop: Shop) -> None:
    shop.commit({layout.root_path(3): b"rubbish"})
    shop.publish(add=[NEW_RANGE])

    with pytest.raises(RootsNotWhole):
        shop.reconcile()

    assert shop.held_root_version() == 1


def test_an_expired_root_judges_nothing(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.clock.advance(5 * YEAR)

    with pytest.raises(Expired):
        shop.reconcile()

    assert shop.serial == 1


def test_a_root_in_its_last_second_judges(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.clock.advance(5 * YEAR - timedelta(seconds=1))

    shop.reconcile()

    assert shop.serial == 2


def test_an_expired_root_leads_to_the_one_that_follows(shop: Shop) -> None:
    def change(document: dict[str, Any]) -> None:
        document["expires"] = format_instant(shop.clock.now() + 6 * YEAR)

    rotate(shop, change)
    shop.publish(add=[NEW_RANGE])
    shop.clock.advance(5 * YEAR)

    shop.reconcile()

    assert shop.serial == 2


# Keys that are gone


def without_bob(shop: Shop, *grandfathered: Digest) -> DocumentChange:
    """Return a change by which bob's key no longer counts, but for what is grandfathered."""
    bob = shop.signer("bob").public.id

    def change(document: dict[str, Any]) -> None:
        document["keys"][bob]["not_after"] = format_instant(shop.clock.now())
        document["roles"]["root"]["keys"].remove(bob)
        document["grandfathered"] = sorted(grandfathered)

    return change


def test_a_key_past_its_date_signs_no_release(shop: Shop) -> None:
    rotate(shop, without_bob(shop), by=("alice", "bob", "carol"))
    shop.publish(add=[NEW_RANGE])

    with pytest.raises(ThresholdNotMet) as refusal:
        shop.reconcile()

    assert refusal.value.have == 1
    assert shop.serial == 1


def released_by_others(shop: Shop) -> None:
    """Release one more range with alice and carol; three other bundles keep bob's signature."""
    shop.edit(add=[NEW_RANGE])
    live = shop.sign(shop.next_version(), by=("alice", "carol"))
    shop.release(shop.next_release(live), by=("alice", "carol"))


def test_bundles_that_a_key_past_its_date_signed_are_refused(shop: Shop) -> None:
    rotate(shop, without_bob(shop), by=("alice", "bob", "carol"))
    released_by_others(shop)

    with pytest.raises(ThresholdNotMet):
        shop.reconcile()

    assert shop.serial == 1


def test_bundles_that_the_root_grandfathers_are_admitted(shop: Shop) -> None:
    old = [one.payload_sha256 for one in shop.released[0].bundles if one.bundle != CARDS]
    rotate(shop, without_bob(shop, *old), by=("alice", "bob", "carol"))
    released_by_others(shop)

    shop.reconcile()

    assert shop.serial == 2


def revoked(shop: Shop) -> DocumentChange:
    """Return a change that revokes bob's key."""
    bob = shop.signer("bob").public.id

    def change(document: dict[str, Any]) -> None:
        at = format_instant(shop.clock.now())
        document["revoked"] = {bob: {"at": at, "reason": "lost"}}
        roles = document["roles"]
        for role in (roles["root"], *roles["bundle"], roles["release"][ENVIRONMENT]):
            role["keys"].remove(bob)

    return change


def test_a_revoked_key_signs_no_release(shop: Shop) -> None:
    rotate(shop, revoked(shop), by=("alice", "bob", "carol"))
    shop.publish(add=[NEW_RANGE])

    with pytest.raises(ThresholdNotMet) as refusal:
        shop.reconcile()

    assert (refusal.value.have, refusal.value.need) == (1, 2)


def test_after_a_revocation_the_others_sign(shop: Shop) -> None:
    rotate(shop, revoked(shop), by=("alice", "bob", "carol"))
    by = ("alice", "carol")
    again = [shop.next_version(old.bundle) for old in shop.released[0].bundles]
    lives = [shop.sign(statement, by=by) for statement in again]
    shop.release(shop.next_release(*lives), by=by)

    shop.reconcile()

    assert shop.serial == 2


# Resets


def reset_to(serial: int, digest: Digest) -> DocumentChange:
    """Return a change by which serials start again from a release."""

    def change(document: dict[str, Any]) -> None:
        document["reset"] = {ENVIRONMENT: {"serial": serial, "sha256": digest}}

    return change


def test_a_root_may_let_serials_start_again_further_on(shop: Shop) -> None:
    shop.edit(add=[NEW_RANGE])
    release = shop.next_release(shop.sign(shop.next_version()), serial=10)
    rotate(shop, reset_to(10, sha256(release.payload())))
    shop.release(release)

    shop.reconcile()
    shop.publish(add=[OTHER_RANGE])
    shop.reconcile()

    applied = shop.applied()
    assert applied is not None
    assert (applied.serial_current, applied.serial_high, applied.reset_serial) == (11, 11, 10)


def test_a_release_that_the_roots_reset_does_not_name_is_refused(shop: Shop) -> None:
    rotate(shop, reset_to(10, Digest("a" * 64)))
    shop.publish(add=[NEW_RANGE], serial=10)

    with pytest.raises(SerialSkipped):
        shop.reconcile()

    assert shop.serial == 1


def stolen(shop: Shop) -> ReleaseStatement:
    """Apply two releases that nobody wanted; return the last good one, which comes next again."""
    for line in (NEW_RANGE, OTHER_RANGE):
        shop.publish(add=[line])
        shop.reconcile()
    good = shop.released[0]
    shop.released.append(good)
    return good


@pytest.mark.allows("fast-forward.recovery")
def test_after_a_theft_the_root_lets_serials_start_again_from_the_last_good_release(
    shop: Shop,
) -> None:
    good = stolen(shop)
    rotate(shop, reset_to(1, sha256(good.payload())))
    shop.publish(drop=[NEW_RANGE])

    shop.reconcile()

    applied = shop.applied()
    assert applied is not None
    assert (applied.serial_current, applied.serial_high, applied.reset_serial) == (2, 2, 1)
    assert (shop.revision, "990600" in shop.ranges()) == (4, False)


def test_without_a_reset_a_used_serial_stays_used(shop: Shop) -> None:
    stolen(shop)
    shop.publish(drop=[NEW_RANGE])

    with pytest.raises(Equivocation):
        shop.reconcile()

    assert shop.serial == 3


def test_serials_that_started_again_go_on_and_back_as_ever(shop: Shop) -> None:
    good = stolen(shop)
    rotate(shop, reset_to(1, sha256(good.payload())))
    shop.publish(drop=[NEW_RANGE])
    shop.reconcile()
    second = shop.released[-1]
    shop.publish(drop=[OTHER_RANGE])
    shop.reconcile()
    shop.revert_release(second)

    shop.reconcile()

    assert (shop.serial, shop.revision) == (2, 6)
    assert "990601" in shop.ranges()


def test_a_stolen_release_does_not_come_back_after_a_reset(shop: Shop) -> None:
    good = stolen(shop)
    bad = shop.released[1]
    rotate(shop, reset_to(1, sha256(good.payload())))
    shop.publish(drop=[NEW_RANGE])
    shop.reconcile()
    shop.revert_release(bad)

    with pytest.raises(Equivocation):
        shop.reconcile()

    assert shop.revision == 4
