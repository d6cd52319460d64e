"""Who may hand the root on, and what a key that is gone still signs: every pair of voices."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from controller.artifacts import layout
from controller.kernel.errors import Untrusted
from controller.reconcile.cycle import converge
from controller.reconcile.pinned import PinChanged
from controller.reconcile.status import read_status
from controller.trust.envelope import parse
from controller.trust.root import Pin, TrustedRoot, extend
from tests.attacks.passes import attempt, stopped
from tests.support.trust import NOW, Person, document, pinned, signed_root
from tests.support.world import NEW_RANGE, Shop

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
    "unlisted keys alone": ((root(2, NEW, NEWER), (NEW, NEWER)),),
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
