"""From a row back to the people who signed it: file and line, version, release, revision, audit.

Works for rows of now and for those that are gone. The file is read at the commit that brought the
row, from the tree that its bundle version pins, and only after its bytes gave the signed digest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from controller.adapters import migrations
from controller.adapters.git import GitRepository
from controller.adapters.postgres import reading
from controller.artifacts import bundle as bundles
from controller.artifacts import layout, release, walk
from controller.artifacts.merkle import MerkleMemory
from controller.artifacts.release import LiveBundle
from controller.artifacts.tables import TABLES, span
from controller.audit import journal
from controller.audit.record import AuditRecord
from controller.kernel.canonical import Digest, sha256
from controller.kernel.errors import Corrupt
from controller.kernel.objects import Oid
from controller.plan.changes import FILE_SIZE_MAX_BYTES
from controller.plan.lines import line_of
from controller.reconcile.admit import find_files
from controller.reconcile.history import audit_commits
from controller.reconcile.resolve import IIN, NothingApplied, Question
from controller.reconcile.world import World
from controller.stores.control import store as control
from controller.stores.control.model import AppliedRevision
from controller.stores.directory import store as directory
from controller.stores.directory.model import TraceRow
from controller.trust.envelope import SIZE_MAX_BYTES
from controller.trust.envelope import parse as parse_envelope
from controller.trust.root import parse_root

BY_ID = {"participant": "participants", "endpoint": "endpoints"}
"""Words that stand where a scheme does, and the tables they mean."""


class NotWhatWasApplied(Corrupt):
    """The repository no longer holds what a revision was made of."""

    code = "trace.not_what_was_applied"

    def __init__(self, path: str, commit: Oid) -> None:
        super().__init__(
            f"{path} of commit {commit.hex()[:12]} is not what was applied",
            hint="`countersign audit verify` names the first link that does not hold",
        )
        self.path, self.commit = path, commit


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands: a line (0: not found) of a file, in a bundle version somebody signed."""

    path: str
    line: int
    bundle: str
    version: int
    sha256: Digest
    signers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """The revision that brought a row, or took it away, and what tells of it."""

    revision: AppliedRevision
    signers: tuple[str, ...]
    audit_seq: int | None
    audit_commit: Oid | None


@dataclass(frozen=True, slots=True)
class Traced:
    """One version of a row: where it comes from, who let it in, and how it left."""

    row: TraceRow
    place: Place
    came: Event
    left: Event | None


@dataclass(frozen=True, slots=True)
class Trace:
    """Every version of the rows under one key, the latest first; `owners` names keys' holders."""

    question: Question
    rows: tuple[Traced, ...]
    owners: dict[str, str]


def trace(world: World, asked: Question) -> Trace:
    """Return where the rows under a key come from; none when there never was one."""
    connection = world.connection
    migrations.check(connection)
    with reading(connection):
        if control.read_applied(connection, world.environment) is None:
            raise NothingApplied(world.environment)
        rows = _rows(world, asked)
        events = _Events(world, rows)
        found = tuple(_traced(world, events, row) for row in rows)
        return Trace(asked, found, _owners(world))


def _rows(world: World, asked: Question) -> tuple[TraceRow, ...]:
    connection = world.connection
    if asked.scheme in BY_ID:
        return directory.trace(connection, BY_ID[asked.scheme], (asked.value,))
    if asked.scheme != IIN:
        return directory.trace(connection, "identifiers", (asked.scheme, asked.value))
    match = directory.resolve_iin(connection, asked.value, asked.at)
    if match is not None:
        spans = [span(match.range.iin_start, match.range.iin_end)]
    else:
        own = span(asked.value, asked.value)
        spans = [own, *(gone for gone in directory.ranges_gone(connection, asked.value))]
    for lo, hi in spans:
        rows = directory.trace(connection, "ranges", (str(lo), str(hi)))
        if rows:
            return rows
    return ()


