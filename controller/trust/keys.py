"""Public keys: OpenSSH lines, fingerprints, and whether a key made a signature.

The only door to the Ed25519 library. Points that are not on the curve's main subgroup are refused
when a key is read, so a `PublicLine` that exists cannot accept forged signatures. Which keys may
sign what, and when, is decided by roles.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType, Self, assert_never

from nacl.bindings import (
    crypto_core_ed25519_is_valid_point,
    crypto_sign,
    crypto_sign_open,
    crypto_sign_seed_keypair,
)
from nacl.exceptions import BadSignatureError

from controller.kernel.errors import Untrusted
from controller.trust import sshsig
from controller.trust.sshwire import MalformedSsh, Reader, string

KeyId = NewType("KeyId", str)
"""An OpenSSH fingerprint: `SHA256:` and unpadded base64, as `ssh-keygen -lf` prints it."""

SEED_BYTES = 32
POINT_BYTES = 32
SIGNATURE_BYTES = 64
LINE_CHARACTERS_MAX = 1024

_LINE = re.compile(r"([a-z0-9@.-]+) ([A-Za-z0-9+/]+={0,2})(?: ([^\r\n]*))?\n?")
_USER_PRESENT = 0x01


class Scheme(StrEnum):
    """How a key signs an envelope: over the bytes themselves, or as an SSHSIG."""

    ED25519 = "ed25519"
    SSHSIG = "sshsig"


class Kind(StrEnum):
    """The key types we know."""

    ED25519 = "ssh-ed25519"
    SK_ED25519 = "sk-ssh-ed25519@openssh.com"


class BadPublicKey(Untrusted):
    """A public key line is malformed or its point is not acceptable."""

    code = "trust.bad_public_key"


class UnsupportedKey(Untrusted):
    """A public key is of a type we do not verify."""

    code = "trust.unsupported_key"

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"key type {kind[:64]!r} is not supported",
            hint="use an Ed25519 key: `ssh-keygen -t ed25519` (or ed25519-sk)",
        )
        self.kind = kind


@dataclass(frozen=True, slots=True)
class PublicLine:
    """A valid public key as one `authorized_keys` line holds it; the comment is dropped."""

    kind: Kind
    point: bytes
    application: bytes = b""

    @property
    def blob(self) -> bytes:
        """Return the key in SSH's wire form."""
        words = string(self.kind.encode()) + string(self.point)
        return words + string(self.application) if self.kind is Kind.SK_ED25519 else words

    @property
    def id(self) -> KeyId:
        """Return the fingerprint, always computed from the key itself."""
        digest = base64.b64encode(hashlib.sha256(self.blob).digest())
        return KeyId("SHA256:" + digest.decode().rstrip("="))

    @property
    def line(self) -> str:
        """Return the line without comment and newline."""
        return f"{self.kind} {base64.b64encode(self.blob).decode()}"

    def accepts_raw(self, message: bytes, signature: bytes) -> bool:
        """Whether 64 bytes are this key's plain Ed25519 signature over `message`."""
        if self.kind is not Kind.ED25519:
            return False
        return _verifies(self.point, message, signature)

    def accepts_ssh(self, message: bytes, signature: bytes) -> bool:
        """Whether an SSH signature blob is this key's over `message`; refuse malformed blobs.

        A security key's signature counts only when somebody touched the key.
        """
        reader = Reader(signature, "SSH signature")
        if reader.string() != self.kind.encode():
            return False
        inner = reader.string()
        if self.kind is Kind.ED25519:
            reader.finish()
            return _verifies(self.point, message, inner)
        flags, counter = reader.take(1), reader.take(4)
        reader.finish()
        if not flags[0] & _USER_PRESENT:
            return False
        application = hashlib.sha256(self.application).digest()
        signed = application + flags + counter + hashlib.sha256(message).digest()
        return _verifies(self.point, signed, inner)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key that a root names: whose it is, how it signs, and when it counts."""

    public: PublicLine
    id: KeyId
    scheme: Scheme
    owner: str
    not_before: datetime | None = None
    not_after: datetime | None = None
    revoked_at: datetime | None = None
    revoked_reason: str = ""

    @classmethod
    def of(cls, public: PublicLine, owner: str, scheme: Scheme = Scheme.ED25519) -> Self:
        """Return a key that always counts; its id is the fingerprint."""
        return cls(public, public.id, scheme, owner)

    @property
    def line(self) -> str:
        """Return the public line."""
        return self.public.line

    @property
    def material(self) -> bytes:
        """Return what makes two keys the same key, whatever they are called."""
        return self.public.point

    def accepts(self, message: bytes, signature: bytes) -> bool:
        """Whether `signature` is this key's, in its scheme, over `message` (an envelope's PAE)."""
        match self.scheme:
            case Scheme.ED25519:
                return self.public.accepts_raw(message, signature)
            case Scheme.SSHSIG:
                try:
                    sshsig.verify(signature, message, sshsig.DSSE_NAMESPACE, self.public)
                except (sshsig.BadSshSignature, MalformedSsh):
                    return False
                return True
        assert_never(self.scheme)


def parse_public_line(text: str) -> PublicLine:
    """Read `ssh-ed25519 AAAA… comment`; refuse other types, options and bad points."""
    if len(text) > LINE_CHARACTERS_MAX and not text.startswith(tuple(Kind)):
        raise UnsupportedKey(text.split(" ", 1)[0])
    match = _LINE.fullmatch(text)
    if match is None or len(text) > LINE_CHARACTERS_MAX:
        raise BadPublicKey(
            "not a public key line", hint="paste one line of a .pub file, without options"
        )
    if match[1] not in tuple(Kind):
        raise UnsupportedKey(match[1])
    try:
        blob = base64.b64decode(match[2], validate=True)
    except (binascii.Error, ValueError):
        raise BadPublicKey("the key is not base64") from None
    public = parse_public_blob(blob)
    if public.kind != match[1] or public.line != f"{match[1]} {match[2]}":
        raise BadPublicKey("the line and the key in it disagree")
    return public


def parse_public_blob(blob: bytes) -> PublicLine:
    """Read a key in SSH's wire form; the same refusals as for a line."""
    reader = Reader(blob, "public key")
    word = reader.string()
    name = word.decode(errors="replace")
    if name not in tuple(Kind):
        raise UnsupportedKey(name)
    kind = Kind(name)
    point = reader.string()
    application = reader.string() if kind is Kind.SK_ED25519 else b""
    reader.finish()
    return _public(kind, point, application)


