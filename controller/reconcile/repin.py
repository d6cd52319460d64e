"""Start from another root, because a person at this host said so: recorded, and never by itself.

When the threshold of a root is lost, no root can follow it. Somebody makes one that starts again,
everybody compares its SHA-256 by voice, and every host pins it in its settings. Here that becomes
a revision of its own, `repin`: nothing that is served changes, the trail says when it was done.

A host that has applied nothing may have kept roots that a refused pass followed. There is nothing
served to protect and no trail to write it to, so there the root alone is kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from controller.adapters.postgres import transaction
from controller.audit import journal
from controller.audit.journal import Link
from controller.audit.record import AuditRecord
from controller.kernel.canonical import Digest
from controller.kernel.errors import Refused, Untrusted
from controller.reconcile.apply import digest_texts
from controller.reconcile.pinned import FROM_EMPTY, is_known
from controller.reconcile.world import World
from controller.stores.control import store as control
from controller.stores.control.known import Known
from controller.stores.control.model import Applied, AppliedRevision, RevisionKind, RootRecord
from controller.stores.directory import store as directory
from controller.trust import root
from controller.trust.core import RepositoryDiffers
from controller.trust.history import check_clock
from controller.trust.root import Pin, TrustedRoot


class NothingToRecord(Refused):
    """The pinned root is one that this controller believes already."""

    code = "pin.nothing_to_record"

    def __init__(self, reason: str) -> None:
        super().__init__(f"nothing has to be recorded: {reason}")


class PinNotNewer(Untrusted):
    """A root that starts again has to be numbered above all that were followed."""

    code = "pin.not_newer"

    def __init__(self, version: int, held: int, *, is_applied: bool = True) -> None:
        hint = f"number it {held + 1}: a version never means another document"
        if not is_applied:
            hint += f"; nothing has been applied here, so {FROM_EMPTY}, too"
        super().__init__(
            f"root {version} is not above root {held}, which this controller has followed",
            hint=hint,
        )
        self.version, self.held = version, held


@dataclass(frozen=True, slots=True)
class _New:
    """What is written: the state before, what was known, and the root to start from."""

    before: Applied | None
    known: Known
    pinned: TrustedRoot

    @property
    def record(self) -> RootRecord:
        made = self.pinned.root
        return RootRecord(made.version, made.digest, self.pinned.envelope)


def repin(world: World) -> AppliedRevision | None:
    """Record that this host starts from the root it pins now; return the revision that says so.

    `None` where nothing has been applied yet: then there is no trail to say it in. The root must
    not have expired, and its own threshold must be in force. Raises `NothingToRecord` where the
    next pass needs no record, and `ClockBehind` as a pass does.
    """
    new = _judge(world)
    now = world.clock.now()
    root.extend(new.pinned, (), now)
    if new.before is None:
        _keep(world, new)
        return None
    check_clock(new.before.max_time_seen, now)
    return _revise(world, new, new.before, now)


def _judge(world: World) -> _New:
    before = control.read_applied(world.connection, world.environment)
    known = world.recall.known(world.environment, before)
    if before is None and not known.roots:
        raise NothingToRecord("nothing has been applied, so the first pass starts from this root")
    pinned = world.recall.root(world.pin, ())
    if is_known(world.recall, world.pin, known):
        raise NothingToRecord(f"root {pinned.root.version} is one that this controller follows")
    held = known.roots[-1].version
    if pinned.root.version <= held:
        raise PinNotNewer(pinned.root.version, held, is_applied=before is not None)
    repository = _repository(world, before, known)
    if pinned.root.repository != repository:
        raise RepositoryDiffers(repository, pinned.root.repository)
    return _New(before, known, pinned)


def _repository(world: World, before: Applied | None, known: Known) -> str:
    """Return the repository that this host follows: what is applied says so, or its newest root."""
    if before is not None:
        return str(before.repository)
    last = known.roots[-1]
    return world.recall.root(Pin(last.envelope, last.sha256), ()).root.repository


def _keep(world: World, new: _New) -> None:
    connection = world.connection
    with transaction(connection), world.leading() as lease:
        control.check_nothing_applied(connection, lease)
        control.record_root(connection, new.record)
    world.recall.learn(None, replace(new.known, roots=(*new.known.roots, new.record)))


def _revise(world: World, new: _New, before: Applied, now: datetime) -> AppliedRevision:
    number, made = before.revision + 1, new.pinned.root
    revision = AppliedRevision(
        environment=world.environment,
        revision=number,
        kind=RevisionKind.REPIN,
        commit=before.commit,
        release_sha256=before.release_sha256,
        serial=before.serial_current,
        from_revision=before.revision,
        applied_at=now,
        counts={},
        plan_digest=made.digest,
    )
    after = replace(
        before,
        root_version=made.version,
        revision=number,
        max_time_seen=max(now, before.max_time_seen),
        applied_at=now,
    )
    _write(world, new, before, after, revision)
    return revision


def _write(
    world: World, new: _New, before: Applied, after: Applied, revision: AppliedRevision
) -> None:
    connection = world.connection
    with transaction(connection), world.leading() as lease:
        applied = control.compare_and_set(connection, lease, expected=before, new=after)
        control.record_root(connection, new.record)
        control.append_revision(connection, revision)
        tables = digest_texts(directory.kept(connection))
        signers = _signers(world, new)
        journal.append(
            connection,
            world.controller,
            lambda link: _record(world, after, revision, link, tables, signers),
        )
    roots = (*new.known.roots, new.record)
    world.recall.learn(applied, replace(new.known, roots=roots))


def _signers(world: World, new: _New) -> dict[str, tuple[str, ...]]:
    """Return who vouches for what is served, as the last record says, and for the root by now."""
    seq = journal.last_link(world.connection, world.controller).seq
    row = journal.row(world.connection, world.controller, seq)
    last = AuditRecord.parse(row.data).signers if row is not None else {}
    return {**last, "root": tuple(sorted(new.pinned.signers))}


def _record(
    world: World,
    after: Applied,
    revision: AppliedRevision,
    link: Link,
    tables: Mapping[str, str],
    signers: Mapping[str, tuple[str, ...]],
) -> AuditRecord:
    return AuditRecord(
        seq=link.seq + 1,
        prev=link.sha256,
        controller=world.controller,
        environment=world.environment,
        repository=str(after.repository),
        revision=revision.revision,
        kind=revision.kind,
        commit=after.commit,
        parent_commit=after.commit,
        release_sha256=Digest(after.release_sha256),
        serial=after.serial_current,
        root_version=after.root_version,
        policies_digest=after.policies_digest,
        plan_digest=revision.plan_digest,
        signers=signers,
        counts={},
        applied_at=revision.applied_at,
        tables=tables,
    )
