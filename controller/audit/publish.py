"""Journal records become signed commits: in order, exactly once each, whatever dies in between.

The branch is derived from the journal. Every step first looks at what the tip already holds, so a
crash after any effect (the object is written, the branch has moved, the row is marked) is finished
by the next call, and never repeated.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from controller.adapters.git import CommitTooLarge
from controller.adapters.postgres import Connection, transaction
from controller.audit import journal
from controller.audit.branch import Commits, parsed, raw_at
from controller.audit.commit import content, is_as_written, record_in, reference
from controller.audit.journal import QUERIES, JournalBroken, JournalRow, Link
from controller.audit.record import GENESIS, AuditRecord, MalformedRecord
from controller.kernel.canonical import sha256
from controller.kernel.errors import Corrupt
from controller.kernel.objects import Oid
from controller.stores.control import outbox
from controller.stores.control.model import OutboxKind
from controller.stores.control.statements import every, run
from controller.trust.commit import (
    CommitNotSigned,
    MalformedCommit,
    with_signature,
)
from controller.trust.sign import Signer, sign_commit
from controller.trust.sshsig import BadSshSignature

BATCH_MAX = 1_000
_NOT_OURS = (CommitTooLarge, MalformedCommit, MalformedRecord, CommitNotSigned, BadSshSignature)


class Branches(Commits, Protocol):
    """The repository that holds the trail; every write is on disk when the call returns."""

    def target(self, ref: str) -> Oid | None: ...

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


class LastWritten:
    """What this process wrote last: a record, and the commit that its branch ends with.

    Bytes that are the same again need not be parsed again; bytes that differ are judged anew.
    """

    def __init__(self) -> None:
        self.record: AuditRecord | None = None
        self._tip: tuple[Oid, bytes, Link] | None = None

    def commit(self, oid: Oid, raw: bytes, link: Link) -> None:
        """Take note of a commit as it was written, and of the link that it makes."""
        self._tip = (oid, raw, link)

    def link(self, repository: Branches, tip: Oid) -> Link | None:
        """Return the link that a tip makes, where it is the commit written last, byte for byte."""
        if self._tip is None or self._tip[0] != tip:
            return None
        _, raw, link = self._tip
        return link if raw_at(repository, tip) == raw else None


def publish(
    connection: Connection[Any],
    repository: Branches,
    signer: Signer,
    controller: str,
    *,
    limit: int = BATCH_MAX,
    last: LastWritten | None = None,
) -> Published:
    """Publish up to `limit` owed records, and mark them in one transaction.

    `last` is what the caller's process wrote last, kept from call to call.
    Raises `AuditForked` when the branch is not the journal's, and `Unavailable` when somebody
    moved it meanwhile. The caller is not inside a transaction.
    """
    with transaction(connection):
        owed = every(connection, QUERIES["lock_owed"], {"controller": controller, "limit": limit})
        if not owed:
            return Published((), 0)
        ids = [row.pop("id") for row in owed]
        rows = [JournalRow(**row) for row in owed]
        trail = _Trail(connection, repository, signer, controller, last or LastWritten())
        commits = trail.bring_up_to(rows)
        with connection.pipeline():
            # A mark that is lost with the server is made again: what the branch holds says so.
            run(connection, QUERIES["mark_lightly"], {})
            outbox.finish(connection, ids)
        waiting = len(owed) == limit and outbox.queued(
            connection, OutboxKind.AUDIT_COMMIT, controller=controller
        )
    return Published(tuple(commits), int(waiting))


@dataclass(frozen=True, slots=True)
class _Trail:
    """One controller's branch, and the journal it is derived from."""

    connection: Connection[Any]
    repository: Branches
    signer: Signer
    controller: str
    last: LastWritten

    def bring_up_to(self, rows: list[JournalRow]) -> list[Oid]:
        """Make sure that the branch holds the records of `rows`, in order; return new commits."""
        tip = self.repository.target(reference(self.controller))
        last = Link(0, GENESIS)
        if tip is not None:
            last = self._link_at(tip, rows[0])
        commits: list[Oid] = []
        for row in self._after(last, rows):
            record = journal.read(self.controller, last, row, written=self.last.record)
            last = Link(row.seq, row.sha256)
            tip = self._write(record, row.data, tip, last)
            commits.append(tip)
        return commits

    def _after(self, last: Link, rows: list[JournalRow]) -> Iterator[JournalRow]:
        """Yield the journal's rows behind `last` up to the last of `rows`.

        Usually that is `rows`. More when the branch was restored from an older copy: what it lost
        is written again, byte for byte.
        """
        at_hand = {row.seq: row for row in rows}
        for seq in range(last.seq + 1, rows[-1].seq + 1):
            row = at_hand.get(seq) or journal.row(self.connection, self.controller, seq)
            if row is None:
                raise JournalBroken(self.controller, seq=seq, reason="the record is missing")
            yield row

    def _link_at(self, tip: Oid, next_row: JournalRow) -> Link:
        """Return the link that the branch ends with; it must be one of the journal's."""
        written = self.last.link(self.repository, tip)
        if written == Link(next_row.seq - 1, next_row.prev_sha256):
            return written
        try:
            raw = raw_at(self.repository, tip)
            commit = parsed(raw)
            data = record_in(commit.message)
            record = AuditRecord.parse(data)
            as_written = is_as_written(raw, commit, record)
        except _NOT_OURS as error:
            raise AuditForked(self.controller, tip=tip, reason=str(error)) from error
        if not as_written:
            reason = "it is not byte for byte what is written for its record and signature"
            raise AuditForked(self.controller, tip=tip, reason=reason)
        if sha256(data) == next_row.prev_sha256:
            return Link(next_row.seq - 1, next_row.prev_sha256)
        found = journal.row(self.connection, self.controller, record.seq)
        if found is None:
            reason = f"it holds record {record.seq}, the journal does not"
            raise AuditForked(self.controller, tip=tip, reason=reason)
        if found.data != data:
            reason = f"its record {record.seq} is not the journal's"
            raise AuditForked(self.controller, tip=tip, reason=reason)
        return Link(record.seq, sha256(data))

    def _write(self, record: AuditRecord, data: bytes, parent: Oid | None, link: Link) -> Oid:
        if parent is None:
            self.repository.empty_tree()
        unsigned = content(record, parent, data)
        armored = sign_commit(unsigned, self.signer)
        commit = self.repository.write_commit(unsigned, armored)
        self.repository.move(reference(record.controller), parent, commit)
        self.last.commit(commit, with_signature(unsigned, armored), link)
        return commit
