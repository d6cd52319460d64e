"""The core by itself: no envelope, no root document, only values."""

from datetime import timedelta

import pytest

from controller.trust.core import (
    AuthorUnknown,
    BadRole,
    Expired,
    OneOwnerCountsOnce,
    RepositoryDiffers,
    Role,
    RootFacts,
    ThresholdNotMet,
    VersionNotNext,
    check_expiry,
    is_still_met,
    next_root,
    one_each,
    require,
)
from controller.trust.keys import Kind, PublicKey, PublicLine, Scheme
from tests.support.trust import ALICE, BOB, CAROL, NOW, Person, role

SECOND = timedelta(seconds=1)


def facts(signers: Role[PublicKey], version: int, repository: str = "r") -> RootFacts[PublicKey]:
    return RootFacts(repository, version, NOW + SECOND, signers)


def test_owners_are_counted_not_keys() -> None:
    second_key = Person.named("alice at home", owner="alice")
    two = role(ALICE, second_key, BOB, threshold=2)

    with pytest.raises(OneOwnerCountsOnce) as refusal:
        require(two, {ALICE.id, second_key.id}, now=NOW)
    with pytest.raises(ThresholdNotMet) as too_few:
        require(two, {ALICE.id}, now=NOW)

    assert (refusal.value.have, refusal.value.need) == (1, 2)
    assert refusal.value.signers == {ALICE.id, second_key.id}
    assert refusal.value.reasons == {BOB.id: "did not sign"}
    assert (too_few.value.role, too_few.value.owner(BOB.id)) == ("routing", "bob")
    assert too_few.value.owner("nobody's key") == "nobody's key"
    assert type(too_few.value) is ThresholdNotMet
    assert require(two, {second_key.id, BOB.id}, now=NOW).owners == {"alice", "bob"}


def test_a_refusal_says_who_is_missing_and_whose_keys_are_one_owners() -> None:
    home, away = (Person.named(f"{one}, another key", owner=one) for one in ("alice", "bob"))
    four = role(ALICE, home, BOB, away, CAROL, threshold=3)

    with pytest.raises(OneOwnerCountsOnce) as once:
        require(four, {ALICE.id, home.id, BOB.id, away.id}, now=NOW)
    with pytest.raises(ThresholdNotMet) as missing:
        require(role(ALICE, BOB, CAROL, threshold=3), {CAROL.id}, now=NOW)

    assert "the 4 keys that signed belong to alice, bob, and one owner" in str(once.value)
    assert str(missing.value) == (
        "role 'routing' needs 3 owners, 1 signed (alice did not sign; bob did not sign)"
    )


def test_a_refusal_without_reasons_has_no_empty_brackets() -> None:
    bare = ThresholdNotMet("routing", have=0, need=1, signers=(), reasons={})

    assert str(bare) == "role 'routing' needs 1 owners, 0 signed"


@pytest.mark.parametrize("threshold", [0, -1, 2])
def test_a_threshold_no_owners_could_meet_is_refused(threshold: int) -> None:
    with pytest.raises(BadRole):
        role(ALICE, Person.named("alice at home", owner="alice"), threshold=threshold)


def test_one_key_under_two_names_makes_no_role() -> None:
    with pytest.raises(BadRole):
        role(ALICE, Person("bob", ALICE.signer), threshold=1)


def test_the_author_does_not_count_where_the_role_says_so() -> None:
    four_eyes = role(ALICE, BOB, CAROL, threshold=2, exclude_author=True)
    signed = {ALICE.id, BOB.id}

    with pytest.raises(ThresholdNotMet) as refusal:
        require(four_eyes, signed, now=NOW, author="alice")
    with pytest.raises(AuthorUnknown):
        require(four_eyes, signed, now=NOW)

    assert refusal.value.reasons[ALICE.id] == "belongs to the author, alice"
    assert require(four_eyes, signed, now=NOW, author="carol").owners == {"alice", "bob"}


def test_the_next_root_needs_the_thresholds_of_both() -> None:
    old, new = facts(role(ALICE, BOB, threshold=2), 4), facts(role(BOB, CAROL, threshold=2), 5)
    both, old_only, new_only = {ALICE.id, BOB.id}, {ALICE.id, BOB.id}, {BOB.id, CAROL.id}

    assert next_root(old, new, accepted_by_trusted=both, accepted_by_candidate=new_only) is new
    with pytest.raises(ThresholdNotMet):
        next_root(old, new, accepted_by_trusted=old_only, accepted_by_candidate={BOB.id})
    with pytest.raises(ThresholdNotMet):
        next_root(old, new, accepted_by_trusted={BOB.id}, accepted_by_candidate=new_only)


@pytest.mark.parametrize("version", [3, 4, 6])
def test_a_root_that_is_not_the_next_one_is_refused(version: int) -> None:
    anybody, signed = role(ALICE, threshold=1), {ALICE.id}

    with pytest.raises(VersionNotNext) as refusal:
        next_root(
            facts(anybody, 4),
            facts(anybody, version),
            accepted_by_trusted=signed,
            accepted_by_candidate=signed,
        )

    assert (refusal.value.trusted, refusal.value.offered) == (4, version)


def test_a_root_of_another_repository_is_refused() -> None:
    anybody, signed = role(ALICE, threshold=1), {ALICE.id}

    with pytest.raises(RepositoryDiffers) as refusal:
        next_root(
            facts(anybody, 4),
            facts(anybody, 5, "elsewhere"),
            accepted_by_trusted=signed,
            accepted_by_candidate=signed,
        )

    assert (refusal.value.expected, refusal.value.found) == ("r", "elsewhere")


def test_the_instant_of_expiry_is_too_late() -> None:
    check_expiry("root", NOW + SECOND, NOW)
    check_expiry("root", None, NOW)

    with pytest.raises(Expired) as refusal:
        check_expiry("root", NOW, NOW)

    assert (refusal.value.what, refusal.value.expires, refusal.value.now) == ("root", NOW, NOW)


@pytest.mark.stops("installation.one-key-two-names")
def test_one_key_under_two_ids_makes_no_role() -> None:
    token = PublicLine(Kind.SK_ED25519, ALICE.signer.public.point, b"ssh:")
    twin = PublicKey.of(token, "mallory", Scheme.SSHSIG)

    with pytest.raises(BadRole, match="one key under two ids"):
        Role("routing", (ALICE.key, twin), 1)

    assert Role("routing", (ALICE.key, BOB.key), 1)


def test_one_key_under_two_ids_is_taken_once_where_a_format_allows_it() -> None:
    twin = Person("mallory", ALICE.signer).key

    assert one_each([ALICE.key, BOB.key, twin]) == (ALICE.key, BOB.key)
    assert one_each([twin, ALICE.key]) == (twin,)


def test_what_was_believed_counts_as_long_as_the_role_as_it_is_now_would_believe_it() -> None:
    signed = {ALICE.id, BOB.id}

    assert is_still_met(role(ALICE, BOB, threshold=2), signed)
    assert is_still_met(role(ALICE, CAROL, threshold=1), signed)
    assert not is_still_met(role(BOB, CAROL, threshold=2), signed)
