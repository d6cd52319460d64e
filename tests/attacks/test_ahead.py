"""Numbers that run ahead, and dates that ran out: neither keeps the next good release away."""

from datetime import timedelta
from typing import Any

import pytest

from controller.artifacts.bundle import PreviousVersion
from controller.artifacts.release import LiveBundle, ReleaseRef, ReleaseStatement
from controller.authoring.starting import ENVIRONMENT
from controller.kernel.canonical import Digest, sha256
from controller.kernel.instants import format_instant
from controller.kernel.objects import Oid
from tests.attacks.passes import attempt, stopped
from tests.support.world import NEW_RANGE, OTHER_RANGE, TWO, Shop

DAY = timedelta(days=1)
SERIAL_MAX = 2**31 - 1
OTHERS = ("alice", "carol")


def two_releases(shop: Shop) -> Oid:
    """Apply a second release a day after the first; return where the branch stood before."""
    before = shop.tip
    shop.clock.advance(DAY)
    shop.publish(add=[NEW_RANGE])
    shop.reconcile()
    return before


def ref(statement: ReleaseStatement) -> ReleaseRef:
    """Return how another release names one."""
    return ReleaseRef(statement.serial, sha256(statement.payload()))


def with_root(shop: Shop, by: tuple[str, ...] = TWO, **members: Any) -> None:
    """Commit a root with other members."""
    path, envelope = shop.next_root(lambda document: document.update(members), by=by)
    shop.commit({path: envelope})


# Fast-forward


@pytest.mark.stops("fast-forward.serial")
@pytest.mark.parametrize("serial", [3, SERIAL_MAX])
def test_a_serial_far_ahead_is_refused(shop: Shop, serial: int) -> None:
    shop.publish(add=[NEW_RANGE], serial=serial)

    assert attempt(shop) == stopped("trust.serial_skipped")


@pytest.mark.stops("fast-forward.version")
@pytest.mark.parametrize("version", [1002, SERIAL_MAX])
def test_a_version_far_ahead_is_refused(shop: Shop, version: int) -> None:
    shop.edit(add=[NEW_RANGE])
    live = shop.sign(shop.next_version(version=version, previous=None))
    shop.release(shop.next_release(live))

    assert attempt(shop) == stopped("trust.bundle_skipped")


@pytest.mark.allows("fast-forward.version")
def test_a_version_a_thousand_ahead_is_applied(shop: Shop) -> None:
    shop.edit(add=[NEW_RANGE])
    before = PreviousVersion(1000, Digest("a" * 64))
    live = shop.sign(shop.next_version(version=1001, previous=before))
    shop.release(shop.next_release(live))

    shop.reconcile()

    assert shop.serial == 2


def revoking_bob(shop: Shop, reset: ReleaseStatement) -> dict[str, Any]:
    """Return a root's members that revoke bob and let serials start again from a release."""
    bob = shop.signer("bob").public.id
    at = format_instant(shop.clock.now())
    start = {"serial": reset.serial, "sha256": sha256(reset.payload())}
    return {"revoked": {bob: {"at": at, "reason": "stolen"}}, "reset": {ENVIRONMENT: start}}


def all_again(shop: Shop) -> list[LiveBundle]:
    """Sign the next version of every bundle, without bob."""
    again = [shop.next_version(old.bundle) for old in shop.released[0].bundles]
    return [shop.sign(statement, by=OTHERS) for statement in again]


@pytest.mark.allows("fast-forward.serial")
def test_after_a_fast_forward_a_new_root_lets_serials_start_again(new_shop: Shop) -> None:
    new_shop.publish(add=[NEW_RANGE], serial=SERIAL_MAX)  # stolen keys, and a host that starts here
    new_shop.baseline = new_shop.tip
    new_shop.reconcile()
    assert new_shop.serial == SERIAL_MAX
    new_shop.edit(drop=[NEW_RANGE])
    lives = all_again(new_shop)
    good = new_shop.next_release(*lives, serial=2, previous=ref(new_shop.released[0]))
    with_root(new_shop, ("alice", "bob", "carol"), **revoking_bob(new_shop, good))
    new_shop.release(good, by=OTHERS)

    new_shop.reconcile()

    assert (new_shop.serial, "990600" in new_shop.ranges()) == (2, False)


@pytest.mark.stops("fast-forward.recovery")
def test_the_thief_cannot_let_serials_start_again_alone(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE], serial=3)
    with_root(shop, ("bob",), **revoking_bob(shop, shop.released[-1]))

    assert attempt(shop) == stopped("trust.threshold_not_met")


@pytest.mark.allows("fast-forward.recovery")
def test_a_skipped_serial_is_mended_by_a_root_that_resets_to_the_next_good_release(
    shop: Shop,
) -> None:
    shop.publish(add=[OTHER_RANGE], serial=3)
    assert attempt(shop) == stopped("trust.serial_skipped")
    shop.edit(drop=[OTHER_RANGE])
    lives = all_again(shop)
    good = shop.next_release(*lives, serial=4, previous=ref(shop.released[0]))
    with_root(shop, ("alice", "bob", "carol"), **revoking_bob(shop, good))
    shop.release(good, by=OTHERS)

    shop.reconcile()

    assert (shop.serial, "990601" in shop.ranges()) == (4, False)


# Freeze, as far as dates tell


@pytest.mark.stops("freeze.expired-release")
def test_a_release_that_was_held_back_until_it_expired_is_refused(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE], expires=shop.clock.now() + DAY)
    shop.clock.advance(DAY)

    assert attempt(shop) == stopped("trust.release_expired")


@pytest.mark.allows("freeze.expired-release")
def test_a_release_is_good_until_the_second_before_it_expires(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE], expires=shop.clock.now() + DAY)
    shop.clock.advance(DAY - timedelta(seconds=1))

    shop.reconcile()

    assert shop.serial == 2


@pytest.mark.stops("freeze.expired-root")
def test_an_old_root_that_a_host_keeps_serving_judges_nothing_when_it_expired(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.clock.advance(5 * 365 * DAY)

    assert attempt(shop) == stopped("trust.expired")


@pytest.mark.allows("freeze.expired-root")
def test_a_newer_root_in_time_judges_again(shop: Shop) -> None:
    with_root(shop, expires=format_instant(shop.clock.now() + 6 * 365 * DAY))
    shop.publish(add=[NEW_RANGE])
    shop.clock.advance(5 * 365 * DAY)

    shop.reconcile()

    assert shop.serial == 2
