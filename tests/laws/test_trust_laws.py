"""Laws of trust, for every input: what was signed verifies, what was changed does not."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.kernel.canonical import sha256
from controller.kernel.errors import Untrusted
from controller.kernel.objects import Oid
from controller.trust import sshsig
from controller.trust.core import ThresholdNotMet
from controller.trust.delegation import matches
from controller.trust.envelope import IN_TOTO, parse
from controller.trust.history import Accepted, Candidate, Forward, advance, judge
from controller.trust.keys import Scheme, parse_public_line
from controller.trust.sign import SeedSigner
from controller.trust.verify import verify
from tests.support.trust import ALICE, BOB, NOW, Person, role, sealed

SEEDS = st.binary(min_size=32, max_size=32)
PEOPLE = tuple(
    Person.named(f"{owner} {number}", owner=owner, scheme=scheme)
    for owner in ("alice", "bob", "carol")
    for number, scheme in enumerate(Scheme)
)
SEGMENTS = st.text("ab", min_size=1, max_size=3)


@given(seed=SEEDS, message=st.binary(max_size=200), namespace=st.text(min_size=1, max_size=20))
def test_what_a_key_signed_verifies_by_its_line(
    seed: bytes, message: bytes, namespace: str
) -> None:
    signer = SeedSigner.of(seed)
    public = parse_public_line(signer.public.line)

    assert public.accepts_raw(message, signer.sign(message))
    sshsig.verify(sshsig.sign(message, signer, namespace), message, namespace, public)


@given(position=st.integers(0, 400), flip=st.integers(1, 255))
def test_no_changed_byte_of_a_signature_is_accepted(position: int, flip: int) -> None:
    blob = bytearray(ALICE.signer.sshsig(b"m", "git"))
    blob[position % len(blob)] ^= flip

    with pytest.raises(Untrusted):
        sshsig.verify(bytes(blob), b"m", "git", ALICE.signer.public)


@given(
    signers=st.sets(st.sampled_from(PEOPLE), min_size=1), threshold=st.integers(1, 3), cut=st.data()
)
def test_a_threshold_is_met_by_exactly_that_many_owners(
    signers: set[Person], threshold: int, cut: st.DataObject
) -> None:
    everyone = role(*PEOPLE, threshold=threshold)
    ordered = sorted(signers, key=lambda person: person.id)
    made = [sealed(b"{}", by=[person]) for person in cut.draw(st.permutations(ordered))]
    owners = {person.name for person in signers}

    if len(owners) < threshold:
        with pytest.raises(ThresholdNotMet):
            verify(made, everyone, payload_type=IN_TOTO, now=NOW)
    else:
        assert verify(made, everyone, payload_type=IN_TOTO, now=NOW).owners == owners


@given(
    payload=st.binary(max_size=500), by=st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=4)
)
def test_an_envelope_survives_its_file(payload: bytes, by: Sequence[Person]) -> None:
    envelope = sealed(payload, by=by)

    assert parse(envelope.to_bytes()) == envelope


@given(data=st.binary(max_size=300))
def test_strangers_bytes_are_refused_and_nothing_else(data: bytes) -> None:
    with pytest.raises(Untrusted):
        parse(data)


@given(
    pattern=st.lists(st.one_of(SEGMENTS, st.sampled_from(["*", "?", "a*", "**"])), min_size=1),
    path=st.lists(SEGMENTS, min_size=1, max_size=6),
)
def test_a_glob_says_what_trying_every_way_says(pattern: list[str], path: list[str]) -> None:
    def every_way(patterns: list[str], segments: list[str]) -> bool:
        if not patterns:
            return not segments
        if patterns[0] == "**":
            rest = range(len(segments) + 1)
            return any(every_way(patterns[1:], segments[start:]) for start in rest)
        return (
            bool(segments)
            and fnmatchcase(segments[0], patterns[0])
            and every_way(patterns[1:], segments[1:])
        )

    pattern = pattern[:6]

    assert matches("/".join(pattern), "/".join(path)) is every_way(pattern, path)


@given(start=st.integers(1, 1000), steps=st.integers(1, 12))
def test_a_gapless_chain_goes_forward_to_its_end(start: int, steps: int) -> None:
    def release(serial: int) -> Candidate:
        before = (serial - 1, sha256(b"%d" % (serial - 1)))
        at_baseline = serial == start
        return Candidate(
            Oid(b"h" * 20), serial, sha256(b"%d" % serial), before, at_baseline=at_baseline
        )

    known = Accepted()
    for serial in range(start, start + steps):
        assert judge(known, release(serial), floor=1, reset=None, max_age=None, now=NOW) == Forward(
            serial, serial
        )
        known = advance(known, release(serial))
        with pytest.raises(Untrusted):
            judge(known, release(serial + 2), floor=1, reset=None, max_age=None, now=NOW)

    assert known.serial_high == start + steps - 1


@given(days=st.integers(-3, 3))
def test_a_key_counts_exactly_inside_its_window(days: int) -> None:
    moment = NOW + timedelta(days=days)
    windowed = replace(
        BOB.key, not_before=NOW - timedelta(days=1), not_after=NOW + timedelta(days=1)
    )
    alone = replace(role(BOB, threshold=1), keys=(windowed,))
    made = [sealed(b"{}", by=[BOB])]

    if -1 <= days < 1:
        assert verify(made, alone, payload_type=IN_TOTO, now=moment)
    else:
        with pytest.raises(ThresholdNotMet):
            verify(made, alone, payload_type=IN_TOTO, now=moment)
