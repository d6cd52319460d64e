"""Root documents before they are signed: the first, and the next."""

import json
from datetime import timedelta

import pytest

from controller.authoring.rootdoc import (
    BadProposal,
    Changes,
    FirstRoot,
    KeyOf,
    next_payload,
    numbered,
)
from controller.kernel.canonical import sha256
from controller.trust.keys import KeyId
from controller.trust.root import MalformedRoot, Reset, parse_root
from controller.trust.sign import SeedSigner
from tests.support.authoring import NOW

YEAR = timedelta(days=365)


def key(name: str) -> KeyOf:
    return KeyOf.usual(name, SeedSigner.of(name.encode().ljust(32, b".")).public)


ALICE, BOB, CAROL, DORA, ONCALL = map(key, ("alice", "bob", "carol", "dora", "oncall"))


def first(threshold: int = 2) -> bytes:
    return FirstRoot(
        repository="0d6b6e2e-4f0a-4c1c-9b6e-6a6f0d0c7a11",
        owners=(ALICE, BOB, CAROL),
        created=NOW,
        expires=NOW + YEAR,
        root_threshold=threshold,
        bundle_threshold=2,
        release_threshold=2,
        rails=("card-bin", "caip"),
        rollback=(ONCALL,),
        audit={"countersign": key("audit")},
    ).payload()


def following(**changes: object) -> bytes:
    return next_payload(
        first(),
        Changes(**changes),  # type: ignore[arg-type]
        created=NOW + timedelta(days=1),
        expires=NOW + YEAR,
    )


def test_the_first_root_says_who_signs_what() -> None:
    root = parse_root(first())

    assert root.version == 1
    assert root.role_for_bundle("caip", "bundles/caip/chains").threshold == 2
    assert {one.owner for one in root.rollback_role("production").role.keys} == {"oncall"}
    assert [one.owner for one in root.audit_keys("countersign")] == ["audit"]


def test_a_threshold_above_the_owners_is_refused() -> None:
    with pytest.raises(MalformedRoot):
        first(threshold=4)


def test_a_key_is_added_to_the_roles_that_are_named() -> None:
    root = parse_root(following(add={"release/production": [DORA], "bundle": [DORA]}))

    assert root.version == 2
    assert DORA.public.id in {one.id for one in root.release_role("production").keys}
    assert DORA.public.id not in {one.id for one in root.root.keys}


def test_a_revoked_key_leaves_every_role_and_stays_listed() -> None:
    root = parse_root(following(revoke={CAROL.public.id: "lost laptop"}))

    assert root.keys[CAROL.public.id].revoked_reason == "lost laptop"
    assert CAROL.public.id not in {one.id for one in root.root.keys}
    assert CAROL.public.id not in {one.id for one in root.release_role("production").keys}


def test_an_owner_is_revoked_with_every_key_that_counts_still() -> None:
    token = KeyOf("carol", key("carol's token").public)
    before = following(add={"root": [token]}, revoke={CAROL.public.id: "lost laptop"})
    after = next_payload(
        before, Changes(revoke={"carol": "left"}), created=NOW + YEAR / 2, expires=NOW + YEAR
    )

    assert parse_root(after).revoked[token.public.id].reason == "left"
    assert parse_root(after).revoked[CAROL.public.id].reason == "lost laptop"
    with pytest.raises(BadProposal):
        following(revoke={"nobody": "left"})


def test_a_threshold_can_change() -> None:
    assert parse_root(following(thresholds={"root": 3})).root.threshold == 3


def test_floors_rise_for_environments_and_bundles() -> None:
    root = parse_root(following(floors={"production": 30, "card-bin/binlist": 17}))

    assert (root.serial_floor("production"), root.bundle_floor("card-bin/binlist")) == (30, 17)


def test_a_reset_names_the_release_that_serials_start_again_from() -> None:
    good = sha256(b"good")
    root = parse_root(following(reset={"production": (42, good)}))

    assert root.reset == {"production": Reset(42, good)}
    with pytest.raises(MalformedRoot):
        following(reset={"production": (0, good)})


def test_what_is_grandfathered_is_added_to_what_was() -> None:
    one, two = sorted([sha256(b"one"), sha256(b"two")])
    before = following(grandfather=[two])
    after = next_payload(before, Changes(grandfather=[one, two]), created=NOW, expires=NOW + YEAR)

    assert parse_root(before).grandfathered == {two}
    assert json.loads(after)["grandfathered"] == [one, two]


def test_an_unknown_key_cannot_be_revoked() -> None:
    with pytest.raises(BadProposal):
        following(revoke={KeyId("SHA256:nobody"): "gone"})


@pytest.mark.parametrize("role", ["release", "release/staging", "nothing", "rollback/other"])
def test_an_unknown_role_cannot_change(role: str) -> None:
    with pytest.raises(BadProposal):
        following(thresholds={role: 1})


def test_an_edited_document_has_to_be_the_next_version() -> None:
    edited = following(thresholds={"root": 3})

    assert numbered(edited, 2) == edited
    with pytest.raises(BadProposal):
        numbered(edited, 3)