def public_of_seed(seed: bytes) -> PublicLine:
    """Return the public key of a 32-byte Ed25519 seed."""
    if len(seed) != SEED_BYTES:
        raise BadPublicKey(f"a seed has {SEED_BYTES} bytes, not {len(seed)}")
    point: bytes = crypto_sign_seed_keypair(seed)[0]
    return _public(Kind.ED25519, point)


def sign_with_seed(seed: bytes, message: bytes) -> bytes:
    """Return the 64-byte Ed25519 signature over `message`."""
    secret = crypto_sign_seed_keypair(seed)[1]
    signed: bytes = crypto_sign(message, secret)
    return signed[:SIGNATURE_BYTES]


def _public(kind: Kind, point: bytes, application: bytes = b"") -> PublicLine:
    if len(point) != POINT_BYTES:
        raise BadPublicKey(f"an Ed25519 key has {POINT_BYTES} bytes, not {len(point)}")
    if not crypto_core_ed25519_is_valid_point(point):
        raise BadPublicKey("the key is not a valid Ed25519 point of full order")
    return PublicLine(kind, point, application)


def _verifies(point: bytes, message: bytes, signature: bytes) -> bool:
    # The library tells a wrong length by another exception than a wrong signature.
    if len(signature) != SIGNATURE_BYTES:
        return False
    try:
        crypto_sign_open(signature + message, point)
    except (BadSignatureError, ValueError):
        return False
    return True
