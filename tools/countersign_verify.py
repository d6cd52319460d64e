#!/usr/bin/env python3
"""Verify a Countersign artifact repository, or an audit trail, without Countersign.

    python3 -m pip install pynacl
    python3 countersign_verify.py repository CLONE --root 1.root.json
    python3 countersign_verify.py audit CLONE --root 1.root.json --controller countersign

One file, written from docs/formats.md: it trusts Python 3.11, PyNaCl, the bytes that `git cat-file`
hands out (their ids are recomputed) and the root that you pin. It checks nothing out, fetches
nothing and writes nothing. What it refuses, it refuses with the first reason: what, where, and what
to do. The codes of refusals are those of `countersign`.

It plays a controller that looked at every commit of the branch, the oldest first. Git cannot tell
when: what came before the tip is judged by whether it can have been good between the root's
`created` and `--at`, the tip by `--at` alone. Not judged, because git alone cannot tell: a rail's
rules over the rows, the guards over the plan, and how long ago a release was live that is rolled
back to.

Exit codes: 0 accepted, 1 refused, 2 the command line or this machine is at fault.
"""

import argparse
import base64
import binascii
import fnmatch
import hashlib
import io
import json
import os
import re
import select
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import chain, combinations, pairwise, takewhile
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from nacl.bindings import crypto_core_ed25519_is_valid_point
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
JSON_MOST, JSON_DEPTH, INTEGER_MOST = 4 * MIB, 32, 2**53 - 1
WORDS_MOST, ENVELOPE_WORDS_MOST = 500_000, 1000
ENVELOPE_MOST, STATEMENT_MOST, ROOT_MOST, RELEASE_MOST = 4 * MIB, 3 * MIB, 512 * KIB, 4 * MIB
RECORD_MOST, LINK_MOST = 4 * MIB, 4 * MIB + 64 * KIB
SIGNATURES_MOST, SIGNATURE_MOST, KEY_LINE_MOST = 16, 4 * KIB, 1024
ROOTS_MOST, COMMIT_MOST, PARENTS_MOST, TREE_MOST = 1024, MIB, 64, 2 * MIB
ENTRIES_MOST, LEVELS_MOST, FILE_MOST, FILES_MOST = 200_000, 12, 64 * MIB, 4 * GIB
POLICY_MOST, POLICIES_MOST, TOP_MOST = MIB, 16 * MIB, 64 * KIB
SUBJECTS_MOST, VERSION_STEP_MOST, COMMITS_MOST = 10_000, 1000, 100_000
FOLDER_MOST, LOOK_MOST, LOOK_MORE, LOOK_EACH = 256 * KIB, 16 * MIB, 16 * KIB, KIB
RELEASES_MOST, JUDGED_TIMES, VOUCHED_TIMES = 16 * MIB, 8, 16
ROOTS_SIZE_MOST = 16 * MIB
TOLD_COMMITS_MOST, TOLD_SIZE_MOST = 200_000, GIB
NOTE_MOST, NOTE_LINES_MOST = MIB, 100
REMEMBERED_MOST, RAWS_MOST, ANCESTORS_MOST = 50_000, 64, 1_000_000
GIT_SECONDS = 120.0

IN_TOTO = "application/vnd.in-toto+json"
ROOT_TYPE = "application/vnd.countersign.root.v1+json"
STATEMENT = "https://in-toto.io/Statement/v1"
TOPS = (b"trust", b"policies", b"bundles", b"environments")
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
NO_RECORD = "0" * 64
CLOCK_TOLERANCE = timedelta(seconds=300)
MISSING, DAMAGED = "objects.missing", "git.object_damaged"
ED25519, SK_ED25519 = "ssh-ed25519", "sk-ssh-ed25519@openssh.com"

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
BUNDLE = re.compile(rf"{NAME.pattern}/{NAME.pattern}", re.ASCII)
DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
OID = re.compile(r"[0-9a-f]{40}", re.ASCII)
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
INSTANT = re.compile(r"2[01]\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
VISIBLE = re.compile(r"[!-~]{1,200}", re.ASCII)
GLOB = re.compile(r"bundles(?:/(?:\*\*|[a-z0-9._*?-]{1,64})){1,8}", re.ASCII)
AGE = re.compile(r"P(?:(\d{1,4})D)?(?:T(\d{1,4})H)?", re.ASCII)
NUMBER = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
NUMBER_MOST = 2**31 - 1

Span: TypeAlias = tuple[datetime, datetime]
"""Between which instants something was judged, both inclusive; one instant twice is exact."""
Reader: TypeAlias = Callable[[Any, str], Any]
"""Takes a JSON value and its pointer, and returns what it means or raises `Wrong`."""


class Refusal(Exception):
    """Something does not hold: a code, where it is, what is wrong, and what to do."""

    def __init__(self, code: str, where: str, what: str, do: str = "") -> None:
        super().__init__(f"{where}: {what}" if where else what)
        self.code, self.where, self.what, self.do = code, where, what, do
        self.passed_over: list[tuple[str, Refusal]] = []


class Trouble(Exception):
    """The command line or this machine is at fault: nothing was judged."""


class Wrong(ValueError):
    """A value is not what stands on the page; whoever knows the place makes it a `Refusal`."""


def short(digest: str) -> str:
    """Return enough of a digest to tell it apart."""
    return f"{digest[:12]}…"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# --- JSON and values ------------------------------------------------------------------------------


def read_json(data: bytes, most: int = JSON_MOST, words: int = WORDS_MOST) -> Any:
    """Return the value of strict JSON, or raise `Wrong`."""
    if len(data) > most:
        raise Wrong(f"{len(data)} bytes, at most {most} are read")
    if data.startswith(b"\xef\xbb\xbf"):
        raise Wrong("a byte order mark")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise Wrong(f"byte {error.start} is not UTF-8") from None
    _check_words(text, words)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_no_float,
            parse_constant=_no_float,
        )
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Wrong("a lone surrogate") from None
    except json.JSONDecodeError as error:
        raise Wrong(f"line {error.lineno} column {error.colno}: {error.msg}") from None
    return value


def _check_words(text: str, most: int) -> None:
    """Refuse what costs more to read than any document that is meant well."""
    depth, token = 0, r'"(?:[^"\\]|\\.)*+"|[\[\]{}:,]|[^\s\[\]{}:,"]+'
    for number, match in enumerate(re.finditer(token, text, re.DOTALL), start=1):
        depth += (match[0] in ("[", "{")) - (match[0] in ("]", "}"))
        if depth > JSON_DEPTH or number > most:
            raise Wrong(f"more than {JSON_DEPTH} levels, or {most} words and signs")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Wrong("a key that stands twice in one object")
    return found


def _integer(text: str) -> int:
    if len(text) > 17 or abs(int(text)) > INTEGER_MOST:
        raise Wrong("an integer beyond 2^53 - 1")
    return int(text)


def _no_float(text: str) -> NoReturn:
    raise Wrong(f"{text[:40]} is no integer")


def canonical(value: Any) -> bytes:
    """Return the canonical form of a value that strict JSON can hold."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode()


def members(required: dict[str, Reader], optional: dict[str, Reader] | None = None) -> Reader:
    """Read an object with exactly these members; an optional one that is absent is not returned."""
    known = {**required, **(optional or {})}

    def read(value: Any, at: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Wrong(f"{at or '/'} is not an object")
        strange, missing = value.keys() - known.keys(), required.keys() - value.keys()
        if strange or missing:
            raise Wrong(f"{at or '/'} {'has' if strange else 'lacks'} {min(strange or missing)!r}")
        return {name: known[name](item, f"{at}/{name}") for name, item in value.items()}

    return read


def by_name(names: re.Pattern[str] | None, reader: Reader, most: int = 1024) -> Reader:
    """Read an object whose keys fit a pattern, and its values alike."""

    def read(value: Any, at: str) -> dict[str, Any]:
        if not isinstance(value, dict) or len(value) > most:
            raise Wrong(f"{at} is not an object of at most {most} members")
        if names is not None and any(not names.fullmatch(name) for name in value):
            raise Wrong(f"{at} has a key that is no name")
        return {name: reader(item, f"{at}/{name}") for name, item in value.items()}

    return read


def items(reader: Reader, least: int = 0, most: int = 1024, *, distinct: bool = False) -> Reader:

    def read(value: Any, at: str) -> list[Any]:
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise Wrong(f"{at} is not a list of {least} to {most}")
        found = [reader(item, f"{at}/{index}") for index, item in enumerate(value)]
        if distinct and len(set(found)) != len(found):
            raise Wrong(f"{at} holds something twice")
        return found

    return read


def text(pattern: re.Pattern[str] | None = None) -> Reader:
    """Read a text that fits a pattern as a whole."""

    def read(value: Any, at: str) -> str:
        if not isinstance(value, str) or (pattern is not None and not pattern.fullmatch(value)):
            raise Wrong(f"{at} is not a text as it belongs there")
        return value

    return read


def integer(least: int, most: int = INTEGER_MOST) -> Reader:
    """Read a whole number; `true` is none."""

    def read(value: Any, at: str) -> int:
        if type(value) is not int or not least <= value <= most:
            raise Wrong(f"{at} is not a whole number from {least} to {most}")
        return value

    return read


def only(*allowed: Any) -> Reader:
    """Read one of these values, of its own type."""

    def read(value: Any, at: str) -> Any:
        if not any(type(value) is type(one) and value == one for one in allowed):
            raise Wrong(f"{at} is not {' or '.join(map(repr, allowed))}")
        return value

    return read


def nullable(reader: Reader) -> Reader:
    """Read `null` or what another reader reads."""
    return lambda value, at: None if value is None else reader(value, at)


def instant(value: Any, at: str) -> datetime:
    if isinstance(value, str) and INSTANT.fullmatch(value):
        try:
            return datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        except ValueError:
            pass
    raise Wrong(f"{at} is not an instant such as 2026-12-01T00:00:00Z")


def written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def reason(value: Any, at: str) -> str:
    """Read why somebody signed."""
    fits = isinstance(value, str) and 1 <= len(value) <= 500 and value == value.strip()
    if not fits or UNSEEN.search(value):
        raise Wrong(f"{at} is not 1 to 500 plain printable characters")
    return str(value)


name, number, count = text(NAME), integer(1, NUMBER_MOST), integer(0)
digest, uuid = text(DIGEST), text(UUID)


def unbase64(value: Any, at: str, *, url_safe: bool = True) -> bytes:
    """Read base64 in its one form; standard or, where allowed, URL-safe, never both."""
    if isinstance(value, str):
        if url_safe and not set("+/") & set(value):
            value = value.replace("-", "+").replace("_", "/")
        try:
            data = base64.b64decode(value.encode("ascii"), validate=True)
        except (UnicodeEncodeError, binascii.Error):
            data = None
        if data is not None and base64.b64encode(data).decode() == value:
            return data
    raise Wrong(f"{at} is not base64")


# --- Keys and signatures --------------------------------------------------------------------------


class Words:
    """SSH's words off the front of some bytes."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        if self.at + size > len(self.data):
            raise Wrong("an SSH structure that ends in a field")
        self.at += size
        return self.data[self.at - size : self.at]

    def string(self) -> bytes:
        """Return a string: its size in four bytes, then its bytes."""
        return self.take(int.from_bytes(self.take(4), "big"))

    def end(self) -> None:
        """Refuse bytes that nobody asked for."""
        if self.at != len(self.data):
            raise Wrong("an SSH structure with bytes behind its end")


def string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


@dataclass(frozen=True)
class Key:
    """A public key, and what a root says of it."""

    kind: str
    point: bytes
    application: bytes = b""
    owner: str = ""
    scheme: str = ""
    not_before: datetime | None = None
    not_after: datetime | None = None
    revoked_at: datetime | None = None

    @property
    def blob(self) -> bytes:
        """The key in SSH's wire form."""
        plain = string(self.kind.encode()) + string(self.point)
        return plain + string(self.application) if self.kind == SK_ED25519 else plain

    @property
    def id(self) -> str:
        found = base64.b64encode(hashlib.sha256(self.blob).digest()).decode()
        return "SHA256:" + found.rstrip("=")

    def signed(self, message: bytes, signature: bytes) -> bool:
        """Whether 64 bytes are this point's Ed25519 signature over a message."""
        if len(signature) != 64:
            return False
        try:
            VerifyKey(self.point).verify(message, signature)
        except BadSignatureError:
            return False
        return True

    def against(self, span: Span) -> str:
        """Return why the key cannot have counted at any instant of a span; nothing if it can."""
        earliest, latest = span
        ends = [one for one in (self.not_after, self.revoked_at) if one is not None]
        end = min(ends, default=None)
        if end is not None and end <= max(earliest, self.not_before or earliest):
            word = "was revoked" if end == self.revoked_at else "counted only until"
            return f"{word} {written(end)}"
        if self.not_before is not None and self.not_before > latest:
            return f"counts only from {written(self.not_before)}"
        return ""


def public_key(value: Any, at: str) -> Key:
    match = isinstance(value, str) and re.fullmatch(
        r"([a-z0-9@.-]+) ([A-Za-z0-9+/]+={0,2})(?: [^\r\n]*)?\n?", value
    )
    if not match or len(value) > KEY_LINE_MOST:
        raise Wrong(f"{at} is not an OpenSSH public key line")
    if match[1] not in (ED25519, SK_ED25519):
        raise Wrong(f"{at} is a key of type {match[1][:40]}; Ed25519 keys count, no others")
    words = Words(unbase64(match[2], at, url_safe=False))
    kind, point = words.string(), words.string()
    key = Key(match[1], point, words.string() if match[1] == SK_ED25519 else b"")
    words.end()
    if kind != match[1].encode() or len(point) != 32:
        raise Wrong(f"{at} is not a key of the type that it names")
    if not crypto_core_ed25519_is_valid_point(point):
        raise Wrong(f"{at} is not a point of full order on the curve")
    return key


def check_sshsig(key: Key, blob: bytes, message: bytes, namespace: str) -> None:
    """Accept an SSHSIG blob of exactly this key and namespace, or raise `Wrong`."""
    if len(blob) > SIGNATURE_MOST:
        raise Wrong(f"an SSH signature of {len(blob)} bytes")
    words = Words(blob)
    if words.take(6) != b"SSHSIG" or words.take(4) != b"\0\0\0\1":
        raise Wrong("not SSHSIG version 1")
    named, space, reserved = words.string(), words.string(), words.string()
    algorithm, inner = words.string(), Words(words.string())
    words.end()
    if space != namespace.encode() or reserved or algorithm not in (b"sha256", b"sha512"):
        raise Wrong(f"an SSH signature for namespace {space[:40]!r}, not {namespace!r}, or odd")
    if named != key.blob or inner.string() != key.kind.encode():
        raise Wrong("an SSH signature of another key")
    hashed = hashlib.new(algorithm.decode(), message).digest()
    covered = b"SSHSIG" + b"".join(map(string, (space, b"", algorithm, hashed)))
    signature = inner.string()
    if key.kind == SK_ED25519:
        flags, counter = inner.take(1), inner.take(4)
        if not flags[0] & 1:
            raise Wrong("nobody touched the security key")
        application = hashlib.sha256(key.application).digest()
        covered = application + flags + counter + hashlib.sha256(covered).digest()
    inner.end()
    if not key.signed(covered, signature):
        raise Wrong("an SSH signature that does not verify")


def dearmor(armored: str) -> bytes:
    match = re.fullmatch(
        r"-----BEGIN SSH SIGNATURE-----\n((?:[A-Za-z0-9+/=]{1,76}\n)+)"
        r"-----END SSH SIGNATURE-----\n?",
        armored,
    )
    if match is None or len(armored) > 2 * SIGNATURE_MOST:
        raise Wrong("not an armored SSH signature")
    return unbase64(match[1].replace("\n", ""), "the armor", url_safe=False)


# --- Envelopes and roles --------------------------------------------------------------------------


@dataclass(frozen=True)
class Envelope:
    """A payload that nobody has read yet, and what claims to be signatures over it."""

    kind: str
    payload: bytes
    signatures: tuple[tuple[str, bytes], ...]

    @property
    def message(self) -> bytes:
        """What signers sign (DSSE's PAE)."""
        kind = self.kind.encode()
        return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(self.payload), self.payload)

    def good(self, keys: Iterable[Key]) -> frozenset[str]:
        """Return the ids of the keys that made one of the signatures."""

        def made_one(key: Key) -> bool:
            likely_first = sorted(self.signatures, key=lambda one: one[0] != key.id)
            return any(self._is_good(key, sig) for _, sig in likely_first)

        return frozenset(key.id for key in keys if made_one(key))

    def _is_good(self, key: Key, signature: bytes) -> bool:
        if key.scheme == "ed25519":
            return key.signed(self.message, signature)
        try:
            check_sshsig(key, signature, self.message, "dsse@countersign")
        except Wrong:
            return False
        return True


def _at_most(reader: Reader, most: int) -> Reader:
    def read(value: Any, at: str) -> Any:
        found = reader(value, at)
        if len(found) > most:
            raise Wrong(f"{at} is longer than {most}")
        return found

    return read


_SIGNATURE = members({"sig": _at_most(unbase64, SIGNATURE_MOST)}, {"keyid": _at_most(text(), 200)})
_ENVELOPE = members(
    {
        "payload": unbase64,
        "payloadType": text(VISIBLE),
        "signatures": items(_SIGNATURE, 1, SIGNATURES_MOST),
    }
)