class _Events:
    """The revisions that some rows came and left with, each looked up once."""

    def __init__(self, world: World, rows: Sequence[TraceRow]) -> None:
        numbers = {row.revision for row in rows} | {row.until_revision for row in rows}
        self._world = world
        self._wanted = {number for number in numbers if number is not None}
        self._records = self._read()
        self._commits = audit_commits(world, since=min(self._wanted)) if self._wanted else {}

    def record(self, revision: int) -> AuditRecord | None:
        """Return the journal's record of a revision, if this controller applied it."""
        return self._records.get(revision)

    def event(self, number: int) -> Event:
        """Return what is known about a revision."""
        world, record = self._world, self._records.get(number)
        found = control.revisions(world.connection, world.environment, before=number + 1, limit=1)[
            0
        ]
        return Event(
            found,
            tuple(record.signers.get("release", ())) if record else (),
            record.seq if record else None,
            self._commits.get(number),
        )

    def _read(self) -> dict[int, AuditRecord]:
        records = journal.records(self._world.connection, self._world.controller)
        return {
            one.revision: one
            for one in records
            if one.revision in self._wanted and one.environment == self._world.environment
        }


def _traced(world: World, events: _Events, row: TraceRow) -> Traced:
    came = events.event(row.revision)
    left = events.event(row.until_revision) if row.until_revision is not None else None
    return Traced(row, _place(world, events.record(row.revision), came.revision, row), came, left)


def _place(
    world: World, record: AuditRecord | None, revision: AppliedRevision, row: TraceRow
) -> Place:
    """Find the version of a revision's release, and in its files the line, that a row is from."""
    versions = [
        live
        for live in _release(world.repository, revision, world.environment)
        if str(live.bundle) == row.source.bundle
    ]
    memory = world.memory()
    for live in versions:
        line, effective = _line(world.repository, revision.commit, live, row, memory)
        if line and effective:
            name = f"{live.bundle}@{live.version}"
            signers = tuple(record.signers.get(name, ())) if record else ()
            return Place(
                row.source.path, line, str(live.bundle), live.version, live.payload_sha256, signers
            )
    raise NotWhatWasApplied(row.source.path, revision.commit)


def _release(
    repository: GitRepository, revision: AppliedRevision, environment: str
) -> tuple[LiveBundle, ...]:
    path = layout.release_path(environment)
    payload = _read(repository, revision.commit, path)
    if payload is None or sha256(payload) != revision.release_sha256:
        raise NotWhatWasApplied(path, revision.commit)
    return release.parse(payload).bundles


def _line(
    repository: GitRepository, commit: Oid, live: LiveBundle, row: TraceRow, memory: MerkleMemory
) -> tuple[int, bool]:
    """Return the line of a row in a live version, and whether it counts at the row's time."""
    payload = _read(repository, commit, live.path)
    if payload is None or sha256(payload) != live.payload_sha256:
        raise NotWhatWasApplied(live.path, commit)
    statement = bundles.parse(payload)
    tree = find_files(repository, commit, statement, memory)
    path = row.source.path.removeprefix(layout.files_path(live.bundle) + "/")
    entry = walk.find(repository, tree, path)
    if entry is None or entry.is_tree:
        return 0, False
    data = walk.read_blob(repository, entry.oid, row.source.path, FILE_SIZE_MAX_BYTES)
    effective = live.effective(statement.window).overlaps(row.window)
    return line_of(row.table, data, row.cells), effective


def _read(repository: GitRepository, commit: Oid, path: str) -> bytes | None:
    entry = walk.find(repository, repository.tree_of(commit), path)
    if entry is None or entry.is_tree:
        return None
    return walk.read_blob(repository, entry.oid, path, SIZE_MAX_BYTES)


def _owners(world: World) -> dict[str, str]:
    """Return who holds each key that any accepted root names; the newest root says last."""
    envelopes = [world.pin.envelope, *(one.envelope for one in control.roots(world.connection))]
    roots = [parse_root(parse_envelope(envelope).payload) for envelope in envelopes]
    return {str(key.id): key.owner for one in roots for key in one.keys.values()}


def columns_of(row: TraceRow) -> dict[str, str]:
    """Return a row's cells by column, the empty ones left out."""
    columns = TABLES[row.table].columns
    return {name: cell for name, cell in zip(columns, row.cells, strict=True) if cell}
