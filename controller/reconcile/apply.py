"""Run a decision in one transaction: rows, history, journal record and what is owed, or nothing.

The lease is taken inside it: its epoch fences off whoever held it, and a pass that dies holds
nothing. The compare-and-set makes sure that production is still where the decision saw it.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict
from functools import lru_cache
from uuid import UUID

from controller.adapters.postgres import pipelined, transaction
from controller.audit import journal
from controller.audit.journal import Link
from controller.audit.record import AckUsed, AuditRecord, RollbackUsed
from controller.kernel.canonical import Digest
from controller.kernel.errors import ControllerError
from controller.reconcile import bulk
from controller.reconcile.decide import Decision, rebased
from controller.reconcile.recall import Seen
from controller.reconcile.world import World
from controller.stores.control import holds
from controller.stores.control import store as control
from controller.stores.control.known import Known
from controller.stores.control.model import (
    Applied,
    AppliedRevision,
    Lease,
    RevisionKind,
    RootRecord,
    SeenRelease,
)
from controller.stores.directory import store as directory
from controller.stores.directory.model import TableDigest
from controller.trust.envelope import parse as parse_envelope
from controller.trust.history import Forward, Judgement, ReleaseId, Rollback, Unchanged
from controller.trust.root import parse_root


def apply(world: World, decision: Decision) -> AppliedRevision | None:
    """Bring production to what was decided; return the new revision, `None` when none was made."""
    try:
        applied, revision = _carried_out(world, decision)
    except ControllerError:
        world.recall.forget()
        raise
    decision.memory.settled()
    world.recall.learn(applied, _known(world, decision), _seen(decision, revision))
    return revision


def _carried_out(world: World, decision: Decision) -> tuple[Applied, AppliedRevision | None]:
    connection = world.connection
    few = directory.is_small(decision.plan.changed_rows)
    sent_together = pipelined(connection) if few else nullcontext()
    with transaction(connection), sent_together, world.leading() as lease:
        holds.refuse(connection, world.environment, decision.now)
        if decision.kind is None:
            return _advance(world, decision, lease), None
        return _apply(world, decision, lease, decision.kind)


def digest_texts(digests: Mapping[str, TableDigest]) -> dict[str, str]:
    """Return tables' digests as an audit record carries them: rows, then 16 hex digits."""
    return {table: f"{one.rows}:{one.digest & (2**64 - 1):016x}" for table, one in digests.items()}


def _advance(world: World, decision: Decision, lease: Lease) -> Applied:
    assert decision.before is not None, "nothing applied is never unchanged"
    applied = control.advance(
        world.connection,
        lease,
        decision.before,
        commit=decision.commit,
        root_version=decision.succession.release.root.root.version,
        now=decision.now,
        newest_root=decision.succession.release.root.root.version,
    )
    _remember(world, decision)
    return applied


def _apply(
    world: World, decision: Decision, lease: Lease, kind: RevisionKind
) -> tuple[Applied, AppliedRevision]:
    connection, before = world.connection, decision.before
    number = before.revision + 1 if before is not None else 1
    new = _applied(world, decision, number)
    # A root that another pass kept meanwhile may take away a key that this release needs.
    moving = control.move(connection, lease, expected=before, new=new, newest_root=new.root_version)
    shards = decision.plan.shards if decision.plan.shards is not None else decision.changes
    rows = directory.prepare(
        connection,
        shards,
        revision=number,
        changed=decision.plan.changed_rows,
        render=bulk.rendering(decision.changes.objects),
    )
    applied = moving.done()
    # While the server writes the rows, the rest is made ready and sent.
    sent = rows.send()
    revision = AppliedRevision(
        environment=world.environment,
        revision=number,
        kind=kind,
        commit=decision.commit,
        release_sha256=new.release_sha256,
        serial=new.serial_current,
        from_revision=before.revision if before is not None else None,
        applied_at=decision.now,
        counts=_counts(decision),
        plan_digest=decision.plan.digest,
    )
    with pipelined(connection):
        _remember(world, decision)
        control.replace_live_bundles(
            connection,
            world.environment,
            decision.admitted.applied_bundles,
            before=decision.known.live,
        )
        control.append_revision(connection, revision)
        chain = journal.LockedChain(connection, world.controller)
        tables = digest_texts(sent.finish())
        world.recall.written.record = journal.append(
            connection,
            world.controller,
            lambda link: _record(world, decision, revision, link, tables),
            chain=chain,
        )
    return applied, revision


def _remember(world: World, decision: Decision) -> None:
    """Write down what was verified on the way: roots, releases, bundle versions, hashed trees."""
    connection = world.connection
    for record in _new_roots(world, decision):
        control.record_root(connection, record)
    reset = _reset(decision.succession.judgement, decision.before)
    chain = reset[1] if reset is not None else ""
    for serial, (digest, commit) in sorted(decision.succession.seen.items()):
        seen = SeenRelease(serial, digest, commit, decision.now, chain=chain)
        control.record_release(connection, world.environment, seen)
    control.record_bundle_versions(connection, _new_versions(decision))
    decision.memory.flush()


