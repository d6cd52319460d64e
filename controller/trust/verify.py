"""From stranger's bytes to a `Verified` payload: the only way there.

The order: sizes, strict JSON and base64 of the envelopes (`envelope.parse`), one payload, a known
and expected payload type, signatures by the role's keys, distinct owners, and only then the bytes.
What the payload says is read by its own module, which checks it against the path it stands at.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

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


class SignatureInvalid(core.ThresholdNotMet):
    """Too few signed, and a signature is not good: the bytes are not those that were signed.

    `invalid` are the keys of the role that a bad signature names; empty where it names none.
    """

    code = "trust.signature_invalid"

    def __init__(self, found: core.ThresholdNotMet, invalid: Iterable[str]) -> None:
        self.invalid = frozenset(invalid)
        told = dict.fromkeys(self.invalid, "made a signature that does not verify")
        super().__init__(**_facts(found, {**found.reasons, **told}))

    def _say(self) -> tuple[str, str]:
        people = " and ".join(sorted({self.owner(key) for key in self.invalid})) or "somebody"
        message = (
            f"a signature does not verify: the payload was changed after {people} signed, or the "
            f"signature was damaged or is of another scheme than the root declares "
            f"(role {self.role!r} needs {self.need} owners, {self.have} signed these bytes)"
        )
        return message, "restore the envelope as it was signed, or sign what stands there now"


class SignerNotInRole(core.ThresholdNotMet):
    """Too few signed, and somebody signed whom the role does not list.

    `strangers` are the key ids that their signatures name.
    """

    code = "trust.signer_not_in_role"

    def __init__(self, found: core.ThresholdNotMet, strangers: Iterable[str]) -> None:
        self.strangers = frozenset(strangers)
        super().__init__(**_facts(found, found.reasons))

    def _say(self) -> tuple[str, str]:
        message, _ = super()._say()
        strangers = ", ".join(sorted(key[:64] for key in self.strangers))
        able = ", ".join(sorted(set(self.owners.values())))
        return (
            f"{message}; role {self.role!r} does not list the signer {strangers!r}",
            f"let somebody sign who may ({able}), or let a new root list the key",
        )


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
    A digest that the role grandfathers still needs the signatures, but no key is judged by date,
    and those that were revoked count.
    """
    envelope = merge(envelopes)
    if envelope.payload_type not in PAYLOAD_TYPES:
        raise UnknownPayloadType(envelope.payload_type)
    if envelope.payload_type != payload_type:
        raise WrongPayloadType(envelope.payload_type, payload_type)
    digest = envelope.digest
    judged_at = None if digest in role.grandfathered else now
    role = role.for_document(digest)
    with explained(envelope, role):
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


@contextmanager
def explained(
    envelope: Envelope, role: core.Role[PublicKey], *, others_sign: bool = False
) -> Iterator[None]:
    """Say why a role's threshold is not met, where the signatures themselves tell it.

    `others_sign`: keys of another role sign the same envelope, so that a stranger explains
    nothing as long as anybody of this role signed.
    """
    try:
        yield
    except core.ThresholdNotMet as found:
        invalid, unnamed, strangers = _not_good(envelope, role)
        if invalid or unnamed:
            raise SignatureInvalid(found, invalid) from None
        if isinstance(found, core.OneOwnerCountsOnce) or not strangers:
            raise
        if others_sign and found.signers:
            raise
        raise SignerNotInRole(found, strangers) from None


def _not_good(
    envelope: Envelope, role: core.Role[PublicKey]
) -> tuple[frozenset[str], bool, frozenset[str]]:
    """Return whom the signatures name that no key of the role made.

    That is keys of the role, whether any names nobody, and keys that are not of the role.
    """
    message = envelope.message()
    ours = {key.id for key in role.keys}
    named = {
        signature.keyid
        for signature in envelope.signatures
        if not any(key.accepts(message, signature.sig) for key in role.keys)
    }
    known = {key for key in named if key is not None}
    invalid = (known & ours) - accepted(envelope, role.keys)
    return frozenset(invalid), None in named, frozenset(known - ours)


class _Facts(TypedDict):
    role: str
    have: int
    need: int
    signers: frozenset[str]
    reasons: dict[str, str]
    owners: dict[str, str]


def _facts(found: core.ThresholdNotMet, reasons: dict[str, str]) -> _Facts:
    return _Facts(
        role=found.role,
        have=found.have,
        need=found.need,
        signers=found.signers,
        reasons=reasons,
        owners=found.owners,
    )


def _likely_first(keys: Sequence[PublicKey], signature: Signature) -> Sequence[PublicKey]:
    # A wrong or missing hint costs time, never a signature: every other key is still asked.
    return sorted(keys, key=lambda key: key.id != signature.keyid)
