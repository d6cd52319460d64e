"""Put drifted rows as they are declared: one transaction, a revision of its own, in the trail.

What is healed is exactly what somebody saw: the rows are compared once more while nobody else can
write them, and where the outcome is another one, nothing is done. Rows that nobody declared leave
into the history, with the revision that took them away.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from controller.adapters.postgres import transaction
from controller.audit import journal
from controller.audit.journal import Link
from controller.audit.record import AckUsed, AuditRecord
from controller.kernel.canonical import Digest
from controller.kernel.errors import Refused, Unavailable
from controller.reconcile.acks import Acknowledged
from controller.reconcile.apply import digest_texts
from controller.reconcile.drift import compare, declare, sums_of
from controller.reconcile.drifted import Drift, Kind
from controller.reconcile.world import World
from controller.stores.control import drift as stored
from controller.stores.control import store as control
from controller.stores.control.drift import Ended
from controller.stores.control.known import Known
from controller.stores.control.model import Applied, AppliedRevision, RevisionKind, StaleWriter
from controller.stores.directory import declared
from controller.stores.directory import store as directory
from controller.stores.directory.tables import STORE_TABLES
from controller.trust import core
from controller.trust.envelope import parse
from controller.trust.history import check_clock
from controller.trust.root import parse_root

_COUNTED = {"added": Kind.MISSING, "modified": Kind.CHANGED, "removed": Kind.EXTRA}


class DriftMoved(Unavailable):
    """What drifted is not what was seen any more: look again."""

    code = "heal.drift_moved"

    def __init__(self, seen: Digest, found: Drift | None) -> None:
        told = f"it is {found.digest} now" if found is not None else "nothing drifts now"
        super().__init__(
            f"drift {seen} is not what is there any more: {told}",
            hint="somebody writes to the database meanwhile, or a revision came; "
            "`countersign drift` looks again",
        )
        self.seen, self.found = seen, found


class AckByOtherRoot(Refused):
    """Those who acknowledged may do so by a newer root than the rows were judged by."""

    code = "heal.ack_by_other_root"

    def __init__(self, version: int) -> None:
        super().__init__(
            f"the rows were applied under root {version}, which does not let all of those "
            "acknowledge who did",
            hint="let owners acknowledge whom both roots name, or put the rows right by "
            "`countersign drift --heal`",
        )
        self.version = version


def heal(
    world: World, seen: Drift, *, by: Ended, ack: Acknowledged | None = None
) -> AppliedRevision:
    """Put every row of a drift as it is declared; return the revision that says so.

    Raises `DriftMoved`, `StaleWriter` or `Fenced` and leaves everything as it was.
    """
    connection, now = world.connection, world.clock.now()
    before = control.read_applied(connection, world.environment)
    if before is None or before.revision != seen.revision:
        number = before.revision if before is not None else 0
        raise StaleWriter(world.environment, expected=seen.revision, found=number)
    check_clock(before.max_time_seen, now)
    accepted = world.recall.known(world.environment, before)
    seen_until = max(now, before.max_time_seen)
    after = replace(before, revision=before.revision + 1, max_time_seen=seen_until, applied_at=now)
    with transaction(connection), world.leading() as lease:
        applied = control.compare_and_set(connection, lease, expected=before, new=after)
        last = _put_right(world, before, seen)
        if ack is not None:
            _check_ack(world, accepted, last, ack, now)
        revision = _revision(last, after, seen)
        control.append_revision(connection, revision)
        tables = digest_texts(directory.renewed(connection))
        journal.append(
            connection,
            world.controller,
            lambda link: _record(world, last, revision, link, tables=tables, ack=ack),
        )
        stored.end(connection, world.environment, now, by)
    world.recall.learn(applied, accepted)
    return revision


def _check_ack(
    world: World, accepted: Known, last: AuditRecord, ack: Acknowledged, now: datetime
) -> None:
    """Raise `AckByOtherRoot` where the trail could not show that these owners may acknowledge.

    A heal is judged by the root that judged its rows; the branch may hold a newer one by now.
    """
    (envelope,) = [one.envelope for one in accepted.roots if one.version == last.root_version]
    role = parse_root(parse(envelope).payload).release_role(world.environment)
    count = core.tally(role.for_document(ack.sha256), ack.signers, now=now)
    if count.signers != ack.signers or len(count.owners) < role.threshold:
        raise AckByOtherRoot(last.root_version)


def _put_right(world: World, before: Applied, seen: Drift) -> AuditRecord:
    """Write the rows; return the record of the revision that declared them."""
    connection = world.connection
    # From here on nobody else can write, so what is compared is what is put right.
    declared.lock(connection, tuple(STORE_TABLES))
    sums = sums_of(connection, before)
    tables = {*sums.differing, *(table.table for table in seen.tables)}
    wanted = declare(world, sums, tables, declared.lasting_numbers(connection))
    found = compare(world, before, sums, wanted)
    if found is None or found.digest != seen.digest:
        raise DriftMoved(seen.digest, found)
    for table in found.tables:
        wanted[table.table].put_right(before.revision + 1)
    return sums.record


def _revision(last: AuditRecord, after: Applied, seen: Drift) -> AppliedRevision:
    """Return the revision: at the commit that declared the rows, whatever was accepted since."""
    return AppliedRevision(
        environment=after.environment,
        revision=after.revision,
        kind=RevisionKind.HEAL,
        commit=last.commit,
        release_sha256=last.release_sha256,
        serial=last.serial,
        from_revision=after.revision - 1,
        applied_at=after.applied_at,
        counts=_counts(seen),
        plan_digest=seen.digest,
    )


def _counts(seen: Drift) -> dict[str, Mapping[str, int]]:
    return {
        table.table: {name: table.counts[kind] for name, kind in _COUNTED.items()}
        for table in seen.tables
    }


def _record(
    world: World,
    last: AuditRecord,
    revision: AppliedRevision,
    link: Link,
    *,
    tables: Mapping[str, str],
    ack: Acknowledged | None,
) -> AuditRecord:
    """Return the record: what was declared, judged and signed is what the last one says."""
    return replace(
        last,
        seq=link.seq + 1,
        prev=link.sha256,
        controller=world.controller,
        revision=revision.revision,
        kind=revision.kind,
        parent_commit=last.commit,
        plan_digest=revision.plan_digest,
        counts=revision.counts,
        applied_at=revision.applied_at,
        tables=tables,
        # A repin adds who vouches for its root; nobody vouches for one here.
        signers={what: keys for what, keys in last.signers.items() if what != "root"},
        acks=(AckUsed(ack.sha256, tuple(sorted(ack.signers))),) if ack is not None else (),
        rollback=None,
    )
