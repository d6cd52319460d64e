"""Prove that the controller's own tables say what the journal's records say.

The journal is compared with the signed branch elsewhere (`prove`); here everything else a decision
is made from is compared with the journal: every revision, what is applied, which releases were,
which bundle versions are live, and that each row came from somewhere. The first difference is
named. Not covered, because no record tells of it: releases and bundle versions that were seen and
never applied, leases, the caches, and the names that a row's file number stands for.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from typing import Any, ClassVar, Protocol
from uuid import UUID

from controller.adapters.postgres import Connection
from controller.artifacts import bundle as bundles
from controller.artifacts import layout, merkle, walk
from controller.artifacts import release as releases
from controller.artifacts.release import LiveBundle
from controller.audit import journal
from controller.audit.journal import QUERIES
from controller.audit.record import AuditRecord
from controller.kernel.canonical import Digest, canonical, sha256
from controller.kernel.errors import ControllerError, Corrupt, Unavailable
from controller.kernel.objects import Objects, Oid
from controller.stores.control.model import RevisionKind
from controller.stores.control.statements import every, one

PAGE_ROWS = 1_000
STATEMENT_BYTES_MAX = 4 << 20


class Source(Objects, Protocol):
    """The artifact repository, read only."""

    def tree_of(self, commit: Oid) -> Oid: ...

    def is_ancestor(self, ancestor: Oid, descendant: Oid) -> bool: ...


class _StateDiffers(Corrupt):
    """A row of the controller's state is not what the records say."""

    what: ClassVar[str]

    def __init__(self, name: object, column: str, *, recorded: object, found: object) -> None:
        told = f"{column} is {_shown(found)}, the records say {_shown(recorded)}"
        super().__init__(
            f"{self.what} {name}: {told}",
            hint="the database was changed outside the controller: docs/runbooks/audit-broken.md",
        )
        self.name, self.column = name, column
        self.recorded, self.found = _shown(recorded), _shown(found)


class RevisionDiffers(_StateDiffers):
    """A revision is missing, is one too many, or is not the one that was recorded."""

    code = "audit.revision_differs"
    what = "revision"


class AppliedDiffers(_StateDiffers):
    """What production is said to be at is not what the last record says."""

    code = "audit.applied_differs"
    what = "what is applied to"


class ReleaseDiffers(_StateDiffers):
    """A release that was applied is not remembered as it was, or one is that never was."""

    code = "audit.release_differs"
    what = "release"


class LiveBundleDiffers(_StateDiffers):
    """A live bundle version is not one that the last record's release lists, or not as signed."""

    code = "audit.live_bundle_differs"
    what = "live bundle"


class RowFromNowhere(_StateDiffers):
    """A row names a file or a revision that there never was."""

    code = "audit.row_from_nowhere"
    what = "a row of"


@dataclass(slots=True)
class _Serials:
    """What the serials of the records so far add up to."""

    high: int = 0
    may_be_higher: bool = False
    started_again: bool = False

    def add(self, record: AuditRecord) -> None:
        match record.kind:
            case RevisionKind.BASELINE | RevisionKind.FORWARD:
                self.started_again |= record.serial <= self.high
                self.high, self.may_be_higher = record.serial, False
            case RevisionKind.ROLLBACK:
                # What was undone may have been seen in the same pass, and never applied.
                self.may_be_higher = True
            case RevisionKind.REPOLICY | RevisionKind.REPIN | RevisionKind.HEAL:
                pass


def verify_state(connection: Connection[Any], source: Source, controller: str) -> int:
    """Compare the controller's state with all records; return how many revisions agree.

    The journal must have been proven before (`verify_database`). Raises `RevisionDiffers`,
    `AppliedDiffers`, `ReleaseDiffers`, `LiveBundleDiffers` or `RowFromNowhere`.
    """
    last, serials, count = None, _Serials(), 0
    rows = _revisions(connection)
    for record in _records(connection):
        _check_revision(next(rows, None), record, record.revision)
        serials.add(record)
        last, count = record, count + 1
    _check_revision(next(rows, None), None, count + 1)
    if last is None:
        return 0
    if last.controller != controller:
        raise AppliedDiffers(
            last.environment, "controller", recorded=controller, found=last.controller
        )
    _check_applied(connection, source, last, serials)
    _check_releases(connection)
    verify_live(connection, source, last)
    _check_rows(connection, last)
    return count


def _records(connection: Connection[Any]) -> Iterator[AuditRecord]:
    """Yield every controller's records by revision: a controller may go on under a new name."""
    names = [row["controller"] for row in every(connection, QUERIES["controllers"], {})]
    chains = (journal.records(connection, name) for name in names)
    yield from merge(*chains, key=lambda record: record.revision)


