"""One record per applied revision, its one form as bytes, and its link to the record before.

A record is canonical JSON. It names the digest of the record before it, so a record's own digest,
the SHA-256 of its bytes, fixes everything that came before. Nothing here believes a record: it
says what a record means, `prove` says whether it may be believed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self, TypeVar

from controller.artifacts.layout import is_segment
from controller.audit.size import SIZE_MAX_BYTES
from controller.kernel.canonical import Digest, Json, canonical, sha256
from controller.kernel.errors import Corrupt
from controller.kernel.instants import NotAnInstant, format_instant, parse_instant
from controller.kernel.objects import Oid
from controller.kernel.strictjson import MalformedJson, parse
from controller.stores.control.model import RevisionKind

FORMAT = "urn:countersign:audit:v1"
GENESIS = Digest("0" * 64)
"""What the first record names as the one before it."""

_HEX = frozenset("0123456789abcdef")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_T = TypeVar("_T")


class MalformedRecord(Corrupt):
    """Bytes are not an audit record in its one form."""

    code = "audit.malformed_record"


@dataclass(frozen=True, slots=True)
class AckUsed:
    """A signed acknowledgement that let a guarded plan pass: its digest and who signed it."""

    sha256: Digest
    signers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RollbackUsed:
    """What allowed an older release: the serial left behind, and who signed.

    `evidence` is the SHA-256 of the signed rollback statement, or `None` where the revert commit
    itself was signed.
    """

    from_serial: int
    evidence: Digest | None
    signers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """What one revision did: from which commit, signed by whom, to what effect.

    `signers` holds key ids by what they signed: `release`, or `<rail>/<name>@<version>`. `counts`
    holds rows by table, then by kind of change; `tables` each table's content digest afterwards.
    """

    seq: int
    prev: Digest
    controller: str
    environment: str
    repository: str
    revision: int
    kind: RevisionKind
    commit: Oid
    parent_commit: Oid | None
    release_sha256: Digest
    serial: int
    root_version: int
    policies_digest: Digest
    plan_digest: Digest
    signers: Mapping[str, tuple[str, ...]]
    counts: Mapping[str, Mapping[str, int]]
    applied_at: datetime
    tables: Mapping[str, str] = field(default_factory=dict)
    acks: tuple[AckUsed, ...] = ()
    rollback: RollbackUsed | None = None
    result: str = "applied"
    _bytes: bytes | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Names are single words: they stand in a branch's name and in a commit's trailers."""
        for name in (self.controller, self.environment, self.result):
            if not is_segment(name):
                raise MalformedRecord(f"{name[:80]!r} is not a name for an audit record")

    def to_bytes(self) -> bytes:
        """Return the record's one form; it is made once."""
        if self._bytes is None:
            object.__setattr__(self, "_bytes", canonical(self.members()))
        assert self._bytes is not None
        return self._bytes

    @property
    def sha256(self) -> Digest:
        """The digest that the next record names."""
        return sha256(self.to_bytes())

    def members(self) -> dict[str, Json]:
        """Return the record as JSON members."""
        return {
            "format": FORMAT,
            "seq": self.seq,
            "prev": self.prev,
            "controller": self.controller,
            "environment": self.environment,
            "repository": self.repository,
            "revision": self.revision,
            "kind": self.kind.value,
            "commit": self.commit.hex(),
            "parent_commit": None if self.parent_commit is None else self.parent_commit.hex(),
            "release_sha256": self.release_sha256,
            "serial": self.serial,
            "root_version": self.root_version,
            "policies_digest": self.policies_digest,
            "plan_digest": self.plan_digest,
            "signers": {what: sorted(keys) for what, keys in self.signers.items()},
            "counts": {table: dict(changes) for table, changes in self.counts.items()},
            "tables": dict(self.tables),
            "acks": [{"sha256": ack.sha256, "signers": sorted(ack.signers)} for ack in self.acks],
            "rollback": _rollback_members(self.rollback),
            "applied_at": format_instant(self.applied_at),
            "result": self.result,
        }

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a record; refuse anything but its one form."""
        try:
            record = cls._read(parse(data, size_max_bytes=SIZE_MAX_BYTES))
        except (MalformedJson, NotAnInstant, _Unreadable, ValueError) as error:
            raise MalformedRecord(f"not an audit record: {error}") from error
        if record.to_bytes() != data:
            raise MalformedRecord("not an audit record: not in canonical form")
        return record

    @classmethod
    def _read(cls, value: Any) -> Self:
        members = _Members(value, "")
        if members.take("format", str) != FORMAT:
            raise _Unreadable("unknown format")
        parent = members.take_optional("parent_commit", str)
        signers = members.take("signers", dict)
        counts = members.take("counts", dict)
        record = cls(
            seq=members.positive("seq"),
            prev=members.digest("prev"),
            controller=members.take("controller", str),
            environment=members.take("environment", str),
            repository=_uuid(members.take("repository", str)),
            revision=members.positive("revision"),
            kind=RevisionKind(members.take("kind", str)),
            commit=_oid(members.take("commit", str)),
            parent_commit=None if parent is None else _oid(parent),
            release_sha256=members.digest("release_sha256"),
            serial=members.positive("serial"),
            root_version=members.positive("root_version"),
            policies_digest=members.digest("policies_digest"),
            plan_digest=members.digest("plan_digest"),
            signers={what: _texts(keys) for what, keys in signers.items()},
            counts={table: _numbers(changes) for table, changes in counts.items()},
            applied_at=parse_instant(members.take("applied_at", str)),
            tables=_by_name(members.take("tables", dict)),
            acks=tuple(_ack(item) for item in members.take("acks", list)),
            rollback=_rollback(members.take_optional("rollback", dict)),
            result=members.take("result", str),
        )
        members.nothing_left()
        return record


class _Unreadable(Exception):
    """A member is missing, unknown, or not of its type."""


class _Members:
    """A JSON object whose members are taken one by one, until none is left."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise _Unreadable(f"{where or '/'} is not an object")
        self._left, self._where = dict(value), where

    def take(self, name: str, kind: type[_T]) -> _T:
        if name not in self._left:
            raise _Unreadable(f"{self._where}/{name} is missing")
        value = self._left.pop(name)
        if type(value) is not kind:
            raise _Unreadable(f"{self._where}/{name} is not {kind.__name__}")
        return value

    def take_optional(self, name: str, kind: type[_T]) -> _T | None:
        if name in self._left and self._left[name] is None:
            del self._left[name]
            return None
        return self.take(name, kind)

    def positive(self, name: str) -> int:
        number = self.take(name, int)
        if number < 1:
            raise _Unreadable(f"{self._where}/{name} is less than 1")
        return number

    def digest(self, name: str) -> Digest:
        return _digest(self.take(name, str))

    def nothing_left(self) -> None:
        if self._left:
            raise _Unreadable(f"{self._where}/{min(self._left)} is unknown")


