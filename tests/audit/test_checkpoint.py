"""A checkpoint that somebody else keeps: what it shows that git alone cannot."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from controller.audit import trail as breaks
from controller.audit.checkpoint import (
    Extension,
    SignedCheckpoint,
    origin,
    prove_extensions,
    sign_checkpoint,
)
from controller.trust import note
from controller.trust.checkpoint import Checkpoint
from controller.trust.keys import PublicKey
from controller.trust.root import Root
from controller.trust.sign import Signer
from controller.trust.transparency import EMPTY_ROOT, leaf_hash, tree_root
from tests.support.audit import NOON, REPOSITORY, digest_of
from tests.support.trail import AUDITOR, STRANGER, Trail, renumbered, rooted

ORIGIN = f"countersign/{REPOSITORY}/one"


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    return Trail.at(tmp_path).build(5)


def made(trail: Trail, signer: Signer = AUDITOR, root: Root | None = None) -> SignedCheckpoint:
    return sign_checkpoint(trail.prove(), root or rooted(), signer, now=NOON)


def prove(trail: Trail, *notes: bytes, root: Root | None = None) -> tuple[Extension, ...]:
    named = {f"{number}.txt": one for number, one in enumerate(notes, start=1)}
    return prove_extensions(trail.prove(), root or rooted(), named, now=NOON)


def cut(trail: Trail, length: int) -> None:
    """Cut the tail of the branch, as somebody who may push to it can."""
    trail.point_at(trail.commits()[length - 1])


def rewrite_from(trail: Trail, seq: int) -> None:
    """Write other records from `seq` on, as somebody who stole the audit key can."""
    changed = [
        one if one.seq < seq else replace(one, plan_digest=digest_of("another plan"))
        for one in trail.records
    ]
    trail.rewrite(renumbered(changed))


def test_a_checkpoint_names_the_trail_its_length_and_the_root_over_its_records(
    trail: Trail,
) -> None:
    root = tree_root([leaf_hash(one.to_bytes()) for one in trail.records])

    checkpoint = made(trail).checkpoint

    assert checkpoint == Checkpoint(ORIGIN, 5, root)
    assert origin(REPOSITORY, "one") == ORIGIN


def test_other_tools_verify_it_by_its_printed_key(trail: Trail) -> None:
    signed = made(trail)

    verified = note.verify(signed.note, [note.VerifierKey.parse(signed.key.vkey)])

    assert verified.text == signed.checkpoint.text()
    assert signed.key.name == ORIGIN


def test_the_same_trail_always_has_the_same_checkpoint(trail: Trail) -> None:
    before = made(trail)
    trail.rewrite(trail.records)

    assert made(trail) == before


def test_a_trail_that_was_cut_off_is_proven_by_git_alone_and_not_by_a_checkpoint(
    trail: Trail,
) -> None:
    kept = made(trail).note
    cut(trail, 3)

    with pytest.raises(breaks.TrailTruncated) as refusal:
        prove(trail, kept)

    assert refusal.value.seq == 4
    assert "knows of 5 records, the branch has 3" in str(refusal.value)
    assert len(trail.prove().links) == 3


@pytest.mark.allows("audit-key.forged")
def test_a_trail_that_is_whole_or_longer_extends_its_checkpoints(trail: Trail) -> None:
    tip = trail.tip()
    cut(trail, 3)
    early = made(trail)
    trail.point_at(tip)
    late = made(trail)

    held = prove(trail, late.note, early.note)

    assert [(one.name, one.checkpoint) for one in held] == [
        ("2.txt", early.checkpoint),
        ("1.txt", late.checkpoint),
    ]
    assert {key.id for one in held for key in one.signers} == {AUDITOR.public.id}


@pytest.mark.stops("audit-key.forged")
def test_a_trail_rewritten_with_the_audit_key_is_not_the_one_of_the_checkpoint(
    trail: Trail,
) -> None:
    kept = made(trail).note
    rewrite_from(trail, 4)

    with pytest.raises(breaks.TrailRewritten) as refusal:
        prove(trail, kept)

    assert refusal.value.seq == 1
    assert len(trail.prove().links) == 5


def test_more_checkpoints_say_closer_where_a_trail_was_rewritten(trail: Trail) -> None:
    tip, notes = trail.tip(), []
    for length in (1, 3, 5):
        trail.point_at(tip)
        cut(trail, length)
        notes.append(made(trail).note)
    rewrite_from(trail, 4)

    with pytest.raises(breaks.TrailRewritten) as refusal:
        prove(trail, *notes)

    assert (refusal.value.seq, refusal.value.commit) == (4, trail.commits()[3])
    assert [one.checkpoint.size for one in prove(trail, *notes[:2])] == [1, 3]


def test_a_trail_that_goes_on_differently_after_its_checkpoint_is_lawful(trail: Trail) -> None:
    tip = trail.tip()
    cut(trail, 3)
    kept = made(trail).note
    trail.point_at(tip)
    rewrite_from(trail, 4)

    assert [one.checkpoint.size for one in prove(trail, kept)] == [3]


def test_the_checkpoint_of_an_empty_trail_is_the_beginning_of_every_trail(trail: Trail) -> None:
    empty = note.sign(Checkpoint(ORIGIN, 0, EMPTY_ROOT).text(), ORIGIN, AUDITOR)
    other = note.sign(Checkpoint(ORIGIN, 0, leaf_hash(b"")).text(), ORIGIN, AUDITOR)

    assert len(prove(trail, empty)) == 1
    with pytest.raises(breaks.TrailRewritten):
        prove(trail, other)


def test_a_strangers_checkpoint_is_refused(trail: Trail) -> None:
    text = made(trail).checkpoint.text()

    with pytest.raises(breaks.CheckpointSignature) as refusal:
        prove(trail, note.sign(text, ORIGIN, STRANGER))

    assert refusal.value.name == "1.txt"
    assert prove(trail, note.sign(text, ORIGIN, AUDITOR))


def test_a_strangers_cosignature_does_no_harm(trail: Trail) -> None:
    kept = made(trail)
    witness = note.sign(kept.checkpoint.text(), "witness.example", STRANGER)
    cosigned = kept.note + witness.rpartition(b"\n\n")[2]

    assert [key.id for key in prove(trail, cosigned)[0].signers] == [AUDITOR.public.id]


def test_a_changed_checkpoint_is_refused(trail: Trail) -> None:
    with pytest.raises(breaks.CheckpointSignature):
        prove(trail, made(trail).note.replace(b"\n5\n", b"\n4\n"))


def test_a_checkpoint_of_another_trail_is_refused(trail: Trail) -> None:
    elsewhere = rooted(repository="0d6b6e2e-4f0a-4c1c-9b6e-6a6f0d0c7a12")
    kept = made(trail, root=elsewhere).note

    with pytest.raises(breaks.CheckpointForeign):
        prove(trail, kept)

    assert prove(trail, kept, root=elsewhere)


@pytest.mark.parametrize("data", [b"", b"\xff", b"no note\n"])
def test_what_is_no_note_is_refused(trail: Trail, data: bytes) -> None:
    with pytest.raises(breaks.CheckpointMalformed):
        prove(trail, data)


def test_a_note_with_more_lines_than_a_checkpoint_is_refused(trail: Trail) -> None:
    text = made(trail).checkpoint.text()

    with pytest.raises(breaks.CheckpointMalformed):
        prove(trail, note.sign(text + "extension\n", ORIGIN, AUDITOR))


def test_a_checkpoint_of_a_revoked_key_is_refused_and_of_a_rotated_one_is_not(
    trail: Trail,
) -> None:
    kept = made(trail).note
    other = PublicKey.of(STRANGER.public, "controller")
    key = replace(PublicKey.of(AUDITOR.public, "controller"), revoked_reason="lost")

    with pytest.raises(breaks.CheckpointSignature, match="was revoked"):
        prove(trail, kept, root=rooted((other, replace(key, revoked_at=NOON))))

    later = replace(key, revoked_at=NOON + timedelta(days=1))
    assert prove(trail, kept, root=rooted((other, later)))


def test_a_key_that_is_no_audit_key_makes_no_checkpoint(trail: Trail) -> None:
    with pytest.raises(breaks.CheckpointSignature):
        made(trail, signer=STRANGER)


def test_no_checkpoints_prove_nothing_and_refuse_nothing(trail: Trail) -> None:
    assert prove(trail) == ()