def _revisions(connection: Connection[Any]) -> Iterator[Mapping[str, Any]]:
    after: dict[str, Any] = {"environment": "", "revision": 0}
    while True:
        facts = {**after, "limit": PAGE_ROWS}
        page = every(connection, QUERIES["revisions_after"], facts)
        yield from page
        if len(page) < PAGE_ROWS:
            return
        after = {name: page[-1][name] for name in after}


def _check_revision(
    found: Mapping[str, Any] | None, record: AuditRecord | None, number: int
) -> None:
    if found is None and record is None:
        return
    if found is None or record is None:
        words = ("no row", "a row")
        recorded, kept = words if found is not None else words[::-1]
        raise RevisionDiffers(number, "it", recorded=recorded, found=kept)
    facts = {
        "environment": record.environment,
        "revision": record.revision,
        "kind": record.kind.value,
        "commit": record.commit,
        "release_sha256": record.release_sha256,
        "serial": record.serial,
        "from_revision": record.revision - 1 or None,
        "applied_at": record.applied_at,
        "counts": {table: dict(counts) for table, counts in record.counts.items()},
        "plan_digest": record.plan_digest,
    }
    for column, value in facts.items():
        if _recorded(found[column]) != value:
            raise RevisionDiffers(number, column, recorded=value, found=found[column])


def _check_applied(
    connection: Connection[Any], source: Source, last: AuditRecord, serials: _Serials
) -> None:
    found = one(connection, QUERIES["applied_state"], {})
    if found is None:
        raise AppliedDiffers(last.environment, "it", recorded="a row", found="no row")
    recorded = {
        "environment": last.environment,
        "repository": UUID(last.repository),
        "revision": last.revision,
        "release_sha256": last.release_sha256,
        "serial_current": last.serial,
        "policies_digest": last.policies_digest,
        "applied_at": last.applied_at,
    }
    for column, value in recorded.items():
        if _recorded(found[column]) != value:
            raise AppliedDiffers(last.environment, column, recorded=value, found=found[column])
    _check_moved_on(connection, source, last, found)
    _check_high(connection, found, serials)


def _check_moved_on(
    connection: Connection[Any], source: Source, last: AuditRecord, found: Mapping[str, Any]
) -> None:
    """Check what may have moved on since the last record, because nothing served had to change."""

    def broken(column: str, recorded: object) -> AppliedDiffers:
        return AppliedDiffers(last.environment, column, recorded=recorded, found=found[column])

    if not _descends(source, last.commit, found["commit"]):
        raise broken("commit", f"{last.commit.hex()} or a commit that grew out of it")
    path = layout.release_path(last.environment)
    if _digest_at(source, found["commit"], path) != last.release_sha256:
        raise broken("commit", f"release {last.release_sha256}, which is not what it holds")
    known = one(connection, QUERIES["root_known"], {"version": found["root_version"]})
    if found["root_version"] < last.root_version or known is None:
        raise broken("root_version", f"{last.root_version} or a later root that was accepted")
    if found["max_time_seen"] < last.applied_at:
        raise broken("max_time_seen", f"{last.applied_at} or later")


def _check_high(connection: Connection[Any], found: Mapping[str, Any], serials: _Serials) -> None:
    environment, high = found["environment"], found["serial_high"]
    facts = {"environment": environment, "serial": high}
    seen = serials.may_be_higher and high > serials.high
    if high != serials.high and not (
        seen and one(connection, QUERIES["release_known"], facts) is not None
    ):
        raise AppliedDiffers(environment, "serial_high", recorded=serials.high, found=high)
    if serials.started_again and found["reset_sha256"] is None:
        raise AppliedDiffers(
            environment, "reset_sha256", recorded="that serials started again", found=None
        )


def _check_releases(connection: Connection[Any]) -> None:
    off = one(connection, QUERIES["applied_releases"], {})
    if off is not None:
        raise ReleaseDiffers(
            f"{off['serial']} ({off['release_sha256']})",
            "applied_revision" if off["known"] else "it",
            recorded=off["revision"],
            found=off["applied_revision"] if off["known"] else "no row",
        )
    extra = one(connection, QUERIES["release_never_applied"], {})
    if extra is not None:
        raise ReleaseDiffers(
            f"{extra['serial']} ({extra['sha256']})",
            "applied_revision",
            recorded="that no such revision applied it",
            found=extra["applied_revision"],
        )


def last_record(connection: Connection[Any]) -> AuditRecord | None:
    """Return the record of the newest revision, whichever controller made it; none before that."""
    found = []
    for row in every(connection, QUERIES["controllers"], {}):
        last = journal.last_link(connection, row["controller"])
        stored = journal.row(connection, row["controller"], last.seq)
        if stored is not None:
            found.append(AuditRecord.parse(stored.data))
    return max(found, key=lambda record: record.revision, default=None)


