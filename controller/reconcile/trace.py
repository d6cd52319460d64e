"""From a row back to the people who signed it: file and line, version, release, revision, audit.

Works for rows of any table, of now, of an earlier revision, and for those that are gone: then also
who took them away, and where they stood last.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from controller.adapters import migrations
from controller.audit import journal
from controller.audit.record import AuditRecord
from controller.kernel.errors import Refused
from controller.kernel.instants import format_instant
from controller.kernel.objects import Oid
from controller.plan.rows import STORED_TABLES
from controller.reconcile.history import audit_commits
from controller.reconcile.keys import AmbiguousKey, Asked, Key
from controller.reconcile.places import Place, Places
from controller.reconcile.resolve import NothingApplied
from controller.reconcile.world import World
from controller.stores.control import store as control
from controller.stores.control.model import AppliedRevision, RevisionKind
from controller.stores.directory import store as directory
from controller.stores.directory.model import TraceRow
from controller.stores.directory.resolve import DIGITS_MAX, DIGITS_MIN, NotAnIin
from controller.trust.envelope import parse as parse_envelope
from controller.trust.root import parse_root

_PAGE_REVISIONS = 500


class NothingServed(Refused):
    """Production was empty at the instant that is asked for."""

    code = "trace.nothing_served"

    def __init__(self, environment: str, at: datetime, first: datetime) -> None:
        super().__init__(
            f"nothing had been applied to {environment} at {format_instant(at)}",
            hint=f"its first revision was applied at {format_instant(first)}",
        )
        self.environment, self.at, self.first = environment, at, first


class NoSuchRevision(Refused):
    """There is no revision of this number."""

    code = "trace.no_such_revision"

    def __init__(self, environment: str, revision: int, newest: int) -> None:
        super().__init__(
            f"{environment} has no revision {revision}",
            hint=f"revisions run from 1 to {newest}; `countersign history` lists them",
        )
        self.environment, self.revision, self.newest = environment, revision, newest


class Visibility(StrEnum):
    """Whether a row's window holds the asked instant."""

    VISIBLE = "visible"
    NOT_BEGUN = "not_begun"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Signed:
    """A bundle version and the keys that signed it."""

    bundle: str
    version: int
    sha256: str
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
    """One version of a row: where it comes from, who let it in, and how it left.

    `place` is where it stood when it came or, for a past revision, what that revision served;
    `last` is where it stood in the last revision before it left. `left_with` are the versions of
    its bundle that no longer hold it: none when the whole bundle left the release. `replaced`: a
    row with the same key came when it left.
    """

    row: TraceRow
    visibility: Visibility
    place: Place
    signers: tuple[str, ...]
    came: Event
    left: Event | None
    last: Place | None
    left_with: tuple[Signed, ...]
    replaced: bool


@dataclass(frozen=True, slots=True)
class Trace:
    """Every version of the row under one key, the latest first; `owners` names keys' holders.

    `served` is the revision that was asked about: then only rows that it served are here.
    """

    asked: Asked
    key: Key | None
    at: datetime
    served: Event | None
    rows: tuple[Traced, ...]
    owners: dict[str, str]


def trace(
    world: World,
    asked: Asked,
    now: datetime,
    *,
    at: datetime | None = None,
    revision: int | None = None,
) -> Trace:
    """Return where the rows under a key come from; none when there never was one.

    `at` asks for what production served at an instant (of the future: as things stand now);
    `revision` for what it served when that revision had just been applied.
    """
    connection = world.connection
    migrations.check(connection)
    with directory.moment(connection):
        applied = control.read_applied(connection, world.environment)
        if applied is None:
            raise NothingApplied(world.environment)
        served = None
        if revision is not None:
            served = _numbered(world, revision, applied.revision)
        elif at is not None:
            served = _serving(world, at)
        moment = at or (served.applied_at if served is not None else now)
        key, every = _rows(world, asked, moment, served.revision if served else None)
        rows = [row for row in every if served is None or _is_served(row, served.revision)]
        found = _Finder(world, rows, served)
        return Trace(
            asked,
            key,
            moment,
            found.event(served.revision) if served else None,
            tuple(found.traced(row, every, moment) for row in rows),
            _owners(world),
        )


def columns_of(row: TraceRow) -> dict[str, str]:
    """Return a row's cells by column, the empty ones left out."""
    columns = STORED_TABLES[row.table].columns
    return {name: cell for name, cell in zip(columns, row.cells, strict=True) if cell}


# Which revision is asked about


def _numbered(world: World, revision: int, newest: int) -> AppliedRevision:
    if not 1 <= revision <= newest:
        raise NoSuchRevision(world.environment, revision, newest)
    return _revision(world, revision)


def _revision(world: World, number: int) -> AppliedRevision:
    return control.revisions(world.connection, world.environment, before=number + 1, limit=1)[0]


def _serving(world: World, at: datetime) -> AppliedRevision:
    """Return the newest revision that was applied by an instant."""
    before: dict[str, int] = {}
    while True:
        page = control.revisions(
            world.connection, world.environment, limit=_PAGE_REVISIONS, **before
        )
        for one in page:
            if one.applied_at <= at:
                return one
        if page[-1].revision == 1:
            raise NothingServed(world.environment, at, page[-1].applied_at)
        before = {"before": page[-1].revision}