def read_envelope(data: bytes, where: str) -> Envelope:
    try:
        found = _ENVELOPE(read_json(data, ENVELOPE_MOST, ENVELOPE_WORDS_MOST), "")
    except Wrong as error:
        raise Refusal("trust.malformed_envelope", where, str(error), "sign it again") from None
    signatures = tuple((one.get("keyid", ""), one["sig"]) for one in found["signatures"])
    return Envelope(found["payloadType"], found["payload"], signatures)


def merged(envelopes: Sequence[Envelope], where: str) -> Envelope:
    """Return several envelopes around one payload as one."""
    first = envelopes[0]
    if any((one.kind, one.payload) != (first.kind, first.payload) for one in envelopes):
        do = "every signer signs the same bytes: remove the envelope that differs"
        raise Refusal("trust.payloads_differ", where, "envelopes of different payloads", do)
    signatures = tuple(dict.fromkeys(one for some in envelopes for one in some.signatures))
    if len(signatures) > SIGNATURES_MOST:
        what = f"more than {SIGNATURES_MOST} signatures"
        raise Refusal("trust.malformed_envelope", where, what)
    return Envelope(first.kind, first.payload, signatures)


@dataclass(frozen=True)
class Role:
    """Some keys, and how many different owners of them have to sign."""

    name: str
    keys: tuple[Key, ...]
    threshold: int

    def require(self, good: frozenset[str], span: Span | None, where: str) -> tuple[Key, ...]:
        """Return the keys that count, or refuse; without a span no key is judged by date."""
        against = {key.id: key.against(span) if span else "" for key in self.keys}
        counting = tuple(key for key in self.keys if key.id in good and not against[key.id])
        owners = {key.owner for key in counting}
        if len(owners) >= self.threshold:
            return counting
        said = "; ".join(
            f"{key.owner} {against[key.id] if key.id in good else 'did not sign these bytes'}"
            for key in self.keys
            if key not in counting
        )
        one_owner = len(counting) >= self.threshold
        code = "trust.one_owner_counts_once" if one_owner else "trust.threshold_not_met"
        what = f"role {self.name!r} needs {self.threshold} owners, {len(owners)} signed ({said})"
        raise Refusal(code, where, what, "let another owner of the role sign: `countersign sign`")


# --- The root of trust ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Root:
    """A root document: who may sign what."""

    digest: str
    repository: str
    version: int
    created: datetime
    expires: datetime
    role: Role
    bundle: tuple[tuple[list[str], list[str], bool, Role], ...]
    release: dict[str, Role]
    rollback: dict[str, Role]
    audit: dict[str, Role]
    heartbeat: Role | None
    serial_floors: dict[str, int]
    bundle_floors: dict[str, int]
    reset: dict[str, tuple[int, str]]
    grandfathered: frozenset[str]
    former: tuple[Key, ...]
    signers: frozenset[str] = frozenset()

    def bundle_role(self, rail: str, path: str) -> Role:
        """Return who signs the bundle in a folder; deny by default."""
        for paths, rails, terminating, role in self.bundle:
            if any(glob_matches(pattern.split("/"), path.split("/")) for pattern in paths):
                if rail in rails:
                    return role
                if terminating:
                    break
        raise nobody(f"bundles of rail {rail!r} at {path}")

    def role_for(self, role: Role, payload: bytes, span: Span) -> tuple[Role, Span | None]:
        """Return who may have signed a payload, and when: grandfathered, also revoked keys."""
        return self.role_of(role, sha256(payload), span)

    def role_of(self, role: Role, document: str, span: Span) -> tuple[Role, Span | None]:
        """Return who may have signed what has a digest, and when."""
        if document not in self.grandfathered:
            return role, span
        gone = tuple(key for key in self.former if key not in role.keys)
        return replace(role, keys=(*role.keys, *gone)), None

    def check_in_force(self, at: datetime, where: str) -> None:
        """Refuse a root whose time is over, or whose signers' time is."""
        if self.expires <= at:
            do = "publish a newer root, or say with --at when you mean"
            raise Refusal("trust.expired", where, f"it expired at {written(self.expires)}", do)
        self.role.require(self.signers, (at, at), where)


def too_early(root: Root, at: datetime) -> list[str]:
    """Return a warning where an instant is before its root was made: a clock may be wrong."""
    if at >= root.created:
        return []
    made = written(root.created)
    return [
        f"judged at {written(at)}, before root {root.version} was made ({made}): is that meant?"
    ]


def nobody(what: str) -> Refusal:
    """Return the refusal of what no role covers."""
    return Refusal("trust.no_role", "the root", f"it lets nobody sign {what}", "deny by default")


def glob_matches(pattern: Sequence[str], path: Sequence[str]) -> bool:
    """Whether a glob matches a path, both in segments; `**` is any number of segments."""
    ends = {0}
    for part in pattern:
        if part == "**":
            ends = set(range(min(ends), len(path) + 1)) if ends else ends
        else:
            ends = {at + 1 for at in ends if at < len(path) and fnmatch.fnmatchcase(path[at], part)}
    return len(path) in ends


def _age(value: Any, at: str) -> timedelta:
    match = AGE.fullmatch(value) if isinstance(value, str) else None
    age = timedelta(days=int(match[1] or 0), hours=int(match[2] or 0)) if match else None
    if not age:
        raise Wrong(f"{at} is not an age such as P30D")
    return age


def _revoked_reason(value: Any, at: str) -> str:
    if not isinstance(value, str) or len(value) > 200 or not value.isprintable():
        raise Wrong(f"{at} is not a text of at most 200 printable characters")
    return value


def _anything(value: Any, _at: str) -> Any:
    return value


_ROLE: dict[str, Reader] = {"keys": items(text(), 0, 256, distinct=True), "threshold": number}
_MORE: dict[str, Reader] = {"exclude_author": only(False)}
_PLAIN_ROLE = members(_ROLE, _MORE)
_BUNDLE_ROLE = members(
    {**_ROLE, "paths": items(text(GLOB), 1, 64), "rails": items(name, 1, 64)},
    {**_MORE, "terminating": only(True, False)},
)
_ROLLBACK_ROLE = members({**_ROLE, "max_age": _age}, _MORE)
_KEY = members(
    {"public": public_key, "owner": text(VISIBLE), "scheme": only("ed25519", "sshsig")},
    {"not_before": instant, "not_after": instant},
)
_ROOT = members(
    {
        "type": only("root"),
        "repository": uuid,
        "version": number,
        "created": instant,
        "expires": instant,
        "keys": by_name(None, _KEY, 256),
        "roles": members(
            {"root": _PLAIN_ROLE},
            {
                "bundle": items(_BUNDLE_ROLE),
                "release": by_name(NAME, _PLAIN_ROLE),
                "rollback": by_name(NAME, _ROLLBACK_ROLE),
                "audit": by_name(NAME, _PLAIN_ROLE),
                **dict.fromkeys(("heartbeat", "commit", "ci"), _PLAIN_ROLE),
            },
        ),
    },
    {
        "revoked": by_name(None, members({"at": instant, "reason": _revoked_reason})),
        "floors": by_name(NAME, _anything),
        "reset": by_name(NAME, members({"serial": number, "sha256": digest})),
        "grandfathered": items(digest),
    },
)


def read_root(payload: bytes, where: str) -> Root:
    """Read a root document; every inconsistency is a refusal."""
    try:
        return _root(_ROOT(read_json(payload), ""), sha256(payload))
    except Wrong as error:
        do = "only a consistent root can be believed"
        raise Refusal("trust.malformed_root", where, str(error), do) from None


def _root(said: dict[str, Any], payload_digest: str) -> Root:
    roles, floors, resets = said["roles"], dict(said.get("floors", {})), said.get("reset", {})
    if said["expires"] <= said["created"]:
        raise Wrong("/expires is not after created")
    if any(
        "bundles" in where
        for where in (resets, roles.get("release", ()), roles.get("rollback", ()))
    ):
        raise Wrong("no environment may be called 'bundles'")
    keys = _root_keys(said["keys"], said.get("revoked", {}))
    bundle_floors = by_name(BUNDLE, number)(floors.pop("bundles", {}), "/floors/bundles")
    serial_floors = by_name(NAME, members({"serial": number}))(floors, "/floors")

    def role(label: str, wanted: dict[str, Any]) -> Role:
        strangers = set(wanted["keys"]) - keys.keys()
        if strangers:
            raise Wrong(f"/roles/{label} names {min(strangers)[:64]!r}, which is not among keys")
        found = Role(label, tuple(keys[one] for one in wanted["keys"]), wanted["threshold"])
        if found.threshold > len({key.owner for key in found.keys}):
            raise Wrong(f"/roles/{label} has a threshold above the owners of its keys")
        return found

    def named(label: str) -> dict[str, Role]:
        return {one: role(f"{label}/{one}", item) for one, item in roles.get(label, {}).items()}

    single = {
        label: role(label, roles[label])
        for label in ("heartbeat", "commit", "ci")
        if label in roles
    }
    return Root(
        digest=payload_digest,
        repository=said["repository"],
        version=said["version"],
        created=said["created"],
        expires=said["expires"],
        role=role("root", roles["root"]),
        bundle=tuple(
            (row["paths"], row["rails"], row.get("terminating", False), role(f"bundle/{at}", row))
            for at, row in enumerate(roles.get("bundle", ()))
        ),
        release=named("release"),
        rollback=named("rollback"),
        audit=named("audit"),
        heartbeat=single.get("heartbeat"),
        serial_floors={where: floor["serial"] for where, floor in serial_floors.items()},
        bundle_floors=bundle_floors,
        reset={where: (one["serial"], one["sha256"]) for where, one in resets.items()},
        grandfathered=frozenset(said.get("grandfathered", ())),
        former=tuple(keys[one] for one in said.get("revoked", ())),
    )


def _root_keys(said: dict[str, Any], revoked: dict[str, Any]) -> dict[str, Key]:
    keys: dict[str, Key] = {}
    for key_id, entry in said.items():
        start, end = entry.get("not_before"), entry.get("not_after")
        if start is not None and end is not None and end <= start:
            raise Wrong(f"/keys/{key_id} ends before it starts")
        if entry["public"].kind == SK_ED25519 and entry["scheme"] != "sshsig":
            raise Wrong(f"/keys/{key_id}: a security key signs as sshsig only")
        keys[key_id] = replace(
            entry["public"],
            owner=entry["owner"],
            scheme=entry["scheme"],
            not_before=start,
            not_after=end,
            revoked_at=revoked[key_id]["at"] if key_id in revoked else None,
        )
        if keys[key_id].id != key_id:
            raise Wrong(f"/keys/{key_id[:64]}: the key's fingerprint is {keys[key_id].id}")
    if len({key.point for key in keys.values()}) != len(keys):
        raise Wrong("/keys: one key under two ids")
    if revoked.keys() - keys.keys():
        raise Wrong("/revoked names a key that is not among keys")
    return keys


def open_root(data: bytes, where: str) -> Envelope:
    """Read a root's envelope; what it says stays unread."""
    if len(data) > ROOT_MOST:
        raise Refusal("trust.root_too_large", where, f"{len(data)} bytes, at most {ROOT_MOST}")
    envelope = merged([read_envelope(data, where)], where)
    if envelope.kind != ROOT_TYPE:
        raise wrong_type(envelope, where)
    return envelope


def wrong_type(envelope: Envelope, where: str) -> Refusal:
    """Return the refusal of a payload type that does not belong here."""
    known = envelope.kind in (IN_TOTO, ROOT_TYPE)
    code = "trust.wrong_payload_type" if known else "trust.unknown_payload_type"
    return Refusal(code, where, f"its payload type is {envelope.kind!r}", "put it where it belongs")


def pinned_root(data: bytes, expected: str | None, where: str) -> Root:
    """Return the root to start from: its own threshold signed it, and it is the expected one."""
    envelope = open_root(data, where)
    found = sha256(envelope.payload)
    if expected is not None and found != expected:
        do = "compare the digest with whoever holds the root keys, by voice"
        raise Refusal("trust.pin_mismatch", where, f"its SHA-256 is {found}, not {expected}", do)
    root = read_root(envelope.payload, where)
    signers = envelope.good(root.role.keys)
    root.role.require(signers, None, where)
    return replace(root, signers=signers)


def next_root(trusted: Root, data: bytes, where: str) -> Root:
    """Return the root after a trusted one; the trusted one's threshold comes first."""
    envelope = open_root(data, where)
    trusted.role.require(envelope.good(trusted.role.keys), None, where)
    root = read_root(envelope.payload, where)
    if root.version != trusted.version + 1:
        what = f"version {root.version} does not follow {trusted.version}"
        raise Refusal("trust.root_version_not_next", where, what)
    if root.repository != trusted.repository:
        raise Refusal("trust.repository_differs", where, f"it is for {root.repository}")
    signers = envelope.good(root.role.keys)
    root.role.require(signers, None, where)
    return replace(root, signers=signers)


# --- Statements -----------------------------------------------------------------------------------

Window: TypeAlias = tuple[datetime | None, datetime | None]


def window(start: datetime | None, end: datetime | None, at: str) -> Window:
    """Return a window that holds at least one instant."""
    if start is not None and end is not None and end <= start:
        raise Wrong(f"{at} ends before it starts")
    return start, end


def intersection(one: Window, two: Window) -> Window | None:
    """Return the instants in both windows, if there are any."""
    starts = [at for at in (one[0], two[0]) if at is not None]
    ends = [at for at in (one[1], two[1]) if at is not None]
    start, end = max(starts, default=None), min(ends, default=None)
    return None if start is not None and end is not None and end <= start else (start, end)


@dataclass(frozen=True)
class Live:
    """A line of a release: a bundle version, its digest, and how its window is narrowed."""

    path: str
    rail: str
    bundle: str
    version: int
    digest: str
    narrowing: Window


@dataclass(frozen=True)
class Release:
    """A release statement."""

    digest: str
    repository: str
    environment: str
    serial: int
    previous: tuple[int, str] | None
    rollback_of: tuple[int, str] | None
    expires: datetime | None
    policies: dict[str, str]
    live: tuple[Live, ...]

    @property
    def id(self) -> tuple[int, str]:
        return self.serial, self.digest


def statement(kind: str, subject: Reader, predicate: dict[str, Reader]) -> Reader:
    """Read an in-toto statement of one predicate type."""
    return members(
        {
            "_type": only(STATEMENT),
            "predicateType": only(f"urn:countersign:{kind}:v1"),
            "subject": subject,
            "predicate": members(predicate),
        }
    )


_SHA256 = members({"sha256": digest})
_REFERENCE = nullable(members({"serial": number, "sha256": digest}))
_SUBJECT: dict[str, Reader] = {"name": text(), "digest": _SHA256}
_ENDS = nullable(members({}, {"effective_from": instant, "effective_to": instant}))
_RELEASE = statement(
    "release",
    items(members(_SUBJECT, {"annotations": _ENDS}), 0, SUBJECTS_MOST),
    {
        "repository": uuid,
        "environment": name,
        "serial": number,
        "previous": _REFERENCE,
        "rollback_of": _REFERENCE,
        "created": instant,
        "expires": nullable(instant),
        "policies": by_name(NAME, digest, INTEGER_MOST),
    },
)
_COUNTS: dict[str, Reader] = {"files": count, "bytes": count}
_FILES = members({"countersignTree1": digest, "gitTree": text(OID)})
_BUNDLE = statement(
    "bundle",
    items(members({"name": text(), "digest": _FILES}), 1, 1),
    {
        "repository": uuid,
        "rail": name,
        "name": name,
        "version": number,
        "previous": nullable(members({"version": number, "sha256": digest})),
        "effective_from": nullable(instant),
        "effective_to": nullable(instant),
        "environments": items(name, 1, 64, distinct=True),
        "tables": by_name(NAME, members({**_COUNTS, "rows": count}), INTEGER_MOST),
        "documents": by_name(NAME, members(_COUNTS), INTEGER_MOST),
    },
)
_ROLLBACK = statement(
    "rollback",
    items(members(_SUBJECT), 1, 1),
    {
        "repository": uuid,
        "environment": name,
        "to_serial": number,
        "reason": reason,
        "created": instant,
        "expires": instant,
    },
)
_HEARTBEAT = statement(
    "heartbeat",
    items(members({"name": text(), "digest": members({"gitCommit": text(OID)})}), 1, 1),
    {"repository": uuid, "environment": name, "created": instant, "expires": instant},
)


def read_statement(reader: Callable[[Any], Any], payload: bytes, where: str) -> Any:
    """Return a verified payload's meaning."""
    try:
        return reader(read_json(payload, STATEMENT_MOST))
    except Wrong as error:
        do = "sign a statement that fits"
        raise Refusal("document.malformed", where, str(error), do) from None


def read_release(payload: bytes, where: str) -> Release:

    def read(value: Any) -> Release:
        found = _RELEASE(value, "")
        said, names = found["predicate"], [one["name"] for one in found["subject"]]
        if any(left >= right for left, right in pairwise(names)):
            raise Wrong("/subject is not in order of names, or holds one twice")
        if (said["serial"] == 1) != (said["previous"] is None):
            raise Wrong("/predicate/previous is null for serial 1 and no other")
        earlier = {one: _pair(said[one]) for one in ("previous", "rollback_of")}
        if any(one is not None and one[0] >= said["serial"] for one in earlier.values()):
            raise Wrong("/predicate names a release that is not earlier")
        _ends_later(said)
        live = tuple(_live(one, f"/subject/{at}") for at, one in enumerate(found["subject"]))
        plain = {one: value for one, value in said.items() if one != "created"}
        return Release(digest=sha256(payload), live=live, **{**plain, **earlier})

    found: Release = read_statement(read, payload, where)
    return found


def _pair(reference: dict[str, Any] | None) -> tuple[int, str] | None:
    return (reference["serial"], reference["sha256"]) if reference else None


