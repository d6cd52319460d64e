"""A memory spares the cryptography and nothing else; each refusal with a twin that passes."""

from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta

import pytest

from controller.kernel.canonical import Digest, sha256
from controller.trust.core import AuthorUnknown, Role, ThresholdNotMet
from controller.trust.envelope import IN_TOTO, ROOT, MalformedEnvelope
from controller.trust.keys import PublicKey
from controller.trust.memory import (
    LatestRemembered,
    NothingRemembered,
    VerifiedMemory,
    verify_files,
)
from controller.trust.verify import SignatureInvalid, Verified, WrongPayloadType
from tests.support.trust import ALICE, BOB, CAROL, NOW, Person, role, sealed

ROOT_1, ROOT_2 = sha256(b"root 1"), sha256(b"root 2")
PATH = "bundles/card-bin/a/versions/1/bundle.dsse.json"
SIGNED = sealed(b"{}", by=[ALICE, BOB]).to_bytes()
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Watched(PublicKey):
    """A key that writes down how often a signature was held against it."""

    asked: list[bytes] = field(default_factory=list, compare=False)

    def accepts(self, message: bytes, signature: bytes) -> bool:
        self.asked.append(signature)
        return PublicKey.accepts(self, message, signature)


def watched(person: Person, **dates: datetime) -> Watched:
    facts = {one.name: getattr(person.key, one.name) for one in fields(PublicKey)}
    return Watched(**(facts | dates))


def two_of(*keys: PublicKey, grandfathered: frozenset[str] = frozenset()) -> Role[PublicKey]:
    return Role("bundle/0", keys, 2, grandfathered=grandfathered)


def ask(
    memory: VerifiedMemory,
    of: Role[PublicKey],
    *,
    root: Digest = ROOT_1,
    now: datetime = NOW,
    data: bytes = SIGNED,
    payload_type: str = IN_TOTO,
    author: str | None = None,
) -> Verified:
    return verify_files(
        {PATH: data},
        of,
        root=root,
        payload_type=payload_type,
        now=now,
        memory=memory,
        author=author,
    )


def work(of: Role[PublicKey]) -> int:
    """Return how many signatures were held against keys so far."""
    return sum(len(key.asked) for key in of.keys if isinstance(key, Watched))


def test_what_was_verified_is_not_verified_again() -> None:
    memory, of = LatestRemembered(), two_of(watched(ALICE), watched(BOB))
    first = ask(memory, of)
    before = work(of)

    again = ask(memory, of)

    assert again == first
    assert again.owners == {"alice", "bob"}
    assert (before, work(of)) == (2, 2)


def test_a_memory_that_forgets_at_once_verifies_each_time() -> None:
    memory, of = NothingRemembered(), two_of(watched(ALICE), watched(BOB))

    ask(memory, of)
    ask(memory, of)

    assert work(of) == 4


def test_another_root_remembers_nothing_although_its_role_is_the_same() -> None:
    memory, of = LatestRemembered(), two_of(watched(ALICE), watched(BOB))
    ask(memory, of)

    ask(memory, of, root=ROOT_2)

    assert work(of) == 4


def test_another_role_of_the_same_root_is_asked_itself() -> None:
    memory = LatestRemembered()
    ask(memory, two_of(ALICE.key, BOB.key))

    with pytest.raises(ThresholdNotMet):
        ask(memory, two_of(ALICE.key, CAROL.key))
    assert ask(memory, two_of(CAROL.key, BOB.key, ALICE.key)).owners == {"alice", "bob"}


@pytest.mark.parametrize(
    "dates", [{"revoked_at": NOW}, {"not_after": NOW}], ids=["revoked", "ended"]
)
def test_a_key_that_stops_counting_stops_counting_at_once(dates: dict[str, datetime]) -> None:
    memory, of = LatestRemembered(), two_of(watched(ALICE, **dates), watched(BOB))
    ask(memory, of, now=NOW - DAY)

    assert ask(memory, of, now=NOW - timedelta(seconds=1)).owners == {"alice", "bob"}
    with pytest.raises(ThresholdNotMet) as refusal:
        ask(memory, of, now=NOW)
    assert (refusal.value.have, refusal.value.need) == (1, 2)


def test_a_key_that_begins_to_count_is_counted_from_then_on() -> None:
    late = replace(CAROL.key, not_before=NOW)
    memory, of = LatestRemembered(), two_of(ALICE.key, BOB.key, late)
    signed = sealed(b"{}", by=[ALICE, BOB, CAROL]).to_bytes()

    before = ask(memory, of, data=signed, now=NOW - DAY)
    after = ask(memory, of, data=signed, now=NOW)

    assert before.owners == {"alice", "bob"}
    assert after.owners == {"alice", "bob", "carol"}


