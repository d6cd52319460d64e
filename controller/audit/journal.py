"""The append-only journal: one chained record per applied revision, written with the revision."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from controller.adapters.postgres import Connection
from controller.adapters.queries import load
from controller.audit.record import GENESIS, AuditRecord, MalformedRecord
from controller.audit.size import SIZE_MAX_BYTES, RecordTooLarge
from controller.kernel.canonical import Digest, sha256
from controller.kernel.errors import Corrupt
from controller.stores.control import outbox
from controller.stores.control.model import OutboxKind
from controller.stores.control.statements import ask, every, one, run

QUERIES = load("controller.audit", "queries.sql")
PAGE_ROWS = 1_000


class JournalBroken(Corrupt):
    """A row of the journal is not what was written, or does not continue the row before."""

    code = "audit.journal_broken"

    def __init__(self, controller: str, *, seq: int, reason: str) -> None:
        super().__init__(
            f"journal record {seq} of {controller}: {reason}",
            hint="compare with the audit branch: `countersign audit verify`",
        )
        self.controller, self.seq, self.reason = controller, seq, reason


@dataclass(frozen=True, slots=True)
class Link:
    """Where a chain ends: the last record's number and digest."""

    seq: int
    sha256: Digest


@dataclass(frozen=True, slots=True)
class JournalRow:
    """A row as it is stored, believed by nobody yet."""

    seq: int
    prev_sha256: Digest
    sha256: Digest
    record: str

    @property
    def data(self) -> bytes:
        """The record's bytes."""
        return self.record.encode()


class LockedChain:
    """A controller's chain that nobody else adds to before this transaction ends.

    The lock and the question where the chain ends are sent at once, and the answer is waited for
    with `last`; so that it comes along with others in a pipeline. Belongs into the transaction
    that applies the revision, as late as possible: from here on every other writer waits.
    """

    def __init__(self, connection: Connection[Any], controller: str) -> None:
        # The lock comes first: without it two writers read the same last link, and the slower one
        # fails after all its work is done.
        run(connection, QUERIES["lock_journal"], {})
        self._answer = ask(connection, QUERIES["last_link"], {"controller": controller})

    def last(self) -> Link:
        """Return where the chain ends; before the first record that is link 0."""
        return _link(self._answer.fetchone())


def append(
    connection: Connection[Any],
    controller: str,
    make: Callable[[Link], AuditRecord],
    *,
    chain: LockedChain | None = None,
) -> AuditRecord:
    """Append the record that `make` builds on the last link, and owe its audit commit.

    `chain` is the controller's, where it was locked before. Raises `RecordTooLarge` for a record
    that nobody would read.
    """
    last = (chain or LockedChain(connection, controller)).last()
    record = make(last)
    if (record.controller, record.seq, record.prev) != (controller, last.seq + 1, last.sha256):
        raise ValueError("the record does not continue the link it was given")
    data = record.to_bytes()
    if len(data) > SIZE_MAX_BYTES:
        raise RecordTooLarge(len(data), SIZE_MAX_BYTES)
    facts = {
        "controller": controller,
        "seq": record.seq,
        "prev_sha256": record.prev,
        "sha256": sha256(data),
        "record": data.decode(),
    }
    run(connection, QUERIES["append_record"], facts)
    outbox.enqueue_record(
        connection,
        OutboxKind.AUDIT_COMMIT,
        controller=controller,
        seq=record.seq,
        due_at=record.applied_at,
    )
    return record


def last_link(connection: Connection[Any], controller: str) -> Link:
    """Return where a controller's chain ends; before its first record that is link 0."""
    return _link(one(connection, QUERIES["last_link"], {"controller": controller}))


def _link(row: dict[str, Any] | None) -> Link:
    return Link(0, GENESIS) if row is None else Link(row["seq"], Digest(row["sha256"]))


def row(connection: Connection[Any], controller: str, seq: int) -> JournalRow | None:
    """Return one row as it is stored."""
    found = one(connection, QUERIES["read_record"], {"controller": controller, "seq": seq})
    return None if found is None else JournalRow(**found)


def rows(connection: Connection[Any], controller: str, *, after: int = 0) -> Iterator[JournalRow]:
    """Yield the rows behind `after` in order, page by page."""
    while True:
        facts = {"controller": controller, "after": after, "limit": PAGE_ROWS}
        page = every(connection, QUERIES["read_journal"], facts)
        for found in page:
            yield JournalRow(**found)
            after = found["seq"]
        if len(page) < PAGE_ROWS:
            return


def records(
    connection: Connection[Any], controller: str, *, after: int = 0
) -> Iterator[AuditRecord]:
    """Yield the records behind `after` in order."""
    for found in rows(connection, controller, after=after):
        yield AuditRecord.parse(found.data)


def spent_permissions(connection: Connection[Any]) -> frozenset[Digest]:
    """Return the digests of the rollback statements that were used: each is good for one return."""
    found = every(connection, QUERIES["spent_permissions"], {})
    return frozenset(Digest(row["evidence"]) for row in found)


def verify_chain(
    connection: Connection[Any], controller: str, *, after: Link | None = None
) -> Link:
    """Re-compute every link behind `after`; return the last, or raise `JournalBroken`."""
    last = after or Link(0, GENESIS)
    for found in rows(connection, controller, after=last.seq):
        last = follow(controller, last, found)
    return last


def follow(controller: str, last: Link, found: JournalRow) -> Link:
    """Return the link that a row makes after `last`, or say what is wrong with the row."""
    read(controller, last, found)
    return Link(found.seq, found.sha256)


def read(
    controller: str, last: Link, found: JournalRow, *, written: AuditRecord | None = None
) -> AuditRecord:
    """Return the record of the row after `last`, or say what is wrong with the row.

    `written` is a record at hand: where the row holds its bytes, they need not be parsed.
    """
    if found.seq != last.seq + 1:
        raise JournalBroken(controller, seq=last.seq + 1, reason="the record is missing")
    data = found.data
    try:
        same = written is not None and written.to_bytes() == data
        record = written if written is not None and same else AuditRecord.parse(data)
    except MalformedRecord as error:
        raise JournalBroken(controller, seq=found.seq, reason=str(error)) from error
    if (record.controller, record.seq) != (controller, found.seq):
        raise JournalBroken(controller, seq=found.seq, reason="it is another record")
    if sha256(data) != found.sha256:
        raise JournalBroken(controller, seq=found.seq, reason="its digest differs from its bytes")
    if not record.prev == found.prev_sha256 == last.sha256:
        raise JournalBroken(
            controller, seq=found.seq, reason="it does not name the digest of the record before"
        )
    return record
