"""Read and write the controller's state, inside the caller's transaction.

Nothing here commits, reads a clock or decides. What may never change is guarded by the database
itself (`0001_controller.sql`), whoever writes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from controller.adapters.postgres import Connection, Cursor
from controller.kernel.canonical import Digest, Json, canonical
from controller.kernel.instants import Window, format_instant
from controller.kernel.objects import Oid
from controller.stores.control import lease as leases
from controller.stores.control.model import (
    Applied,
    AppliedBundle,
    AppliedRevision,
    Lease,
    OtherEnvironment,
    RevisionKind,
    RootRecord,
    SeenRelease,
    StaleWriter,
)
from controller.stores.control.statements import QUERIES, ask, every, one, run

REVISIONS_MAX = 2**62
ROOTS_MAX = 2**62


def read_applied(connection: Connection[Any], environment: str) -> Applied | None:
    """Return what production is at; `None` before the first revision."""
    row = one(connection, QUERIES["read_applied"], {"environment": environment})
    return None if row is None else Applied(**row)


def compare_and_set(
    connection: Connection[Any],
    lease: Lease,
    *,
    expected: Applied | None,
    new: Applied,
    newest_root: int = ROOTS_MAX,
) -> Applied:
    """Make `new` what production is at, if it is still at `expected` and the lease is still ours.

    Returns it as it stands now. Raises `Fenced` when another holder has taken over, `StaleWriter`
    when production has moved, or a root beyond `newest_root` was accepted, `OtherEnvironment` when
    the database serves another one. From here to the end of the transaction nobody else can write.
    """
    return move(connection, lease, expected=expected, new=new, newest_root=newest_root).done()


@dataclass(frozen=True, slots=True)
class Moving:
    """A compare-and-set that was sent; whether it was carried out is known when it is `done`."""

    connection: Connection[Any]
    lease: Lease
    expected: Applied | None
    _answer: Cursor[dict[str, Any]] | None

    def done(self) -> Applied:
        """Return what production is at, or raise as `compare_and_set` does."""
        put = self._answer.fetchone() if self._answer is not None else None
        if put is not None:
            return Applied(**put)
        leases.fence(self.connection, self.lease)
        number = 0 if self.expected is None else self.expected.revision
        raise _stale(self.connection, self.lease.environment, expected=number)


def move(
    connection: Connection[Any],
    lease: Lease,
    *,
    expected: Applied | None,
    new: Applied,
    newest_root: int = ROOTS_MAX,
) -> Moving:
    """Send what `compare_and_set` does, so that a pipeline answers it with what is sent next.

    Nothing that another writer could wait for may be sent before it is done.
    """
    revision = 0 if expected is None else expected.revision
    facts = _row(new) | {
        "epoch": lease.epoch,
        "expected": revision,
        "expected_commit": None if expected is None else expected.commit,
        "newest_root": newest_root,
        "holder": lease.holder,
    }
    if expected is None:
        leases.fence(connection, lease)
        return Moving(connection, lease, expected, _insert(connection, facts))
    return Moving(connection, lease, expected, ask(connection, QUERIES["update_applied"], facts))


def _insert(connection: Connection[Any], facts: dict[str, Any]) -> Cursor[dict[str, Any]] | None:
    if one(connection, QUERIES["later_root"], {"newest_root": facts["newest_root"]}) is not None:
        return None
    return ask(connection, QUERIES["insert_applied"], facts)


def check_nothing_applied(connection: Connection[Any], lease: Lease) -> None:
    """Raise as `compare_and_set` does unless the lease is ours and nothing was ever applied."""
    leases.fence(connection, lease)
    if one(connection, QUERIES["lock_applied"], {}) is not None:
        raise _stale(connection, lease.environment, expected=0)


def _stale(
    connection: Connection[Any], environment: str, *, expected: int
) -> OtherEnvironment | StaleWriter:
    found = one(connection, QUERIES["lock_applied"], {})
    if found is not None and found["environment"] != environment:
        return OtherEnvironment(environment, served=found["environment"])
    return StaleWriter(
        environment, expected=expected, found=0 if found is None else found["revision"]
    )


def record_release(connection: Connection[Any], environment: str, release: SeenRelease) -> None:
    """Remember a release that verified; in its chain the serial never means other bytes again."""
    facts = {
        "environment": environment,
        "chain": release.chain,
        "serial": release.serial,
        "sha256": release.sha256,
        "commit": release.commit,
        "seen_at": release.seen_at,
    }
    run(connection, QUERIES["record_release"], facts)


def releases(
    connection: Connection[Any], environment: str, *, since: int = 1
) -> tuple[SeenRelease, ...]:
    """Return the release that each serial from `since` on means, in the newest chain it is in."""
    facts = {"environment": environment, "since": since}
    rows = every(connection, QUERIES["read_releases"], facts)
    return tuple(SeenRelease(**row) for row in rows)


def record_bundle_versions(
    connection: Connection[Any], versions: Mapping[tuple[str, int], Digest]
) -> None:
    """Remember which bytes each (bundle, version) means; it can never mean others again."""
    if versions:
        names = sorted(versions)
        facts = {
            "bundles": [bundle for bundle, _ in names],
            "versions": [version for _, version in names],
            "digests": [versions[name] for name in names],
        }
        run(connection, QUERIES["record_bundle_versions"], facts)


def bundle_versions(connection: Connection[Any]) -> dict[tuple[str, int], Digest]:
    """Return which bytes each known (bundle, version) means."""
    rows = every(connection, QUERIES["read_bundle_versions"], {})
    return {(row["bundle"], row["version"]): Digest(row["sha256"]) for row in rows}


def live_bundles(connection: Connection[Any], environment: str) -> tuple[AppliedBundle, ...]:
    """Return the bundle versions that are applied now, by bundle and version."""
    rows = every(connection, QUERIES["read_live_bundles"], {"environment": environment})
    return tuple(
        AppliedBundle(window=Window(row.pop("effective_from"), row.pop("effective_to")), **row)
        for row in rows
    )


def replace_live_bundles(
    connection: Connection[Any],
    environment: str,
    bundles: Iterable[AppliedBundle],
    *,
    before: Iterable[AppliedBundle] = (),
) -> None:
    """Make `bundles` the ones that are applied now, instead of those that were `before`."""
    old, new = set(before), set(bundles)
    places = {(live.bundle, live.version) for live in new}
    gone = [live for live in old if (live.bundle, live.version) not in places]
    if old != new:
        facts = {
            "environment": environment,
            "bundles": [live.bundle for live in gone],
            "versions": [live.version for live in gone],
            "rows": canonical([_live_row(environment, live) for live in new - old]).decode(),
        }
        run(connection, QUERIES["replace_live_bundles"], facts)


def _live_row(environment: str, live: AppliedBundle) -> dict[str, Json]:
    start, end = live.window.start, live.window.end
    return {
        "environment": environment,
        "bundle": live.bundle,
        "version": live.version,
        "payload_sha256": live.payload_sha256,
        "files_root": live.files_root,
        "files_tree": f"\\x{live.files_tree.hex()}",
        "effective_from": format_instant(start) if start else None,
        "effective_to": format_instant(end) if end else None,
        "policy_digest": live.policy_digest,
    }


def append_revision(connection: Connection[Any], revision: AppliedRevision) -> None:
    """Write the next revision and mark its release as applied by it."""
    counts = {table: dict(changes) for table, changes in revision.counts.items()}
    facts = {
        "environment": revision.environment,
        "revision": revision.revision,
        "kind": revision.kind,
        "commit": revision.commit,
        "release_sha256": revision.release_sha256,
        "serial": revision.serial,
        "from_revision": revision.from_revision,
        "applied_at": revision.applied_at,
        "counts": canonical(counts).decode(),
        "plan_digest": revision.plan_digest,
    }
    run(connection, QUERIES["append_revision"], facts)


def revisions(
    connection: Connection[Any], environment: str, *, before: int = REVISIONS_MAX, limit: int = 100
) -> tuple[AppliedRevision, ...]:
    """Return up to `limit` revisions older than `before`, the newest first."""
    facts = {"environment": environment, "before": before, "limit": limit}
    rows = every(connection, QUERIES["read_revisions"], facts)
    return tuple(AppliedRevision(kind=RevisionKind(row.pop("kind")), **row) for row in rows)


def record_root(connection: Connection[Any], root: RootRecord) -> None:
    """Remember an accepted root; its version can never mean another document again."""
    facts = {"version": root.version, "sha256": root.sha256, "envelope": root.envelope}
    run(connection, QUERIES["record_root"], facts)


def roots(connection: Connection[Any]) -> tuple[RootRecord, ...]:
    """Return every accepted root, the oldest first."""
    return tuple(RootRecord(**row) for row in every(connection, QUERIES["read_roots"], {}))


def advance(
    connection: Connection[Any],
    lease: Lease,
    applied: Applied,
    *,
    commit: Oid,
    root_version: int,
    now: datetime,
    newest_root: int = ROOTS_MAX,
) -> Applied:
    """Move the accepted commit on although production stays as it is; return the new state."""
    seen = max(now, applied.max_time_seen)
    moved = replace(applied, commit=commit, root_version=root_version, max_time_seen=seen)
    return compare_and_set(connection, lease, expected=applied, new=moved, newest_root=newest_root)


def _row(applied: Applied) -> dict[str, Any]:
    return {field.name: getattr(applied, field.name) for field in fields(applied)}