def test_a_grandfathered_payload_is_remembered_whatever_becomes_of_its_keys() -> None:
    of = two_of(
        watched(ALICE, revoked_at=NOW), watched(BOB), grandfathered=frozenset({sha256(b"{}")})
    )
    memory = LatestRemembered()

    ask(memory, of, now=NOW - DAY)
    assert ask(memory, of, now=NOW + DAY).owners == {"alice", "bob"}

    assert work(of) == 2


def test_a_payload_that_was_changed_after_it_was_remembered_is_refused() -> None:
    memory, of = LatestRemembered(), two_of(ALICE.key, BOB.key)
    ask(memory, of)
    changed = replace(sealed(b"{}", by=[ALICE, BOB]), payload=b"[]").to_bytes()

    with pytest.raises(SignatureInvalid):
        ask(memory, of, data=changed)
    assert ask(memory, of, data=sealed(b"[]", by=[ALICE, BOB]).to_bytes()).payload == b"[]"


def test_one_payload_type_does_not_answer_for_another() -> None:
    memory, of = LatestRemembered(), two_of(ALICE.key, BOB.key)
    ask(memory, of)

    with pytest.raises(WrongPayloadType):
        ask(memory, of, payload_type=ROOT)


def test_one_author_does_not_answer_for_another() -> None:
    of = replace(two_of(ALICE.key, BOB.key), exclude_author=True)
    memory = LatestRemembered()
    ask(memory, of, author="carol")

    with pytest.raises(ThresholdNotMet):
        ask(memory, of, author="alice")
    assert ask(memory, of, author="dave").owners == {"alice", "bob"}


def test_what_was_verified_for_one_author_is_not_verified_for_them_again() -> None:
    of = replace(two_of(watched(ALICE), watched(BOB)), exclude_author=True)
    memory = LatestRemembered()

    assert ask(memory, of, author="carol") == ask(memory, of, author="carol")

    assert work(of) == 2
    with pytest.raises(AuthorUnknown):
        ask(memory, of)


def test_a_role_that_was_read_again_from_the_same_root_is_the_same_role() -> None:
    memory, of = LatestRemembered(), two_of(watched(ALICE), watched(BOB))
    ask(memory, of)
    again = two_of(watched(ALICE), watched(BOB))

    ask(memory, again)

    assert again is not of
    assert work(again) == 0


def test_signatures_in_two_files_are_not_those_of_one_file() -> None:
    alone = [sealed(b"{}", by=[one]).to_bytes() for one in (ALICE, BOB)]
    memory, of = LatestRemembered(), role(ALICE, BOB, threshold=2)

    def both() -> Verified:
        files = {f"{at}.dsse.json": data for at, data in enumerate(alone)}
        return verify_files(files, of, root=ROOT_1, payload_type=IN_TOTO, now=NOW, memory=memory)

    assert both() == both()
    with pytest.raises(ThresholdNotMet):
        ask(memory, of, data=alone[0])
    with pytest.raises(MalformedEnvelope):
        ask(memory, of, data=b"".join(alone))


def test_a_refusal_is_not_remembered() -> None:
    memory, of = LatestRemembered(), role(ALICE, CAROL, threshold=2)

    with pytest.raises(ThresholdNotMet):
        ask(memory, of)

    assert memory.records == {}


def test_a_stranger_who_adds_a_signature_makes_it_slow_and_nothing_else() -> None:
    signed = sealed(b"{}", by=[ALICE, BOB, CAROL]).to_bytes()
    memory, of = LatestRemembered(), two_of(watched(ALICE), watched(BOB))

    first = ask(memory, of, data=signed)

    assert first == ask(memory, of, data=signed) == ask(NothingRemembered(), of, data=signed)
    assert memory.records == {}


def test_a_malformed_envelope_names_its_file() -> None:
    with pytest.raises(MalformedEnvelope, match=PATH):
        ask(LatestRemembered(), two_of(ALICE.key, BOB.key), data=b"{")


def test_only_the_latest_are_remembered() -> None:
    memory, of = LatestRemembered(records_max=2), two_of(ALICE.key, BOB.key)

    for payload in (b"1", b"2", b"3"):
        ask(memory, of, data=sealed(payload, by=[ALICE, BOB]).to_bytes())

    kept = [one.verified.payload for one in memory.records.values()]
    assert kept == [b"2", b"3"]
