"""Journal records become signed commits: in order, exactly once each, whatever dies in between.

The branch is derived from the journal. Every step first looks at what the tip already holds, so a
crash after any effect (the object is written, the branch has moved, the row is marked) is finished
by the next call, and never repeated.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from controller.adapters.postgres import Connection, transaction
from controller.audit import journal
from controller.audit.commit import content, is_as_written, record_in, reference
from controller.audit.journal import QUERIES, JournalBroken, JournalRow, Link
from controller.audit.record import GENESIS, AuditRecord, MalformedRecord
from controller.kernel.canonical import sha256
from controller.kernel.errors import Corrupt
from controller.kernel.objects import Oid
from controller.stores.control import outbox
from controller.stores.control.model import OutboxKind
from controller.stores.control.statements import every, run
from controller.trust.commit import CommitNotSigned, MalformedCommit, parse_commit
from controller.trust.sign import Signer, sign_commit
from controller.trust.sshsig import BadSshSignature

BATCH_MAX = 1_000


class Branches(Protocol):
    """The repository that holds the trail; every write is on disk when the call returns."""

    def target(self, ref: str) -> Oid | None: ...

    def raw_commit(self, oid: Oid) -> bytes: ...

    def empty_tree(self) -> Oid: ...

    def write_commit(self, raw_content: bytes, armored: str | None) -> Oid: ...

    def move(self, ref: str, old: Oid | None, new: Oid) -> None:
        """Compare and set; raise an `Unavailable` when the reference is not at `old`."""
        ...


class AuditForked(Corrupt):
    """The branch holds something that the journal did not put there."""

    code = "audit.forked"

    def __init__(self, controller: str, *, tip: Oid, reason: str) -> None:
        super().__init__(
            f"{reference(controller)} at {tip.hex()}: {reason}",
            hint="somebody else writes this branch, or the database is older than it; "
            "nothing is published until an operator has looked: `countersign audit verify`",
        )
        self.controller, self.tip, self.reason = controller, tip, reason


@dataclass(frozen=True, slots=True)
class Published:
    """What one call did: the commits it wrote, and how many records still wait."""

    commits: tuple[Oid, ...]
    waiting: int


def publish(
    connection: Connection[Any],
    repository: Branches,
    signer: Signer,
    controller: str,
    *,
    limit: int = BATCH_MAX,
) -> Published:
    """Publish up to `limit` owed records, and mark them in one transaction.

    Raises `AuditForked` when the branch is not the journal's, and `Unavailable` when somebody
    moved it meanwhile. The caller is not inside a transaction.
    """
    with transaction(connection):
        owed = every(connection, QUERIES["lock_owed"], {"controller": controller, "limit": limit})
        if not owed:
            return Published((), 0)
        ids = [row.pop("id") for row in owed]
        rows = [JournalRow(**row) for row in owed]
        commits = _bring_up_to(connection, repository, signer, controller, rows)
        with connection.pipeline():
            # A mark that is lost with the server is made again: what the branch holds says so.
            run(connection, QUERIES["mark_lightly"], {})
            outbox.finish(connection, ids)
        waiting = len(owed) == limit and outbox.queued(
            connection, OutboxKind.AUDIT_COMMIT, controller=controller
        )
    return Published(tuple(commits), int(waiting))


def _bring_up_to(
    connection: Connection[Any],
    repository: Branches,
    signer: Signer,
    controller: str,
    rows: list[JournalRow],
) -> list[Oid]:
    """Make sure that the branch holds the records of `rows`, in order; return new commits."""
    tip = repository.target(reference(controller))
    last = Link(0, GENESIS)
    if tip is not None:
        last = _link_at(connection, repository, controller, tip, rows[0])
    commits: list[Oid] = []
    for row in _after(connection, controller, last, rows):
        record = journal.read(controller, last, row)
        tip = _write(repository, signer, record, row.data, tip)
        last = Link(row.seq, row.sha256)
        commits.append(tip)
    return commits


def _after(
    connection: Connection[Any], controller: str, last: Link, rows: list[JournalRow]
) -> Iterator[JournalRow]:
    """Yield the journal's rows behind `last` up to the last of `rows`.

    Usually that is `rows`. More when the branch was restored from an older copy: what it lost is
    written again, byte for byte.
    """
    at_hand = {row.seq: row for row in rows}
    for seq in range(last.seq + 1, rows[-1].seq + 1):
        row = at_hand.get(seq) or journal.row(connection, controller, seq)
        if row is None:
            raise JournalBroken(controller, seq=seq, reason="the record is missing")
        yield row


def _link_at(
    connection: Connection[Any],
    repository: Branches,
    controller: str,
    tip: Oid,
    next_row: JournalRow,
) -> Link:
    """Return the link that the branch ends with; it must be one of the journal's."""
    raw = repository.raw_commit(tip)
    try:
        parsed = parse_commit(raw)
        data = record_in(parsed.message)
        record = AuditRecord.parse(data)
        as_written = is_as_written(raw, parsed, record)
    except (MalformedCommit, MalformedRecord, CommitNotSigned, BadSshSignature) as error:
        raise AuditForked(controller, tip=tip, reason=str(error)) from error
    if not as_written:
        reason = "it is not byte for byte what is written for its record and signature"
        raise AuditForked(controller, tip=tip, reason=reason)
    if sha256(data) == next_row.prev_sha256:
        return Link(next_row.seq - 1, next_row.prev_sha256)
    found = journal.row(connection, controller, record.seq)
    if found is None:
        reason = f"it holds record {record.seq}, the journal does not"
        raise AuditForked(controller, tip=tip, reason=reason)
    if found.data != data:
        reason = f"its record {record.seq} is not the journal's"
        raise AuditForked(controller, tip=tip, reason=reason)
    return Link(record.seq, sha256(data))


def _write(
    repository: Branches, signer: Signer, record: AuditRecord, data: bytes, parent: Oid | None
) -> Oid:
    if parent is None:
        repository.empty_tree()
    unsigned = content(record, parent, data)
    commit = repository.write_commit(unsigned, sign_commit(unsigned, signer))
    repository.move(reference(record.controller), parent, commit)
    return commit
