"""What an audit branch says, newest first. Reading is not proving: `prove` says what holds."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from controller.audit.commit import record_in, reference
from controller.audit.record import AuditRecord
from controller.kernel.objects import Oid
from controller.trust.commit import parse_commit


class Branch(Protocol):
    """A repository with an audit branch, read only."""

    def target(self, ref: str) -> Oid | None: ...

    def raw_commit(self, oid: Oid) -> bytes: ...

    def first_parents(self, tip: Oid, until: Oid | None = None) -> Iterator[Oid]: ...


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
    for commit in repository.first_parents(tip):
        message = parse_commit(repository.raw_commit(commit)).message
        yield Published(commit, AuditRecord.parse(record_in(message)))