def _known(world: World, decision: Decision) -> Known:
    """Return what is accepted once the decision is carried out."""
    known = decision.known
    roots = sorted((*known.roots, *_new_roots(world, decision)), key=lambda one: one.version)
    live = known.live if decision.kind is None else decision.admitted.applied_bundles
    return Known(tuple(roots), {**known.bundle_versions, **_new_versions(decision)}, live)


def _seen(decision: Decision, revision: AppliedRevision | None) -> Seen | None:
    """Return the releases from the one that was applied on, where it is the newest there ever was.

    `None` where the database has to say: its release was seen before, or serials started again.
    """
    judgement, before = decision.succession.judgement, decision.before
    high = before.serial_high if before is not None else 0
    if revision is None or revision.serial <= high or _reset(judgement, before) is not None:
        return None
    release = SeenRelease(
        serial=revision.serial,
        sha256=revision.release_sha256,
        commit=revision.commit,
        seen_at=revision.applied_at,
        applied_revision=revision.revision,
        applied_at=revision.applied_at,
    )
    return Seen(revision.serial, (release,))


def _new_versions(decision: Decision) -> dict[tuple[str, int], Digest]:
    """Return the bundle versions of a release that nobody knew before."""
    return {
        name: one.payload_sha256
        for one in decision.admitted.bundles
        if (name := (str(one.statement.bundle), one.statement.version))
        not in decision.known.bundle_versions
    }


def _new_roots(world: World, decision: Decision) -> list[RootRecord]:
    """Return the roots from the pinned one to the one in force, those known already left out."""
    envelopes = (world.pin.envelope, *decision.succession.release.followed)
    held = {record.version for record in decision.known.roots}
    return [one for one in map(_root_record, envelopes) if one.version not in held]


@lru_cache(maxsize=64)
def _root_record(envelope: bytes) -> RootRecord:
    opened = parse_envelope(envelope)
    return RootRecord(parse_root(opened.payload).version, opened.digest, envelope)


def _applied(world: World, decision: Decision, number: int) -> Applied:
    release, before = decision.succession.release, decision.before
    current, high = _serials(decision.succession.judgement, before)
    reset = _reset(decision.succession.judgement, before)
    seen = before.max_time_seen if before is not None else decision.now
    return Applied(
        environment=world.environment,
        repository=UUID(release.statement.repository),
        commit=decision.commit,
        release_sha256=release.verified.digest,
        serial_current=current,
        serial_high=high,
        root_version=release.root.root.version,
        policies_digest=decision.admitted.policies_digest,
        revision=number,
        max_time_seen=max(decision.now, seen),
        applied_at=decision.now,
        reset_serial=reset[0] if reset is not None else None,
        reset_sha256=reset[1] if reset is not None else None,
    )


def _reset(judgement: Judgement, before: Applied | None) -> ReleaseId | None:
    if isinstance(judgement, Forward) and judgement.rebased is not None:
        return judgement.rebased
    return rebased(before) if before is not None else None


def _serials(judgement: Judgement, before: Applied | None) -> tuple[int, int]:
    match judgement:
        case Forward() | Rollback():
            return judgement.serial_current, judgement.serial_high
        case Unchanged():
            assert before is not None, "nothing applied is never unchanged"
            return before.serial_current, before.serial_high


def _counts(decision: Decision) -> dict[str, Mapping[str, int]]:
    return {table: asdict(counts) for table, counts in decision.plan.counts.items()}


def _record(
    world: World,
    decision: Decision,
    revision: AppliedRevision,
    link: Link,
    tables: Mapping[str, str],
) -> AuditRecord:
    release, before = decision.succession.release, decision.before
    return AuditRecord(
        seq=link.seq + 1,
        prev=link.sha256,
        controller=world.controller,
        environment=world.environment,
        repository=release.statement.repository,
        revision=revision.revision,
        kind=revision.kind,
        commit=decision.commit,
        parent_commit=before.commit if before is not None else None,
        release_sha256=revision.release_sha256,
        serial=revision.serial,
        root_version=release.root.root.version,
        policies_digest=decision.admitted.policies_digest,
        plan_digest=decision.plan.digest,
        signers=decision.admitted.signers,
        counts=revision.counts,
        applied_at=decision.now,
        tables=tables,
        acks=_acks(decision),
        rollback=_rollback(decision),
    )


def _acks(decision: Decision) -> tuple[AckUsed, ...]:
    ack = decision.ack
    return (AckUsed(ack.sha256, tuple(sorted(ack.signers))),) if ack is not None else ()


def _rollback(decision: Decision) -> RollbackUsed | None:
    judgement, before = decision.succession.judgement, decision.before
    if not isinstance(judgement, Rollback) or before is None:
        return None
    authority = judgement.authority
    evidence: Digest | None = authority.evidence if authority.release is not None else None
    return RollbackUsed(before.serial_current, evidence, tuple(sorted(authority.signers)))
