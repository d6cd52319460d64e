"""Checkpoints of an audit trail: what somebody else keeps, so that nothing can be cut off the end.

The trail is a list of records; a record's leaf is made of its bytes, so a checkpoint fixes what the
records say and not how they were committed. A checkpoint is signed with the audit key, and proves
nothing until the trail was proven without it. Later the trail must begin with what it fixed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from controller.audit import trail
from controller.audit.prove import Proof
from controller.kernel.errors import Untrusted
from controller.trust import note
from controller.trust.checkpoint import Checkpoint, MalformedCheckpoint
from controller.trust.core import reason_not_in_force
from controller.trust.keys import Kind, PublicKey
from controller.trust.note import VerifiedNote, VerifierKey
from controller.trust.sign import Signer
from controller.trust.transparency import tree_root


class TrailRoot(Protocol):
    """The root of trust in force, as far as checkpoints ask it."""

    @property
    def repository(self) -> str: ...

    def audit_keys(self, controller: str) -> tuple[PublicKey, ...]: ...


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint that this host made: the note to give away, and the key to check it with."""

    checkpoint: Checkpoint
    note: bytes
    key: VerifierKey


@dataclass(frozen=True, slots=True)
class Extension:
    """A checkpoint that the trail begins with. Only `prove_extensions` makes one."""

    name: str
    checkpoint: Checkpoint
    signers: tuple[PublicKey, ...]


@dataclass(frozen=True, slots=True)
class _Read:
    """A checkpoint that an audit key signed; the trail was not asked yet."""

    name: str
    checkpoint: Checkpoint
    signers: tuple[PublicKey, ...]


def origin(repository: str, controller: str) -> str:
    """Return what a trail is called, all over the world."""
    return f"countersign/{repository}/{controller}"


def sign_checkpoint(
    proof: Proof, root: TrailRoot, signer: Signer, *, now: datetime
) -> SignedCheckpoint:
    """Return the checkpoint of the whole proven trail, which everybody with `root` accepts.

    Raises `CannotSign` for a key that makes no plain signatures and `CheckpointSignature` for one
    that is not among the controller's audit keys.
    """
    name = origin(root.repository, proof.controller)
    made = Checkpoint(name, len(proof.links), _root_over(proof, len(proof.links)))
    signed = note.sign(made.text(), name, signer)
    prove_extensions(proof, root, {f"by {signer.public.id}": signed}, now=now)
    return SignedCheckpoint(made, signed, VerifierKey(name, signer.public))


def prove_extensions(
    proof: Proof, root: TrailRoot, notes: Mapping[str, bytes], *, now: datetime
) -> tuple[Extension, ...]:
    """Prove that a trail begins with what each checkpoint fixed, the shortest first.

    Raises a `BrokenCheckpoint` for a note, by its name, that cannot be believed, `TrailTruncated`
    for a trail shorter than its checkpoint, and `TrailRewritten` for other records. A root over
    records cannot say which of them differs: the first that may is the one behind the checkpoint
    that held before, so the more checkpoints, the closer.
    """
    read = [_read(name, data, root, proof.controller, now) for name, data in notes.items()]
    held: list[Extension] = []
    for one in sorted(read, key=lambda one: (one.checkpoint.size, one.name)):
        _check(proof, one, held)
        held.append(Extension(one.name, one.checkpoint, one.signers))
    return tuple(held)


def _check(proof: Proof, one: _Read, held: Sequence[Extension]) -> None:
    said, length = one.checkpoint, len(proof.links)
    if length < said.size:
        detail = f"checkpoint {one.name} knows of {said.size} records, the branch has {length}"
        raise trail.TrailTruncated(proof.controller, commit=None, seq=length + 1, detail=detail)
    if _root_over(proof, said.size) == said.root:
        return
    shorter = [other.checkpoint.size for other in held if other.checkpoint.size < said.size]
    first = max(shorter, default=0) + 1
    detail = f"checkpoint {one.name} fixes records 1 to {said.size}; one from {first} on differs"
    commit = proof.links[first - 1].commit
    raise trail.TrailRewritten(proof.controller, commit=commit, seq=first, detail=detail)


def _root_over(proof: Proof, size: int) -> bytes:
    return tree_root([link.leaf for link in proof.links[:size]])


def _read(name: str, data: bytes, root: TrailRoot, controller: str, now: datetime) -> _Read:
    wanted = origin(root.repository, controller)
    keys = {
        VerifierKey(wanted, key.public): key
        for key in root.audit_keys(controller)
        if key.public.kind is Kind.ED25519
    }
    said = _unverified(name, data)
    if said.origin != wanted:
        raise trail.CheckpointForeign(name, detail=f"{said.origin[:200]!r} is not {wanted!r}")
    try:
        verified = note.verify(data, keys)
    except Untrusted as error:
        raise trail.CheckpointSignature(name, detail=str(error)) from error
    return _Read(name, Checkpoint.parse(verified.text), _in_force(name, verified, keys, now))


def _unverified(name: str, data: bytes) -> Checkpoint:
    """Return what a stranger says: enough to tell whom to ask, and that this is not the file."""
    try:
        return Checkpoint.parse(note.split(data)[0])
    except (note.MalformedNote, MalformedCheckpoint) as error:
        raise trail.CheckpointMalformed(name, detail=str(error)) from error


def _in_force(
    name: str, verified: VerifiedNote, keys: Mapping[VerifierKey, PublicKey], now: datetime
) -> tuple[PublicKey, ...]:
    signers = [keys[signer] for signer in verified.signers]
    reasons = {key.id: reason_not_in_force(key, now) for key in signers}
    counting = tuple(key for key in signers if not reasons[key.id])
    if not counting:
        detail = ", ".join(f"key {key} {reason}" for key, reason in reasons.items())
        raise trail.CheckpointSignature(name, detail=detail)
    return counting
