"""Verification: too few, too late, too much the same person; each with a twin that passes."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.trust.core import OneOwnerCountsOnce, Role, ThresholdNotMet
from controller.trust.envelope import IN_TOTO, ROOT, Envelope, PayloadsDiffer, Signature
from controller.trust.keys import PublicKey, Scheme
from controller.trust.verify import (
    SignatureInvalid,
    SignerNotInRole,
    UnknownPayloadType,
    WrongPayloadType,
    verify,
)
from tests.support.trust import ALICE, BOB, CAROL, NOW, Person, role, sealed

TWO_OF_TWO = role(ALICE, BOB, threshold=2)
DAY = timedelta(days=1)


def ask(*envelopes: Envelope, of: Role[PublicKey] = TWO_OF_TWO) -> frozenset[str]:
    return verify(envelopes, of, payload_type=IN_TOTO, now=NOW).owners


def dated(**dates: object) -> Role[PublicKey]:
    late = replace(ALICE.key, **dates)  # type: ignore[arg-type]
    return Role("routing", (late, BOB.key), 2)


@pytest.mark.stops("installation.same-key-twice")
def test_one_key_that_signs_twice_counts_once() -> None:
    once = sealed(b"{}", by=[ALICE])
    twice = replace(once, signatures=(*once.signatures, replace(once.signatures[0], keyid=BOB.id)))

    with pytest.raises(ThresholdNotMet) as refusal:
        ask(twice)

    assert (refusal.value.have, refusal.value.need) == (1, 2)


@pytest.mark.allows("installation.same-key-twice", "installation.one-signature")
def test_two_keys_that_sign_once_are_enough() -> None:
    verified = verify([sealed(b"{}", by=[ALICE, BOB])], TWO_OF_TWO, payload_type=IN_TOTO, now=NOW)

    assert verified.payload == b"{}"
    assert verified.signers == {ALICE.id, BOB.id}
    assert verified.owners == {"alice", "bob"}


def test_signatures_in_several_files_add_up() -> None:
    assert ask(sealed(b"{}", by=[ALICE]), sealed(b"{}", by=[BOB])) == {"alice", "bob"}


def test_signatures_over_several_payloads_do_not() -> None:
    with pytest.raises(PayloadsDiffer):
        ask(sealed(b"{}", by=[ALICE]), sealed(b"[]", by=[BOB]))


@pytest.mark.stops("installation.one-owner-two-keys")
def test_one_owner_with_two_keys_counts_once() -> None:
    home = Person.named("alice at home", owner="alice")
    two_of_three = role(ALICE, home, BOB, threshold=2)

    with pytest.raises(OneOwnerCountsOnce) as refusal:
        ask(sealed(b"{}", by=[ALICE, home]), of=two_of_three)

    assert refusal.value.signers == {ALICE.id, home.id}
    assert "belong to alice, and one owner counts once" in str(refusal.value)
    assert ask(sealed(b"{}", by=[home, BOB]), of=two_of_three) == {"alice", "bob"}


def test_too_few_who_signed_is_only_that() -> None:
    with pytest.raises(ThresholdNotMet) as refusal:
        ask(sealed(b"{}", by=[ALICE]))

    assert type(refusal.value) is ThresholdNotMet
    assert "bob did not sign" in str(refusal.value)


@pytest.mark.stops("installation.changed-bytes")
def test_a_changed_payload_is_refused() -> None:
    with pytest.raises(SignatureInvalid) as refusal:
        ask(replace(sealed(b"{}", by=[ALICE, BOB]), payload=b"{ }"))

    assert refusal.value.invalid == {ALICE.id, BOB.id}
    assert (refusal.value.role, refusal.value.have, refusal.value.need) == ("routing", 0, 2)
    assert set(refusal.value.reasons.values()) == {"made a signature that does not verify"}
    assert "changed after alice and bob signed" in str(refusal.value)
    assert "did not sign" not in str(refusal.value)


def test_a_changed_payload_whose_signatures_name_nobody_is_refused() -> None:
    made = sealed(b"{}", by=[ALICE, BOB])
    nameless = tuple(Signature(None, one.sig) for one in made.signatures)

    with pytest.raises(SignatureInvalid) as refusal:
        ask(replace(made, payload=b"{ }", signatures=nameless))

    assert refusal.value.invalid == frozenset()
    assert "changed after somebody signed" in str(refusal.value)


def test_a_bad_signature_beside_enough_good_ones_does_no_harm() -> None:
    made = sealed(b"{}", by=[ALICE, BOB])
    bad = Signature(CAROL.id, b"x" * 64), Signature(ALICE.id, b"x" * 64)

    assert ask(replace(made, signatures=(*bad, *made.signatures))) == {"alice", "bob"}


def test_a_bad_signature_of_somebody_who_also_made_a_good_one_is_no_reason() -> None:
    made = sealed(b"{}", by=[ALICE])

    with pytest.raises(ThresholdNotMet) as refusal:
        ask(replace(made, signatures=(*made.signatures, Signature(ALICE.id, b"x" * 64))))

    assert type(refusal.value) is ThresholdNotMet


def test_a_changed_payload_type_is_refused() -> None:
    relabelled = replace(sealed(b"{}", by=[ALICE, BOB], payload_type=ROOT), payload_type=IN_TOTO)

    with pytest.raises(SignatureInvalid):
        ask(relabelled)


@pytest.mark.stops("installation.unlisted-key")
def test_a_stranger_does_not_count() -> None:
    with pytest.raises(SignerNotInRole) as refusal:
        ask(sealed(b"{}", by=[ALICE, CAROL]))

    assert refusal.value.strangers == {CAROL.id}
    assert refusal.value.signers == {ALICE.id}
    assert (refusal.value.role, refusal.value.have, refusal.value.need) == ("routing", 1, 2)
    assert refusal.value.reasons == {BOB.id: "did not sign"}
    assert "alice, bob" in refusal.value.hint


def test_a_refusal_names_strangers_in_order_and_by_no_more_than_64_letters() -> None:
    named = (Signature("b" * 64 + "c", b"x"), Signature("a", b"x"))

    with pytest.raises(SignerNotInRole) as refusal:
        ask(Envelope(IN_TOTO, b"{}", named))

    assert str(refusal.value).endswith(f"does not list the signer 'a, {'b' * 64}'")
    assert refusal.value.strangers == {"a", "b" * 64 + "c"}


@pytest.mark.allows("installation.unlisted-key")
def test_a_stranger_beside_enough_owners_does_no_harm() -> None:
    assert ask(sealed(b"{}", by=[ALICE, BOB, CAROL])) == {"alice", "bob"}


@pytest.mark.parametrize("keyid", [None, "", "SHA256:somebody", CAROL.id])
def test_a_wrong_hint_loses_no_signature(keyid: str | None) -> None:
    made = sealed(b"{}", by=[ALICE, BOB])
    hinted = tuple(Signature(keyid, one.sig) for one in made.signatures)

    assert ask(replace(made, signatures=hinted)) == {"alice", "bob"}


@pytest.mark.parametrize("size", [0, 1, 63, 65, 4096])
def test_signatures_of_odd_sizes_are_only_bad(size: int) -> None:
    made = sealed(b"{}", by=[ALICE, BOB])

    with pytest.raises(SignatureInvalid) as refusal:
        ask(replace(made, signatures=(made.signatures[0], Signature(BOB.id, b"x" * size))))

    assert refusal.value.invalid == {BOB.id}


def test_an_unknown_payload_type_is_refused() -> None:
    with pytest.raises(UnknownPayloadType) as refusal:
        ask(sealed(b"{}", by=[ALICE, BOB], payload_type="text/plain"))

    assert refusal.value.payload_type == "text/plain"


@pytest.mark.stops("installation.wrong-role")
def test_a_root_is_no_release() -> None:
    with pytest.raises(WrongPayloadType) as refusal:
        ask(sealed(b"{}", by=[ALICE, BOB], payload_type=ROOT))

    assert (refusal.value.found, refusal.value.expected) == (ROOT, IN_TOTO)


@pytest.mark.stops("key.gone")
@pytest.mark.parametrize(
    ("dates", "reason"),
    [
        (
            {"revoked_at": NOW, "revoked_reason": "lost"},
            "was revoked at 2026-11-20T12:00:00Z (lost)",
        ),
        ({"revoked_at": NOW}, "was revoked at 2026-11-20T12:00:00Z"),
        ({"not_before": NOW + DAY}, "counts only from 2026-11-21T12:00:00Z"),
        ({"not_after": NOW}, "counted only until 2026-11-20T12:00:00Z"),
    ],
)
def test_a_key_out_of_its_time_does_not_count(dates: dict[str, object], reason: str) -> None:
    with pytest.raises(ThresholdNotMet) as refusal:
        ask(sealed(b"{}", by=[ALICE, BOB]), of=dated(**dates))

    assert refusal.value.reasons == {ALICE.id: reason}
    assert reason in str(refusal.value)


@pytest.mark.allows("key.gone")
@pytest.mark.parametrize(
    "dates", [{"revoked_at": NOW + DAY}, {"not_before": NOW}, {"not_after": NOW + DAY}]
)
def test_a_key_within_its_time_counts(dates: dict[str, object]) -> None:
    assert ask(sealed(b"{}", by=[ALICE, BOB]), of=dated(**dates)) == {"alice", "bob"}


def test_a_grandfathered_document_outlives_its_keys_but_not_its_signatures() -> None:
    made = sealed(b"{}", by=[ALICE, BOB])
    kept = replace(dated(revoked_at=NOW - DAY), grandfathered=frozenset({made.digest}))

    assert ask(made, of=kept) == {"alice", "bob"}
    with pytest.raises(ThresholdNotMet):
        ask(sealed(b"{}", by=[BOB]), of=kept)


def test_a_key_that_left_its_role_counts_for_what_is_grandfathered_and_nothing_else() -> None:
    made = sealed(b"{}", by=[ALICE, BOB])
    left = replace(role(ALICE, CAROL, threshold=2), former=(BOB.key,))

    with pytest.raises(ThresholdNotMet):
        ask(made, of=left)
    with pytest.raises(ThresholdNotMet):
        ask(
            sealed(b"[]", by=[ALICE, BOB]), of=replace(left, grandfathered=frozenset({made.digest}))
        )
    assert ask(made, of=replace(left, grandfathered=frozenset({made.digest}))) == {"alice", "bob"}


def test_both_schemes_meet_one_threshold() -> None:
    carol = Person.named("carol", scheme=Scheme.SSHSIG)

    assert ask(sealed(b"{}", by=[ALICE, carol]), of=role(ALICE, carol, threshold=2)) == {
        "alice",
        "carol",
    }


def test_a_signature_in_the_scheme_that_was_not_declared_does_not_count() -> None:
    declared = role(ALICE, Person.named("carol", scheme=Scheme.SSHSIG), threshold=2)

    with pytest.raises(SignatureInvalid, match="another scheme"):
        ask(sealed(b"{}", by=[ALICE, CAROL]), of=declared)
