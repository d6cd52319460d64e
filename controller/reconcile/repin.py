"""Start from another root, because a person at this host said so: recorded, and never by itself.

When the threshold of a root is lost, no root can follow it. Somebody makes one that starts again,
everybody compares its SHA-256 by voice, and every host pins it in its settings. Here that becomes
a revision of its own, `repin`: nothing that is served changes, the trail says when it was done.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from controller.adapters.postgres import transaction
from controller.audit import journal
from controller.audit.journal import Link
from controller.audit.record import AuditRecord
from controller.kernel.canonical import Digest
from controller.kernel.errors import Refused, Untrusted
from controller.reconcile.apply import digest_texts
from controller.reconcile.pinned import is_known
from controller.reconcile.world import LEASE_DURATION, World
from controller.stores.control import lease as leases
from controller.stores.control import store as control
from controller.stores.control.known import Known
from controller.stores.control.model import Applied, AppliedRevision, RevisionKind, RootRecord
from controller.stores.directory import store as directory
from controller.trust import root
from controller.trust.core import RepositoryDiffers
from controller.trust.root import TrustedRoot


class NothingToRecord(Refused):
    """The pinned root is one that this controller believes already."""

    code = "pin.nothing_to_record"

    def __init__(self, reason: str) -> None:
        super().__init__(f"nothing has to be recorded: {reason}")


class PinNotNewer(Untrusted):
    """A root that starts again has to be numbered above all that were followed."""

    code = "pin.not_newer"

    def __init__(self, version: int, held: int) -> None:
        super().__init__(
            f"root {version} is not above root {held}, which this controller has followed",
            hint=f"number it {held + 1}: a version never means another document",
        )
        self.version, self.held = version, held


@dataclass(frozen=True, slots=True)
class _New:
    """What is written: the state before, what was known, and the root to start from."""

    before: Applied
    known: Known
    pinned: TrustedRoot

    @property
    def record(self) -> RootRecord:
        made = self.pinned.root
        return RootRecord(made.version, made.digest, self.pinned.envelope)


def repin(world: World) -> AppliedRevision:
    """Record that this host starts from the root it pins now; return the revision that says so.

    The root must not have expired, and its own threshold must be in force. Raises
    `NothingToRecord` where the next pass needs no record.
    """
    now = world.clock.now()
    new = _judge(world)
    root.extend(new.pinned, (), now)
    number, made = new.before.revision + 1, new.pinned.root
    revision = AppliedRevision(
        environment=world.environment,
        revision=number,
        kind=RevisionKind.REPIN,
        commit=new.before.commit,
        release_sha256=new.before.release_sha256,
        serial=new.before.serial_current,
        from_revision=new.before.revision,
        applied_at=now,
        counts={},
        plan_digest=made.digest,
    )
    after = replace(
        new.before,
        root_version=made.version,
        revision=number,
        max_time_seen=max(now, new.before.max_time_seen),
        applied_at=now,
    )
    _write(world, new, after, revision)
    return revision


def _judge(world: World) -> _New:
    before = control.read_applied(world.connection, world.environment)
    if before is None:
        raise NothingToRecord(
            "nothing has been applied, so the first pass starts from this root; where it says "
            "pin.changed, the database keeps roots of another one: start with an empty database"
        )
    known = world.recall.known(world.environment, before)
    pinned = world.recall.root(world.pin, ())
    if is_known(world.recall, world.pin, known):
        raise NothingToRecord(f"root {pinned.root.version} is one that this controller follows")
    held = known.roots[-1].version
    if pinned.root.version <= held:
        raise PinNotNewer(pinned.root.version, held)
    if pinned.root.repository != str(before.repository):
        raise RepositoryDiffers(str(before.repository), pinned.root.repository)
    return _New(before, known, pinned)


def _write(world: World, new: _New, after: Applied, revision: AppliedRevision) -> None:
    connection = world.connection
    with transaction(connection):
        lease = leases.acquire(
            connection, world.environment, holder=world.controller, duration=LEASE_DURATION
        )
        applied = control.compare_and_set(connection, lease, expected=new.before, new=after)
        control.record_root(connection, new.record)
        control.append_revision(connection, revision)
        tables = digest_texts(directory.kept(connection))
        last = _last_record(world)
        journal.append(
            connection,
            world.controller,
            lambda link: _record(world, new, revision, link, tables, last),
        )
        leases.release(connection, lease)
    roots = (*new.known.roots, new.record)
    world.recall.learn(applied, replace(new.known, roots=roots))


def _last_record(world: World) -> AuditRecord | None:
    seq = journal.last_link(world.connection, world.controller).seq
    row = journal.row(world.connection, world.controller, seq)
    return AuditRecord.parse(row.data) if row is not None else None


def _record(
    world: World,
    new: _New,
    revision: AppliedRevision,
    link: Link,
    tables: Mapping[str, str],
    last: AuditRecord | None,
) -> AuditRecord:
    signers = dict(last.signers) if last is not None else {}
    return AuditRecord(
        seq=link.seq + 1,
        prev=link.sha256,
        controller=world.controller,
        environment=world.environment,
        repository=str(new.before.repository),
        revision=revision.revision,
        kind=revision.kind,
        commit=new.before.commit,
        parent_commit=new.before.commit,
        release_sha256=Digest(new.before.release_sha256),
        serial=new.before.serial_current,
        root_version=new.pinned.root.version,
        policies_digest=new.before.policies_digest,
        plan_digest=revision.plan_digest,
        signers={**signers, "root": tuple(sorted(new.pinned.signers))},
        counts={},
        applied_at=revision.applied_at,
        tables=tables,
    )
