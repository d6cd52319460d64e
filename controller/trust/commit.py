"""Raw git commits and their SSH signatures, read more strictly than git reads them.

Exactly one `gpgsig` header, no `gpgsig-sha256`, only headers we know, each where git writes it. A
key is judged at the instant we first see the commit, never at the commit's own date: that date is
whatever its author typed.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from controller.kernel.errors import Untrusted
from controller.kernel.objects import Oid
from controller.trust import sshsig
from controller.trust.core import reason_not_in_force
from controller.trust.keys import KeyId, PublicKey, parse_public_blob
from controller.trust.sshwire import MalformedSsh

SIZE_MAX_BYTES = 1024 * 1024
PARENTS_MAX = 64

_PERSON = re.compile(rb"([^\n\x00<>]*) <([^\n\x00<>]*)> (\d{1,12}) ([+-]\d{4})")
_OID = re.compile(rb"[0-9a-f]{40}")
_SIGNATURE = b"gpgsig"
_KNOWN = (b"tree", b"parent", b"author", b"committer", b"encoding", b"mergetag", _SIGNATURE)
_FREE = _KNOWN.index(b"encoding")
_ONCE = (b"tree", b"author", b"committer")
_YEAR_2200 = 7258118400


class MalformedCommit(Untrusted):
    """A commit object is not as git writes it, or holds headers we do not know."""

    code = "trust.malformed_commit"


class CommitNotSigned(Untrusted):
    """A commit carries no SSH signature."""

    code = "trust.commit_not_signed"


class CommitNotTrusted(Untrusted):
    """A commit's signature is bad, or not by a key that may sign it now."""

    code = "trust.commit_not_trusted"

    def __init__(self, reason: str, *, key: str = "") -> None:
        super().__init__(
            f"commit signature refused: {reason}",
            hint="sign the commit with a key that the root names (git commit -S, gpg.format=ssh)",
        )
        self.reason, self.key = reason, key


@dataclass(frozen=True, slots=True)
class ParsedCommit:
    """A commit's parts; `signed` is what its signature covers, the object without `gpgsig`."""

    tree: Oid
    parents: tuple[Oid, ...]
    author: str
    authored_at: datetime
    committer: str
    committed_at: datetime
    message: bytes
    signature: str | None
    signed: bytes


def parse_commit(raw: bytes, *, size_max_bytes: int = SIZE_MAX_BYTES) -> ParsedCommit:
    """Read a commit object's content, or raise `MalformedCommit`."""
    if len(raw) > size_max_bytes:
        raise MalformedCommit(f"a commit of {len(raw)} bytes; we read {size_max_bytes}")
    head, separator, message = raw.partition(b"\n\n")
    if not separator or b"\x00" in raw:
        raise MalformedCommit("a commit without a blank line after its headers, or with a NUL")
    headers = _headers(head)
    values = {name: [value for one, value in headers if one == name] for name in _KNOWN}
    for name in _ONCE:
        if len(values[name]) != 1:
            raise MalformedCommit(f"a commit with {len(values[name])} {name.decode()} headers")
    if len(values[_SIGNATURE]) > 1:
        raise MalformedCommit("a commit with two signatures")
    if len(values[b"parent"]) > PARENTS_MAX:
        raise MalformedCommit(f"a commit with {len(values[b'parent'])} parents")
    author, authored_at = _person(values[b"author"][0])
    committer, committed_at = _person(values[b"committer"][0])
    signatures = values[_SIGNATURE]
    return ParsedCommit(
        tree=_oid(values[b"tree"][0]),
        parents=tuple(_oid(value) for value in values[b"parent"]),
        author=author,
        authored_at=authored_at,
        committer=committer,
        committed_at=committed_at,
        message=message,
        signature=_signature(signatures[0]) if signatures else None,
        signed=_without_signature(headers) + b"\n" + message,
    )


def verify_commit(raw: bytes, keys: Iterable[PublicKey], now: datetime) -> KeyId:
    """Return which of `keys` signed the commit and is in force `now`, or raise."""
    return verify_parsed(parse_commit(raw), keys, now)


