"""Work out what a pass would do, with all that must hold, and write nothing.

`plan`, `reconcile` and the daemon decide here; so what one shows is what the other does.
"""

from dataclasses import dataclass
from datetime import datetime

from controller.artifacts.layout import BundleId, files_path
from controller.artifacts.proven import Proven
from controller.audit.journal import spent_permissions
from controller.kernel.canonical import Digest
from controller.kernel.findings import Report
from controller.kernel.objects import Oid
from controller.plan import guards
from controller.plan.changes import Changes
from controller.plan.guards import Trip
from controller.plan.live import LiveVersion
from controller.plan.plan import Plan, make_plan
from controller.reconcile.acks import Acknowledged, acknowledged
from controller.reconcile.admit import Admitted, Memories, admit
from controller.reconcile.clock import check_clock
from controller.reconcile.commits import check_commits
from controller.reconcile.freshness import freshness
from controller.reconcile.inspect import Learnt, inspect
from controller.reconcile.pinned import check_pin
from controller.reconcile.succession import (
    SignedRelease,
    Succession,
    signed_release,
    succession,
)
from controller.reconcile.world import NoBaseline, World
from controller.source.history import ancestry
from controller.stores.control.known import Known
from controller.stores.control.memory import DatabaseMemory
from controller.stores.control.model import Applied, AppliedBundle, RevisionKind
from controller.stores.directory import store as directory
from controller.trust.history import Accepted, Forward, ReleaseId, Rollback, Unchanged
from controller.trust.root import TrustedRoot


@dataclass(frozen=True, slots=True)
class Decision:
    """What a pass would do to bring production to a commit. Nothing has been written yet."""

    now: datetime
    before: Applied | None
    known: Known
    """What was accepted up to then."""
    commit: Oid
    succession: Succession
    admitted: Admitted
    report: Report
    changes: Changes
    plan: Plan
    trips: tuple[Trip, ...]
    ack: Acknowledged | None
    kind: RevisionKind | None
    """`None`: the commit is accepted, but nothing that is served changes."""
    memory: DatabaseMemory

    @property
    def held(self) -> bool:
        """Whether a guard stops it."""
        return bool(self.trips) and self.ack is None


def decide(world: World, before: Applied | None, target: Oid, now: datetime) -> Decision:
    """Work out everything about a commit without writing anything; raise when it is refused."""
    if world.baseline is None:
        raise NoBaseline
    repository = world.repository
    check_clock(
        now,
        seen=before.max_time_seen if before is not None else None,
        database=world.witness.now() if world.witness is not None else None,
    )
    memory = world.memory()
    accepted = world.recall.known(world.environment, before)
    release = signed_release(
        repository,
        target,
        world.environment,
        held_root(world, accepted),
        now,
        since=_known_since(world, before, target),
    )
    followed = succession(
        repository,
        _accepted(world, before, accepted, release),
        release,
        world.baseline,
        now,
        spent=_spent(world, before, release),
    )
    _watch(world, before, release, now)
    applied = accepted.live
    rails = world.rails.at(repository, release.tree)
    known = accepted.bundle_versions
    memories = Memories(memory, world.recall.verified)
    admitted = admit(repository, release, rails, memories, known=known, applied=applied, now=now)
    bundles = (*applied, *admitted.applied_bundles)
    proven = Proven(
        repository,
        memory,
        {one.files_tree: one.files_root for one in bundles},
        world.recall.directories,
        paths={one.files_tree: files_path(BundleId.parse(one.bundle)) for one in bundles},
    )
    learnt = Learnt.nothing()
    report = inspect(proven, admitted, applied, learnt)
    changes = Changes(proven, _live(applied), admitted.live, learnt.facts, learnt.compared)
    base = before.release_sha256 if before is not None else None
    plan = make_plan(
        world.environment,
        base,
        release.verified.digest,
        changes,
        one_sided=changes.is_one_sided,
        now=now,
    )
    kind = _kind(before, followed, admitted)
    # A rollback ends where production has been before, by the word of a rollback key.
    guarded = kind is not RevisionKind.ROLLBACK
    trips = _trips(world, plan) if guarded else ()
    ack = acknowledged(repository, release, now).get(plan.digest) if trips else None
    return Decision(
        now,
        before,
        accepted,
        target,
        followed,
        admitted,
        report,
        changes,
        plan,
        trips,
        ack,
        kind,
        memory,
    )


