"""What an audit branch says, newest first. Reading is not proving: `prove` says what holds."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from controller.audit.commit import COMMIT_SIZE_MAX_BYTES, record_in, reference
from controller.audit.record import AuditRecord
from controller.kernel.objects import Oid
from controller.trust.commit import ParsedCommit, parse_commit


class Commits(Protocol):
    """A repository whose commits can be read as they are."""

    def raw_commit(self, oid: Oid, *, size_max_bytes: int = ...) -> bytes: ...


class Branch(Commits, Protocol):
    """A repository with an audit branch, read only."""

    def target(self, ref: str) -> Oid | None: ...

    def first_parents(
        self, tip: Oid, until: Oid | None = None, *, size_max_bytes: int = ...
    ) -> Iterator[Oid]: ...


@dataclass(frozen=True, slots=True)
class Published:
    """A record as its commit holds it, believed by nobody yet."""

    commit: Oid
    record: AuditRecord


def published(repository: Branch, controller: str) -> Iterator[Published]:
    """Yield the records of a controller's branch, the newest first; none without a branch."""
    tip = repository.target(reference(controller))
    if tip is None:
        return
    for commit in newest_first(repository, tip):
        yield Published(commit, record_at(repository, commit))


def newest_first(repository: Branch, tip: Oid) -> Iterator[Oid]:
    """Yield the commits of an audit branch; one that is too large for a record is refused."""
    return repository.first_parents(tip, size_max_bytes=COMMIT_SIZE_MAX_BYTES)


def raw_at(repository: Commits, commit: Oid) -> bytes:
    """Return the bytes of an audit commit."""
    return repository.raw_commit(commit, size_max_bytes=COMMIT_SIZE_MAX_BYTES)


def parsed(raw: bytes) -> ParsedCommit:
    """Read an audit commit, which may be larger than people's."""
    return parse_commit(raw, size_max_bytes=COMMIT_SIZE_MAX_BYTES)


def record_at(repository: Commits, commit: Oid) -> AuditRecord:
    """Return the record of an audit commit, believed by nobody yet."""
    return AuditRecord.parse(record_in(parsed(raw_at(repository, commit)).message))
