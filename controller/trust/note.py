"""C2SP signed notes: a text that people can read, and lines that say who signed it.

    the text, one line or more

    — example.org/log Az3grlgt…

A signature line names its key: a name, and four bytes that tell apart the keys of that name. Both
are hints whom to ask. Lines of keys that nobody asked for are not looked at; a line of a key that
was asked for must verify, or the whole note is refused. Only what `verify` returns may be read.

Stricter than C2SP in one thing: every control character but newline is refused, not ASCII's only,
so that a note can be shown on a terminal. Of its signature types we know Ed25519.
"""

import base64
import binascii
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from controller.kernel.errors import Untrusted
from controller.trust.keys import Kind, PublicLine, parse_public_blob
from controller.trust.sign import CannotSign, Signer
from controller.trust.sshwire import string

SIZE_MAX_BYTES = 1 << 20
SIGNATURES_MAX = 100
ED25519 = b"\x01"
ID_BYTES = 4

_MARK = "— "
_UNFIT = ("Cc", "Cs")  # controls, and halves of characters, which have no bytes
_VKEY = re.compile(r"([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})")


class MalformedNote(Untrusted):
    """Bytes are not a signed note, or a text cannot become one."""

    code = "trust.malformed_note"


class MalformedVerifierKey(Untrusted):
    """A text is not a verifier key as C2SP writes them, or not of an Ed25519 key."""

    code = "trust.malformed_verifier_key"


class NoteSignature(Untrusted):
    """A line of a known key does not verify."""

    code = "trust.note_signature"

    def __init__(self, name: str) -> None:
        super().__init__(f"the signature of {name} on the note does not verify")
        self.name = name


class NoteNotSigned(Untrusted):
    """None of the known keys signed."""

    code = "trust.note_not_signed"

    def __init__(self, names: Sequence[str]) -> None:
        said = ", ".join(repr(name[:80]) for name in names[:5])
        super().__init__(f"no known key signed the note, only {said}")
        self.names = tuple(names)


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A key under the name it signs notes with."""

    name: str
    public: PublicLine

    def __post_init__(self) -> None:
        """A name is what fits into a line; a key is one that makes plain signatures."""
        if not _is_name(self.name):
            raise MalformedVerifierKey(f"{self.name[:80]!r} is not a name for a note's key")
        if self.public.kind is not Kind.ED25519:
            raise MalformedVerifierKey(f"a key of type {self.public.kind} cannot sign notes")

    @property
    def id(self) -> bytes:
        """Return the four bytes that tell the key apart from others of its name."""
        named = self.name.encode() + b"\n" + ED25519 + self.public.point
        return hashlib.sha256(named).digest()[:ID_BYTES]

    @property
    def vkey(self) -> str:
        """Return the key as other tools read it."""
        point = base64.b64encode(ED25519 + self.public.point).decode()
        return f"{self.name}+{self.id.hex()}+{point}"

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """Read `name+id+base64`; refuse other types, bad points, and an id of another key."""
        match = _VKEY.fullmatch(vkey)
        data = _base64(match[3]) if match else None
        if match is None or data is None:
            raise MalformedVerifierKey("not a verifier key", hint="it looks like name+id+base64")
        if not data.startswith(ED25519):
            raise MalformedVerifierKey("the key is not of signature type 1 (Ed25519)")
        blob = string(Kind.ED25519.encode()) + string(data.removeprefix(ED25519))
        key = cls(match[1], parse_public_blob(blob))
        if key.id.hex() != match[2]:
            raise MalformedVerifierKey(f"the id is {match[2]}, the key's is {key.id.hex()}")
        return key


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """One line below a note, believed by nobody yet."""

    name: str
    id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class VerifiedNote:
    """A text that known keys signed. Only `verify` makes one."""

    text: str
    signers: tuple[VerifierKey, ...]


def sign(text: str, name: str, signer: Signer) -> bytes:
    """Return the note with one signature; raise `CannotSign` for a key that only makes SSHSIGs."""
    if not signer.raw:
        raise CannotSign(
            f"key {signer.public.id} makes SSH signatures only; a note needs a plain one",
            hint="use an Ed25519 key file, or ssh-agent",
        )
    key = VerifierKey(name, signer.public)
    signature = signer.sign(text.encode("utf-8", "surrogatepass"))
    line = f"{_MARK}{name} {base64.b64encode(key.id + signature).decode()}\n"
    signed = f"{text}\n{line}".encode("utf-8", "surrogatepass")
    # Whoever reads the note reads exactly this text, or the text is no text for a note.
    if verify(signed, [key]).text != text:
        raise MalformedNote("the text cannot be told apart from its signatures")
    return signed


def verify(data: bytes, keys: Iterable[VerifierKey]) -> VerifiedNote:
    """Return the text that at least one of `keys` signed, or raise; unknown keys count nothing."""
    text, lines = split(data)
    known, signers = tuple(keys), []
    for line in lines:
        asked = [key for key in known if (key.name, key.id) == (line.name, line.id)]
        accepting = [key for key in asked if key.public.accepts_raw(text.encode(), line.signature)]
        if asked and not accepting:
            raise NoteSignature(line.name)
        signers += accepting
    if not signers:
        raise NoteNotSigned([line.name for line in lines])
    return VerifiedNote(text, tuple(dict.fromkeys(signers)))


def split(data: bytes) -> tuple[str, tuple[SignatureLine, ...]]:
    """Return a note's text and its signature lines, believing neither."""
    if len(data) > SIZE_MAX_BYTES:
        raise MalformedNote(f"{len(data)} bytes is more than the {SIZE_MAX_BYTES} we read")
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise MalformedNote("a note is UTF-8") from None
    if any(unicodedata.category(one) == "Cc" for one in set(whole) - {"\n"}):
        raise MalformedNote("a note holds no control characters but newlines")
    # The text may hold empty lines: the last one is where it ends.
    above, empty, below = whole.rpartition("\n\n")
    if not empty or not below.endswith("\n"):
        raise MalformedNote("a note is a text, an empty line, and signatures")
    lines = below.removesuffix("\n").split("\n")
    if len(lines) > SIGNATURES_MAX:
        raise MalformedNote(f"{len(lines)} signatures is more than {SIGNATURES_MAX}")
    return above + "\n", tuple(_signature_line(line) for line in lines)


def _signature_line(line: str) -> SignatureLine:
    name, space, encoded = line.removeprefix(_MARK).partition(" ")
    data = _base64(encoded)
    if not line.startswith(_MARK) or not space or not _is_name(name):
        raise MalformedNote(f"{line[:80]!r} is not a signature line")
    if data is None or len(data) <= ID_BYTES:
        raise MalformedNote(f"the signature of {name[:80]!r} is not base64 of an id and more")
    return SignatureLine(name, data[:ID_BYTES], data[ID_BYTES:])


def _is_name(name: str) -> bool:
    unfit = (one.isspace() or one == "+" or unicodedata.category(one) in _UNFIT for one in name)
    return bool(name) and not any(unfit)


def _base64(text: str) -> bytes | None:
    """Read standard base64 in its one form: padded, no spare bits."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return None
    return data if base64.b64encode(data).decode() == text else None
