"""A key that is gone signs nothing any more: no bundle, release, rollback, ack or root."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from controller.artifacts import layout
from controller.artifacts.ack import AckStatement
from controller.artifacts.rollback import RollbackStatement
from controller.authoring.starting import ENVIRONMENT
from controller.kernel.canonical import sha256
from controller.kernel.instants import format_instant
from controller.plan.guards import Limits
from tests.attacks.passes import APPLIED, attempt, stopped
from tests.support.world import NEW_RANGE, OLD_RANGE, OTHER_RANGE, Shop

DAY = timedelta(days=1)

# A key that is gone, in every role


def gone(how: str, shop: Shop, name: str) -> Callable[[dict[str, Any]], None]:
    """Return a change by which somebody's key is revoked, past its date, or not yet in force."""
    key, now = shop.signer(name).public.id, shop.clock.now()

    def change(made: dict[str, Any]) -> None:
        root_keys = made["roles"]["root"]["keys"]
        if key in root_keys:
            root_keys.remove(key)
        if how == "revoked":
            made["revoked"] = {key: {"at": format_instant(now), "reason": "stolen"}}
        elif how == "past its date":
            made["keys"][key]["not_after"] = format_instant(now)
        else:
            made["keys"][key]["not_before"] = format_instant(now + DAY)

    return change


def without(shop: Shop, how: str, name: str) -> None:
    """Commit a root in which somebody's key does not count now."""
    path, envelope = shop.next_root(gone(how, shop, name), by=("alice", "bob", "carol"))
    shop.commit({path: envelope})


def again(shop: Shop, *, by: tuple[str, str]) -> None:
    """Release every bundle anew, signed by these, and the release by two whose keys are good."""
    shop.edit(add=[NEW_RANGE])
    made = [shop.next_version(one.bundle) for one in shop.released[0].bundles]
    lives = [shop.sign(one, by=by) for one in made]
    shop.release(shop.next_release(*lives), by=("alice", "carol"))


HOW = ["revoked", "past its date", "not yet in force"]


@pytest.mark.stops("key.gone")
@pytest.mark.parametrize("how", HOW)
def test_a_key_that_does_not_count_signs_no_bundle(shop: Shop, how: str) -> None:
    without(shop, how, "bob")
    again(shop, by=("alice", "bob"))

    assert attempt(shop) == stopped("trust.threshold_not_met")


@pytest.mark.stops("key.gone")
@pytest.mark.parametrize("how", HOW)
def test_a_key_that_does_not_count_signs_no_release(shop: Shop, how: str) -> None:
    without(shop, how, "bob")
    shop.release(shop.next_release(), by=("alice", "bob"))

    assert attempt(shop) == stopped("trust.threshold_not_met")


@pytest.mark.allows("key.gone")
@pytest.mark.parametrize("how", HOW)
def test_the_other_keys_go_on_signing(shop: Shop, how: str) -> None:
    without(shop, how, "bob")
    again(shop, by=("alice", "carol"))

    assert attempt(shop).code == APPLIED
    assert shop.serial == 2


def permit(shop: Shop) -> None:
    """Commit an unsigned revert and a rollback statement of the rollback key."""
    now, to = shop.clock.now(), shop.released[0]
    made = RollbackStatement(
        shop.root.repository,
        ENVIRONMENT,
        to.serial,
        sha256(to.payload()),
        "meant so",
        now,
        now + DAY,
    )
    shop.revert_release(to, by=None)
    sealed = shop.sealed(made.payload(), ["rollback"])
    shop.commit({layout.rollback_path(ENVIRONMENT): sealed})


def revert(shop: Shop) -> None:
    """Commit a revert that the rollback key signed."""
    shop.revert_release(shop.released[0])


@pytest.mark.stops("key.gone")
@pytest.mark.parametrize("back", [revert, permit], ids=["commit", "statement"])
@pytest.mark.parametrize("how", HOW)
def test_a_key_that_does_not_count_brings_nothing_back(
    shop: Shop, how: str, back: Callable[[Shop], None]
) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.reconcile()
    without(shop, how, "rollback")
    back(shop)

    assert attempt(shop) == stopped("trust.rollback_refused")


@pytest.mark.allows("key.gone")
@pytest.mark.parametrize("back", [revert, permit], ids=["commit", "statement"])
def test_a_rollback_key_in_force_brings_a_release_back(
    shop: Shop, back: Callable[[Shop], None]
) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.reconcile()
    back(shop)

    assert attempt(shop).code == APPLIED
    assert shop.serial == 1


def held(shop: Shop) -> AckStatement:
    """Publish a plan that a guard stops; return what would acknowledge it."""
    shop.limits = Limits(removed_rows=0, small_rows=0)
    shop.edit(add=[OTHER_RANGE], drop=[OLD_RANGE])
    made = [shop.next_version(one.bundle) for one in shop.released[0].bundles]
    others = ("alice", "carol")
    shop.release(shop.next_release(*(shop.sign(one, by=others) for one in made)), by=others)
    plan = shop.decide().plan.digest
    return AckStatement(shop.root.repository, ENVIRONMENT, plan, "meant so", shop.clock.now())


def acknowledged(shop: Shop, ack: AckStatement, *, by: Sequence[str]) -> None:
    """Commit an acknowledgement."""
    path = f"{layout.acks_dir(ENVIRONMENT)}/one.dsse.json"
    shop.commit({path: shop.sealed(ack.payload(), by)})


@pytest.mark.stops("key.gone", "incident.2-mass-removal")
@pytest.mark.parametrize("how", HOW)
def test_a_key_that_does_not_count_acknowledges_nothing(shop: Shop, how: str) -> None:
    without(shop, how, "bob")
    acknowledged(shop, held(shop), by=("alice", "bob"))

    assert attempt(shop) == stopped("plan.guard_tripped")


@pytest.mark.allows("key.gone", "incident.2-mass-removal")
@pytest.mark.parametrize("how", HOW)
def test_two_keys_that_count_acknowledge(shop: Shop, how: str) -> None:
    without(shop, how, "bob")
    acknowledged(shop, held(shop), by=("alice", "carol"))

    assert attempt(shop).code == APPLIED


@pytest.mark.stops("key.gone", "one-key.own-root")
@pytest.mark.parametrize("by", [("bob",), ("bob", "rollback"), ("bob", "countersign-audit")])
def test_a_stolen_key_makes_no_root_of_its_own(shop: Shop, by: tuple[str, ...]) -> None:
    path, envelope = shop.next_root(lambda made: made.update(reset={}), by=by)
    shop.commit({path: envelope})

    found = attempt(shop)

    assert found.code in {"trust.threshold_not_met", "trust.signer_not_in_role"}
    assert (found.reason, found.changed) == (found.code, ())


@pytest.mark.allows("one-key.own-root")
def test_two_owners_make_the_next_root(shop: Shop) -> None:
    path, envelope = shop.next_root(lambda made: made.update(reset={}))
    shop.commit({path: envelope})

    shop.reconcile()

    assert shop.held_root_version() == 2
