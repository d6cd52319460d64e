"""OpenSSH's private key text for Ed25519, unencrypted: read and written as `ssh-keygen` does.

Encrypted keys are never decrypted here: that is ssh-agent's business.
"""

import base64
import binascii
import re

from controller.kernel.errors import Refused
from controller.trust.keys import SEED_BYTES, Kind, public_of_seed
from controller.trust.sshwire import MalformedSsh, Reader, string, uint32

_MAGIC = b"openssh-key-v1\x00"
_BEGIN = "-----BEGIN OPENSSH PRIVATE KEY-----"
_END = "-----END OPENSSH PRIVATE KEY-----"
_ARMOR = re.compile(rf"{_BEGIN}\r?\n([A-Za-z0-9+/=\r\n]+){_END}\s*", re.ASCII)
_BLOCK_BYTES = 8
_COLUMNS = 70


class BadPrivateKey(Refused):
    """A private key file cannot be used; its contents are never part of the message."""

    code = "trust.bad_private_key"


class EncryptedPrivateKey(BadPrivateKey):
    """A private key is protected by a passphrase."""

    code = "trust.encrypted_private_key"

    def __init__(self) -> None:
        super().__init__(
            "the private key is protected by a passphrase",
            hint="add it to ssh-agent (`ssh-add`) and sign with --agent, or use --ssh-keygen",
        )


def parse_private_key(data: bytes) -> bytes:
    """Return the 32-byte seed of an OpenSSH private key, or of a file of just those 32 bytes."""
    if len(data) == SEED_BYTES:
        return data
    match = _ARMOR.fullmatch(data.decode("ascii", errors="replace"))
    if match is None:
        raise BadPrivateKey(
            "not an OpenSSH private key", hint="make one with `countersign key new`"
        )
    try:
        blob = base64.b64decode("".join(match[1].split()), validate=True)
    except (binascii.Error, ValueError):
        raise BadPrivateKey("the private key is not base64") from None
    try:
        return _seed(blob)
    except MalformedSsh as error:
        raise BadPrivateKey(f"the private key is damaged: {error}") from None


def render_private_key(seed: bytes, comment: str, check: int) -> bytes:
    """Return the file's bytes; `check` is any 32-bit number, written twice as OpenSSH does."""
    public = public_of_seed(seed)
    section = uint32(check) * 2 + string(Kind.ED25519.encode())
    section += string(public.point) + string(seed + public.point) + string(comment.encode())
    section += bytes(range(1, 1 + -len(section) % _BLOCK_BYTES))
    words = string(b"none") + string(b"none") + string(b"") + uint32(1)
    text = base64.b64encode(_MAGIC + words + string(public.blob) + string(section)).decode()
    lines = [text[at : at + _COLUMNS] for at in range(0, len(text), _COLUMNS)]
    return "\n".join([_BEGIN, *lines, _END, ""]).encode()


def _seed(blob: bytes) -> bytes:
    reader = Reader(blob, "private key")
    if reader.take(len(_MAGIC)) != _MAGIC:
        raise BadPrivateKey("not an OpenSSH private key")
    cipher, derivation = reader.string(), reader.string()
    reader.string()
    if cipher != b"none" or derivation != b"none":
        raise EncryptedPrivateKey
    if reader.uint32() != 1:
        raise BadPrivateKey("the file holds more than one key")
    public, section = reader.string(), Reader(reader.string(), "private key")
    reader.finish()
    if section.uint32() != section.uint32():
        raise BadPrivateKey("the private key is damaged: its check numbers differ")
    kind = section.string().decode(errors="replace")
    if kind != Kind.ED25519:
        raise BadPrivateKey(
            f"a private key of type {kind[:64]!r}",
            hint="use `ssh-keygen -t ed25519`; security keys sign with --agent or --ssh-keygen",
        )
    section.string()
    seed = section.string()[:SEED_BYTES]
    if len(seed) != SEED_BYTES or public_of_seed(seed).blob != public:
        raise BadPrivateKey("the private key is damaged: its halves do not belong together")
    return seed