def _ends_later(said: dict[str, Any]) -> None:
    if said["expires"] is not None and said["expires"] <= said["created"]:
        raise Wrong("/predicate/expires is not later than created")


def _live(subject: dict[str, Any], at: str) -> Live:
    parts = subject["name"].split("/")
    fits = len(parts) == 6 and parts[::3] == ["bundles", "versions"] and parts[5] == "bundle.json"
    if not fits or not NAME.fullmatch(parts[1]) or not NAME.fullmatch(parts[2]):
        raise Wrong(f"{at}/name is not a bundle version")
    notes = subject.get("annotations")
    if notes == {}:
        raise Wrong(f"{at}/annotations narrows nothing")
    ends = window((notes or {}).get("effective_from"), (notes or {}).get("effective_to"), at)
    version = path_number(parts[4])
    if version is None:
        raise Wrong(f"{at}/name has no version")
    bundle = f"{parts[1]}/{parts[2]}"
    return Live(subject["name"], parts[1], bundle, version, subject["digest"]["sha256"], ends)


def path_number(word: str) -> int | None:
    """Read a version or serial as it stands in a path."""
    return int(word) if NUMBER.fullmatch(word) and int(word) <= NUMBER_MOST else None


def read_bundle(payload: bytes, where: str) -> dict[str, Any]:
    """Return a bundle statement's predicate, with `files_root`, `git_tree` and `window`."""

    def read(value: Any) -> dict[str, Any]:
        found = _BUNDLE(value, "")
        said, subject = found["predicate"], found["subject"][0]
        if subject["name"] != f"bundles/{said['rail']}/{said['name']}/files":
            raise Wrong("/subject/0/name is not the bundle's files")
        before = said["previous"]
        if (before["version"] if before else 0) != said["version"] - 1:
            raise Wrong("/predicate/previous is not the version before")
        signed = window(said["effective_from"], said["effective_to"], "/predicate")
        root, tree = subject["digest"]["countersignTree1"], subject["digest"]["gitTree"]
        return {**said, "files_root": root, "git_tree": tree, "window": signed}

    found: dict[str, Any] = read_statement(read, payload, where)
    return found


def read_rollback(payload: bytes, where: str) -> dict[str, Any]:
    """Return a rollback statement's predicate, with `to_sha256`."""

    def read(value: Any) -> dict[str, Any]:
        found = _ROLLBACK(value, "")
        said, subject = found["predicate"], found["subject"][0]
        if subject["name"] != f"environments/{said['environment']}/release.json":
            raise Wrong("/subject/0/name is not the environment's release")
        _ends_later(said)
        return {**said, "to_sha256": subject["digest"]["sha256"]}

    found: dict[str, Any] = read_statement(read, payload, where)
    return found


def read_heartbeat(payload: bytes, where: str) -> dict[str, Any]:
    """Return a heartbeat's predicate, with the `commit` that it saw."""

    def read(value: Any) -> dict[str, Any]:
        found = _HEARTBEAT(value, "")
        said, subject = found["predicate"], found["subject"][0]
        if subject["name"] != f"environments/{said['environment']}/head":
            raise Wrong("/subject/0/name is not the environment's head")
        _ends_later(said)
        return {**said, "commit": subject["digest"]["gitCommit"]}

    found: dict[str, Any] = read_statement(read, payload, where)
    return found


# --- Git objects ----------------------------------------------------------------------------------