def _watch(world: World, before: Applied | None, release: SignedRelease, now: datetime) -> None:
    """Raise where a new commit is not signed as this host asks, or a heartbeat is yet to come."""
    root = release.root.root
    check_commits(
        world.repository,
        root,
        release.commit,
        since=before.commit if before is not None else world.baseline,
        verify=world.verify,
        now=now,
        memory=world.recall.commits,
    )
    beat = freshness(
        world.repository,
        release.commit,
        world.environment,
        root,
        now,
        max_staleness=world.max_staleness,
        memory=world.recall.verified,
    ).heartbeat
    check_clock(now, heartbeat=beat.created if beat is not None else None)


def _trips(world: World, plan: Plan) -> tuple[Trip, ...]:
    """Return each limit a plan is over, with the store as it is now."""
    if not any(counts.removed or counts.ending for counts in plan.counts.values()):
        return ()
    sizes = {table: kept.rows for table, kept in directory.kept(world.connection).items()}
    # One more than the plan takes is enough to know that some are left.
    most = {
        table: 1 - plan.endless[table]
        for table, counts in plan.counts.items()
        if (counts.removed or counts.ending) and plan.endless[table] < 0
    }
    return guards.trips(plan, sizes, world.limits, directory.endless(world.connection, most))


def _spent(world: World, before: Applied | None, release: SignedRelease) -> frozenset[Digest]:
    """Return the used rollback statements, where a release goes back and it matters."""
    if before is None or release.statement.serial > before.serial_high:
        return frozenset()
    return spent_permissions(world.connection)


def _known_since(world: World, before: Applied | None, target: Oid) -> Oid | None:
    """Return the commit from which on a target's history is new; `None` for all of it."""
    if before is None:
        return None
    return before.commit if ancestry(world.repository, before.commit, target).descends else None


def held_root(world: World, known: Known) -> TrustedRoot:
    """Return the newest root this controller holds: the pinned one, or what followed it.

    Whether it is still in force is judged where it is used: a newer one may follow.
    """
    check_pin(world.recall, world.pin, known)
    pinned = world.recall.root(world.pin, ())
    stored = [one.envelope for one in known.roots if one.version > pinned.root.version]
    return world.recall.root(world.pin, tuple(stored))


def _accepted(
    world: World, before: Applied | None, known: Known, release: SignedRelease
) -> Accepted:
    if before is None:
        return Accepted()
    # What was taken back lies between the current serial and the highest; nothing older is asked.
    since = min(before.serial_current, before.serial_high, release.statement.serial)
    releases = world.recall.releases(world.environment, before, since=since)
    return Accepted(
        accepted_commit=before.commit,
        serial_current=before.serial_current,
        serial_high=before.serial_high,
        seen={release.serial: release.sha256 for release in releases},
        applied={
            release.serial: (release.sha256, release.live_until or before.max_time_seen)
            for release in releases
            if release.applied_at is not None
        },
        bundle_digests=known.bundle_versions,
        max_time_seen=before.max_time_seen,
        rebased=rebased(before),
    )


def rebased(before: Applied) -> ReleaseId | None:
    """Return the last reset that was obeyed."""
    if before.reset_serial is None or before.reset_sha256 is None:
        return None
    return before.reset_serial, before.reset_sha256


def _live(applied: tuple[AppliedBundle, ...]) -> tuple[LiveVersion, ...]:
    return tuple(
        LiveVersion(BundleId.parse(one.bundle), one.version, one.files_tree, one.window)
        for one in applied
    )


def _kind(before: Applied | None, followed: Succession, admitted: Admitted) -> RevisionKind | None:
    if before is None:
        return RevisionKind.BASELINE
    match followed.judgement:
        case Forward():
            return RevisionKind.FORWARD
        case Rollback():
            return RevisionKind.ROLLBACK
        case Unchanged():
            changed = before.policies_digest != admitted.policies_digest
            return RevisionKind.REPOLICY if changed else None