def verify_parsed(commit: ParsedCommit, keys: Iterable[PublicKey], now: datetime) -> KeyId:
    """Return which of `keys` signed a commit that was read and is in force `now`, or raise."""
    if commit.signature is None:
        raise CommitNotSigned(
            "the commit is not signed", hint="git config commit.gpgsign true, gpg.format ssh"
        )
    try:
        blob = sshsig.dearmor(commit.signature)
        named = sshsig.key_blob(blob)
        key = next((one for one in keys if one.public.blob == named), None)
        if key is None:
            raise CommitNotTrusted("its key may not sign this")
        sshsig.verify(blob, commit.signed, sshsig.COMMIT_NAMESPACE, key.public)
    except (sshsig.BadSshSignature, MalformedSsh) as error:
        raise CommitNotTrusted(str(error)) from error
    reason = reason_not_in_force(key, now)
    if reason:
        raise CommitNotTrusted(f"key {key.id} {reason}", key=key.id)
    return key.id


def named_key(commit: ParsedCommit) -> str:
    """Return the id of the key that a commit's signature names, '' where it names none we read.

    A hint whom to ask, never a proof.
    """
    if commit.signature is None:
        return ""
    try:
        return parse_public_blob(sshsig.key_blob(commit.signature)).id
    except Untrusted:
        return ""  # Whatever it names, no root could.


def with_signature(content: bytes, armored: str) -> bytes:
    """Return the commit object that git makes of unsigned content and an armored signature."""
    head, separator, message = content.partition(b"\n\n")
    if not separator:
        raise MalformedCommit("a commit without a blank line after its headers")
    folded = armored.rstrip("\n").replace("\n", "\n ").encode()
    return head + b"\n" + _SIGNATURE + b" " + folded + b"\n\n" + message


def _headers(head: bytes) -> list[tuple[bytes, bytes]]:
    headers: list[tuple[bytes, bytes]] = []
    for line in head.split(b"\n"):
        if line.startswith(b" "):
            if not headers or headers[-1][0] not in (b"mergetag", _SIGNATURE):
                raise MalformedCommit("a continued line where none belongs")
            name, value = headers[-1]
            headers[-1] = (name, value + b"\n" + line[1:])
            continue
        name, space, value = line.partition(b" ")
        if not space or name not in _KNOWN:
            raise MalformedCommit(f"a commit header {name[:40].decode(errors='replace')!r}")
        headers.append((name, value))
    # Tree, parents, author and committer come before all others, whose order depends on git's age.
    ranks = [min(_KNOWN.index(name), _FREE) for name, _value in headers]
    if ranks != sorted(ranks):
        raise MalformedCommit("commit headers out of order")
    return headers


def _without_signature(headers: list[tuple[bytes, bytes]]) -> bytes:
    kept = [(name, value) for name, value in headers if name != _SIGNATURE]
    return b"".join(name + b" " + value.replace(b"\n", b"\n ") + b"\n" for name, value in kept)


def _signature(value: bytes) -> str:
    text = value.decode("ascii", errors="replace")
    if not text.startswith("-----BEGIN SSH SIGNATURE-----"):
        raise CommitNotSigned("the commit is not signed with SSH", hint="git config gpg.format ssh")
    # Git's own writer leaves no empty line at the end; some others fold the last newline in.
    return text.rstrip("\n") + "\n"


def _person(value: bytes) -> tuple[str, datetime]:
    match = _PERSON.fullmatch(value)
    if match is None or int(match[3]) >= _YEAR_2200:
        raise MalformedCommit("an author or committer line that git would not write")
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(match[3]))
    person = b"%s <%s>" % (match[1], match[2])
    return person.decode(errors="replace"), moment


def _oid(value: bytes) -> Oid:
    if not _OID.fullmatch(value):
        raise MalformedCommit("an object id that is not 40 hex digits")
    return Oid(bytes.fromhex(value.decode()))