def verify_live(connection: Connection[Any], source: Source, last: AuditRecord) -> None:
    """Compare the live bundles with the release that a record names, their files hashed anew.

    Raises `ReleaseDiffers` or `LiveBundleDiffers`.
    """
    tree = source.tree_of(last.commit)
    payload = _read(source, tree, layout.release_path(last.environment))
    if sha256(payload) != last.release_sha256:
        raise ReleaseDiffers(
            last.serial, "sha256", recorded=last.release_sha256, found=sha256(payload)
        )
    statement = releases.parse(payload)
    listed = {(str(live.bundle), live.version): live for live in statement.bundles}
    rows = {
        (row["bundle"], row["version"]): row
        for row in every(connection, QUERIES["live_state"], {})
        if row["environment"] == last.environment
    }
    odd = min(listed.keys() ^ rows.keys(), default=None)
    if odd is not None:
        words = ("live", "not live")
        recorded, found = words if odd in listed else words[::-1]
        raise LiveBundleDiffers(f"{odd[0]}@{odd[1]}", "it", recorded=recorded, found=found)
    for name, row in rows.items():
        _check_bundle(source, tree, listed[name], row)
    rails = {str(row["bundle"]).partition("/")[0]: row["policy_digest"] for row in rows.values()}
    judged = sha256(canonical(dict(sorted(rails.items()))))
    if judged != last.policies_digest:
        raise LiveBundleDiffers(
            "rails", "policy_digest", recorded=last.policies_digest, found=judged
        )


def _check_bundle(source: Source, tree: Oid, live: LiveBundle, row: Mapping[str, Any]) -> None:
    payload = _read(source, tree, layout.statement_path(live.bundle, live.version))
    if sha256(payload) != live.payload_sha256:
        raise LiveBundleDiffers(
            live.path, "bundle.json", recorded=live.payload_sha256, found=sha256(payload)
        )
    signed = bundles.parse(payload)
    window = live.effective(signed.window)
    recorded = {
        "payload_sha256": live.payload_sha256,
        "known_sha256": live.payload_sha256,
        "files_root": signed.files_root,
        "effective_from": window.start,
        "effective_to": window.end,
    }
    for column, value in recorded.items():
        if row[column] != value:
            raise LiveBundleDiffers(live.path, column, recorded=value, found=row[column])
    root = _files_root(source, row["files_tree"], layout.files_path(live.bundle))
    if root != signed.files_root:
        raise LiveBundleDiffers(
            live.path,
            "files_tree",
            recorded=f"a tree whose root is {signed.files_root}",
            found=row["files_tree"],
        )


def _check_rows(connection: Connection[Any], last: AuditRecord) -> None:
    stray = one(connection, QUERIES["row_from_nowhere"], {"revision": last.revision})
    if stray is not None:
        numbered = stray["is_numbered"]
        raise RowFromNowhere(
            f"{stray['name']} (row_key {stray['row_key']})",
            "revision" if numbered else "file_id",
            recorded=f"1 to {last.revision}" if numbered else "a numbered file",
            found=stray["revision"] if numbered else stray["file_id"],
        )


def _descends(source: Source, ancestor: Oid, descendant: Oid) -> bool:
    try:
        return source.is_ancestor(ancestor, descendant)
    except Unavailable:
        raise
    except ControllerError:
        return False  # No such commit: it grew out of nothing.


def _digest_at(source: Source, commit: Oid, path: str) -> Digest | None:
    entry = walk.find(source, source.tree_of(commit), path)
    if entry is None or entry.is_tree:
        return None
    return sha256(walk.read_blob(source, entry.oid, path, STATEMENT_BYTES_MAX))


def _files_root(source: Source, tree: Oid, path: str) -> Digest | None:
    # What the database remembers of hashed trees is not asked: it is what is being judged.
    try:
        return merkle.files_root(source, tree, path, merkle.NoMemory()).root
    except Unavailable:
        raise
    except ControllerError:
        return None


def _read(source: Source, tree: Oid, path: str) -> bytes:
    entry = walk.find(source, tree, path)
    if entry is None or entry.is_tree:
        raise LiveBundleDiffers(path, "it", recorded="a file", found="no file")
    return walk.read_blob(source, entry.oid, path, STATEMENT_BYTES_MAX)


def _recorded(value: Any) -> Any:
    """Return a stored value as a record would say it: instants in whole seconds."""
    return value.replace(microsecond=0) if isinstance(value, datetime) else value


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return str(value) if value is not None else "nothing"
