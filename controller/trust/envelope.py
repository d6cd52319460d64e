"""DSSE envelopes: the exact bytes a signature covers.

Everything here works on bytes. A payload reaches a parser only after `verify` has accepted it, so
a document from a stranger is never read. Several envelopes around the same bytes are one envelope
with several signatures.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from controller.kernel import strictjson
from controller.kernel.canonical import Digest, readable, sha256
from controller.kernel.errors import Untrusted

IN_TOTO = "application/vnd.in-toto+json"
ROOT = "application/vnd.countersign.root.v1+json"
PAYLOAD_TYPES = frozenset({IN_TOTO, ROOT})

SIZE_MAX_BYTES = 4 * 1024 * 1024
PAYLOAD_MAX_BYTES = 3 * 1024 * 1024
"""What we sign at most; base64 makes an envelope within its own limit no longer than this."""
SIGNATURES_MAX = 16
SIGNATURE_MAX_BYTES = 4096
ENVELOPES_MAX = SIGNATURES_MAX
"""How many envelopes of one payload are read: each holds a signature at least."""

_TOKENS_MAX = 1000  # sixteen signatures need 160

_TYPE = re.compile(r"[!-~]{1,200}", re.ASCII)
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]*|[A-Za-z0-9_-]*)={0,2}", re.ASCII)
_MEMBERS = {"payload", "payloadType", "signatures"}


class MalformedEnvelope(Untrusted):
    """Bytes are not a DSSE envelope as we read it; `path` is their file, where the reader knows."""

    code = "trust.malformed_envelope"

    def __init__(self, reason: str, *, path: str = "", hint: str = "") -> None:
        super().__init__(f"{path}: {reason}" if path else reason, hint=hint)
        self.reason, self.path = reason, path


class PayloadsDiffer(Untrusted):
    """Envelopes that should hold one payload hold different ones."""

    code = "trust.payloads_differ"

    def __init__(self, first: Digest, other: Digest) -> None:
        super().__init__(
            f"envelopes of one document hold different payloads: {first[:12]}… and {other[:12]}…",
            hint="every signer signs the same bytes: remove the envelope that differs, sign again",
        )
        self.first, self.other = first, other


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature; `keyid` is a hint whom to ask and proves nothing."""

    keyid: str | None
    sig: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload nobody has read yet, its type, and what claims to be signatures over both."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]

    @property
    def digest(self) -> Digest:
        """Return the payload's SHA-256: a document's identity, whoever signed it."""
        return sha256(self.payload)

    def message(self) -> bytes:
        """Return what signers sign."""
        return pae(self.payload_type, self.payload)

    def to_bytes(self) -> bytes:
        """Return the file's bytes: standard base64, sorted members, a final newline."""
        return readable(
            {
                "payload": base64.b64encode(self.payload).decode(),
                "payloadType": self.payload_type,
                "signatures": [_wire(signature) for signature in self.signatures],
            }
        )


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return DSSE's pre-authentication encoding: type and payload, each behind its size."""
    # Sizes count bytes, not characters: a type holding "é" is longer than it looks.
    name = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(name), name, len(payload), payload)


def parse(data: bytes, path: str = "") -> Envelope:
    """Read an envelope; its payload stays opaque bytes. A refusal names `path`, its file."""
    try:
        return _parse(data)
    except MalformedEnvelope as error:
        raise MalformedEnvelope(error.reason, path=path, hint=error.hint) from None


def _parse(data: bytes) -> Envelope:
    if len(data) > SIZE_MAX_BYTES:
        raise MalformedEnvelope(f"{len(data)} bytes is more than the {SIZE_MAX_BYTES} we read")
    document = _object(_json(data), required=_MEMBERS, optional=set(), what="the envelope")
    payload_type = document["payloadType"]
    if not (isinstance(payload_type, str) and _TYPE.fullmatch(payload_type)):
        raise MalformedEnvelope("payloadType must be 1 to 200 visible ASCII characters")
    payload = decode_base64(document["payload"], "payload")
    signatures = document["signatures"]
    if not isinstance(signatures, list) or not 1 <= len(signatures) <= SIGNATURES_MAX:
        raise MalformedEnvelope(f"signatures must be a list of 1 to {SIGNATURES_MAX}")
    return Envelope(payload_type, payload, tuple(_signature(item) for item in signatures))


def merge(envelopes: Sequence[Envelope]) -> Envelope:
    """Return one envelope with every distinct signature; refuse different payloads or types."""
    if not envelopes:
        raise MalformedEnvelope("there is no envelope", hint="sign it first")
    first = envelopes[0]
    for other in envelopes[1:]:
        if (other.payload_type, other.payload) != (first.payload_type, first.payload):
            raise PayloadsDiffer(first.digest, other.digest)
    signatures = tuple(dict.fromkeys(one for item in envelopes for one in item.signatures))
    if len(signatures) > SIGNATURES_MAX:
        raise MalformedEnvelope(f"{len(signatures)} signatures is more than {SIGNATURES_MAX}")
    return Envelope(first.payload_type, first.payload, signatures)


def decode_base64(text: object, what: str) -> bytes:
    """Read strict base64, standard or URL-safe, never mixed, padded, no spare bits."""
    if not (isinstance(text, str) and _BASE64.fullmatch(text)):
        raise MalformedEnvelope(f"{what} is not base64")
    standard = text.replace("-", "+").replace("_", "/")
    try:
        data = base64.b64decode(standard, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedEnvelope(f"{what} is not padded base64") from None
    if base64.b64encode(data).decode() != standard:
        raise MalformedEnvelope(f"{what} is not canonical base64")
    return data


def _json(data: bytes) -> object:
    try:
        value: object = strictjson.parse(
            data, size_max_bytes=SIZE_MAX_BYTES, tokens_max=_TOKENS_MAX
        )
    except strictjson.MalformedJson as error:
        raise MalformedEnvelope(f"the envelope is not JSON: {error}", hint=error.hint) from None
    return value


def _object(value: object, *, required: set[str], optional: set[str], what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MalformedEnvelope(f"{what} is not an object")
    missing, unknown = required - value.keys(), value.keys() - required - optional
    if missing:
        raise MalformedEnvelope(f"{what} lacks {min(missing)!r}")
    if unknown:
        raise MalformedEnvelope(f"{what} has an unknown member {min(unknown)[:64]!r}")
    return value


def _signature(item: object) -> Signature:
    members = _object(item, required={"sig"}, optional={"keyid"}, what="a signature")
    keyid = members.get("keyid", "")
    if not (isinstance(keyid, str) and len(keyid) <= 200):
        raise MalformedEnvelope("keyid must be a text of at most 200 characters")
    sig = decode_base64(members["sig"], "sig")
    if len(sig) > SIGNATURE_MAX_BYTES:
        raise MalformedEnvelope(f"a signature of {len(sig)} bytes")
    # DSSE: an absent and an empty keyid mean the same.
    return Signature(keyid or None, sig)


def _wire(signature: Signature) -> dict[str, str]:
    wire = {"sig": base64.b64encode(signature.sig).decode()}
    return wire if signature.keyid is None else {"keyid": signature.keyid, **wire}