def _ack(value: Any) -> AckUsed:
    members = _Members(value, "/acks")
    ack = AckUsed(members.digest("sha256"), _texts(members.take("signers", list)))
    members.nothing_left()
    return ack


def _rollback(value: Any) -> RollbackUsed | None:
    if value is None:
        return None
    members = _Members(value, "/rollback")
    evidence = members.take_optional("evidence", str)
    used = RollbackUsed(
        members.positive("from_serial"),
        None if evidence is None else _digest(evidence),
        _texts(members.take("signers", list)),
    )
    members.nothing_left()
    return used


def _rollback_members(used: RollbackUsed | None) -> Json:
    if used is None:
        return None
    return {
        "from_serial": used.from_serial,
        "evidence": used.evidence,
        "signers": sorted(used.signers),
    }


def _digest(text: str) -> Digest:
    if len(text) != 64 or not _HEX.issuperset(text):
        raise _Unreadable(f"{text[:80]!r} is not a SHA-256")
    return Digest(text)


def _oid(text: str) -> Oid:
    if len(text) != 40 or not _HEX.issuperset(text):
        raise _Unreadable(f"{text[:80]!r} is not a commit id")
    return Oid(bytes.fromhex(text))


def _uuid(text: str) -> str:
    if not _UUID.fullmatch(text):
        raise _Unreadable(f"{text[:80]!r} is not a lower-case UUID")
    return text


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _Unreadable("a list of texts is not one")
    return tuple(value)


def _numbers(value: Any) -> dict[str, int]:
    if not isinstance(value, dict) or not all(type(number) is int for number in value.values()):
        raise _Unreadable("counts are not whole numbers")
    return value


def _by_name(value: dict[str, Any]) -> dict[str, str]:
    if not all(isinstance(text, str) for text in value.values()):
        raise _Unreadable("a table's digest is not a text")
    return value
