"""Prove what happened: from git alone, and then that the database says the same.

From git alone: every commit of the branch, the oldest first, is signed by a key that the root in
force lists for this controller, continues the commit before it, and names a release that stands,
signed, in the source commit. The first link that does not hold is named; nothing behind it is
looked at.

Git alone cannot know about commits that were cut off the end: the journal does, and so does a
checkpoint that somebody else keeps (`checkpoint`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from controller.adapters.git import CommitTooLarge
from controller.adapters.postgres import Connection
from controller.audit import claims, journal, trail
from controller.audit.branch import Branch, newest_first, parsed, raw_at, record_at
from controller.audit.commit import is_as_written, record_in, reference, trailers, trailers_in
from controller.audit.course import Course
from controller.audit.elsewhere import Elsewhere
from controller.audit.followed import Followed
from controller.audit.journal import QUERIES, JournalRow, Link
from controller.audit.record import GENESIS, AuditRecord
from controller.audit.source import Releases
from controller.kernel.canonical import Digest, sha256
from controller.kernel.errors import ControllerError, Unavailable
from controller.kernel.objects import Objects, Oid
from controller.stores.control.statements import one
from controller.trust.commit import ParsedCommit, verify_parsed
from controller.trust.keys import KeyId, PublicKey
from controller.trust.transparency import leaf_hash


class Trail(Objects, Branch, Protocol):
    """A repository with an audit branch, read only."""

    def tree_of(self, commit: Oid) -> Oid: ...

    def parents_of(self, commit: Oid) -> tuple[Oid, ...]: ...

    def is_ancestor(self, ancestor: Oid, descendant: Oid) -> bool: ...


@dataclass(frozen=True, slots=True)
class ProvenLink:
    """A commit of the trail that holds: its record's number and digests, and whose key signed.

    `leaf` is the record's hash in the tree that checkpoints are about.
    """

    seq: int
    commit: Oid
    sha256: Digest
    leaf: bytes
    signer: KeyId


@dataclass(frozen=True, slots=True)
class Proof:
    """A whole trail, proven from git alone. Only `verify_git` makes one."""

    controller: str
    links: tuple[ProvenLink, ...]
    last: AuditRecord

    @property
    def tip(self) -> Oid:
        """The commit that the branch ends with."""
        return self.links[-1].commit


@dataclass(frozen=True, slots=True)
class DatabaseProof:
    """The database says what the branch says; `lag` records still wait for their commit.

    `revisions` agree with their records, 0 where the controller's state was not compared.
    """

    rows: int
    lag: int
    tables: int
    revisions: int = 0


@dataclass(frozen=True, slots=True)
class _Walk:
    repository: Trail
    keys: Sequence[PublicKey]
    now: datetime
    course: Course
    releases: Releases


def verify_git(
    repository: Trail,
    followed: Followed,
    controller: str,
    *,
    now: datetime,
    source: Trail | None = None,
) -> Proof:
    """Prove a controller's trail from git alone; raise the `BrokenTrail` of its first bad link.

    The keys are those that the root in force lists for the controller: judged at `now`, never at a
    commit's date. `source` is where the source commits are, and the followed branch, if elsewhere.
    """
    root = followed.root
    others = [name for name in root.audit if name != controller]
    facts = _Walk(
        repository,
        root.audit_keys(controller),
        now,
        Course(root.repository, Elsewhere(repository, others).tell, followed.roots),
        Releases(source or repository, followed),
    )
    tip = repository.target(reference(controller))
    if tip is None:
        raise trail.TrailMissing(controller, commit=None, seq=1, detail=reference(controller))
    links: list[ProvenLink] = []
    record = None
    for commit in _oldest_first(repository, controller, tip):
        record, link = _prove(facts, controller, commit, links[-1] if links else None)
        links.append(link)
    assert record is not None, "a branch has a commit"
    return Proof(controller, tuple(links), record)


def _oldest_first(repository: Branch, controller: str, tip: Oid) -> list[Oid]:
    """Return the commits of a trail; one too large to be read is the link that does not hold."""
    path: list[Oid] = []
    try:
        for commit in newest_first(repository, tip):
            path.append(commit)  # noqa: PERF402  what was reached counts when the rest raises
    except CommitTooLarge as error:
        above = path[-2] if len(path) > 1 else None
        seq = _number_below(repository, above) if above is not None else None
        raise trail.LinkMalformed(
            controller, commit=error.commit, seq=seq, detail=str(error)
        ) from error
    return path[::-1]


def _number_below(repository: Branch, commit: Oid) -> int | None:
    """Return which link is below a commit, as its record says, believed by nobody yet."""
    try:
        return record_at(repository, commit).seq - 1
    except Unavailable:
        raise
    except ControllerError:
        return None  # It is named by its commit alone.


def _prove(
    facts: _Walk, controller: str, commit: Oid, last: ProvenLink | None
) -> tuple[AuditRecord, ProvenLink]:
    seq = last.seq + 1 if last else 1
    here = trail.Here(controller, commit, seq)
    raw = raw_at(facts.repository, commit)
    with here.blaming(trail.LinkMalformed):
        read = parsed(raw)
    with here.blaming(trail.LinkSignature):
        signer = verify_parsed(read, facts.keys, facts.now)
    if tuple(read.parents) != ((last.commit,) if last else ()):
        raise here.broken(trail.LinkParents, " ".join(one.hex() for one in read.parents))
    with here.blaming(trail.LinkMalformed):
        data = record_in(read.message)
        record = AuditRecord.parse(data)
    _check_place(here, record, last)
    _check_form(here, record, raw, read)
    claims.check(here, record, facts.now)
    facts.releases.check(here, record)
    before = facts.course.follow(here, record)
    facts.releases.check_since(here, record, before)
    return record, ProvenLink(seq, commit, sha256(data), leaf_hash(data), signer)


def _check_place(here: trail.Here, record: AuditRecord, last: ProvenLink | None) -> None:
    if record.controller != here.controller:
        raise here.broken(trail.LinkForeign, record.controller)
    if record.seq != here.seq:
        raise here.broken(trail.LinkOrder, f"it is record {record.seq}")
    if record.prev != (last.sha256 if last else GENESIS):
        raise here.broken(trail.LinkDigest, record.prev)


def _check_form(here: trail.Here, record: AuditRecord, raw: bytes, parsed: ParsedCommit) -> None:
    with here.blaming(trail.LinkTrailers):
        stated = trailers_in(parsed.message)
    if stated != trailers(record):
        names = [name for name, _ in set(stated) ^ set(trailers(record))]
        raise here.broken(trail.LinkTrailers, min(names, default="their order"))
    if not is_as_written(raw, parsed, record):
        raise here.broken(trail.LinkMalformed, "tree, identity, time, subject or wrapped armor")


def verify_database(
    connection: Connection[Any],
    proof: Proof,
    *,
    table_digests: Callable[[], Mapping[str, str]] | None = None,
) -> DatabaseProof:
    """Prove that the journal holds the proven trail; return how far publication lags behind.

    Raises `RowMissing`, `RowDiffers`, `RowExtra`, `JournalBroken` or `TrailTruncated` for the first
    record that disagrees. `table_digests` re-computes the stores' content digests by table; they
    are compared with what the journal's last record says, raising `TableDiffers`.
    """
    last, newest, rows = Link(0, GENESIS), proof.last, 0
    for found in journal.rows(connection, proof.controller):
        if last.seq < len(proof.links):
            _compare(proof, proof.links[last.seq], found)
        last = journal.follow(proof.controller, last, found)
        newest, rows = AuditRecord.parse(found.data), rows + 1
    if last.seq < len(proof.links):
        raise trail.RowMissing(proof.controller, seq=last.seq + 1)
    _check_tail(connection, proof)
    tables = 0 if table_digests is None else _compare_tables(newest, table_digests())
    return DatabaseProof(rows, lag=last.seq - len(proof.links), tables=tables)


def _compare(proof: Proof, link: ProvenLink, found: JournalRow) -> None:
    if found.seq != link.seq:
        raise trail.RowMissing(proof.controller, seq=link.seq)
    digest = sha256(found.data)
    if digest != link.sha256:
        detail = f"its digest is {digest}, commit {link.commit.hex()} holds {link.sha256}"
        raise trail.RowDiffers(proof.controller, seq=link.seq, detail=detail)


def _check_tail(connection: Connection[Any], proof: Proof) -> None:
    facts = {"controller": proof.controller, "tip": len(proof.links)}
    cut = one(connection, QUERIES["first_published_beyond"], facts)
    extra = one(connection, QUERIES["first_unowed_beyond"], facts)
    if cut is not None and cut["seq"] is not None:
        raise trail.TrailTruncated(proof.controller, commit=None, seq=cut["seq"])
    if extra is not None and extra["seq"] is not None:
        raise trail.RowExtra(proof.controller, seq=extra["seq"])


def _compare_tables(newest: AuditRecord, found: Mapping[str, str]) -> int:
    for table in sorted(newest.tables.keys() | found.keys()):
        recorded = newest.tables.get(table, "nothing")
        if found.get(table, "nothing") != recorded:
            raise trail.TableDiffers(table, recorded=recorded, found=found.get(table, "nothing"))
    return len(newest.tables)
