"""The root: its schema, its grants, and the chain from the pin to the newest."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.kernel.canonical import readable, sha256
from controller.trust.core import (
    Expired,
    OneOwnerCountsOnce,
    RepositoryDiffers,
    ThresholdNotMet,
    VersionNotNext,
)
from controller.trust.envelope import IN_TOTO, ROOT, parse
from controller.trust.keys import Kind, PublicLine, Scheme
from controller.trust.root import (
    ENVELOPE_MAX_BYTES,
    STEPS_MAX,
    NoRole,
    PinMismatch,
    Root,
    RootTooLarge,
    WrongRail,
    extend,
    parse_root,
    pin,
)
from controller.trust.rootfile import MalformedRoot
from controller.trust.verify import (
    SignatureInvalid,
    SignerNotInRole,
    UnknownPayloadType,
    WrongPayloadType,
)
from tests.support.trust import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    NOW,
    Person,
    document,
    granted,
    pinned,
    sealed,
    signed_root,
)

Document = dict[str, Any]


def read(made: Document) -> Root:
    return parse_root(readable(made))


def test_a_full_root_is_read() -> None:
    made = document(
        ALICE,
        BOB,
        roles={
            "heartbeat": granted(ALICE),
            "commit": granted(ALICE, BOB),
            "ci": granted(BOB),
            "release": {"production": granted(ALICE, BOB, threshold=2, exclude_author=False)},
        },
        revoked={BOB.id: {"at": "2026-11-19T00:00:00Z", "reason": "lost laptop"}},
        floors={"production": {"serial": 30}, "bundles": {"card-bin/binlist": 17}},
        reset={"production": {"serial": 42, "sha256": "a" * 64}},
        grandfathered=["b" * 64],
    )
    made["keys"][ALICE.id] |= {
        "not_before": "2026-01-01T00:00:00Z",
        "not_after": "2028-01-01T00:00:00Z",
    }

    root = read(made)

    assert root.root.threshold == 2
    assert not root.release_role("production").exclude_author
    assert root.release_role("production").grandfathered == {"b" * 64}
    assert root.rollback_role("production").max_age == timedelta(days=30)
    assert [key.owner for key in root.audit_keys("controller-a")] == ["alice", "bob"]
    assert root.keys[BOB.id].revoked_reason == "lost laptop"
    assert (root.serial_floor("production"), root.serial_floor("staging")) == (30, 1)
    assert (root.bundle_floor("card-bin/binlist"), root.bundle_floor("a/b")) == (17, 1)
    assert root.reset["production"].serial == 42
    assert (root.commit, root.ci, root.heartbeat) != (None, None, None)
    assert root.digest == sha256(readable(made))


def put(*path: str | int, value: Any) -> Callable[[Document], None]:
    def change(made: Any) -> None:
        for part in path[:-1]:
            made = made[part]
        if value is ...:
            del made[path[-1]]
        else:
            made[path[-1]] = value

    return change


def alias(made: Document) -> None:
    made["keys"]["SHA256:" + "x" * 43] = made["keys"][ALICE.id]


def token(made: Document) -> None:
    line = PublicLine(Kind.SK_ED25519, ALICE.signer.public.point, b"ssh:")
    made["keys"][line.id] = {"owner": "mallory", "public": line.line, "scheme": "sshsig"}


def plain_token(made: Document) -> None:
    line = PublicLine(Kind.SK_ED25519, DAVE.signer.public.point, b"ssh:")
    made["keys"][line.id] = {"owner": "dave", "public": line.line, "scheme": "ed25519"}


def renamed(made: Document) -> None:
    made["keys"]["SHA256:" + "x" * 43] = DAVE.entry


RSA = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ=="
DELEGATION = ("roles", "bundle", 0)
DIGEST_ = "a" * 64


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        (put("surprise", value=1), "/"),
        (put("type", value=...), "/"),
        (put("type", value="release"), "/type"),
        (put("repository", value="shop"), "/repository"),
        (put("version", value=0), "/version"),
        (put("version", value=True), "/version"),
        (put("version", value=2**31), "/version"),
        (put("created", value="2026-11-01"), "/created"),
        (put("expires", value=None), "/expires"),
        (put("expires", value="2026-11-01T00:00:00Z"), "/expires"),
        (put("keys", value=[]), "/keys"),
        (put("keys", ALICE.id, "note", value="x"), f"/keys/{ALICE.id}"),
        (put("keys", ALICE.id, "owner", value=""), f"/keys/{ALICE.id}/owner"),
        (put("keys", ALICE.id, "scheme", value="rsa"), f"/keys/{ALICE.id}/scheme"),
        (put("keys", ALICE.id, "public", value=7), f"/keys/{ALICE.id}/public"),
        (put("keys", ALICE.id, "public", value=RSA), f"/keys/{ALICE.id}/public"),
        (put("keys", ALICE.id, "not_after", value="2099"), f"/keys/{ALICE.id}/not_after"),
        (alias, "/keys/SHA256:"),
        (token, "/keys/SHA256:"),
        (plain_token, "/keys/SHA256:"),
        (renamed, "/keys/SHA256:"),
        (put("roles", "root", value=...), "/roles"),
        (put("roles", "king", value={}), "/roles"),
        (put("roles", "root", "threshold", value=3), "/roles/root/threshold"),
        (put("roles", "root", "threshold", value=0), "/roles/root/threshold"),
        (put("roles", "root", "threshold", value="2"), "/roles/root/threshold"),
        (put("roles", "root", "keys", value=[]), "/roles/root/threshold"),
        (put("roles", "root", "keys", value=[ALICE.id, ALICE.id]), "/roles/root/keys"),
        (put("roles", "root", "keys", value=[DAVE.id]), "/roles/root/keys/0"),
        (put("roles", "root", "keys", value=[1]), "/roles/root/keys/0"),
        (put("roles", "root", "keys", value="all"), "/roles/root/keys"),
        (put("roles", "root", "exclude_author", value=1), "/roles/root/exclude_author"),
        (put("roles", "root", "exclude_author", value=True), "/roles/root/exclude_author"),
        (put(*DELEGATION, "exclude_author", value=True), "/roles/bundle/0/exclude_author"),
        (put("roles", "root", "max_age", value="P1D"), "/roles/root"),
        (put("roles", "bundle", value={}), "/roles/bundle"),
        (put(*DELEGATION, "paths", value=[]), "/roles/bundle/0/paths"),
        (put(*DELEGATION, "paths", value=["**"]), "/roles/bundle/0/paths/0"),
        (put(*DELEGATION, "paths", value=["bundles/[a-z]/*"]), "/roles/bundle/0/paths/0"),
        (put(*DELEGATION, "rails", value=["CARD"]), "/roles/bundle/0/rails/0"),
        (put(*DELEGATION, "terminating", value="no"), "/roles/bundle/0/terminating"),
        (put("roles", "release", "Production", value={}), "/roles/release"),
        (put("roles", "release", "bundles", value={}), "/roles/release"),
        (put("roles", "rollback", "production", "max_age", value="P"), "/roles/rollback"),
        (put("roles", "rollback", "production", "max_age", value=30), "/roles/rollback"),
        (put("roles", "rollback", "production", "max_age", value=...), "/roles/rollback"),
        (put("revoked", value={DAVE.id: {"at": "2026-01-01T00:00:00Z", "reason": ""}}), "/revoked"),
        (put("revoked", value={ALICE.id: {"at": "2026-01-01T00:00:00Z"}}), "/revoked"),
        (
            put("revoked", value={ALICE.id: {"at": "2026-01-01T00:00:00Z", "reason": "\n"}}),
            "/revoked",
        ),
        (put("floors", value={"production": 30}), "/floors/production"),
        (put("floors", value={"bundles": {"binlist": 1}}), "/floors/bundles"),
        (put("reset", value={"production": {"serial": 1, "sha256": "A" * 64}}), "/reset"),
        (put("reset", value={"bundles": {"serial": 1, "sha256": DIGEST_}}), "/reset"),
        (put("grandfathered", value=["x"]), "/grandfathered/0"),
    ],
)
def test_a_root_that_is_not_exactly_a_root_is_refused(
    change: Callable[[Document], None], pointer: str
) -> None:
    made = document(ALICE, BOB)
    read(made)

    change(made)

    with pytest.raises(MalformedRoot) as refusal:
        read(made)
    assert refusal.value.pointer.startswith(pointer.rstrip("/"))


def test_a_key_whose_time_ends_before_it_starts_is_refused() -> None:
    made = document(ALICE, BOB)
    late, early = "2027-01-01T00:00:00Z", "2026-01-01T00:00:00Z"
    made["keys"][ALICE.id] |= {"not_before": late, "not_after": early}

    with pytest.raises(MalformedRoot):
        read(made)


def test_a_root_that_is_not_json_is_refused() -> None:
    with pytest.raises(MalformedRoot):
        parse_root(b"{")


def test_two_keys_of_one_owner_cannot_make_a_threshold_of_two() -> None:
    home = Person.named("alice at home", owner="alice")
    made = document(ALICE, home, BOB)

    with pytest.raises(MalformedRoot):
        read({**made, "roles": {**made["roles"], "root": granted(ALICE, home, threshold=2)}})

    read({**made, "roles": {**made["roles"], "root": granted(ALICE, home, BOB, threshold=2)}})


def test_the_first_delegation_for_path_and_rail_wins() -> None:
    rows = [
        {"paths": ["bundles/sepa/*"], "rails": ["sepa"], **granted(BOB)},
        {"paths": ["bundles/*/vip"], "rails": ["card-bin"], **granted(CAROL)},
        {"paths": ["bundles/**"], "rails": ["card-bin", "sepa"], **granted(ALICE)},
    ]
    root = read(document(ALICE, BOB, CAROL, roles={"bundle": rows}))

    def owner(rail: str, name: str) -> str:
        return root.role_for_bundle(rail, f"bundles/{rail}/{name}").keys[0].owner

    assert owner("sepa", "vip") == "bob"
    assert owner("card-bin", "vip") == "carol"
    assert owner("card-bin", "binlist") == "alice"
    with pytest.raises(NoRole):
        root.role_for_bundle("caip", "bundles/caip/chains")
    with pytest.raises(WrongRail):
        root.role_for_bundle("sepa", "bundles/card-bin/binlist")


def test_a_terminating_delegation_hides_those_behind_it() -> None:
    first = {"paths": ["bundles/card-bin/**"], "rails": ["sepa"], **granted(BOB)}
    last = {"paths": ["bundles/**"], "rails": ["card-bin"], **granted(ALICE)}
    place = ("card-bin", "bundles/card-bin/binlist")

    open_ended = read(document(ALICE, BOB, roles={"bundle": [first, last]}))
    closed = read(document(ALICE, BOB, roles={"bundle": [{**first, "terminating": True}, last]}))

    assert open_ended.role_for_bundle(*place).keys == (ALICE.key,)
    with pytest.raises(NoRole):
        closed.role_for_bundle(*place)


def test_what_the_root_does_not_grant_is_denied() -> None:
    root = read(document(ALICE, roles={}))
    bare = read({**document(ALICE), "roles": {"root": granted(ALICE)}})

    assert root.release_role("production").threshold == 1
    for ask in (bare.release_role, bare.rollback_role, bare.audit_keys):
        with pytest.raises(NoRole):
            ask("production")
    assert (bare.commit, bare.ci, bare.heartbeat) == (None, None, None)


def test_the_pinned_root_is_trusted() -> None:
    trusted = pinned(document(ALICE, BOB), by=[ALICE, BOB])

    assert extend(trusted, [], NOW) == trusted
    assert trusted.signers == {ALICE.id, BOB.id}


def test_another_root_than_the_pinned_is_refused() -> None:
    envelope = signed_root(document(ALICE, BOB), by=[ALICE, BOB])

    with pytest.raises(PinMismatch):
        pin(envelope, sha256(b"another"))


def test_a_pinned_root_needs_its_own_threshold() -> None:
    with pytest.raises(ThresholdNotMet):
        pinned(document(ALICE, BOB), by=[ALICE])


def test_a_chain_of_roots_is_followed() -> None:
    trusted = pinned(document(ALICE, BOB), by=[ALICE, BOB])
    second = signed_root(document(BOB, CAROL, version=2), by=[ALICE, BOB, CAROL])
    third = signed_root(document(CAROL, DAVE, version=3), by=[BOB, CAROL, DAVE])

    last = extend(trusted, [second, third], NOW)

    assert (last.root.version, last.envelope) == (3, third)
    assert extend(extend(trusted, [second], NOW), [third], NOW) == last


@pytest.mark.parametrize("by", [[BOB, CAROL], [ALICE, BOB], [ALICE, CAROL]])
def test_a_root_without_both_thresholds_is_refused(by: list[Person]) -> None:
    trusted = pinned(document(ALICE, BOB), by=[ALICE, BOB])

    with pytest.raises(ThresholdNotMet):
        extend(trusted, [signed_root(document(BOB, CAROL, version=2), by=by)], NOW)


def test_a_key_of_the_next_root_only_is_no_stranger_to_this_one() -> None:
    trusted = pinned(document(ALICE, BOB), by=[ALICE, BOB])
    second = document(BOB, CAROL, version=2)

    with pytest.raises(ThresholdNotMet) as refusal:
        extend(trusted, [signed_root(second, by=[BOB, CAROL])], NOW)

    assert type(refusal.value) is ThresholdNotMet
    assert refusal.value.reasons == {ALICE.id: "did not sign"}


def test_a_root_that_only_strangers_signed_is_told_apart() -> None:
    trusted = pinned(document(ALICE, BOB), by=[ALICE, BOB])

    with pytest.raises(SignerNotInRole) as refusal:
        extend(trusted, [signed_root(document(CAROL, DAVE, version=2), by=[CAROL, DAVE])], NOW)

    assert refusal.value.strangers == {CAROL.id, DAVE.id}


def test_a_root_changed_under_its_signatures_is_told_apart() -> None:
    trusted = pinned(document(ALICE, BOB), by=[ALICE, BOB])
    honest = parse(signed_root(document(ALICE, BOB, version=2), by=[ALICE, BOB]))
    changed = replace(honest, payload=honest.payload + b" ").to_bytes()

    with pytest.raises(SignatureInvalid) as refusal:
        extend(trusted, [changed], NOW)
    with pytest.raises(SignatureInvalid):
        pin(changed, parse(changed).digest)

    assert refusal.value.invalid == {ALICE.id, BOB.id}
    assert extend(trusted, [honest.to_bytes()], NOW).root.version == 2


def test_a_root_that_one_owner_signed_with_two_keys_is_told_apart() -> None:
    home = Person.named("alice at home", owner="alice")
    made = document(ALICE, home, BOB)
    trusted = pinned(made, by=[ALICE, home, BOB])

    with pytest.raises(OneOwnerCountsOnce):
        extend(trusted, [signed_root({**made, "version": 2}, by=[ALICE, home])], NOW)

    assert extend(trusted, [signed_root({**made, "version": 2}, by=[home, BOB])], NOW)


@pytest.mark.parametrize("version", [1, 3])
def test_a_gap_in_the_chain_is_refused(version: int) -> None:
    trusted = pinned(document(ALICE), by=[ALICE])

    with pytest.raises(VersionNotNext):
        extend(trusted, [signed_root(document(ALICE, version=version), by=[ALICE])], NOW)


def test_a_root_of_another_repository_is_refused() -> None:
    trusted = pinned(document(ALICE), by=[ALICE])
    other = document(ALICE, version=2, repository="0d6b6e2e-4f0a-4c1c-9b6e-6a6f0d0c7a12")

    with pytest.raises(RepositoryDiffers):
        extend(trusted, [signed_root(other, by=[ALICE])], NOW)


def test_only_the_last_root_has_to_be_in_time() -> None:
    old = document(ALICE, expires="2026-11-20T12:00:00Z")
    trusted = pinned(old, by=[ALICE])
    second = signed_root(document(ALICE, version=2), by=[ALICE])

    assert extend(trusted, [second], NOW).root.version == 2
    assert extend(trusted, [], NOW - timedelta(seconds=1)) == trusted
    with pytest.raises(Expired):
        extend(trusted, [], NOW)


def test_the_last_roots_own_keys_have_to_be_in_force() -> None:
    revoked = {BOB.id: {"at": "2026-11-20T12:00:00Z", "reason": "left"}}
    trusted = pinned(document(ALICE, BOB), by=[ALICE, BOB])
    second = signed_root(document(ALICE, BOB, version=2, revoked=revoked), by=[ALICE, BOB])
    third = signed_root(document(ALICE, CAROL, version=3), by=[ALICE, BOB, CAROL])

    with pytest.raises(ThresholdNotMet):
        extend(trusted, [second], NOW)
    assert extend(trusted, [second, third], NOW).root.version == 3


def test_a_root_key_may_sign_its_own_revocation() -> None:
    trusted = pinned(document(ALICE, BOB), by=[ALICE, BOB])
    revoked = {BOB.id: {"at": "2026-11-19T00:00:00Z", "reason": "left"}}
    people = document(ALICE, BOB, CAROL, version=2, revoked=revoked)
    people["roles"]["root"] = granted(ALICE, CAROL, threshold=2)

    last = extend(trusted, [signed_root(people, by=[ALICE, BOB, CAROL])], NOW)

    assert last.signers == {ALICE.id, CAROL.id}


def test_a_root_in_the_wrong_envelope_is_refused() -> None:
    trusted = pinned(document(ALICE), by=[ALICE])
    payload = readable(document(ALICE, version=2))

    with pytest.raises(WrongPayloadType):
        extend(trusted, [sealed(payload, by=[ALICE], payload_type=IN_TOTO).to_bytes()], NOW)
    with pytest.raises(UnknownPayloadType):
        extend(trusted, [sealed(payload, by=[ALICE], payload_type="text/x").to_bytes()], NOW)
    assert extend(trusted, [sealed(payload, by=[ALICE], payload_type=ROOT).to_bytes()], NOW)


def test_a_root_too_large_to_follow_is_refused() -> None:
    trusted = pinned(document(ALICE), by=[ALICE])

    with pytest.raises(RootTooLarge):
        extend(trusted, [b" " * (ENVELOPE_MAX_BYTES + 1)], NOW)


def test_a_chain_too_long_to_follow_is_refused() -> None:
    trusted = pinned(document(ALICE), by=[ALICE])
    template = document(ALICE)
    chain = (
        sealed(readable({**template, "version": n}), by=[ALICE], payload_type=ROOT).to_bytes()
        for n in range(2, STEPS_MAX + 10)
    )

    with pytest.raises(RootTooLarge):
        extend(trusted, chain, NOW)


def test_a_security_key_signs_roots_as_sshsig() -> None:
    erin = Person.named("erin", scheme=Scheme.SSHSIG)

    assert extend(pinned(document(ALICE, erin), by=[ALICE, erin]), [], NOW).root.root.threshold == 2


def test_a_root_of_too_many_keys_is_refused() -> None:
    made = document(ALICE)

    with pytest.raises(MalformedRoot):
        read({**made, "keys": {f"SHA256:{number}": ALICE.entry for number in range(257)}})


def test_somebody_of_another_root_who_signed_the_pinned_one_too_is_no_stranger() -> None:
    with pytest.raises(ThresholdNotMet) as refusal:
        pinned(document(ALICE, BOB), by=[ALICE, CAROL])

    assert type(refusal.value) is ThresholdNotMet
    assert refusal.value.reasons == {BOB.id: "did not sign"}


def test_a_key_of_this_root_only_is_no_stranger_to_the_next_one() -> None:
    trusted = pinned(document(ALICE, BOB), by=[ALICE, BOB])

    with pytest.raises(ThresholdNotMet) as refusal:
        extend(trusted, [signed_root(document(BOB, CAROL, version=2), by=[ALICE, BOB])], NOW)

    assert type(refusal.value) is ThresholdNotMet
    assert refusal.value.reasons == {CAROL.id: "did not sign"}


def test_a_chain_one_root_longer_than_we_follow_is_refused() -> None:
    trusted = pinned(document(ALICE), by=[ALICE])
    chain = [
        signed_root(document(ALICE, version=number), by=[ALICE])
        for number in range(2, STEPS_MAX + 3)
    ]

    assert extend(trusted, chain[:-1], NOW).root.version == STEPS_MAX + 1
    with pytest.raises(RootTooLarge):
        extend(trusted, chain, NOW)


def test_a_root_whose_time_is_over_is_named_by_its_version() -> None:
    trusted = pinned(document(ALICE), by=[ALICE])
    second = signed_root(document(ALICE, version=2), by=[ALICE])
    late = trusted.root.expires

    with pytest.raises(Expired) as refusal:
        extend(trusted, [second], late)

    assert (refusal.value.what, refusal.value.expires, refusal.value.now) == ("root 2", late, late)
    assert extend(trusted, [second], late - timedelta(seconds=1)).root.version == 2
