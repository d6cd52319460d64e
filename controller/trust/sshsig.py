"""SSHSIG: the signatures of `ssh-keygen -Y sign` and of git commits, made and checked in process.

What is written is byte for byte what OpenSSH writes for Ed25519 keys. What is read must be exact:
version 1, the namespace asked for, nothing reserved, SHA-256 or SHA-512, the expected key inside,
no byte after the end. Whether the key itself may sign is not decided here.
"""

import base64
import binascii
import hashlib
import re
from typing import Protocol

from controller.kernel.errors import Untrusted
from controller.trust.sshwire import Reader, string, uint32

MAGIC = b"SSHSIG"
VERSION = 1
DSSE_NAMESPACE = "dsse@countersign"
COMMIT_NAMESPACE = "git"
HASHES = ("sha256", "sha512")
ARMOR_COLUMNS = 70
SIZE_MAX_BYTES = 4096

_BEGIN = "-----BEGIN SSH SIGNATURE-----"
_END = "-----END SSH SIGNATURE-----"
_ARMOR = re.compile(rf"{_BEGIN}\n((?:[A-Za-z0-9+/=]{{1,76}}\n)+){_END}\n?", re.ASCII)


class BadSshSignature(Untrusted):
    """An SSHSIG is malformed, says something else than was asked, or does not verify."""

    code = "trust.bad_ssh_signature"

    def __init__(self, reason: str, *, hint: str = "") -> None:
        super().__init__(f"SSH signature refused: {reason}", hint=hint)
        self.reason = reason


class VerifyingKey(Protocol):
    """A public key as SSH sees it."""

    @property
    def blob(self) -> bytes:
        """Return the key in SSH's wire form."""
        ...

    def accepts_ssh(self, message: bytes, signature: bytes) -> bool:
        """Whether an SSH signature blob is this key's over `message`."""
        ...


class SshSigner(Protocol):
    """Somebody who can make an SSHSIG blob."""

    def sshsig(self, message: bytes, namespace: str) -> bytes:
        """Return an SSHSIG blob over `message`."""
        ...


def sign(message: bytes, signer: SshSigner, namespace: str) -> str:
    """Return the armored SSHSIG, with its final newline."""
    return armor(signer.sshsig(message, namespace))


def verify(signature: str | bytes, message: bytes, namespace: str, key: VerifyingKey) -> None:
    """Accept an armored signature (`str`) or a blob (`bytes`), or raise `BadSshSignature`."""
    blob = dearmor(signature) if isinstance(signature, str) else signature
    if len(blob) > SIZE_MAX_BYTES:
        raise BadSshSignature(f"{len(blob)} bytes is more than the {SIZE_MAX_BYTES} we read")
    reader = Reader(blob, "SSH signature")
    if reader.take(len(MAGIC)) != MAGIC:
        raise BadSshSignature("it does not start with SSHSIG")
    version = reader.uint32()
    if version != VERSION:
        raise BadSshSignature(f"version {version} is unknown")
    inner_key, said_namespace, reserved = reader.string(), reader.string(), reader.string()
    algorithm, inner_signature = reader.string(), reader.string()
    reader.finish()
    if not namespace or said_namespace != namespace.encode():
        said = said_namespace[:64].decode(errors="replace")
        raise BadSshSignature(
            f"namespace {said!r} is not {namespace!r}", hint=f"sign with -n {namespace}"
        )
    if reserved:
        raise BadSshSignature("its reserved field is not empty")
    hash_name = algorithm[:64].decode(errors="replace")
    if hash_name not in HASHES:
        raise BadSshSignature(f"hash {hash_name!r} is not sha256 or sha512")
    if inner_key != key.blob:
        raise BadSshSignature("another key made it")
    if not key.accepts_ssh(to_be_signed(message, namespace, hash_name), inner_signature):
        raise BadSshSignature("it does not verify")


def to_be_signed(message: bytes, namespace: str, hash_name: str = "sha512") -> bytes:
    """Return the bytes the key itself signs; refuse an empty namespace and other hashes."""
    if not namespace:
        raise BadSshSignature("the namespace is empty")
    if hash_name not in HASHES:
        raise BadSshSignature(f"hash {hash_name!r} is not sha256 or sha512")
    digest = hashlib.new(hash_name, message).digest()
    words = (namespace.encode(), b"", hash_name.encode(), digest)
    return MAGIC + b"".join(string(word) for word in words)


def assemble(
    key_blob: bytes, inner_signature: bytes, *, namespace: str, hash_name: str = "sha512"
) -> bytes:
    """Return the SSHSIG blob around a key's SSH signature blob."""
    words = (key_blob, namespace.encode(), b"", hash_name.encode(), inner_signature)
    return MAGIC + uint32(VERSION) + b"".join(string(word) for word in words)


def armor(blob: bytes) -> str:
    """Return the text form, wrapped at 70 columns as OpenSSH wraps it."""
    text = base64.b64encode(blob).decode()
    lines = [text[at : at + ARMOR_COLUMNS] for at in range(0, len(text), ARMOR_COLUMNS)]
    return "\n".join([_BEGIN, *lines, _END, ""])


def dearmor(text: str) -> bytes:
    """Return the blob of an armored signature; nothing may stand before or after it."""
    if len(text) > 2 * SIZE_MAX_BYTES:
        raise BadSshSignature(f"{len(text)} characters is too long")
    match = _ARMOR.fullmatch(text)
    if match is None:
        raise BadSshSignature("it is not an armored SSH signature")
    body = match[1].replace("\n", "")
    try:
        blob = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise BadSshSignature("its armor is not base64") from None
    if base64.b64encode(blob).decode() != body:
        raise BadSshSignature("its armor is not canonical base64")
    return blob


def key_blob(signature: str | bytes) -> bytes:
    """Return the public key that a signature names: a hint whom to ask, never a proof."""
    blob = dearmor(signature) if isinstance(signature, str) else signature
    reader = Reader(blob, "SSH signature")
    if reader.take(len(MAGIC)) != MAGIC or reader.uint32() != VERSION:
        raise BadSshSignature("it is not SSHSIG version 1")
    return reader.string()