def _is_served(row: TraceRow, revision: int) -> bool:
    return row.revision <= revision and (
        row.until_revision is None or revision < row.until_revision
    )


# Which rows are meant


def _rows(
    world: World, asked: Asked, at: datetime, revision: int | None
) -> tuple[Key | None, tuple[TraceRow, ...]]:
    """Return the one key that a text means and its rows; several keys are refused by name."""
    keys = list(asked.keys)
    if asked.rule:
        bundles = directory.bundles_with_rule(world.connection, asked.rule)
        keys += [Key("rules", (bundle, asked.rule)) for bundle in bundles]
    if asked.digits:
        keys += _range_of(world, asked.digits, at, revision)
    found = {}
    for key in dict.fromkeys(keys):
        rows = _declared(world, directory.trace(world.connection, key.table, key.parts))
        if rows:
            found[key] = rows
    if len(found) > 1:
        raise AmbiguousKey(found)
    return next(iter(found.items()), (None, ()))


def _declared(world: World, rows: tuple[TraceRow, ...]) -> tuple[TraceRow, ...]:
    """Return the rows that somebody declared: what a heal took away stands in no file."""
    ends = {row.until_revision for row in rows if row.until_revision is not None}
    heals = {end for end in ends if _revision(world, end).kind is RevisionKind.HEAL}
    return tuple(row for row in rows if row.until_revision not in heals)


def _range_of(world: World, digits: str, at: datetime, revision: int | None) -> Iterable[Key]:
    """Return the smallest range visible at the instant, else the smallest that there ever was."""
    if not (digits.isascii() and digits.isdecimal() and DIGITS_MIN <= len(digits) <= DIGITS_MAX):
        raise NotAnIin
    spans = directory.spans_around(world.connection, digits)
    keys = [Key("ranges", (str(lo), str(hi))) for lo, hi in spans]
    for key in keys:
        for row in _declared(world, directory.trace(world.connection, key.table, key.parts)):
            here = row.until_revision is None if revision is None else _is_served(row, revision)
            if here and row.window.contains(at):
                return [key]
    return keys[:1]


# What is known about them


class _Finder:
    """Looks rows up: their revisions, records, audit commits and places, each once."""

    def __init__(
        self, world: World, rows: Sequence[TraceRow], served: AppliedRevision | None
    ) -> None:
        self._world, self._served = world, served
        numbers = {row.revision for row in rows} | {row.until_revision for row in rows}
        numbers |= {row.until_revision - 1 for row in rows if row.until_revision is not None}
        numbers |= {served.revision} if served is not None else set()
        wanted = {number for number in numbers if number is not None}
        self._revisions = {number: _revision(world, number) for number in wanted}
        self._records = _records(world, wanted)
        self._commits = audit_commits(world, since=min(wanted)) if wanted else {}
        self._places = Places(world.repository, world.environment, world.memory())

    def event(self, number: int) -> Event:
        """Return what is known about a revision."""
        record = self._records.get(number)
        return Event(
            self._revisions[number],
            self._signers(number, "release"),
            record.seq if record else None,
            self._commits.get(number),
        )

    def traced(self, row: TraceRow, every: Sequence[TraceRow], at: datetime) -> Traced:
        """Return everything about one row; `every` are all rows of its key."""
        shown = self._served or self._revisions[row.revision]
        place = self._places.place(row, shown, at if self._served is not None else None)
        until = row.until_revision
        before = self._revisions[until - 1] if until is not None else None
        return Traced(
            row,
            _visibility(row, at),
            place,
            self._signers(shown.revision, f"{place.bundle}@{place.version}"),
            self.event(row.revision),
            self.event(until) if until is not None else None,
            self._places.place(row, before) if before is not None else None,
            self._versions(row.source.bundle, until) if until is not None else (),
            any(one.revision == until for one in every),
        )

    def _versions(self, bundle: str, number: int) -> tuple[Signed, ...]:
        return tuple(
            Signed(
                bundle,
                one.live.version,
                one.live.payload_sha256,
                self._signers(number, one.name),
            )
            for one in self._places.versions(self._revisions[number])
            if str(one.live.bundle) == bundle
        )

    def _signers(self, number: int, what: str) -> tuple[str, ...]:
        record = self._records.get(number)
        return tuple(record.signers.get(what, ())) if record is not None else ()


def _records(world: World, wanted: set[int]) -> dict[int, AuditRecord]:
    records = journal.records(world.connection, world.controller)
    return {
        one.revision: one
        for one in records
        if one.revision in wanted and one.environment == world.environment
    }


def _visibility(row: TraceRow, at: datetime) -> Visibility:
    if row.window.contains(at):
        return Visibility.VISIBLE
    start = row.window.start
    return Visibility.NOT_BEGUN if start is not None and at < start else Visibility.ENDED


def _owners(world: World) -> dict[str, str]:
    """Return who holds each key that any accepted root names; the newest root says last."""
    envelopes = [world.pin.envelope, *(one.envelope for one in control.roots(world.connection))]
    roots = [parse_root(parse_envelope(envelope).payload) for envelope in envelopes]
    return {str(key.id): key.owner for one in roots for key in one.keys.values()}
