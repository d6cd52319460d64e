"""Nothing is installed without enough owners of the right role: passes over forged releases."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from controller.artifacts import layout
from controller.authoring.starting import AUDIT, ENVIRONMENT
from controller.kernel.canonical import readable
from controller.trust.envelope import IN_TOTO, ROOT, Envelope, Signature, parse
from controller.trust.keys import Kind, PublicLine, Scheme
from controller.trust.root import Pin
from controller.trust.sign import sign_envelope
from tests.attacks.passes import attempt, stopped
from tests.support.world import CARDS, NEW_RANGE, OTHER_RANGE, TWO, Shop

PLACE = layout.release_dir(ENVIRONMENT)
COPY, ENVELOPE = f"{PLACE}/release.json", f"{PLACE}/release.dsse.json"
DocumentChange = Callable[[dict[str, Any]], None]


def released_by(shop: Shop, *people: str) -> None:
    """Release one more range with a version that two owners signed."""
    shop.edit(add=[NEW_RANGE])
    shop.release(shop.next_release(shop.sign(shop.next_version())), by=people)


def with_root(shop: Shop, change: DocumentChange) -> None:
    """Commit a root that two owners signed."""
    path, envelope = shop.next_root(change)
    shop.commit({path: envelope})


def hired(shop: Shop, name: str, *, owner: str, role: str = "release") -> DocumentChange:
    """Return a change by which a new key of somebody signs releases, or bundles."""
    line = shop.new_person(name).public

    def change(document: dict[str, Any]) -> None:
        document["keys"][line.id] = {"owner": owner, "public": line.line, "scheme": "ed25519"}
        roles = document["roles"]
        found = roles["release"][ENVIRONMENT] if role == "release" else roles["bundle"][0]
        found["keys"].append(line.id)

    return change


@pytest.mark.stops("installation.unsigned", "deploy-key.push")
def test_a_release_that_nobody_signed_stays_out(shop: Shop) -> None:
    released_by(shop, "alice", "bob")
    shop.commit({ENVELOPE: None})

    assert attempt(shop) == stopped("signed.no_envelope")


@pytest.mark.stops("installation.one-signature", "deploy-key.push", "pull-request.own-signature")
def test_a_release_that_one_of_two_signed_stays_out(shop: Shop) -> None:
    released_by(shop, "alice")

    assert attempt(shop) == stopped("trust.threshold_not_met")


@pytest.mark.stops("installation.one-signature", "pull-request.own-signature")
def test_a_version_that_one_of_two_signed_stays_out(shop: Shop) -> None:
    shop.edit(add=[NEW_RANGE])
    shop.release(shop.next_release(shop.sign(shop.next_version(), by=["alice"])))

    assert attempt(shop) == stopped("trust.threshold_not_met")


@pytest.mark.allows(
    "installation.unsigned",
    "installation.one-signature",
    "installation.same-key-twice",
    "installation.unlisted-key",
    "installation.wrong-role",
    "installation.changed-bytes",
    "pull-request.own-signature",
    "deploy-key.push",
    "ci.own-key",
    "audit-key.other-role",
)
def test_a_release_that_two_owners_signed_goes_to_production(shop: Shop) -> None:
    released_by(shop, "alice", "carol")

    shop.reconcile()

    assert (shop.serial, "990600" in shop.ranges()) == (2, True)


@pytest.mark.stops("installation.same-key-twice")
def test_one_key_that_signed_twice_in_one_envelope_is_one_signature(shop: Shop) -> None:
    released_by(shop, "alice")
    once = parse(shop.read(ENVELOPE))
    twice = Envelope(once.payload_type, once.payload, once.signatures * 2)
    shop.commit({ENVELOPE: twice.to_bytes()})

    assert attempt(shop) == stopped("trust.threshold_not_met")


@pytest.mark.stops("installation.same-key-twice")
def test_one_key_that_signed_as_another_is_one_signature(shop: Shop) -> None:
    released_by(shop, "alice")
    (signature,) = parse(shop.read(ENVELOPE)).signatures
    bob = shop.signer("bob").public.id
    pair = (signature, Signature(bob, signature.sig))
    shop.commit({ENVELOPE: Envelope(IN_TOTO, shop.read(COPY), pair).to_bytes()})

    assert attempt(shop) == stopped("trust.threshold_not_met")


@pytest.mark.stops("installation.one-key-two-names")
def test_a_root_that_lists_one_key_under_two_names_is_no_root(shop: Shop) -> None:
    alice, name = shop.signer("alice").public.id, "SHA256:" + "x" * 43

    def change(document: dict[str, Any]) -> None:
        document["keys"][name] = {**document["keys"][alice], "owner": "mallory"}
        document["roles"]["release"][ENVIRONMENT]["keys"].append(name)

    forged_root(shop, change)
    released_by(shop, "alice")

    assert attempt(shop) == stopped("trust.malformed_root")


def forged_root(shop: Shop, change: DocumentChange) -> None:
    """Commit a root that our own writer would not make, signed by two owners."""
    document = json.loads(parse(shop.read(layout.root_path(1))).payload)
    document["version"] = 2
    change(document)
    pairs = [(shop.signer(name), Scheme.ED25519) for name in TWO]
    shop.commit({layout.root_path(2): sign_envelope(ROOT, readable(document), pairs).to_bytes()})


@pytest.mark.stops("installation.small-order-key")
@pytest.mark.parametrize("point", ["01" + "00" * 31, "00" * 32, "ec" + "ff" * 30 + "7f"])
def test_a_root_that_lists_a_key_for_which_any_signature_is_good_is_no_root(
    shop: Shop, point: str
) -> None:
    line = PublicLine(Kind.ED25519, bytes.fromhex(point))

    def change(document: dict[str, Any]) -> None:
        document["keys"][line.id] = {"owner": "mallory", "public": line.line, "scheme": "ed25519"}
        document["roles"]["release"][ENVIRONMENT]["keys"].append(line.id)

    forged_root(shop, change)
    released_by(shop, "alice")

    assert attempt(shop) == stopped("trust.malformed_root")


@pytest.mark.stops("installation.one-owner-two-keys")
def test_two_keys_of_one_owner_install_nothing(shop: Shop) -> None:
    with_root(shop, hired(shop, "spare", owner="alice"))
    released_by(shop, "alice", "spare")

    assert attempt(shop) == stopped("trust.one_owner_counts_once")


@pytest.mark.allows(
    "installation.one-owner-two-keys",
    "installation.one-key-two-names",
    "installation.small-order-key",
)
def test_a_good_new_key_of_another_owner_counts(shop: Shop) -> None:
    with_root(shop, hired(shop, "dave", owner="dave"))
    released_by(shop, "alice", "dave")

    shop.reconcile()

    assert shop.serial == 2


@pytest.mark.stops("installation.wrong-role")
def test_the_rollback_key_signs_no_release(shop: Shop) -> None:
    released_by(shop, "alice", "rollback")

    assert attempt(shop) == stopped("trust.signer_not_in_role")


@pytest.mark.stops("audit-key.other-role")
def test_the_audit_key_signs_no_release(shop: Shop) -> None:
    released_by(shop, "alice", AUDIT)

    assert attempt(shop) == stopped("trust.signer_not_in_role")


@pytest.mark.stops("ci.own-key")
def test_the_key_of_ci_signs_no_release(shop: Shop) -> None:
    line = shop.new_person("ci").public

    def change(document: dict[str, Any]) -> None:
        document["keys"][line.id] = {"owner": "ci", "public": line.line, "scheme": "ed25519"}
        document["roles"]["ci"] = {"keys": [line.id], "threshold": 1}

    with_root(shop, change)
    released_by(shop, "alice", "ci")

    assert attempt(shop) == stopped("trust.signer_not_in_role")


@pytest.mark.stops("installation.unlisted-key")
def test_a_key_that_no_root_lists_signs_no_release(shop: Shop) -> None:
    shop.new_person("mallory")
    released_by(shop, "alice", "mallory")

    assert attempt(shop) == stopped("trust.signer_not_in_role")


def cards_go_to(shop: Shop, *people: str) -> None:
    """Commit a root in which new keys sign the cards, and nobody new signs anything else."""
    lines = [shop.new_person(name).public for name in people]

    def change(document: dict[str, Any]) -> None:
        for name, line in zip(people, lines, strict=True):
            entry = {"owner": name, "public": line.line, "scheme": "ed25519"}
            document["keys"][line.id] = entry
        (rest,) = document["roles"]["bundle"]
        rest["rails"].remove(CARDS.rail)
        granted = {"keys": [line.id for line in lines], "threshold": 2, "terminating": True}
        cards = {**granted, "paths": [f"bundles/{CARDS.rail}/**"], "rails": [CARDS.rail]}
        document["roles"]["bundle"] = [cards, rest]

    with_root(shop, change)


@pytest.mark.stops("installation.wrong-rail")
def test_owners_of_other_rails_install_no_cards(shop: Shop) -> None:
    cards_go_to(shop, "dave", "erin")
    released_by(shop, "alice", "bob")

    assert attempt(shop) == stopped("trust.signer_not_in_role")


@pytest.mark.allows("installation.wrong-rail")
def test_the_owners_of_the_cards_rail_install_cards(shop: Shop) -> None:
    cards_go_to(shop, "dave", "erin")
    shop.edit(add=[NEW_RANGE])
    shop.release(shop.next_release(shop.sign(shop.next_version(), by=["dave", "erin"])))

    shop.reconcile()

    assert shop.serial == 2


@pytest.mark.stops("installation.changed-bytes")
def test_a_release_whose_bytes_were_changed_after_signing_stays_out(shop: Shop) -> None:
    released_by(shop, "alice", "bob")
    signed = parse(shop.read(ENVELOPE))
    payload = signed.payload.replace(b'"serial": 2', b'"serial": 3')
    assert payload != signed.payload
    forged = Envelope(signed.payload_type, payload, signed.signatures)
    shop.commit({COPY: payload, ENVELOPE: forged.to_bytes()})

    assert attempt(shop) == stopped("trust.signature_invalid")


@pytest.mark.stops("installation.changed-bytes")
def test_rows_that_were_added_after_signing_are_not_what_goes_to_production(shop: Shop) -> None:
    released_by(shop, "alice", "bob")
    shop.edit(add=[OTHER_RANGE])

    shop.reconcile()

    assert {"990600", "990601"} & shop.ranges() == {"990600"}


@pytest.mark.stops("installation.unpinned-root")
def test_a_first_root_of_somebody_else_judges_nothing(shop: Shop) -> None:
    _, another = shop.next_root(lambda document: document.update(expires="2099-01-01T00:00:00Z"))
    other = Pin(another, shop.pin.sha256)
    released_by(shop, "alice", "bob")

    assert attempt(shop, pin=other) == stopped("trust.pin_mismatch")


@pytest.mark.allows("installation.unpinned-root")
def test_the_first_root_that_the_host_pins_judges(shop: Shop) -> None:
    released_by(shop, "alice", "bob")

    assert attempt(shop, pin=shop.pin).code == "applied"
