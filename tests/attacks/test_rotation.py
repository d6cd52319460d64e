"""Who may hand the root on, and what a key that is gone still signs: every pair of voices."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from controller.artifacts import layout
from controller.artifacts.ack import AckStatement
from controller.artifacts.rollback import RollbackStatement
from controller.authoring.starting import ENVIRONMENT
from controller.kernel.canonical import sha256
from controller.kernel.errors import Untrusted
from controller.kernel.instants import format_instant
from controller.plan.guards import Limits
from controller.reconcile.cycle import converge
from controller.reconcile.pinned import PinChanged
from controller.reconcile.status import read_status
from controller.trust.envelope import parse
from controller.trust.root import Pin, TrustedRoot, extend
from tests.attacks.passes import APPLIED, attempt, stopped
from tests.support.trust import NOW, Person, document, pinned, signed_root
from tests.support.world import NEW_RANGE, OLD_RANGE, OTHER_RANGE, Shop

DAY = timedelta(days=1)
OLD, SPARE, OLDER = Person.named("old"), Person.named("spare", owner="old"), Person.named("older")
NEW, SECOND, NEWER = Person.named("new"), Person.named("second", owner="new"), Person.named("newer")

# How many people of a root's three keys, two of which are one person's, put their names under.
VOICES: dict[str, tuple[int, ...]] = {
    "nobody": (),
    "one": (0,),
    "one, twice": (0, 0),
    "one, with two keys": (0, 1),
    "two": (0, 2),
}
PAIRS = list(product(VOICES, VOICES))


def handed_on(old: str, new: str) -> TrustedRoot:
    """Hand the root from three keys to three others, signed by these voices of both."""
    before, after = (OLD, SPARE, OLDER), (NEW, SECOND, NEWER)
    trusted = pinned(document(*before), by=before)
    by = [before[at] for at in VOICES[old]] + [after[at] for at in VOICES[new]]
    return extend(trusted, [signed_root(document(*after, version=2), by=by)], NOW)


@pytest.mark.stops("root.rotation", "pull-request.root")
@pytest.mark.parametrize(("old", "new"), [pair for pair in PAIRS if pair != ("two", "two")])
def test_a_root_without_two_people_of_the_old_and_two_of_the_new_keys_is_refused(
    old: str, new: str
) -> None:
    with pytest.raises(Untrusted):
        handed_on(old, new)


@pytest.mark.allows("root.rotation", "pull-request.root")
def test_a_root_that_two_people_of_the_old_and_two_of_the_new_keys_signed_is_followed() -> None:
    assert handed_on("two", "two").root.version == 2


def test_the_matrix_has_every_pair_of_voices() -> None:
    assert len(PAIRS) == 25


# Chains


CHAIN = (OLD, OLDER)
Step = tuple[dict[str, Any], Sequence[Person]]


def chained(*steps: Step) -> TrustedRoot:
    """Follow roots from a first one that two people signed."""
    trusted = pinned(document(*CHAIN), by=CHAIN)
    return extend(trusted, [signed_root(made, by=by) for made, by in steps], NOW)


def root(version: int, *people: Person, **changes: Any) -> dict[str, Any]:
    """Return the document of a later root."""
    return document(*(people or CHAIN), version=version, **changes)


ELSEWHERE = "ffffffff-4f0a-4c1c-9b6e-6a6f0d0c7a11"
PAST = {"created": "2026-01-01T00:00:00Z", "expires": "2026-11-20T12:00:00Z"}
REVOKED = {"revoked": {OLD.id: {"at": "2026-11-20T12:00:00Z", "reason": "stolen"}}}


def roots(owner: Person, *others: Person) -> dict[str, Any]:
    """Return the roles by which these keys alone hand the root on."""
    keys = [owner.id, *(one.id for one in others)]
    return {"root": {"keys": keys, "threshold": len(keys)}}


BAD_CHAINS: dict[str, tuple[Step, ...]] = {
    "the same version again": ((root(1), CHAIN),),
    "a version that skips one": ((root(3), CHAIN),),
    "a version that goes back": ((root(2), CHAIN), (root(3), CHAIN), (root(2), CHAIN)),
    "another repository": ((root(2, repository=ELSEWHERE), CHAIN),),
    "another repository later": ((root(2), CHAIN), (root(3, repository=ELSEWHERE), CHAIN)),
    "strangers alone": ((root(2, NEW, NEWER), (NEW, NEWER)),),
    "the old people alone": ((root(2, NEW, NEWER), CHAIN),),
    "one old and all new people": ((root(2, NEW, NEWER), (OLD, NEW, NEWER)),),
    "all old people and one new": ((root(2, NEW, NEWER), (*CHAIN, NEW)),),
    "people of the root before the last": (
        (root(2, NEW, NEWER), (*CHAIN, NEW, NEWER)),
        (root(3), CHAIN),
    ),
    "a middle that one signed": ((root(2), (OLD,)), (root(3), CHAIN)),
    "the last one expired": ((root(2, **PAST), CHAIN),),
    "the last one after good ones expired": ((root(2), CHAIN), (root(3, **PAST), CHAIN)),
    "a last one whose own keys are revoked": ((root(2, **REVOKED), CHAIN),),
    "an owner who left": (
        (root(2, OLD, roles=roots(OLD)), (*CHAIN,)),
        (root(3, OLDER), (OLDER,)),
    ),
}


@pytest.mark.stops("root.chain")
@pytest.mark.parametrize("steps", BAD_CHAINS.values(), ids=BAD_CHAINS.keys())
def test_a_chain_with_one_bad_link_leads_nowhere(steps: tuple[Step, ...]) -> None:
    with pytest.raises(Untrusted):
        chained(*steps)


GOOD_CHAINS: dict[str, tuple[Step, ...]] = {
    "nothing follows": (),
    "the same people": ((root(2), CHAIN), (root(3), CHAIN)),
    "new people": ((root(2, NEW, NEWER), (*CHAIN, NEW, NEWER)),),
    "over an expired middle": ((root(2, **PAST), CHAIN), (root(3), CHAIN)),
    "over a middle whose key is revoked later": (
        (root(2), CHAIN),
        (root(3, NEW, NEWER), (*CHAIN, NEW, NEWER)),
    ),
}


@pytest.mark.allows("root.chain")
@pytest.mark.parametrize("steps", GOOD_CHAINS.values(), ids=GOOD_CHAINS.keys())
def test_a_chain_of_good_links_is_followed_to_its_end(steps: tuple[Step, ...]) -> None:
    assert chained(*steps).root.version == len(steps) + 1


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


# The threshold of the root is lost


def orphaned(shop: Shop) -> Pin:
    """Commit the next root, which new people signed and none of the old ones; return its pin."""
    people = [shop.new_person(name) for name in ("dave", "erin")]
    lines = [one.public for one in people]

    def change(made: dict[str, Any]) -> None:
        for name, line in zip(("dave", "erin"), lines, strict=True):
            made["keys"][line.id] = {"owner": name, "public": line.line, "scheme": "ed25519"}
        made["roles"]["root"] = {"keys": [line.id for line in lines], "threshold": 2}

    path, envelope = shop.next_root(change, by=("dave", "erin"))
    shop.commit({path: envelope})
    return Pin(envelope, parse(envelope).digest)


@pytest.mark.stops("root.lost")
def test_people_who_lost_the_old_root_keys_make_no_root_that_a_host_follows(shop: Shop) -> None:
    orphaned(shop)
    shop.publish(add=[NEW_RANGE])

    assert attempt(shop) == stopped("trust.signer_not_in_role")
    assert shop.held_root_version() == 1


@pytest.mark.stops("root.lost")
def test_a_repository_with_a_new_beginning_of_the_chain_is_refused(shop: Shop) -> None:
    pin = orphaned(shop)
    shop.commit({layout.root_path(1): pin.envelope, layout.root_path(2): None})

    assert attempt(shop) == stopped("roots.removed")


@pytest.mark.stops("root.lost", "installation.unpinned-root")
def test_a_new_root_that_was_pinned_by_hand_waits_until_somebody_records_it(shop: Shop) -> None:
    pin = orphaned(shop)
    shop.publish(add=[NEW_RANGE])
    world = shop.world(pin=pin)

    with pytest.raises(PinChanged):
        list(converge(world))

    assert shop.serial == 1
    assert read_status(world, shop.clock.now()).condition.reason == "pin.changed"
