"""From stranger's bytes to a `Verified` payload: the only way there.

The order: sizes, strict JSON and base64 of the envelopes (`envelope.parse`), one payload, a known
and expected payload type, signatures by the role's keys, distinct owners, and only then the bytes.
What the payload says is read by its own module, which checks it against the path it stands at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from controller.kernel.canonical import Digest
from controller.kernel.errors import Untrusted
from controller.trust import core
from controller.trust.envelope import PAYLOAD_TYPES, Envelope, Signature, merge
from controller.trust.keys import KeyId, PublicKey


class UnknownPayloadType(Untrusted):
    """An envelope's payload type is none of ours."""

    code = "trust.unknown_payload_type"

    def __init__(self, payload_type: str) -> None:
        super().__init__(f"payload type {payload_type!r} is unknown")
        self.payload_type = payload_type


class WrongPayloadType(Untrusted):
    """An envelope holds a known type of payload, but not the one that belongs here."""

    code = "trust.wrong_payload_type"

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(f"payload type {found!r} where {expected!r} belongs")
        self.found, self.expected = found, expected


@dataclass(frozen=True, slots=True)
class Verified:
    """A payload that enough owners signed. Only `verify` makes one."""

    payload: bytes
    payload_type: str
    signers: frozenset[KeyId]
    owners: frozenset[str]
    digest: Digest


def verify(
    envelopes: Sequence[Envelope],
    role: core.Role[PublicKey],
    *,
    payload_type: str,
    now: datetime,
    author: str | None = None,
) -> Verified:
    """Return the one payload of `envelopes` when the role's threshold signed it, or raise.

    `author` is the owner who wrote the change, where the role excludes them from its threshold.
    A digest that the role grandfathers still needs the signatures, but no key is judged by date.
    """
    envelope = merge(envelopes)
    if envelope.payload_type not in PAYLOAD_TYPES:
        raise UnknownPayloadType(envelope.payload_type)
    if envelope.payload_type != payload_type:
        raise WrongPayloadType(envelope.payload_type, payload_type)
    digest = envelope.digest
    judged_at = None if digest in role.grandfathered else now
    count = core.require(role, accepted(envelope, role.keys), now=judged_at, author=author)
    signers = frozenset(KeyId(one) for one in count.signers)
    return Verified(envelope.payload, envelope.payload_type, signers, count.owners, digest)


def accepted(envelope: Envelope, keys: Sequence[PublicKey]) -> frozenset[KeyId]:
    """Return the keys of `keys` that made a good signature, whether or not they count."""
    message = envelope.message()
    found: set[KeyId] = set()
    for signature in envelope.signatures:
        for key in _likely_first(keys, signature):
            if key.id not in found and key.accepts(message, signature.sig):
                found.add(key.id)
                break
    return frozenset(found)


def _likely_first(keys: Sequence[PublicKey], signature: Signature) -> Sequence[PublicKey]:
    # A wrong or missing hint costs time, never a signature: every other key is still asked.
    return sorted(keys, key=lambda key: key.id != signature.keyid)