class Child:
    """A `git cat-file` that answers one question at a time, within a time limit."""

    def __init__(self, directory: Path, option: str) -> None:
        program = shutil.which("git")
        if program is None:
            raise Trouble("git is not installed")
        # Nothing of the clone's or the user's settings may run a program, fetch or replace.
        environment = {
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_ALLOW_PROTOCOL": "none",
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
        }
        self.process = subprocess.Popen(
            [program, "-C", str(directory), "-c", "safe.directory=*", "cat-file", option],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.waiting = bytearray()

    def ask(self, question: str) -> str:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(question.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self._stopped() from None
        while (end := self.waiting.find(b"\n")) < 0:
            self._fill()
        line = bytes(self.waiting[:end])
        del self.waiting[: end + 1]
        return line.decode("utf-8", "replace")

    def take(self, size: int) -> bytes:
        """Return the contents that follow a line, without the LF behind them."""
        while len(self.waiting) <= size:
            self._fill()
        data = bytes(self.waiting[:size])
        del self.waiting[: size + 1]
        return data

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()

    @staticmethod
    def _stopped() -> Trouble:
        return Trouble("git stopped: is this a git repository with SHA-1 ids?")

    def _fill(self) -> None:
        assert self.process.stdout is not None
        stdout = self.process.stdout.fileno()
        if not select.select([stdout], [], [], GIT_SECONDS)[0]:
            raise Trouble(f"git did not answer within {GIT_SECONDS:g} seconds")
        more = os.read(stdout, MIB)
        if not more:
            raise self._stopped()
        self.waiting += more


@dataclass(frozen=True)
class Entry:
    """A name in a tree, judged."""

    name: str
    is_tree: bool
    oid: str


@dataclass(frozen=True)
class Commit:
    """A commit as far as history asks it."""

    oid: str
    tree: str
    parents: tuple[str, ...]


GIT_ID = rb"[0-9a-fA-F]{40}"
COMMIT = re.compile(
    rb"(?P<ids>tree %b\n(?:parent %b\n)*)" % (GIT_ID, GIT_ID)
    + rb"(?P<persons>(?:author [^\n]+\n)+committer [^\n]+\n)"
)
"""The beginning of a commit; nothing behind it is looked at, whatever it is called."""
GIT_SECONDS_SINCE = re.compile(rb"[ \t\r\v\f]*([+-]?)(?=[0-9])0*([0-9]*)")


def is_git_person(line: bytes) -> bool:
    """Whether git reads who wrote a commit: a mail in `<>`, and a time if anything follows."""
    start, end = line.rfind(b"<"), line.rfind(b">")
    if not 0 <= start < end:
        return False
    if len(line) <= end + 2:
        return True
    match = GIT_SECONDS_SINCE.match(line, end + 2)
    seconds = int(match[2] or b"0") if match is not None and len(match[2]) < 20 else 2**64
    return seconds < 2**63 + (match is not None and match[1] == b"-")


class Objects:
    """The objects of one clone: looked at by size first, and hashed again when they are read."""

    def __init__(self, directory: Path) -> None:
        if not directory.is_dir():
            raise Trouble(f"{directory} is not a folder")
        self.directory = directory
        self.headers = Child(directory, "--batch-check")
        self.contents = Child(directory, "--batch")
        self.levels: dict[str, tuple[Entry, ...]] = {}
        self.tops: dict[str, list[tuple[bytes, bytes, str]]] = {}
        self.raws: dict[str, list[tuple[bytes, tuple[int, str]]]] = {}

    def close(self) -> None:
        self.headers.close()
        self.contents.close()

    def resolve(self, ref: str) -> str | None:
        """Return the commit that a full ref name, or an id, stands for."""
        if not OID.fullmatch(ref) and not re.fullmatch(r"refs/[!-~]+", ref):
            raise Trouble(f"{ref!r} is neither a full ref name (refs/heads/main) nor a commit id")
        words = self.headers.ask(ref).split()
        return words[0] if len(words) == 3 and words[1] == "commit" else None

    def header(self, oid: str, where: str) -> tuple[str, int]:
        words = self.headers.ask(oid).split()
        if len(words) != 3 or words[0] != oid:
            do = "clone the whole history again (not shallow, not partial); see `git fsck`"
            raise Refusal(MISSING, where, f"object {oid} is not in the clone", do)
        return words[1], int(words[2])

    def read(self, oid: str, kind: str, most: int, where: str) -> bytes:
        """Return the contents of an object of this kind and no more than this size."""
        found, size = self.header(oid, where)
        if found != kind:
            raise Refusal("walk.bad_tree", where, f"a {found} where a {kind} belongs")
        if size > most:
            raise Refusal("walk.too_large", where, f"{size} bytes, at most {most} are read")
        if self.contents.ask(oid).split() != [oid, kind, str(size)]:
            raise Refusal("corrupt", where, f"git cannot read object {oid}", "run `git fsck`")
        data = self.contents.take(size)
        head = b"%s %d\0" % (kind.encode(), size)
        if hashlib.sha1(head + data, usedforsecurity=False).hexdigest() != oid:
            raise Refusal("corrupt", where, f"object {oid} holds other bytes", "run `git fsck`")
        return data

    def commit(self, oid: str, size: int = COMMIT_MOST) -> Commit:
        """Return a commit as git reads every commit, whoever signed it or did not."""
        raw = self.read(oid, "commit", size, f"commit {oid}")
        match = COMMIT.match(raw)
        if match is None or not all(map(is_git_person, match["persons"][:-1].split(b"\n"))):
            what = "not a tree, its parents, an author and a committer, one behind the other"
            raise Refusal(DAMAGED, f"commit {oid}", what, "see `git fsck`")
        ids = [word.decode().lower() for word in re.findall(rb" (%b)\n" % GIT_ID, match["ids"])]
        return Commit(oid, ids[0], tuple(ids[1:]))

    def first_parents(self, tip: str, most: int = COMMITS_MOST) -> list[Commit]:
        """Return the first-parent path, the oldest first."""
        path = [self.commit(tip)]
        while path[-1].parents:
            if len(path) >= most:
                raise Refusal("history.too_long", f"commit {tip}", f"more than {most} commits")
            path.append(self.commit(path[-1].parents[0]))
        return path[::-1]

    def newest_first(self, tip: str) -> Iterator[Commit]:
        """Yield the commits of an audit trail, which may have any length."""
        here = self.commit(tip, LINK_MOST)
        yield here
        while here.parents:
            here = self.commit(here.parents[0], LINK_MOST)
            yield here

    def descends(self, ancestor: str, descendant: str) -> bool:
        """Whether a commit is another or grew out of it, by whichever parent."""
        self.commit(ancestor)
        waiting, seen = [descendant], {descendant}
        while waiting and waiting[-1] != ancestor:
            if len(seen) > ANCESTORS_MOST:
                what = f"more than {ANCESTORS_MOST} commits"
                raise Refusal("history.too_long", f"commit {descendant}", what)
            parents = [one for one in self.commit(waiting.pop()).parents if one not in seen]
            seen.update(parents)
            waiting += parents[::-1]  # First parents first.
        return bool(waiting)

    def level(self, tree: str, where: str) -> tuple[Entry, ...]:
        """Return one level of a tree in which every entry must be ours."""
        if tree not in self.levels:
            raw = self.read(tree, "tree", TREE_MOST, where)
            found = [self._entry(*one, where) for one in raw_entries(raw, where)]
            if len({one.name for one in found}) != len(found):
                raise bad_tree(where, "a name that stands twice")
            if len(self.levels) >= REMEMBERED_MOST:
                self.levels.clear()
            self.levels[tree] = tuple(found)
        return self.levels[tree]

    def top(self, tree: str) -> list[tuple[bytes, bytes, str]]:
        """Return the entries at the top of a repository, whoever's they are."""
        if tree not in self.tops:
            self.tops.clear()
            self.tops[tree] = raw_entries(self.read(tree, "tree", TOP_MOST, "/"), "/")
        return self.tops[tree]

    def find(self, tree: str, path: str) -> Entry | None:
        """Return what stands at a path; other people's entries may stand at the top."""
        first, *rest = path.split("/")
        tops = [self._entry(*one, first) for one in self.top(tree) if one[1] == first.encode()]
        if len(tops) > 1:
            raise bad_tree(first, "a name that stands twice")
        here, so_far = (tops[0] if tops else None), first
        for part in rest:
            if here is None or not here.is_tree:
                return None
            here = next((one for one in self.level(here.oid, so_far) if one.name == part), None)
            so_far = f"{so_far}/{part}"
        return here

    def raw_id(self, tree: str, path: str) -> str | None:
        """Return the id of what stands at a path, of whatever mode and beside whatever else.

        Nothing on the way is judged: the id is good for telling apart, and for nothing else.
        """
        here: tuple[int, str] = (0o40000, tree)
        for part in path.split("/"):
            if here[0] & 0o170000 != 0o40000 or self.header(here[1], path)[1] > FOLDER_MOST:
                return None
            found = named_in(self._raw_level(here[1], path), part.encode())
            if found is None:
                return None
            here = found
        return here[1]

    def _raw_level(self, tree: str, where: str) -> list[tuple[bytes, tuple[int, str]]]:
        if tree not in self.raws:
            if len(self.raws) >= RAWS_MOST:
                self.raws.clear()
            self.raws[tree] = self._unjudged(tree, where)
        return self.raws[tree]

    def _unjudged(self, tree: str, where: str) -> list[tuple[bytes, tuple[int, str]]]:
        kind, size = self.header(tree, where)
        if kind != "tree":
            raise Refusal(DAMAGED, where, f"a {kind} where a tree belongs", "see `git fsck`")
        raw, at = self.read(tree, "tree", size, where), 0
        found = []
        while at < len(raw):
            match = RAW_ENTRY.match(raw, at)
            if match is None or int(match[1], 8) > MODE_MOST:
                raise Refusal(DAMAGED, where, f"byte {at} starts no entry", "see `git fsck`")
            at = match.end()
            found.append((match[2], (int(match[1], 8), match[3].hex())))
        return found

    def file(self, tree: str, path: str, most: int) -> bytes | None:
        """Return the contents of the file at a path, if there is one."""
        found = self.find(tree, path)
        if found is None or found.is_tree:
            return None
        return self.read(found.oid, "blob", most, path)

    def folder(self, tree: str, path: str) -> str | None:
        found = self.find(tree, path)
        return found.oid if found is not None and found.is_tree else None

    def narrow_folder(self, tree: str, path: str) -> str | None:
        """Return the folder at a path, as a look through a history does: none is too large."""
        parts, here = path.split("/"), None
        for depth in range(1, len(parts) + 1):
            where = "/".join(parts[:depth])
            here = self.folder(tree, where)
            size = self.header(here, where)[1] if here else 0
            if size > FOLDER_MOST:
                raise too_large_folder(where, size)
        return here

    @staticmethod
    def _entry(mode: bytes, named: bytes, oid: str, where: str) -> Entry:
        shown = named[:80].decode("ascii", "backslashreplace")
        if not NAME.fullmatch(shown) or len(named) > 64 or mode not in (b"100644", b"40000"):
            what = (
                f"{shown!r} with mode {mode.decode()}: only plain files, folders and names are read"
            )
            raise bad_tree(where, what)
        return Entry(shown, mode == b"40000", oid)


def too_large_folder(where: str, size: int) -> Refusal:
    what = f"{size} bytes, at most {FOLDER_MOST} are read of a folder in a history"
    return Refusal("walk.too_large", where, what, "keep generated files out of it")


def bad_tree(where: str, what: str) -> Refusal:
    return Refusal("walk.bad_tree", where, what, "commit plain files with plain names")


MODE_MOST = 0xFFFF
RAW_ENTRY = re.compile(rb"([0-7]+) ([^\0]+)\0(.{20})", re.DOTALL)


def named_in(level: Sequence[tuple[bytes, tuple[int, str]]], name: bytes) -> tuple[int, str] | None:
    """Return the entry of a name as libgit2 finds it, also in a tree that is out of order.

    By halving for a name that begins like the one sought, or that it begins with; then among the
    neighbours of which the same is true, first behind it, then before it.
    """

    def side(at: int) -> int:
        size = min(len(name), len(level[at][0]))
        return (name[:size] > level[at][0][:size]) - (name[:size] < level[at][0][:size])

    base, left = 0, len(level)
    while left and (turn := side(base + left // 2)):
        base += (left // 2 + 1) * (turn > 0)
        left = (left - (turn > 0)) // 2
    if not left:
        return None
    middle = base + left // 2
    behind = takewhile(lambda at: side(at) >= 0, range(middle, len(level)))
    before = takewhile(lambda at: side(at) <= 0, range(middle - 1, -1, -1))
    found = (level[at] for at in chain(behind, before))
    return next((entry for other, entry in found if other == name), None)


def raw_entries(raw: bytes, where: str) -> list[tuple[bytes, bytes, str]]:
    """Return (mode, name, id) of a tree's entries, which stand in git's order."""
    found, at = [], 0
    while at < len(raw):
        match = re.compile(rb"([0-7]{1,6}) ([^\0]+)\0").match(raw, at)
        if match is None or match.end() + 20 > len(raw):
            raise bad_tree(where, f"not a tree: byte {at} starts no entry")
        at = match.end() + 20
        found.append((match[1], match[2], raw[match.end() : at].hex()))
    keys = [one + b"/" if mode in (b"40000", b"040000") else one for mode, one, _ in found]
    if any(left >= right for left, right in pairwise(keys)):
        raise bad_tree(where, "entries out of order, or a name that stands twice")
    return found


@dataclass(frozen=True)
class Folder:
    """A directory that was hashed: its node, and what lies below, by group of files.

    `folders` counts directories, this one too; `height` their levels.
    """

    node: bytes
    tables: dict[str, tuple[int, ...]]
    documents: dict[str, tuple[int, ...]]
    folders: int = 0
    height: int = 0

    @property
    def size(self) -> int:
        return sum(one[-1] for one in (*self.tables.values(), *self.documents.values()))

    @property
    def files(self) -> int:
        return sum(one[0] for one in (*self.tables.values(), *self.documents.values()))


class FilesRoots:
    """Files roots of trees, each tree hashed once; limits hold wherever it stands again."""

    def __init__(
        self, objects: Objects, file_most: int = FILE_MOST, files_most: int = FILES_MOST
    ) -> None:
        self.objects, self.file_most, self.files_most = objects, file_most, files_most
        self.known: dict[str, Folder] = {}

    def of(self, tree: str, where: str) -> Folder:
        """Return what a `files/` folder hashes to."""
        return self._folder(tree, where, 1)

    def _folder(self, tree: str, where: str, depth: int) -> Folder:
        if tree in self.known:
            return self.known[tree]
        if depth > LEVELS_MOST:
            raise Refusal("walk.too_large", where, f"more than {LEVELS_MOST} levels")
        state = hashlib.sha256(b"countersign tree v1\n")
        tables: dict[str, tuple[int, ...]] = {}
        documents: dict[str, tuple[int, ...]] = {}
        folders, height, size = 1, 0, 0
        for entry in sorted(self.objects.level(tree, where), key=lambda one: one.name.encode()):
            path, group = f"{where}/{entry.name}", entry.name
            if entry.is_tree:
                below = self._folder(entry.oid, path, depth + 1)
            else:
                below = self._file(entry, path)
                group = entry.name.split(".")[0]
            for counts, more in ((tables, below.tables), (documents, below.documents)):
                for added in more.values():
                    had = counts.get(group, (0,) * len(added))
                    counts[group] = tuple(map(sum, zip(had, added, strict=True)))
            folders, height = folders + below.folders, max(height, below.height)
            size += below.size
            if size > self.files_most:
                what = f"more than {self.files_most} bytes below one folder"
                raise Refusal("walk.too_large", path, what)
            word, mark = entry.name.encode(), b"d" if entry.is_tree else b"f"
            state.update(mark + len(word).to_bytes(2, "big") + word + below.node)
        folder = Folder(state.digest(), tables, documents, folders, height + 1)
        if folder.files + folder.folders - 1 > ENTRIES_MOST:
            raise Refusal("walk.too_large", where, f"more than {ENTRIES_MOST} files and folders")
        if folder.height > LEVELS_MOST:
            raise Refusal("walk.too_large", where, f"more than {LEVELS_MOST} levels")
        self.known[tree] = folder
        return folder

    def _file(self, entry: Entry, path: str) -> Folder:
        """Return one file as if it were a folder with nothing else."""
        data = self.objects.read(entry.oid, "blob", self.file_most, path)
        leaf = hashlib.sha256(b"countersign file v1\n" + data).digest()
        if not entry.name.endswith(".csv"):
            return Folder(leaf, {}, {"": (1, len(data))})
        lines = data.count(b"\n") + (not data.endswith(b"\n"))
        return Folder(leaf, {"": (1, max(lines - 1, 0), len(data))}, {})


# --- Signed commits -------------------------------------------------------------------------------

_HEADERS = (b"tree", b"parent", b"author", b"committer", b"encoding", b"mergetag", b"gpgsig")
YEAR_2200 = 7258118400
_PERSON = re.compile(rb"[^\n\0<>]* <[^\n\0<>]*> (\d{1,12}) [+-]\d{4}")


@dataclass(frozen=True)
class SignedCommit:
    """A commit read strictly; `covered` is what its signature is made over."""

    parents: tuple[str, ...]
    message: bytes
    armored: str | None
    covered: bytes


def read_commit(raw: bytes, where: str, most: int = COMMIT_MOST) -> SignedCommit:
    """Read a commit more strictly than git does."""
    try:
        return _commit(raw, most)
    except Wrong as error:
        do = "only what git itself writes is read"
        raise Refusal("trust.malformed_commit", where, str(error), do) from None


def _commit(raw: bytes, most: int) -> SignedCommit:
    head, gap, message = raw.partition(b"\n\n")
    if not gap or b"\0" in raw or len(raw) > most:
        raise Wrong("no empty line behind the headers, a NUL, or too long")
    headers = _headers(head)
    values = {word: [value for one, value in headers if one == word] for word in _HEADERS}
    _check_headers(headers, values)
    kept = [(word, value) for word, value in headers if word != b"gpgsig"]
    covered = b"".join(b"%s %s\n" % (word, value.replace(b"\n", b"\n ")) for word, value in kept)
    armored = values[b"gpgsig"][0].decode("ascii", "replace") if values[b"gpgsig"] else None
    return SignedCommit(
        tuple(one.decode() for one in values[b"parent"]),
        message,
        armored.rstrip("\n") + "\n" if armored is not None else None,
        covered + b"\n" + message,
    )


def _headers(head: bytes) -> list[tuple[bytes, bytes]]:
    headers: list[tuple[bytes, bytes]] = []
    for line in head.split(b"\n"):
        word, space, value = line.partition(b" ")
        if not word and space and headers and headers[-1][0] in (b"mergetag", b"gpgsig"):
            headers[-1] = (headers[-1][0], headers[-1][1] + b"\n" + value)
        elif space and word in _HEADERS:
            headers.append((word, value))
        else:
            raise Wrong(f"a header {word[:40].decode('ascii', 'replace')!r}")
    return headers


def _check_headers(
    headers: Sequence[tuple[bytes, bytes]], values: dict[bytes, list[bytes]]
) -> None:
    plain = [min(_HEADERS.index(word), 4) for word, _ in headers]
    if any(len(values[word]) != 1 for word in (b"tree", b"author", b"committer")):
        raise Wrong("not exactly one tree, author and committer")
    if plain != sorted(plain) or len(values[b"parent"]) > PARENTS_MOST:
        raise Wrong("headers out of order, or too many parents")
    if len(values[b"gpgsig"]) > 1:
        raise Wrong("two signatures")
    for person in (values[b"author"][0], values[b"committer"][0]):
        match = _PERSON.fullmatch(person)
        if match is None or int(match[1]) >= YEAR_2200:
            raise Wrong("an author or committer that git would not write")
    for oid in (*values[b"tree"], *values[b"parent"]):
        if not OID.fullmatch(oid.decode("ascii", "replace")):
            raise Wrong("an id that is not 40 hex digits")


def commit_signer(commit: SignedCommit, keys: Iterable[Key], span: Span, where: str) -> Key:
    """Return which of the keys signed a commit and counts, or refuse."""
    do = "sign the commit with a key that the root names (git commit -S, gpg.format=ssh)"
    if commit.armored is None or not commit.armored.startswith("-----BEGIN SSH SIGNATURE-----"):
        raise Refusal("trust.commit_not_signed", where, "it is not signed with SSH", do)
    why = "its key may not sign this"
    try:
        blob = dearmor(commit.armored)
        for key in keys:
            words = Words(blob)
            words.take(10)
            if words.string() == key.blob:
                check_sshsig(key, blob, commit.covered, "git")
                why = key.against(span)
                if not why:
                    return key
    except Wrong as error:
        why = str(error)
    raise Refusal("trust.commit_not_trusted", where, f"commit signature refused: {why}", do)


# --- The roots of a history -----------------------------------------------------------------------


def root_path(version: int) -> str:
    return f"trust/root/{version}.root.json"


class History:
    """What a commit grew out of, over any parents; walked once, as far as anybody asked."""

    def __init__(self, objects: Objects, head: str) -> None:
        self.objects, self.head = objects, head
        self.seen, self.waiting = {head}, [head]

    def holds(self, commit: str) -> bool:
        """Whether a commit is the newest or came before it."""
        while commit not in self.seen and self.waiting:
            if len(self.seen) > ANCESTORS_MOST:
                what = f"more than {ANCESTORS_MOST} commits"
                raise Refusal("history.too_long", f"commit {self.head}", what)
            parents = self.objects.commit(self.waiting.pop()).parents
            self.waiting += [one for one in parents if one not in self.seen]
            self.seen.update(parents)
        return commit in self.seen


class Roots:
    """The chain of roots at each commit of a path, which are told from the oldest on."""

    def __init__(self, objects: Objects, pinned: Root) -> None:
        self.objects, self.pinned = objects, pinned
        self.kept: dict[int, str] = {}
        self.lost: Refusal | None = None
        self.chains: dict[tuple[str, ...], tuple[Root, ...]] = {}

    def pass_by(self, commit: Commit) -> None:
        """Note which roots stand in a commit: none of them may go or change later."""
        try:
            found = self.versions(commit.tree)
            for version, oid in self.kept.items():
                now = found.get(version)
                if now != oid and (now is None or self._payload(now) != self._payload(oid)):
                    do = "the chain is append-only: restore the file as it stood"
                    what = "a root that the history held is gone, or is another document"
                    where = f"{root_path(version)} in commit {commit.oid}"
                    self.lost = self.lost or Refusal("roots.removed", where, what, do)
        except Refusal as error:
            if error.code == MISSING:
                raise
            return  # What stands here is no chain; what stood before it still counts.
        self.kept = found

    def at(self, commit: Commit) -> Root:
        """Return the newest root of a commit, followed from the pinned one; dates aside."""
        return self._chain(commit)[-1]

    def all_at(self, commit: Commit) -> dict[int, Root]:
        """Return the roots of a commit by version: also older ones that their owners signed."""
        known = {one.version: one for one in self._chain(commit)}
        for version, oid in self.versions(commit.tree).items():
            if version < self.pinned.version:
                where = root_path(version)
                try:
                    older = pinned_root(
                        self.objects.read(oid, "blob", ROOT_MOST, where), None, where
                    )
                except Refusal as error:
                    if error.code in (MISSING, "corrupt"):
                        raise
                    continue  # Rubbish is no root: whatever names it is judged by none.
                if (older.version, older.repository) == (version, self.pinned.repository):
                    known[version] = older
        return known

    def _chain(self, commit: Commit) -> tuple[Root, ...]:
        found = self.versions(commit.tree)
        if self.lost is not None:
            raise self.lost
        later = [
            found.get(one) for one in range(self.pinned.version + 1, max(found, default=0) + 1)
        ]
        envelopes = tuple(one for one in later if one is not None)
        if len(envelopes) != len(later):
            version = self.pinned.version + 1 + later.index(None)
            where = root_path(version)
            raise Refusal("roots.not_whole", where, "it is missing, later roots are there")
        if envelopes not in self.chains:
            if len(envelopes) > ROOTS_MOST:
                raise Refusal("trust.root_too_large", "trust/root", f"more than {ROOTS_MOST} roots")
            size = sum(self.objects.header(oid, "trust/root")[1] for oid in envelopes)
            if size > ROOTS_SIZE_MOST:
                what = f"{size} bytes of roots to follow, at most {ROOTS_SIZE_MOST} are read"
                raise Refusal("roots.too_large", "trust/root", what, "pin a newer root")
            chain_ = [self.pinned]
            for version, oid in enumerate(envelopes, start=self.pinned.version + 1):
                where = root_path(version)
                data = self.objects.read(oid, "blob", ROOT_MOST, where)
                chain_.append(next_root(chain_[-1], data, where))
            self.chains[envelopes] = tuple(chain_)
        return self.chains[envelopes]

    def versions(self, tree: str) -> dict[int, str]:
        """Return the roots that stand in a tree, followed or not: their ids by their versions."""
        folder = self.objects.narrow_folder(tree, "trust/root")
        found: dict[int, str] = {}
        for entry in self.objects.level(folder, "trust/root") if folder else ():
            word = entry.name.removesuffix(".root.json")
            version = path_number(word) if word != entry.name else None
            if version is None:
                do = "only <n>.root.json stands here"
                raise Refusal(
                    "layout.bad_name", f"trust/root/{entry.name}", "not a root's name", do
                )
            found[version] = entry.oid
        return found

    def _payload(self, oid: str) -> bytes:
        data = self.objects.read(oid, "blob", ROOT_MOST, "trust/root")
        try:
            return read_envelope(data, "trust/root").payload
        except Refusal:
            return data  # Rubbish is a document of its own.


# --- What a look through a history may cost -------------------------------------------------------


class Look:
    """A look at the folders on a path in one commit after another, the newest first.

    Each that is another one than in the commit before is paid for.
    """

    def __init__(self, objects: Objects, place: str) -> None:
        self.objects, self.parts = objects, place.split("/")
        self.spent, self.most = 0, LOOK_MOST
        self.last: dict[int, tuple[str, str | None]] = {}

    def folder(self, commit: Commit) -> str | None:
        """Return the id of the folder at the path; one on the way is refused where too large."""
        self.most += LOOK_MORE
        here = commit.tree
        for depth, part in enumerate(self.parts):
            before = self.last.get(depth)
            if before is None or before[0] != here:
                self._pay_for(here, "/".join(self.parts[:depth]), commit, is_top=depth == 0)
                before = self.last[depth] = here, self._below(here, depth, part)
            if before[1] is None:
                return None
            here = before[1]
        return here

    def enter(self, commit: Commit, folder: str) -> tuple[Entry, ...]:
        """Return what stands in the folder at the path."""
        self._pay_for(folder, "/".join(self.parts), commit, is_top=False)
        return self.objects.level(folder, "/".join(self.parts))

    def _below(self, tree: str, depth: int, part: str) -> str | None:
        if depth == 0:
            return self.objects.folder(tree, part)
        level = self.objects.level(tree, "/".join(self.parts[:depth]))
        return next((one.oid for one in level if one.name == part and one.is_tree), None)

    def _pay_for(self, tree: str, where: str, commit: Commit, *, is_top: bool) -> None:
        _, size = self.objects.header(tree, where)
        if size <= FOLDER_MOST:
            self.pay(size, commit)
        elif not is_top:  # The top has a limit of its own.
            raise too_large_folder(where, size)

    def pay(self, size: int, commit: Commit) -> None:
        self.spent += size + LOOK_EACH
        if self.spent > self.most:
            what = f"{self.spent} bytes of folders that changed up to here, at most {self.most}"
            raise too_much("history.too_wide", commit, what)


def too_much(code: str, commit: Commit, what: str) -> Refusal:
    """Return the refusal of a history that costs more to look through than any real one."""
    do = "let the branch begin anew beside it, see docs/runbooks/wide-history.md"
    return Refusal(code, f"commit {commit.oid}", what, do)


def check_roots_width(objects: Objects, path: Sequence[Commit], roots: "Roots") -> None:
    """Refuse a path along which `trust/root` is too much to look through."""
    look = Look(objects, "trust/root")
    newer: dict[int, str] | None = None
    seen: str | None = None
    for commit in reversed(path):
        try:
            folder = look.folder(commit)
            if newer is not None and folder == seen:
                continue
            if folder is not None:
                look.enter(commit, folder)
            found = roots.versions(commit.tree)
        except Refusal as error:
            if is_of_history(error):
                raise
            if newer is None:
                return  # Whoever judges the newest commit says so.
            continue  # What stands here is no chain.
        for version, oid in (newer or {}).items():
            for one in {oid, found.get(version, oid)} if found.get(version, oid) != oid else ():
                look.pay(objects.header(one, root_path(version))[1], commit)
        newer, seen = found, folder


def is_of_history(error: Refusal) -> bool:
    """Whether a refusal is not of what one commit holds."""
    return error.code in (MISSING, "corrupt") or error.code.startswith("history.")


class Weight:
    """What a look at the releases of a path costs, the newest first.

    A payload is vouched for where enough owners signed it, dates aside, each by a signature that
    names their key; or where a release names it that is vouched for. Those bring in more than they
    cost.
    """

    def __init__(
        self, objects: Objects, place: str, role: Role, root: Root, release: Release
    ) -> None:
        self.objects, self.place, self.role, self.root = objects, place, role, root
        self.spent, self.most = 0, RELEASES_MOST
        self.files: dict[str, tuple[Envelope, str] | None] = {}
        self.judged: set[str] = set()
        self.vouched = {release.digest, *self._named(release)}

    @staticmethod
    def _named(release: Release) -> set[str]:
        return {one[1] for one in (release.previous, release.rollback_of) if one is not None}

    def add(self, commit: Commit, folder: str) -> None:
        """Look at what stands in the folder of the next older commit, or refuse to."""
        entries = [one for one in self.objects.level(folder, self.place) if not one.is_tree]
        files = [one for one in entries if _is_envelope(one.name, "release")]
        if len(files) > SIGNATURES_MOST:
            return
        found = [self._file(commit, one) for one in files]
        known = [one for one in found if one is not None]
        if len(known) < len(found) or len({(one.kind, sha) for one, sha in known}) != 1:
            return
        signatures = tuple(dict.fromkeys(sig for one, _ in known for sig in one.signatures))
        envelope, digest_of = known[0]
        if len(signatures) <= SIGNATURES_MOST and digest_of not in self.judged:
            self.judged.add(digest_of)
            self._judge(commit, replace(envelope, signatures=signatures), digest_of)
        for one in files:  # A payload is looked at once, so it is let go.
            kept = self.files[one.oid]
            self.files[one.oid] = kept and (replace(kept[0], payload=b""), kept[1])

    def _file(self, commit: Commit, entry: Entry) -> tuple[Envelope, str] | None:
        if entry.oid not in self.files:
            self.files[entry.oid] = None
            path = f"{self.place}/{entry.name}"
            _, size = self.objects.header(entry.oid, path)
            if size <= ENVELOPE_MOST:
                self._pay(commit, size + LOOK_EACH)
                try:
                    data = self.objects.read(entry.oid, "blob", ENVELOPE_MOST, path)
                    envelope = read_envelope(data, path)
                except Refusal as error:
                    if error.code == "corrupt":
                        raise
                else:
                    self.files[entry.oid] = envelope, sha256(envelope.payload)
        return self.files[entry.oid]

    def _judge(self, commit: Commit, envelope: Envelope, digest_of: str) -> None:
        weight = len(envelope.payload) + LOOK_EACH
        vouched = digest_of in self.vouched
        if not vouched:
            self._pay(commit, JUDGED_TIMES * weight)
            vouched = self._is_signed(envelope)
        try:
            release = read_release(envelope.payload, self.place)
        except Refusal:
            return
        if vouched:
            self.most += VOUCHED_TIMES * weight
            self.vouched |= self._named(release)

    def _is_signed(self, envelope: Envelope) -> bool:
        first: dict[str, tuple[str, bytes]] = {}
        for one in envelope.signatures:
            first.setdefault(one[0], one)
        span = (self.root.created, self.root.created)
        role, _ = self.root.role_for(self.role, envelope.payload, span)
        owners = {
            key.owner
            for key in role.keys
            if key.id in first and replace(envelope, signatures=(first[key.id],)).good([key])
        }
        return len(owners) >= role.threshold

    def _pay(self, commit: Commit, size: int) -> None:
        self.spent += size
        if self.spent > self.most:
            what = f"{self.spent} bytes of releases, most neither signed nor followed"
            raise too_much("history.too_heavy", commit, what)


def check_releases_cost(objects: Objects, path: Sequence[Commit], weight: Weight) -> None:
    """Refuse a path along which the releases of an environment are too much to look through."""
    look, before = Look(objects, weight.place), None
    for commit in reversed(path):
        try:
            folder, last = look.folder(commit), before
            before = folder
            if folder is not None and folder != last:
                look.enter(commit, folder)
                weight.add(commit, folder)
        except Refusal as error:
            if is_of_history(error):
                raise


# --- An artifact repository -----------------------------------------------------------------------


@dataclass(frozen=True)
class State:
    """What a controller has accepted of an environment."""

    high: int | None = None
    current: int | None = None
    known: dict[int, str] = field(default_factory=dict)
    applied: frozenset[tuple[int, str]] = frozenset()
    rebased: tuple[int, str] | None = None
    versions: dict[tuple[str, int], str] = field(default_factory=dict)
    spent: frozenset[str] = frozenset()

    def at(self, serial: int | None) -> tuple[int, str] | None:
        return (serial, self.known[serial]) if serial is not None and serial in self.known else None


class Changes:
    """The commits of a path at which something else stood in one place, by ids that nobody judged.

    A folder that cannot be read is a change like any other, and so is the commit that mends it.
    """

    def __init__(self, objects: Objects, place: str) -> None:
        self.objects, self.place = objects, place
        self.held: str | None = None
        self.passed = 0
        self.commits: list[tuple[int, Commit, str | None]] = []
        self.damaged: tuple[int, Refusal] | None = None

    def pass_by(self, commit: Commit) -> None:
        """Look at the next commit of the path."""
        self.passed += 1
        try:
            now = self.objects.raw_id(commit.tree, self.place)
        except Refusal as error:
            if error.code == MISSING:
                raise
            self.damaged = (self.passed, error)
            return
        if now != self.held:
            self.commits.append((self.passed, commit, now))
        self.held = now

    def all(self, since: int = 0) -> list[tuple[int, Commit, str | None]]:
        """Return the changes after so many commits, the oldest first: number, commit, id."""
        if self.damaged is not None and self.damaged[0] > since:
            raise self.damaged[1]
        return [one for one in self.commits if one[0] > since]

    def last(self, since: int = 0) -> Commit | None:
        """Return the last commit after so many that changed what stands there."""
        return next((commit for _, commit, _ in reversed(self.all(since))), None)


@dataclass(frozen=True)
class Signed:
    """A payload that enough owners signed, and their keys."""

    payload: bytes
    signers: tuple[Key, ...]


@dataclass(frozen=True)
class LiveBundle:
    """A bundle version that holds: who signed it, its files, and when it counts."""

    line: Live
    signers: tuple[Key, ...]
    files_root: str
    files: Folder
    window: Window


@dataclass(frozen=True)
class Reset:
    """From which release serials start again, and the first root in the history that says so."""

    release: tuple[int, str]
    root: str

    def at(self, objects: Objects, commit: Commit) -> tuple[int, str] | None:
        """Return the release where the root stood beside it already."""
        return self.release if objects.find(commit.tree, self.root) is not None else None


BESIDE_A_RELEASE = ("acks", "heartbeat.dsse.json", "rollback.dsse.json")


@dataclass(frozen=True)
class Verdict:
    """A commit that holds: under which root, with which release and bundles."""

    commit: Commit
    root: Root
    release: Release
    signers: tuple[Key, ...]
    bundles: tuple[LiveBundle, ...]
    state: State


class Repository:
    """One environment of one branch, judged commit by commit."""

    def __init__(self, objects: Objects, pinned: Root, environment: str, at: datetime) -> None:
        self.objects, self.environment, self.at = objects, environment, at
        self.roots, self.files = Roots(objects, pinned), FilesRoots(objects)
        self.policies = FilesRoots(objects, POLICY_MOST, POLICIES_MOST)
        self.place = f"environments/{environment}"
        self.state = State()
        self.path: list[Commit] = []
        self.folders = Changes(objects, self.place)
        self.releases = Changes(objects, f"{self.place}/release.json")
        self.accepted_at = 0
        self.payloads: dict[str, str | None] = {}
        self.opened: dict[tuple[str, str, str], tuple[Envelope, frozenset[str]]] = {}
        self.copied: set[str] = set()
        self.passed_over: list[tuple[str, Refusal]] = []
        self.warnings: list[str] = []
        self.heartbeat: dict[str, Any] | None = None

    def judge(
        self, path: Sequence[Commit], start: int, *, baseline: bool, tell: Callable[[int], None]
    ) -> Verdict:
        """Judge a path from one of its commits on; return the verdict on its tip, or refuse it.

        `baseline`: the first judged commit is one that is pinned, so any serial may stand there.
        """
        before: tuple[str | None, ...] | None = None
        self._check_cost(path)
        for index, commit in enumerate(path):
            tell(index + 1)
            self.path.append(commit)
            self.roots.pass_by(commit)
            self.folders.pass_by(commit)
            self.releases.pass_by(commit)
            is_tip, places = index == len(path) - 1, self._places(commit)
            if index < start or (places == before and not is_tip):
                continue
            before = places
            pinned = baseline and index == start
            if not is_tip and self.state.high is None and places[0] is None:
                continue  # nothing is declared yet
            try:
                verdict = self._commit(commit, exact=is_tip, pinned=pinned)
            except Refusal as error:
                if is_tip or error.code == MISSING:
                    raise
                self.passed_over.append((commit.oid, error))
            else:
                self.state, self.accepted_at = verdict.state, index + 1
        return verdict

    def _check_cost(self, path: Sequence[Commit]) -> None:
        """Refuse a path that is too much to look through, before all of it is read."""
        check_roots_width(self.objects, path, self.roots)
        tip = path[-1]
        try:
            root = Roots(self.objects, self.roots.pinned).at(tip)
            folder = self.objects.folder(tip.tree, self.place)
            role = root.release.get(self.environment)
            if folder is None or role is None:
                return
            place, beside = (folder, self.place, "release"), BESIDE_A_RELEASE
            signed = self._signed(place, root, role, (self.at, self.at), beside)
            release = read_release(signed.payload, self.place)
        except Refusal:
            return  # Whoever judges the newest commit says so, and nobody vouches for the others.
        check_releases_cost(
            self.objects, path, Weight(self.objects, self.place, role, root, release)
        )

    def _places(self, commit: Commit) -> tuple[str | None, ...]:
        """Return what a verdict depends on; where it is the same, nothing is judged anew."""
        try:
            ours = [one for one in self.objects.top(commit.tree) if one[1] in TOPS]
        except Refusal:
            return (commit.tree,)
        return (self.releases.held, *map(repr, ours))

    def _earlier(self) -> Iterator[tuple[Commit, str, str]]:
        """Yield which payload stood in the environment's folder, whoever signed it, newest first.

        With the commit that put it there, its digest, and the folder's id.
        """
        for _, commit, _ in reversed(self.folders.all()):
            try:
                folder = self.objects.narrow_folder(commit.tree, self.place)
            except Refusal as error:
                if error.code != "walk.too_large":
                    raise
                continue  # Whatever stood there, it was no release of anybody's.
            if folder is not None and folder not in self.payloads:
                self.payloads[folder] = self._digest_in(folder)
            found = self.payloads[folder] if folder is not None else None
            if folder is not None and found is not None:
                yield commit, found, folder

    def _digest_in(self, folder: str) -> str | None:
        """Return the digest of the payload in an environment's folder, if one can be read."""
        try:
            entries = self.objects.level(folder, self.place)
            return sha256(self._envelope(folder, self.place, "release", entries).payload)
        except Refusal as error:
            if error.code in (MISSING, DAMAGED, "corrupt"):
                raise
            return None  # Whatever stood there was no release, so it is nobody's predecessor.

    def _commit(self, commit: Commit, *, exact: bool, pinned: bool) -> Verdict:
        root = self.roots.at(commit)
        span = (self.at, self.at) if exact else (min(root.created, self.at), self.at)
        if exact:
            root.check_in_force(self.at, f"root {root.version}")
        role = root.release.get(self.environment)
        folder = self.objects.folder(commit.tree, self.place)
        if folder is None:
            raise Refusal(
                "succession.no_release", self.place, f"commit {commit.oid} declares nothing"
            )
        if role is None:
            raise nobody(f"releases of {self.environment!r}")
        beside = BESIDE_A_RELEASE
        signed = self._signed((folder, self.place, "release"), root, role, span, beside)
        release = read_release(signed.payload, self.place)
        self._check_place(
            self.place,
            (release.repository, release.environment),
            (root.repository, self.environment),
        )
        state = self._follow(commit, root, release, span, pinned=pinned)
        if exact:
            self._warn(root, release, span)
            self._look_for_heartbeat(commit, root)
        self._check_policies(commit, release)
        self._check_versions(root, release)
        bundles = tuple(self._bundle(commit, root, line, span) for line in release.live)
        _check_overlaps(bundles)
        versions = {(one.line.bundle, one.line.version): one.line.digest for one in bundles}
        state = replace(state, versions={**state.versions, **versions})
        return Verdict(commit, root, release, signed.signers, bundles, state)

    def _signed(
        self,
        place: tuple[str, str, str],
        root: Root,
        role: Role,
        span: Span,
        beside: tuple[str, ...] = (),
    ) -> Signed:
        """Return the verified payload of a folder (id, path, stem) with its plain copy."""
        folder, where, stem = place
        entries = self.objects.level(folder, where)
        for entry in entries:
            known = entry.name in (f"{stem}.json", *beside)
            if not known and (entry.is_tree or not _is_envelope(entry.name, stem)):
                strange = f"{where}/{entry.name}"
                raise Refusal(
                    "signed.strange_file", strange, "it does not belong here", "remove it"
                )
        key = (folder, root.digest, role.name)
        if key not in self.opened:
            envelope = self._envelope(folder, where, stem, entries)
            mine, _ = root.role_for(role, envelope.payload, span)
            self.opened[key] = envelope, envelope.good(mine.keys)
        envelope, good = self.opened[key]
        if envelope.kind != IN_TOTO:
            raise wrong_type(envelope, where)
        mine, dates = root.role_for(role, envelope.payload, span)
        signers = mine.require(good, dates, where)
        if folder not in self.copied:
            copy = next((one for one in entries if one.name == f"{stem}.json"), None)
            path = f"{where}/{stem}.json"
            if copy is None or self._blob(copy, path) != envelope.payload:
                do = "restore it: it must equal the payload exactly"
                raise Refusal("signed.copy_differs", path, "it is not the signed bytes", do)
            self.copied.add(folder)
        return Signed(envelope.payload, signers)

    def _blob(self, entry: Entry, path: str) -> bytes:
        return self.objects.read(entry.oid, "blob", ENVELOPE_MOST, path)

    def _envelope(self, folder: str, where: str, stem: str, entries: Iterable[Entry]) -> Envelope:
        return envelope_in(self.objects, folder, where, stem, entries)

    @staticmethod
    def _check_place(where: str, said: tuple[Any, ...], place: tuple[Any, ...]) -> None:
        if said != place:
            what = (
                f"it is signed for {'/'.join(map(str, said))}, not for {'/'.join(map(str, place))}"
            )
            raise Refusal("signed.wrong_place", where, what, "it was moved or copied there")

    # History

    def _follow(
        self, commit: Commit, root: Root, release: Release, span: Span, *, pinned: bool
    ) -> State:
        """Return the state after a release that may follow, or refuse it (G3, G4)."""
        state, reset = self.state, self._reset(commit, root)
        behind = state.high is not None and release.serial <= state.high
        goes_back = behind and release.serial != state.current
        if reset is not None and state.high is None and self._started_again(release, reset):
            state, reset = replace(state, rebased=reset.release), None
        for found_at, earlier in self._between(release, reset):
            state = self._link(state, earlier, reset.at(self.objects, found_at) if reset else None)
        allowed = self._authority(commit, root, release, span) if goes_back else None
        last = self.releases.last() if reset is not None else None
        here = reset.at(self.objects, last) if reset is not None and last is not None else None
        if _obeys(state, release, here):
            self._check_usable(root, release, span)
            return replace(_forward(_forget(state, release), release, applied=True), rebased=here)
        self._check_one_number(state, release)
        if state.high is not None and release.id == state.at(state.current):
            return state
        if state.high is not None and release.serial <= state.high:
            return self._back(state, root, release, span, allowed)
        if state.high is not None or not pinned:
            self._check_next(state, release)
        self._check_usable(root, release, span)
        return _forward(state, release, applied=True)

    def _reset(self, commit: Commit, root: Root) -> Reset | None:
        """Return the root's reset, unless it was obeyed, and since which root it has been there."""
        release, version = root.reset.get(self.environment), root.version
        if release is None or release == self.state.rebased:
            return None
        while version > 1:
            path = root_path(version - 1)
            data = self.objects.file(commit.tree, path, ROOT_MOST)
            if data is None:
                break
            try:
                before = read_root(read_envelope(data, path).payload, path)
            except Refusal:
                break  # It is older than what is pinned, or the root in force was not followed.
            if before.reset.get(self.environment) != release:
                break
            version -= 1
        return Reset(release, root_path(version))

    def _started_again(self, release: Release, reset: Reset) -> bool:
        """Whether a history that begins at a release begins after the reset was obeyed."""
        chain = self._back_to(release, reset.release[0], {})
        found_at, first = chain[0] if chain else (self.releases.last(), release)
        begins = reset.release in {first.id, first.previous}
        return begins and found_at is not None and reset.at(self.objects, found_at) is not None

    def _between(self, release: Release, reset: Reset | None) -> list[tuple[Commit, Release]]:
        """Return the releases between the newest known one and this one, the oldest first."""
        if self.state.high is None:
            return []
        if reset is not None:
            again = self._back_to(release, reset.release[0], self.state.known)
            after = again[0][1].previous if again else None
            if after == reset.release and reset.at(self.objects, again[0][0]) is not None:
                return again
        return self._back_to(release, self.state.high, {})

    def _back_to(
        self, release: Release, serial: int, known: dict[int, str]
    ) -> list[tuple[Commit, Release]]:
        """Follow `previous` through what stood here before, down to a serial or a known one."""
        found: list[tuple[Commit, Release]] = []
        wanted, earlier = release.previous, self._earlier()
        while wanted is not None and wanted[0] > serial and known.get(wanted[0]) != wanted[1]:
            sought = wanted[1]
            match = next((one for one in earlier if one[1] == sought), None)
            if match is None:
                break
            entries = self.objects.level(match[2], self.place)
            payload = self._envelope(match[2], self.place, "release", entries).payload
            found.append((match[0], read_release(payload, f"an earlier release in {self.place}")))
            wanted = found[-1][1].previous
        return found[::-1]

    def _link(self, state: State, release: Release, reset: tuple[int, str] | None) -> State:
        """Link a release that was replaced before anybody looked."""
        if _obeys(state, release, reset):
            return replace(_forward(_forget(state, release), release, applied=False), rebased=reset)
        self._check_one_number(state, release)
        if state.high is not None and release.serial <= state.high:
            if release.serial not in state.known:
                raise self._history("serial_replayed", release, f"it is behind {state.high}")
            return replace(state, current=release.serial)
        self._check_next(state, release)
        return _forward(state, release, applied=False)

    def _history(self, code: str, release: Release, what: str) -> Refusal:
        where = f"{self.place}, release {release.serial} ({short(release.digest)})"
        return Refusal(f"trust.{code}", where, what, "promote again on top of the newest release")

    def _check_one_number(self, state: State, release: Release) -> None:
        before = state.at(release.serial)
        if state.high is None or release.serial > state.high or before is None:
            return
        if before[1] != release.digest:
            what = f"two releases carry its serial, the other is {short(before[1])}"
            raise self._history("equivocation", release, what)

    def _check_next(self, state: State, release: Release) -> None:
        expected = 1 if state.high is None else state.high + 1
        if release.serial != expected:
            what = f"serial {expected} comes next"
            if state.high is None:
                what += "; where a history begins later, name its first commit with --baseline"
            raise self._history("serial_skipped", release, what)
        if release.previous == state.at(state.high):
            return
        undone = release.rollback_of
        taken_back = undone is not None and (state.current or 1) <= undone[0]
        is_known = taken_back and undone == state.at(undone[0] if undone else None)
        if release.previous is None or release.previous != state.at(state.current) or not is_known:
            raise self._history(
                "previous_mismatch", release, "it does not follow the newest release"
            )

    def _check_usable(self, root: Root, release: Release, span: Span) -> None:
        floor = root.serial_floors.get(self.environment, 1)
        if release.serial < floor:
            raise self._history("serial_below_floor", release, f"the root's floor is {floor}")
        if release.expires is not None and release.expires <= span[0]:
            what = (
                f"it expired at {written(release.expires)}; --at an earlier instant shows the rest"
            )
            raise self._history("release_expired", release, what)

    def _warn(self, root: Root, release: Release, span: Span) -> None:
        """Note what a controller that applied the release in time does not ask again."""
        self.warnings += too_early(root, self.at)
        try:
            self._check_usable(root, release, span)
        except Refusal as error:
            self.warnings.append(f"a host that starts today refuses it: {error}")

    def _look_for_heartbeat(self, commit: Commit, root: Root) -> None:
        """Take note of the heartbeat, or of why it is none; a repository holds whatever it says."""
        if root.heartbeat is None:
            return
        path = f"{self.place}/heartbeat.dsse.json"
        try:
            data = self.objects.file(commit.tree, path, ENVELOPE_MOST)
            if data is None:
                self.warnings.append(f"{path}: there is no heartbeat, and the root grants one")
                return
            self.heartbeat = self._heartbeat(commit, root, root.heartbeat, data, path)
        except Refusal as error:
            if error.code == MISSING:
                raise
            self.warnings.append(f"the heartbeat is not believed: {error}")

    def _holds(self, commit: Commit, earlier: str) -> bool:
        try:
            return self.objects.descends(earlier, commit.oid)
        except Refusal:
            return False  # It is not there, or is no commit: nothing that this branch holds.

    def _heartbeat(
        self, commit: Commit, root: Root, role: Role, data: bytes, path: str
    ) -> dict[str, Any]:
        envelope, now = read_envelope(data, path), (self.at, self.at)
        if envelope.kind != IN_TOTO:
            raise wrong_type(envelope, path)
        mine, dates = root.role_for(role, envelope.payload, now)
        signers = mine.require(envelope.good(mine.keys), dates, path)
        said = read_heartbeat(envelope.payload, path)
        place = (root.repository, self.environment)
        self._check_place(path, (said["repository"], said["environment"]), place)
        seen, expires = said["commit"], said["expires"]
        if expires <= self.at:
            self.warnings.append(f"{path}: the last heartbeat ended at {written(expires)}")
        elif not self._holds(commit, seen):
            self.warnings.append(f"{path}: it saw commit {seen}, which this branch does not hold")
        return {
            "seen": seen,
            "created": written(said["created"]),
            "expires": written(expires),
            "signers": signers_json(signers),
        }

    def _back(
        self,
        state: State,
        root: Root,
        release: Release,
        span: Span,
        allowed: frozenset[str] | None,
    ) -> State:
        """Return the state after a rollback that a rollback key asked for."""
        if release.serial not in state.known:
            raise self._history(
                "serial_replayed", release, f"it is behind {state.high}, and unknown"
            )
        refused = "rollback refused: "
        if release.id not in state.applied:
            raise self._history("rollback_refused", release, refused + "it was never applied")
        if release.serial < root.serial_floors.get(self.environment, 1):
            raise self._history("rollback_refused", release, refused + "below the root's floor")
        if allowed is None:
            raise self._history("rollback_refused", release, refused + "no rollback key signed it")
        self._check_usable(root, release, span)
        return replace(state, current=release.serial, spent=state.spent | allowed)

    def _authority(
        self, commit: Commit, root: Root, release: Release, span: Span
    ) -> frozenset[str] | None:
        """Return the statement that allows a return (none for a signed commit), or `None`."""
        role = root.rollback.get(self.environment)
        if role is None:
            return None
        changer = self.releases.last(self.accepted_at)
        if changer is not None:
            where = f"commit {changer.oid}"
            try:
                raw = self.objects.read(changer.oid, "commit", COMMIT_MOST, where)
                signer = commit_signer(read_commit(raw, where), role.keys, span, where)
                role.require(frozenset({signer.id}), span, where)
            except Refusal:
                pass  # The button of a forge signs with nobody's key of ours; a statement may be.
            else:
                return frozenset()
        path = f"{self.place}/rollback.dsse.json"
        data = self.objects.file(commit.tree, path, ENVELOPE_MOST)
        if data is None:
            return None
        envelope = read_envelope(data, path)
        if envelope.kind != IN_TOTO:
            raise wrong_type(envelope, path)
        mine, dates = root.role_for(role, envelope.payload, span)
        try:
            mine.require(envelope.good(mine.keys), dates, path)
        except Refusal:
            return None
        return self._permission(root, release, span, envelope.payload, path)

    def _permission(
        self, root: Root, release: Release, span: Span, payload: bytes, path: str
    ) -> frozenset[str] | None:
        said = read_rollback(payload, path)
        place = (root.repository, self.environment)
        self._check_place(path, (said["repository"], said["environment"]), place)
        if said["expires"] <= span[0]:
            what = f"the permission to go back ended at {written(said['expires'])}"
            raise Refusal("succession.rollback_lapsed", path, what, "sign a new one")
        if sha256(payload) in self.state.spent:
            what = "this permission to go back was used before"
            raise Refusal("succession.rollback_spent", path, what, "sign a new one")
        covers = (said["to_serial"], said["to_sha256"]) == release.id
        return frozenset({sha256(payload)}) if covers else None

    # Policies and bundles

    def _check_policies(self, commit: Commit, release: Release) -> None:
        folder, found = self.objects.folder(commit.tree, "policies"), {}
        if folder is not None:
            self.policies.of(folder, "policies")  # Limits hold for all of it, readable as a whole.
            found = {
                entry.name: self.policies.of(entry.oid, f"policies/{entry.name}").node.hex()
                for entry in self.objects.level(folder, "policies")
                if entry.is_tree
            }
        for rail in sorted({line.rail for line in release.live} | release.policies.keys()):
            if found.get(rail) != release.policies.get(rail):
                what = f"it is {found.get(rail)}, the release pins {release.policies.get(rail)}"
                do = "promote again: the release's signers decide which rules judge it"
                raise Refusal("rails.not_pinned", f"policies/{rail}", what, do)

    def _check_versions(self, root: Root, release: Release) -> None:
        newest: dict[str, int] = {}
        for bundle, version in self.state.versions:
            newest[bundle] = max(version, newest.get(bundle, 0))
        for line in release.live:
            known = self.state.versions.get((line.bundle, line.version), line.digest)
            if known != line.digest:
                what = f"it is {short(line.digest)} now, it was {short(known)} before"
                do = "a version never changes: sign the next one"
                raise Refusal("trust.bundle_equivocation", line.path, what, do)
            last = newest.get(line.bundle, line.version)
            if line.version > last + VERSION_STEP_MOST:
                what = f"more than {VERSION_STEP_MOST} versions after {last}"
                raise Refusal("trust.bundle_skipped", line.path, what)
            floor = root.bundle_floors.get(line.bundle, 1)
            if line.version < floor:
                raise Refusal("trust.bundle_below_floor", line.path, f"the root's floor is {floor}")

    def _bundle(self, commit: Commit, root: Root, line: Live, span: Span) -> LiveBundle:
        """Return a live version that holds: signed, in its place, with its files."""
        where = line.path.removesuffix("/bundle.json")
        folder = self.objects.folder(commit.tree, where)
        if folder is None:
            raise Refusal("admit.bundle_missing", where, "it is not in the repository", "commit it")
        role = root.bundle_role(line.rail, f"bundles/{line.bundle}")
        signed = self._signed((folder, where, "bundle"), root, role, span)
        said = read_bundle(signed.payload, where)
        names = (said["repository"], said["rail"], said["name"], said["version"])
        self._check_place(where, names, (root.repository, *line.bundle.split("/"), line.version))
        found = sha256(signed.payload)
        if found != line.digest:
            what = f"it is {short(found)}, the release pins {short(line.digest)}"
            raise Refusal("admit.bundle_differs", line.path, what, "promote the version as it is")
        before = said["previous"]
        known = self.state.versions.get((line.bundle, before["version"])) if before else None
        if before and known not in (None, before["sha256"]):
            what = f"it follows {short(before['sha256'])}, known is {short(str(known))}"
            raise Refusal("trust.bundle_equivocation", line.path, what)
        if self.environment not in said["environments"]:
            what = f"it is signed for {', '.join(said['environments'])}, not for {self.environment}"
            raise Refusal("admit.not_for_environment", line.path, what)
        files = self._files(line, said)
        tables = {
            key: (one["files"], one["rows"], one["bytes"]) for key, one in said["tables"].items()
        }
        documents = {key: (one["files"], one["bytes"]) for key, one in said["documents"].items()}
        if (files.tables, files.documents) != (tables, documents):
            raise Refusal("admit.counts_differ", line.path, "the signed counts are not the files'")
        live_in = _narrowed(line, said["window"])
        return LiveBundle(line, signed.signers, said["files_root"], files, live_in)

    def _files(self, line: Live, said: dict[str, Any]) -> Folder:
        """Return the tree with the signed files root: the hinted one, or the nearest before it."""
        where, seen = f"bundles/{line.bundle}/files", set()
        for tree in self._candidates(said["git_tree"], where):
            if tree in seen:
                continue
            seen.add(tree)
            try:
                found = self.files.of(tree, where)
            except Refusal:
                continue
            if found.node.hex() == said["files_root"]:
                return found
        what = f"no tree in the history has the signed files root {short(said['files_root'])}"
        do = "commit the files exactly as they were signed"
        raise Refusal("pinned.files_not_found", line.path, what, do)

    def _candidates(self, hint: str, where: str) -> Iterator[str]:
        try:
            if self.objects.header(hint, where)[0] == "tree":
                yield hint
        except Refusal:
            pass
        for commit in reversed(self.path):
            try:
                folder = self.objects.folder(commit.tree, where)
            except Refusal:
                continue
            if folder is not None:
                yield folder


def envelope_in(
    objects: Objects, folder: str, where: str, stem: str, entries: Iterable[Entry]
) -> Envelope:
    """Return the one envelope of a folder, which may stand in several files."""
    files = [one for one in entries if not one.is_tree and _is_envelope(one.name, stem)]
    if len(files) > SIGNATURES_MOST:
        what = f"{len(files)} envelopes, at most {SIGNATURES_MOST} are read"
        raise Refusal("signed.too_many_envelopes", where, what, "join them into one")
    paths = {one: f"{where}/{one.name}" for one in files}
    envelopes = [
        read_envelope(objects.read(one.oid, "blob", ENVELOPE_MOST, path), path)
        for one, path in paths.items()
    ]
    if not envelopes:
        what = f"there is no {stem}.dsse.json in {short(folder)}"
        raise Refusal("signed.no_envelope", where, what, "deny by default: sign it")
    return merged(envelopes, where)


def _is_envelope(file: str, stem: str) -> bool:
    middle = file.removeprefix(f"{stem}.").removesuffix(".dsse.json")
    is_signers = file == f"{stem}.{middle}.dsse.json" and NAME.fullmatch(middle) is not None
    return file == f"{stem}.dsse.json" or is_signers


def _obeys(state: State, release: Release, reset: tuple[int, str] | None) -> bool:
    if reset is None or reset == state.rebased or state.high is None:
        return False
    if release.id == reset:
        return release.id != state.at(state.current)
    follows = release.serial == reset[0] + 1 and release.previous == reset
    return follows and release.id != state.at(release.serial)


def _forget(state: State, release: Release) -> State:
    """Return the state without what was known from a release's serial on."""
    known = {serial: one for serial, one in state.known.items() if serial < release.serial}
    applied = frozenset(one for one in state.applied if one[0] < release.serial)
    return replace(state, known=known, applied=applied)


def _forward(state: State, release: Release, *, applied: bool) -> State:
    return replace(
        state,
        high=release.serial,
        current=release.serial,
        known={**state.known, release.serial: release.digest},
        applied=state.applied | {release.id} if applied else state.applied,
    )


def _narrowed(line: Live, signed: Window) -> Window:
    start, end = line.narrowing
    if (start and signed[0] and start < signed[0]) or (end and signed[1] and end > signed[1]):
        do = "a release may only narrow the signed window"
        raise Refusal("release.widens_window", line.path, "the release widens its window", do)
    found = intersection(signed, line.narrowing)
    if found is None:
        raise Refusal("instant.empty_window", line.path, "the release leaves no time of its window")
    return found


def _check_overlaps(bundles: Sequence[LiveBundle]) -> None:
    by_bundle: dict[str, list[LiveBundle]] = {}
    for one in bundles:
        by_bundle.setdefault(one.line.bundle, []).append(one)
    for bundle, versions in by_bundle.items():
        for one, two in combinations(versions, 2):
            if intersection(one.window, two.window) is not None:
                both = f"versions {one.line.version} and {two.line.version}"
                do = "let the later version start when the earlier one ends"
                where = f"bundles/{bundle}"
                raise Refusal("admit.windows_overlap", where, f"{both} are live at one time", do)


# --- An audit trail -------------------------------------------------------------------------------

_KEY_IDS = items(text(), 0, INTEGER_MOST)


_RECORD = members(
    {
        "format": only("urn:countersign:audit:v1"),
        "seq": integer(1),
        "prev": digest,
        "controller": name,
        "environment": name,
        "repository": uuid,
        "revision": integer(1),
        "kind": only("baseline", "forward", "rollback", "repolicy", "repin", "heal"),
        "commit": text(OID),
        "parent_commit": nullable(text(OID)),
        "release_sha256": digest,
        "serial": integer(1),
        "root_version": integer(1),
        "policies_digest": digest,
        "plan_digest": digest,
        "signers": by_name(None, _KEY_IDS, INTEGER_MOST),
        "counts": by_name(None, by_name(None, integer(-INTEGER_MOST), INTEGER_MOST), INTEGER_MOST),
        "tables": by_name(None, text(), INTEGER_MOST),
        "acks": items(members({"sha256": digest, "signers": _KEY_IDS}), 0, INTEGER_MOST),
        "rollback": nullable(
            members({"from_serial": integer(1), "evidence": nullable(digest), "signers": _KEY_IDS})
        ),
        "applied_at": instant,
        "result": name,
    }
)
_FIRST_LINES = {
    "baseline": "Start {environment} at release {serial}",
    "forward": "Apply release {serial} to {environment}",
    "rollback": "Roll {environment} back to release {serial}",
    "repolicy": "Judge release {serial} of {environment} by other rules",
    "repin": "Pin another root for {environment} at release {serial}",
    "heal": "Put {environment} right at release {serial}",
}


def read_record(data: bytes) -> dict[str, Any]:
    """Read an audit record in its one form, or raise `Wrong`."""
    value = read_json(data, RECORD_MOST)
    record: dict[str, Any] = _RECORD(value, "")
    lists = [*record["signers"].values(), *(one["signers"] for one in record["acks"])]
    lists += [record["rollback"]["signers"]] if record["rollback"] else []
    is_ascii = all(key.isascii() for key in _keys_of(value))
    if canonical(value) != data or not is_ascii or any(one != sorted(one) for one in lists):
        raise Wrong("not in canonical form")
    return record


def _keys_of(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        yield from _keys_of(item)


def trailers_of(record: dict[str, Any]) -> str:
    """Return the trailers that say the same as a record."""
    return (
        f"Audit-Seq: {record['seq']}\nAudit-Prev: sha256:{record['prev']}\n"
        f"Source-Commit: sha1:{record['commit']}\nRelease: sha256:{record['release_sha256']}\n"
        f"Serial: {record['serial']}\nResult: {record['result']}\n"
    )


def commit_of(data: bytes, record: dict[str, Any], parent: str | None) -> bytes:
    """Return the bytes that the commit of a record is signed over."""
    who, seconds = record["controller"], int(record["applied_at"].timestamp())
    person = f"{who} <{who}@audit.countersign.invalid> {seconds} +0000"
    above = f"parent {parent}\n" if parent else ""
    first = _FIRST_LINES[record["kind"]].format_map(record)
    headers = f"tree {EMPTY_TREE}\n{above}author {person}\ncommitter {person}\n\n{first}\n\n"
    return headers.encode() + data + b"\n\n" + trailers_of(record).encode()


def is_as_written(raw: bytes, commit: SignedCommit) -> bool:
    """Whether a commit's armor is wrapped, and stands, as a controller writes it; no other form."""
    head, _, message = commit.covered.partition(b"\n\n")
    text_ = base64.b64encode(dearmor(commit.armored or "")).decode()
    lines = "".join(f" {text_[at : at + 70]}\n" for at in range(0, len(text_), 70))
    armor = f"gpgsig -----BEGIN SSH SIGNATURE-----\n{lines} -----END SSH SIGNATURE-----"
    return raw == b"%s\n%s\n\n%s" % (head, armor.encode(), message)


Broken = Callable[[str, str], Refusal]


def check_claims(record: dict[str, Any], at: datetime, broken: Broken) -> None:
    """Refuse a record whose members do not fit its kind, or one another."""
    kind, signers, acks, back = (record[one] for one in ("kind", "signers", "acks", "rollback"))
    if record["result"] != "applied":
        raise broken("link_malformed", f"its result is {record['result']}")
    if (back is not None) != (kind == "rollback"):
        raise broken("link_revision", f"a {kind}, and a rollback or none")
    if kind == "repin" and ("root" not in signers or record["counts"]):
        raise broken(
            "link_statement", "a repin whose root nobody signed, or that changes something"
        )
    if acks and kind in {"rollback", "repin"}:
        raise broken("link_statement", f"a {kind} that was acknowledged")
    if len({one["sha256"] for one in acks}) != len(acks):
        raise broken("link_statement", "one acknowledgement stands twice")
    for keys in (
        *signers.values(),
        *(one["signers"] for one in (*acks, *([back] if back else []))),
    ):
        if not keys or len(set(keys)) != len(keys):
            raise broken("link_statement", "something was signed by nobody, or by one key twice")
    if record["applied_at"] > at + CLOCK_TOLERANCE:
        told = f"{written(record['applied_at'])}, judged at {written(at)}"
        raise broken("link_time", told)


@dataclass
class Serials:
    """The serials of one environment; `applied` are the releases by serial, as last applied."""

    high: int = 0
    applied: dict[int, str] = field(default_factory=dict)
    is_whole: bool = False
    rebased: tuple[int, str] | None = None

    def start(self, record: dict[str, Any], *, is_whole: bool) -> None:
        """Begin, or go on behind what others did: serials may have started again there."""
        self.is_whole, self.high = is_whole, 0
        self._take(record)

    def follow(
        self, record: dict[str, Any], last: dict[str, Any], root: Root | None, broken: Broken
    ) -> None:
        """Refuse a release that cannot be that of the next revision."""
        kind, serial, digest = record["kind"], record["serial"], record["release_sha256"]
        same = digest == last["release_sha256"]
        if kind in {"repolicy", "repin", "heal"}:
            if not same or serial != last["serial"]:
                raise broken("link_revision", f"a {kind} of another release")
            other = record["policies_digest"] != last["policies_digest"]
            if other != (kind == "repolicy"):
                raise broken(
                    "link_revision", f"a {kind} by {'other' if other else 'the same'} rules"
                )
        elif same:
            raise broken("link_revision", f"release {serial} was applied already")
        elif kind == "rollback":
            left, before = record["rollback"]["from_serial"], self.applied.get(serial)
            if left != last["serial"] or (self.is_whole and before != digest):
                what = f"a rollback from {left} to {serial}, which was not applied, or not left"
                raise broken("link_revision", what)
        elif kind == "forward" and serial <= self.high:
            self._start_again(record, root, broken)
        self._take(record)

    def _start_again(self, record: dict[str, Any], root: Root | None, broken: Broken) -> None:
        serial, release = record["serial"], (record["serial"], record["release_sha256"])
        reset = root.reset.get(record["environment"]) if root else None
        obeys = reset is not None and reset != self.rebased
        if obeys and reset is not None and (serial > reset[0] or release == reset):
            self.rebased = reset
        elif root is not None:
            raise broken("link_revision", f"a forward to release {serial} after {self.high}")
        self.high = serial
        self.applied = {one: sha for one, sha in self.applied.items() if one < serial}

    def _take(self, record: dict[str, Any]) -> None:
        left = record["rollback"]["from_serial"] if record["rollback"] else 0
        self.high = max(self.high, record["serial"], left)
        self.applied[record["serial"]] = record["release_sha256"]


@dataclass
class Course:
    """The records so far; `rest` yields what trails of other controllers say of revisions."""

    repository: str
    rest: Iterator[tuple[str, int]]
    roots: dict[int, Root]
    told: set[tuple[str, int]] = field(default_factory=set)
    last: dict[str, Any] | None = None
    latest: datetime | None = None
    newest: dict[str, dict[str, Any]] = field(default_factory=dict)
    serials: dict[str, Serials] = field(default_factory=dict)

    def follow(self, record: dict[str, Any], broken: Broken) -> tuple[dict[str, Any] | None, bool]:
        """Refuse a record that cannot come next; return the last, and if they adjoin."""
        if record["repository"] != self.repository:
            raise broken("link_repository", f"it is not of repository {self.repository}")
        at, latest = record["applied_at"], self.latest or record["applied_at"]
        if at < latest - CLOCK_TOLERANCE:
            raise broken("link_time", f"{written(at)} after {written(latest)}")
        self.latest = max(at, latest)
        before = self.newest.get(record["environment"])
        adjoins = self._adjoins(record, before, broken)
        serials = self.serials.setdefault(record["environment"], Serials())
        if before is not None and adjoins:
            serials.follow(record, before, self.roots.get(record["root_version"]), broken)
        else:
            serials.start(record, is_whole=record["revision"] == 1)
        if record["kind"] == "repin":
            self._check_repin(record, broken)
        if record["kind"] == "heal":
            _check_heal(record, before if adjoins else None, broken)
        self.last = self.newest[record["environment"]] = record
        return before, adjoins

    def _adjoins(
        self, record: dict[str, Any], before: dict[str, Any] | None, broken: Broken
    ) -> bool:
        revision, kind = record["revision"], record["kind"]
        if (kind == "baseline") != (revision == 1):
            raise broken("link_revision", f"revision {revision} is a {kind}")
        if (record["parent_commit"] is None) != (revision == 1):
            raise broken("link_ancestry", f"a commit before revision {revision}, or none")
        if before is None:
            return False
        adjoins: bool = revision == before["revision"] + 1
        if not adjoins and not self._told_elsewhere(record, before["revision"]):
            raise broken("link_revision", f"it is {revision} after {before['revision']}")
        return adjoins

    def _told_elsewhere(self, record: dict[str, Any], last: int) -> bool:
        if record["revision"] <= last:
            return False
        return all(
            self._tell((record["environment"], number))
            for number in range(last + 1, record["revision"])
        )

    def _tell(self, wanted: tuple[str, int]) -> bool:
        """Whether another trail tells of a revision; each is read once, as far as needed."""
        while wanted not in self.told:
            found = next(self.rest, None)
            if found is None:
                return False
            self.told.add(found)
        return True

    def _check_repin(self, record: dict[str, Any], broken: Broken) -> None:
        if record["parent_commit"] != record["commit"]:
            raise broken("link_ancestry", "a repin is at the commit that was applied")
        then, now = self.last["signers"] if self.last else {}, record["signers"]
        if {**then, "root": ()} != {**now, "root": ()}:
            raise broken("link_statement", "signers of a repin: the record before's, and root")


def _check_heal(record: dict[str, Any], last: dict[str, Any] | None, broken: Broken) -> None:
    """Refuse a heal that does not repeat what the record before it declared."""
    if record["parent_commit"] != record["commit"]:
        raise broken("link_ancestry", "a heal is at the commit that declared the rows")
    if last is None:
        return
    signers = {what: keys for what, keys in last["signers"].items() if what != "root"}
    same = all(record[one] == last[one] for one in ("commit", "root_version"))
    if not same or record["signers"] != signers:
        raise broken("link_statement", "commit, root, signers of a heal: the record before's")


def check_statement(record: dict[str, Any], release: Release, broken: Broken) -> None:
    """Refuse a record that says something else than its release."""
    for member in ("repository", "environment", "serial"):
        recorded, released = record[member], getattr(release, member)
        if recorded != released:
            what = f"{member} is {recorded}, the release says {released}"
            raise broken("link_statement", what)
    signed = {"release", *(f"{one.bundle}@{one.version}" for one in release.live)}
    if record["kind"] != "repin" and record["signers"].keys() != signed:
        raise broken("link_statement", "it names signers of other bundles than the release")


def check_signers(
    source: Objects,
    record: dict[str, Any],
    release: Release,
    root: Root,
    broken: Broken,
    *,
    again: bool = False,
) -> None:
    """Refuse signers who did not sign the release, or may not sign what they are said to have.

    `again`: a heal, whose signers are those of the record before; its acknowledgements are its own.
    """
    kind, signers, at = record["kind"], record["signers"], record["applied_at"]
    environment = record["environment"]
    try:
        if kind == "repin":
            check_named(root.role, signers["root"], None, "the root")
            return
        role = root.release.get(environment)
        if role is None:
            raise nobody(f"releases of {environment!r}")
        found = set(signers["release"]) if again else release_signers(source, record, root, role)
        if found != set(signers["release"]):
            raise broken("link_signers", f"the release was signed by {', '.join(sorted(found))}")
        for ack in record["acks"]:
            check_document(root, role, ack["sha256"], ack["signers"], at)
        if record["rollback"]:
            back, said = root.rollback.get(environment), record["rollback"]
            if back is None:
                raise nobody(f"rollbacks of {environment!r}")
            check_document(root, back, said["evidence"] or "", said["signers"], at)
        for one in () if again else release.live:
            mine = root.bundle_role(one.rail, f"bundles/{one.bundle}")
            check_document(root, mine, one.digest, signers[f"{one.bundle}@{one.version}"], at)
    except Refusal as error:
        if error.code == "audit.link_signers":
            raise
        raise broken("link_signers", str(error)) from None


def check_document(
    root: Root, role: Role, document: str, named: Sequence[str], at: datetime
) -> None:
    """Refuse keys that cannot have signed what has a digest."""
    mine, span = root.role_of(role, document, (at, at))
    check_named(mine, named, span, document)


def check_named(role: Role, named: Sequence[str], span: Span | None, where: str) -> None:
    """Refuse keys that are not of a role, or did not count, or too few owners."""
    counting = role.require(frozenset(named), span, where)
    if {key.id for key in counting} != set(named):
        raise Refusal("trust.threshold_not_met", where, f"not all are keys of role {role.name!r}")


def release_signers(source: Objects, record: dict[str, Any], root: Root, role: Role) -> set[str]:
    """Return whose signatures of a record's release count, or refuse it."""
    where = f"environments/{record['environment']}"
    folder = source.folder(source.commit(record["commit"]).tree, where)
    if folder is None:
        raise Refusal("signed.no_envelope", where, "there is no such folder")
    envelope = envelope_in(source, folder, where, "release", source.level(folder, where))
    if envelope.kind != IN_TOTO:
        raise wrong_type(envelope, where)
    found = sha256(envelope.payload)
    if found != record["release_sha256"]:
        raise Refusal("signed.copy_differs", where, f"release {found} was signed")
    mine, span = root.role_of(role, found, (record["applied_at"],) * 2)
    return {key.id for key in mine.require(envelope.good(mine.keys), span, where)}


@dataclass(frozen=True)
class Link:
    """A link of a trail that holds."""

    commit: str
    record: dict[str, Any]
    data: bytes
    signer: Key


@dataclass(frozen=True)
class Trail:
    """A controller's trail, and whose keys and source commits prove it."""

    objects: Objects
    controller: str
    keys: tuple[Key, ...]
    at: datetime
    source: Objects | None
    root: Root
    roots: dict[int, Root]
    history: "History | None"

    def prove(self, tip: str, progress: Callable[[int], Callable[[int], None]]) -> list[Link]:
        """Return every link, the oldest first, or refuse the first that does not hold."""
        path = self._oldest_first(tip)
        tell = progress(len(path))
        links: list[Link] = []
        course = Course(self.root.repository, self._told(), self.roots if self.source else {})
        for oid in path:
            last = links[-1] if links else None
            links.append(self._link(oid, last, len(links) + 1, course))
            tell(len(links))
        return links

    def _oldest_first(self, tip: str) -> list[str]:
        """Return the commits of the trail; one that is too large is a link that does not hold."""
        path: list[str] = []
        try:
            for one in self.objects.newest_first(tip):
                path.append(one.oid)  # noqa: PERF401  what was reached counts when the rest raises
        except Refusal as error:
            if error.code != "walk.too_large":
                raise
            where = f"audit trail of {self.controller}, {self._below(path)}, {error.where}"
            do = "everything before this link is proven, nothing from it on"
            raise Refusal("audit.link_malformed", where, error.what, do) from None
        return path[::-1]

    def _below(self, path: Sequence[str]) -> str:
        """Say which link is below the last of a path, as its record says."""
        try:
            return f"link {self._record_at(path[-1])['seq'] - 1}" if path else "newest link"
        except (Refusal, Wrong):
            return "a link"  # It is named by its commit alone.

    def _record_at(self, oid: str) -> dict[str, Any]:
        """Return the record of an audit commit, believed by nobody yet."""
        raw = self.objects.read(oid, "commit", LINK_MOST, f"commit {oid}")
        message = read_commit(raw, f"commit {oid}", LINK_MOST).message
        return read_record(b"".join(message.split(b"\n\n")[1:2]))

    def _told(self) -> Iterator[tuple[str, int]]:
        """Yield environments and revisions of the other controllers' records, proven or not."""
        commits, size = 0, 0
        for other in self.root.audit:
            try:
                if other != self.controller:
                    for one in self.objects.newest_first(audit_tip(self.objects, None, other)):
                        commits, size = commits + 1, size + self.objects.header(one.oid, other)[1]
                        if commits > TOLD_COMMITS_MOST or size > TOLD_SIZE_MOST:
                            return
                        record = self._record_at(one.oid)
                        yield record["environment"], record["revision"]
            except (Refusal, Wrong):
                continue

    def _link(self, oid: str, last: Link | None, seq: int, course: Course) -> Link:
        where = f"audit trail of {self.controller}, link {seq}, commit {oid}"

        def broken(code: str, what: str) -> Refusal:
            do = "everything before this link is proven, nothing from it on"
            return Refusal(f"audit.{code}", where, what, do)

        raw = self.objects.read(oid, "commit", LINK_MOST, where)
        try:
            commit = read_commit(raw, where, LINK_MOST)
        except Refusal as error:
            raise broken("link_malformed", error.what) from None
        try:
            signer = commit_signer(commit, self.keys, (self.at, self.at), where)
        except Refusal as error:
            raise broken("link_signature", error.what) from None
        if commit.parents != ((last.commit,) if last else ()):
            raise broken("link_parents", "it does not stand on exactly the commit before")
        parts = commit.message.split(b"\n\n")
        try:
            record = read_record(parts[1] if len(parts) == 3 else b"")
        except Wrong as error:
            raise broken("link_malformed", f"no audit record: {error}") from None
        self._check_record(record, commit, last, seq, broken)
        if not is_as_written(raw, commit):
            raise broken("link_malformed", "its signature's armor is wrapped otherwise")
        check_claims(record, self.at, broken)
        if self.source is not None:
            last_one = course.newest.get(record["environment"])
            self._check_release(self.source, record, last_one, broken)
        before, adjoins = course.follow(record, broken)
        if self.source is not None:
            self._check_ancestry(self.source, record, before, broken, adjoins=adjoins)
            self._check_root(self.source, record, before, broken)
        return Link(oid, record, parts[1], signer)

    def _check_release(
        self,
        source: Objects,
        record: dict[str, Any],
        last: dict[str, Any] | None,
        broken: Broken,
    ) -> None:
        """Refuse a record that its release contradicts, or one that the branch never held."""
        release = self._release(source, record, broken)
        check_statement(record, release, broken)
        try:
            holds = self.history is None or self.history.holds(record["commit"])
        except Refusal as error:
            raise broken("link_source", str(error)) from None
        if not holds:
            raise broken("link_source", f"{record['commit']} is not in the history of the branch")
        root = self.roots.get(record["root_version"])
        if root is not None:  # Others are older than the pinned one, or refused below.
            adjoins = last is not None and last["revision"] + 1 == record["revision"]
            again = record["kind"] == "heal" and adjoins
            check_signers(source, record, release, root, broken, again=again)

    def _check_record(
        self,
        record: dict[str, Any],
        commit: SignedCommit,
        last: Link | None,
        seq: int,
        broken: Callable[[str, str], Refusal],
    ) -> None:
        """Refuse a record that does not continue the last one, or that the commit contradicts."""
        _, data, trailers = commit.message.split(b"\n\n")
        if record["controller"] != self.controller:
            raise broken("link_foreign", f"the record is of {record['controller']}")
        if record["seq"] != seq:
            raise broken("link_order", f"it is record {record['seq']}")
        if record["prev"] != (sha256(last.data) if last else NO_RECORD):
            raise broken("link_digest", "it does not name the digest of the record before")
        if trailers != trailers_of(record).encode():
            raise broken("link_trailers", "the trailers say something else than the record")
        if commit.covered != commit_of(data, record, last.commit if last else None):
            raise broken("link_malformed", "another tree, person, time or first line")

    @staticmethod
    def _release(source: Objects, record: dict[str, Any], broken: Broken) -> Release:
        path = f"environments/{record['environment']}/release.json"
        try:
            data = source.file(source.commit(record["commit"]).tree, path, RELEASE_MOST)
        except Refusal as error:
            raise broken("link_source", str(error)) from None
        if data is None:
            raise broken("link_source", f"there is no {path} in {record['commit']}")
        if sha256(data) != record["release_sha256"]:
            raise broken("link_release", f"{path} in {record['commit']} is {short(sha256(data))}")
        try:
            return read_release(data, path)
        except Refusal as error:
            raise broken("link_statement", str(error)) from None

    @staticmethod
    def _check_ancestry(
        source: Objects,
        record: dict[str, Any],
        before: dict[str, Any] | None,
        broken: Broken,
        *,
        adjoins: bool,
    ) -> None:
        """Refuse source commits that do not follow one another."""
        commit, parent = record["commit"], record["parent_commit"]
        if parent is None:
            return
        last = parent if before is None else before["commit"]
        try:
            follows = source.descends(parent, commit) and source.descends(last, parent)
            if follows and adjoins and before is not None and parent != last:
                path = f"environments/{record['environment']}/release.json"
                data = source.file(source.commit(parent).tree, path, RELEASE_MOST)
                follows = data is not None and sha256(data) == before["release_sha256"]
        except Refusal as error:
            raise broken("link_ancestry", str(error)) from None
        if not follows:
            what = f"{last}, {parent} with its release and {commit} do not follow one another"
            raise broken("link_ancestry", what)

    def _check_root(
        self,
        source: Objects,
        record: dict[str, Any],
        before: dict[str, Any] | None,
        broken: Broken,
    ) -> None:
        """Refuse a record that was judged by a root which neither its commit nor a pin leads to."""
        version, last = record["root_version"], before["root_version"] if before else 0
        try:
            tree = source.commit(record["commit"]).tree
            held = max(Roots(source, self.root).versions(tree), default=0)
        except Refusal as error:
            raise broken("link_root", str(error)) from None
        is_repin = before is not None and record["kind"] == "repin"
        least = max(held, last) + int(is_repin and last >= held)
        is_pinned = before is None or is_repin
        most = self.root.version if is_pinned else min(least, self.root.version)
        if not least <= version <= most:
            what = f"root {version}, its commit tells of {held}, the record before of {last}"
            raise broken("link_root", what)
        named = self.roots.get(version)
        if record["kind"] == "repin" and named and named.digest != record["plan_digest"]:
            raise broken("link_root", f"a repin to another document than root {version}")


def tree_root(records: Iterable[bytes]) -> bytes:
    """Return RFC 6962's root over records: whole subtrees are folded as soon as they are full."""
    full: list[tuple[int, bytes]] = []
    for record in records:
        size, node = 1, hashlib.sha256(b"\0" + record).digest()
        while full and full[-1][0] == size:
            size, node = size * 2, hashlib.sha256(b"\1" + full.pop()[1] + node).digest()
        full.append((size, node))
    node = full.pop()[1] if full else hashlib.sha256().digest()
    while full:
        node = hashlib.sha256(b"\1" + full.pop()[1] + node).digest()
    return node


@dataclass(frozen=True)
class Checkpoint:
    """What somebody else kept of a trail: how long it was, and the root over its records."""

    file: str
    size: int
    root: bytes


def read_note(data: bytes) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """Return a signed note's text and its lines: name, id, signature; or raise `Wrong`."""
    if len(data) > NOTE_MOST:
        raise Wrong(f"{len(data)} bytes, at most {NOTE_MOST} are read")
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise Wrong("a note is UTF-8") from None
    above, gap, below = whole.rpartition("\n\n")
    controls = {one for one in set(whole) if unicodedata.category(one) == "Cc"} - {"\n"}
    if controls or not gap or not below.endswith("\n"):
        raise Wrong("a note is a text, an empty line and signatures, without control characters")
    lines = []
    for line in below[:-1].split("\n"):
        dash, _, rest = line.partition(" ")
        named, _, encoded = rest.partition(" ")
        signature = unbase64(encoded, "a signature line", url_safe=False)
        odd = not named or "+" in named or any(one.isspace() for one in named)
        if dash != "—" or odd or len(signature) <= 4:
            raise Wrong(f"{line[:60]!r} is not a signature line")
        lines.append((named, signature[:4], signature[4:]))
    if len(lines) > NOTE_LINES_MOST:
        raise Wrong(f"more than {NOTE_LINES_MOST} signatures")
    return above + "\n", lines


def _three_lines(said: str) -> tuple[str, int, bytes]:
    """Return origin, size and root of a checkpoint's text."""
    lines = said.split("\n")
    is_number = re.fullmatch("0|[1-9][0-9]{0,18}", "".join(lines[1:2]))
    if len(lines) != 4 or lines[3] or not lines[0] or not is_number:
        raise Wrong("a checkpoint is three lines: origin, size and root")
    root, size = unbase64(lines[2], "the root", url_safe=False), int(lines[1])
    if len(root) != 32 or size >= 1 << 63:
        raise Wrong("the root is not 32 bytes, or the size is too great")
    return lines[0], size, root


def read_checkpoint(
    data: bytes, file: str, origin: str, keys: Iterable[Key], at: datetime
) -> Checkpoint:
    """Return a checkpoint that an audit key in force signed, or refuse it."""
    try:
        text_, lines = read_note(data)
        said, size, root = _three_lines(text_)
    except Wrong as error:
        raise Refusal("audit.checkpoint_malformed", file, str(error), "is this the file?") from None
    if said != origin:
        raise Refusal("audit.checkpoint_foreign", file, f"it is of {said[:200]!r}, not {origin!r}")
    known = {
        hashlib.sha256(origin.encode() + b"\n\1" + key.point).digest()[:4]: key
        for key in keys
        if key.kind == ED25519
    }
    signers = []
    for named, key_id, signature in lines:
        key = known.get(key_id) if named == origin else None
        if key is not None and not key.signed(text_.encode(), signature):
            raise Refusal(
                "audit.checkpoint_signature", file, "a line of an audit key does not verify"
            )
        signers += [key] if key is not None and not key.against((at, at)) else []
    if not signers:
        what = "no audit key that is in force signed it"
        raise Refusal("audit.checkpoint_signature", file, what, "keep rotated keys in the root")
    return Checkpoint(file, size, root)


def check_extension(links: Sequence[Link], one: Checkpoint, controller: str, held: int) -> None:
    """Refuse a trail that does not begin with what a checkpoint fixed; `held` links are proven."""
    if len(links) < one.size:
        what = f"checkpoint {one.file} knows of {one.size} records, the branch has {len(links)}"
        do = "look for them in other clones and in the journal"
        raise Refusal("audit.truncated", f"audit trail of {controller}", what, do)
    if tree_root(link.data for link in links[: one.size]) != one.root:
        what = (
            f"checkpoint {one.file} fixes records 1 to {one.size}; one from {held + 1} on differs"
        )
        do = "somebody else used the audit key: revoke it"
        raise Refusal("audit.rewritten", f"audit trail of {controller}", what, do)


# --- The command line -----------------------------------------------------------------------------


class Progress:
    """A line on the terminal that says how far it is; silent elsewhere."""

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total, self.shown = what, total, sys.stderr.isatty()

    def __call__(self, done: int) -> None:
        if self.shown and (done % 50 == 0 or done == self.total):
            end = "\n" if done == self.total else ""
            sys.stderr.write(f"\r{self.what} {done} of {self.total}{end}")
            sys.stderr.flush()


def read_file(path: Path, most: int) -> bytes:
    """Return a file that the command line names; its size is looked at first."""
    try:
        if path.stat().st_size > most:
            raise Trouble(f"{path} has more than {most} bytes")
        return path.read_bytes()
    except OSError as error:
        raise Trouble(f"{path}: {error.strerror}") from None


def signers_json(keys: Iterable[Key]) -> list[dict[str, str]]:
    return sorted(({"key": key.id, "owner": key.owner} for key in keys), key=lambda one: one["key"])


def root_json(root: Root) -> dict[str, Any]:
    return {"version": root.version, "sha256": root.digest, "expires": written(root.expires)}


def run_repository(arguments: argparse.Namespace, at: datetime) -> dict[str, Any]:
    pinned = pin_of(arguments)
    with closing(Objects(arguments.directory)) as objects:
        path = objects.first_parents(resolved(objects, (arguments.ref,)))
        start, baseline = 0, arguments.baseline
        if baseline is not None:
            ids = [commit.oid for commit in path]
            if baseline not in ids:
                what = "the branch does not contain it on its first-parent path"
                do = "is this the right repository and branch?"
                raise Refusal("trust.not_from_baseline", f"baseline {baseline}", what, do)
            start = ids.index(baseline)
        judged = Repository(objects, pinned, arguments.environment, at)
        tell = Progress("commit", len(path))
        try:
            verdict = judged.judge(path, start, baseline=baseline is not None, tell=tell)
        except Refusal as error:
            error.passed_over = judged.passed_over
            raise
        return repository_json(arguments, at, pinned, path, judged, verdict)


def pin_of(arguments: argparse.Namespace) -> Root:
    data = read_file(arguments.root, ROOT_MOST)
    return pinned_root(data, arguments.root_sha256, str(arguments.root))


def repository_json(
    arguments: argparse.Namespace,
    at: datetime,
    pinned: Root,
    path: Sequence[Commit],
    judged: Repository,
    verdict: Verdict,
) -> dict[str, Any]:
    release = verdict.release
    return {
        "at": written(at),
        "ref": arguments.ref,
        "commit": verdict.commit.oid,
        "commits": len(path),
        "environment": arguments.environment,
        "pinned": root_json(pinned),
        "root": root_json(verdict.root),
        "release": {
            "serial": release.serial,
            "sha256": release.digest,
            "expires": written(release.expires) if release.expires else None,
            "signers": signers_json(verdict.signers),
        },
        "serial_high": verdict.state.high,
        "bundles": [bundle_json(one, at) for one in verdict.bundles],
        "heartbeat": judged.heartbeat,
        "passed_over": passed_over_json(judged.passed_over),
        "warnings": judged.warnings,
    }


def bundle_json(one: LiveBundle, at: datetime) -> dict[str, Any]:
    start, end = one.window
    tables = one.files.tables.values()
    return {
        "bundle": one.line.bundle,
        "version": one.line.version,
        "sha256": one.line.digest,
        "files_root": one.files_root,
        "files": one.files.files,
        "rows": sum(table[1] for table in tables),
        "effective_from": written(start) if start else None,
        "effective_to": written(end) if end else None,
        "visible": (start is None or start <= at) and (end is None or at < end),
        "signers": signers_json(one.signers),
    }


def passed_over_json(found: Iterable[tuple[str, Refusal]]) -> list[dict[str, str]]:
    """Return the commits that a controller would have refused."""
    return [{"commit": oid, "code": error.code, "what": str(error)} for oid, error in found]


def run_audit(arguments: argparse.Namespace, at: datetime) -> dict[str, Any]:
    root, source, controller = pin_of(arguments), None, arguments.controller
    roots, history = {root.version: root}, None
    with ExitStack() as stack:
        objects = stack.enter_context(closing(Objects(arguments.directory)))
        if not arguments.alone:
            directory = arguments.repository or arguments.directory
            source = stack.enter_context(closing(Objects(directory)))
            roots, history = branch_roots(source, arguments.branch, root)
            root = roots[max(roots)]
        root.check_in_force(at, f"root {root.version}")
        role = root.audit.get(controller)
        if role is None:
            raise nobody(f"the audit trail of controller {controller!r}")
        tip = audit_tip(objects, arguments.ref, controller)
        trail = Trail(objects, controller, role.keys, at, source, root, roots, history)
        links = trail.prove(tip, lambda total: Progress("link", total))
        origin = f"countersign/{root.repository}/{controller}"
        held = [
            read_checkpoint(read_file(file, NOTE_MOST), str(file), origin, role.keys, at)
            for file in arguments.checkpoint
        ]
        held.sort(key=lambda one: (one.size, one.file))
        proven = 0
        for one in held:
            check_extension(links, one, controller, proven)
            proven = one.size
        return audit_json(arguments, at, root, links, held)


def audit_tip(objects: Objects, ref: str | None, controller: str) -> str:
    """Return where a trail ends: at a ref, or at the branch of its name here or at the origin."""
    branch = f"audit/{controller}"
    refs = (ref,) if ref else (f"refs/heads/{branch}", f"refs/remotes/origin/{branch}")
    try:
        return resolved(objects, refs)
    except Refusal as error:
        raise Refusal("audit.no_branch", error.where, error.what, error.do) from None


def audit_json(
    arguments: argparse.Namespace,
    at: datetime,
    root: Root,
    links: Sequence[Link],
    held: Sequence[Checkpoint],
) -> dict[str, Any]:
    last = links[-1]
    facts = ("seq", "environment", "revision", "kind", "serial", "release_sha256", "commit")
    return {
        "at": written(at),
        "controller": arguments.controller,
        "root": root_json(root),
        "links": len(links),
        "tip": last.commit,
        "last": {"sha256": sha256(last.data), **{one: last.record[one] for one in facts}},
        "releases_compared": not arguments.alone,
        "checkpoints": [{"file": one.file, "size": one.size} for one in held],
        "warnings": too_early(root, at),
    }


def branch_roots(objects: Objects, ref: str, pinned: Root) -> tuple[dict[int, Root], History]:
    """Return the roots of a branch, whose whole history keeps them, and that history."""
    roots, path = Roots(objects, pinned), objects.first_parents(resolved(objects, (ref,)))
    check_roots_width(objects, path, roots)
    for commit in path:
        roots.pass_by(commit)
    return roots.all_at(path[-1]), History(objects, path[-1].oid)


def resolved(objects: Objects, refs: Sequence[str]) -> str:
    """Return the commit of the first ref that there is."""
    for ref in refs:
        found = objects.resolve(ref)
        if found is not None:
            return found
    do = "name it with --ref; `git for-each-ref` shows what there is"
    raise Refusal(
        "source.no_branch", str(objects.directory), f"no commit at {' or '.join(refs)}", do
    )


def plain(line: str) -> str:
    """Return a line that a terminal only shows, whatever a stranger wrote into it."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in line)


def owners_of(signers: Iterable[dict[str, str]]) -> str:
    return ", ".join(sorted({one["owner"] for one in signers}))


def show_repository(found: dict[str, Any]) -> Iterator[str]:
    """Yield what a person reads of a repository that holds."""
    release = found["release"]
    yield f"  pinned: root {found['pinned']['version']} ({found['pinned']['sha256']})"
    named = f"release {release['serial']} of {found['environment']}"
    yield f"{named} ({release['sha256']}), by {owners_of(release['signers'])}"
    for one in found["bundles"]:
        span = f"[{one['effective_from'] or '…'}, {one['effective_to'] or '…'})"
        size = f"{one['files']} files, {one['rows']} rows"
        yield f"  {one['bundle']}@{one['version']} {span} {size}, by {owners_of(one['signers'])}"
    beat = found["heartbeat"]
    if beat is not None:
        named = f"{beat['seen'][:12]} was the newest at {beat['created']}"
        yield f"heartbeat: commit {named}, by {owners_of(beat['signers'])}"
    for one in found["passed_over"]:
        yield f"note: commit {one['commit'][:12]} was refused: {one['what']} [{one['code']}]"
    yield from (f"warning: {one}" for one in found["warnings"])
    yield f"{found['commits']} commits, judged at {found['at']}"
    yield f"accepted: commit {found['commit']} of {found['ref']}"


def show_audit(found: dict[str, Any]) -> Iterator[str]:
    """Yield what a person reads of a trail that holds."""
    last = found["last"]
    yield f"last: {last['kind']} of release {last['serial']} in {last['environment']}"
    yield f"  record {last['seq']} ({last['sha256']}), judged at {found['at']}"
    if not found["releases_compared"]:
        yield "note: source commits and newer roots were not looked at (--alone)"
    for one in found["checkpoints"]:
        yield f"begins with the {one['size']} records of {one['file']}"
    if not found["checkpoints"]:
        yield "note: git cannot show that the end was cut off; a checkpoint can (--checkpoint)"
    yield from (f"warning: {one}" for one in found["warnings"])
    yield f"accepted: {found['links']} links of {found['controller']}, tip {found['tip']}"


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        description="Verify a Countersign artifact repository or audit trail from git alone.",
        epilog="example: %(prog)s repository clone --root 1.root.json --root-sha256 4f1c… "
        "--environment production; then %(prog)s audit clone --root 1.root.json "
        "--controller countersign --checkpoint kept.txt",
    )
    commands = top.add_subparsers(dest="command", required=True)
    repository = commands.add_parser("repository", help="roots, release, bundles, files, history")
    audit = commands.add_parser("audit", help="signed links, records, releases, checkpoints")
    at, said = "judge at 2026-12-01T00:00:00Z, not now", "(default: %(default)s)"
    for command in (repository, audit):
        command.add_argument("directory", type=Path, help="a clone, bare or not")
        command.add_argument("--root", type=Path, required=True, help="the pinned root's envelope")
        command.add_argument("--root-sha256", help="digest of its payload, as told by voice")
        command.add_argument("--at", metavar="INSTANT", help=at)
        command.add_argument("--json", action="store_true", help="one JSON object on stdout")
    start, main = "where controllers were told to start", "refs/heads/main"
    repository.add_argument("--ref", default=main, help=f"branch {said}")
    repository.add_argument("--environment", default="production", help=said)
    repository.add_argument("--baseline", metavar="COMMIT", help=start)
    audit.add_argument("--controller", required=True, help="whose trail")
    audit.add_argument("--ref", help="default: audit/CONTROLLER, of the clone or of its origin")
    where = audit.add_mutually_exclusive_group()
    where.add_argument("--repository", type=Path, help="clone of the artifacts, if another")
    where.add_argument("--alone", action="store_true", help="no artifact repository at hand")
    audit.add_argument("--branch", default=main, help=f"its branch {said}")
    audit.add_argument("--checkpoint", type=Path, action="append", default=[], metavar="FILE")
    return top


def instant_of(told: str | None) -> datetime:
    """Return the instant to judge at: the one that was told, or now."""
    try:
        return instant(told, "--at") if told else datetime.now(UTC).replace(microsecond=0)
    except Wrong as error:
        raise Trouble(str(error)) from None


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # Not every terminal has every letter.
    arguments = parser().parse_args(words)
    is_audit = arguments.command == "audit"
    run, show = (run_audit, show_audit) if is_audit else (run_repository, show_repository)
    head = {"version": 1, "command": arguments.command}
    try:
        found = run(arguments, instant_of(arguments.at))
    except Refusal as error:
        refusal = {"code": error.code, "where": error.where, "what": error.what, "do": error.do}
        if arguments.json:
            more = {"passed_over": passed_over_json(error.passed_over)}
            print(json.dumps({**head, "result": "refused", "refusal": refusal, **more}, indent=2))
        print(plain(f"refused: {error} [{error.code}]"), file=sys.stderr)
        if error.do:
            print(f"  {error.do}", file=sys.stderr)
        return 1
    except Trouble as error:
        print(plain(f"error: {error}"), file=sys.stderr)
        return 2
    if arguments.json:
        print(json.dumps({**head, "result": "accepted", **found}, indent=2))
    else:
        print("root {version} ({sha256}), in force until {expires}".format_map(found["root"]))
        print("\n".join(map(plain, show(found))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
