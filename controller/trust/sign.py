"""Making signatures: who can sign, and envelopes and commits signed by them.

A signer is a seed in memory, an agent or a child process; here only what they have in common. What
a signer returns is verified before anybody else sees it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol, Self

from controller.kernel.errors import Untrusted
from controller.trust import sshsig
from controller.trust.envelope import PAYLOAD_MAX_BYTES, Envelope, Signature, merge
from controller.trust.keys import (
    Kind,
    PublicKey,
    PublicLine,
    Scheme,
    public_of_seed,
    sign_with_seed,
)
from controller.trust.sshwire import string


class CannotSign(Untrusted):
    """A signer cannot sign this way, or what it returned is not its signature."""

    code = "trust.cannot_sign"


class Signer(Protocol):
    """Somebody who holds a private key."""

    @property
    def public(self) -> PublicLine:
        """Return the public key."""
        ...

    @property
    def raw(self) -> bool:
        """Whether `sign` works; otherwise only an SSHSIG can be made."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the plain 64-byte Ed25519 signature over `message`."""
        ...

    def sshsig(self, message: bytes, namespace: str) -> bytes:
        """Return an SSHSIG blob over `message`."""
        ...


@dataclass(frozen=True, slots=True)
class SeedSigner:
    """An Ed25519 key in memory. Its seed is never printed."""

    public: PublicLine
    _seed: bytes = field(repr=False)

    @classmethod
    def of(cls, seed: bytes) -> Self:
        """Return the signer of a 32-byte seed."""
        return cls(public_of_seed(seed), bytes(seed))

    @property
    def raw(self) -> bool:
        """Return that it signs plainly."""
        return True

    def sign(self, message: bytes) -> bytes:
        """Return the plain 64-byte Ed25519 signature over `message`."""
        return sign_with_seed(self._seed, message)

    def sshsig(self, message: bytes, namespace: str) -> bytes:
        """Return an SSHSIG blob over `message`, with SHA-512 as OpenSSH does."""
        inner = self.sign(sshsig.to_be_signed(message, namespace))
        blob = string(Kind.ED25519.encode()) + string(inner)
        return sshsig.assemble(self.public.blob, blob, namespace=namespace)


def usual_scheme(signer: Signer) -> Scheme:
    """Return the scheme to declare for a signer's key in a new root."""
    return Scheme.ED25519 if signer.raw else Scheme.SSHSIG


def sign_envelope(
    payload_type: str, payload: bytes, signers: Iterable[tuple[Signer, Scheme]]
) -> Envelope:
    """Return an envelope signed by each signer, in the scheme the root declares for its key."""
    if len(payload) > PAYLOAD_MAX_BYTES:
        raise CannotSign(f"a payload of {len(payload)} bytes; the limit is {PAYLOAD_MAX_BYTES}")
    envelope = Envelope(payload_type, payload, ())
    for signer, scheme in signers:
        envelope = add_signature(envelope, signer, scheme)
    return envelope


def add_signature(envelope: Envelope, signer: Signer, scheme: Scheme) -> Envelope:
    """Return the envelope with one more signature; an earlier one by the same key is replaced."""
    signature = make_signature(envelope, signer, scheme)
    others = tuple(one for one in envelope.signatures if one.keyid != signature.keyid)
    return merge(
        [Envelope(envelope.payload_type, envelope.payload, (*others, signature))],
    )


def make_signature(envelope: Envelope, signer: Signer, scheme: Scheme) -> Signature:
    """Return one signature over an envelope's type and payload, verified."""
    if scheme is Scheme.ED25519 and not signer.raw:
        raise CannotSign(
            f"key {signer.public.id} can sign as 'sshsig' only here, the root declares 'ed25519'",
            hint="sign with the key file or through ssh-agent",
        )
    message = envelope.message()
    sig = (
        signer.sign(message)
        if scheme is Scheme.ED25519
        else signer.sshsig(message, sshsig.DSSE_NAMESPACE)
    )
    if not PublicKey.of(signer.public, "signer", scheme).accepts(message, sig):
        raise CannotSign(f"what the signer of {signer.public.id} returned does not verify")
    return Signature(signer.public.id, sig)


def sign_commit(content: bytes, signer: Signer) -> str:
    """Return the armored signature of a raw commit without its `gpgsig` header."""
    armored = sshsig.sign(content, signer, sshsig.COMMIT_NAMESPACE)
    sshsig.verify(armored, content, sshsig.COMMIT_NAMESPACE, signer.public)
    return armored
