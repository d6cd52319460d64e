"""What a record has to say whatever came before it: members that fit its kind, and one another."""

from collections.abc import Iterator
from datetime import datetime

from controller.audit import trail
from controller.audit.record import AuditRecord
from controller.kernel.instants import format_instant
from controller.stores.control.model import RevisionKind
from controller.trust.history import CLOCK_TOLERANCE

APPLIED = "applied"
ROOT = "root"
"""What the keys that vouch for a newly pinned root stand under, in `signers`."""
_NEVER_GUARDED = (RevisionKind.ROLLBACK, RevisionKind.REPIN)


def check(here: trail.Here, record: AuditRecord, now: datetime) -> None:
    """Raise `LinkMalformed`, `LinkRevision`, `LinkStatement` or `LinkTime`."""
    if record.result != APPLIED:
        raise here.broken(trail.LinkMalformed, f"its result is {record.result}")
    if (record.rollback is not None) != (record.kind is RevisionKind.ROLLBACK):
        told = "says nothing of" if record.rollback is None else "tells of"
        raise here.broken(trail.LinkRevision, f"a {record.kind.value} that {told} a rollback")
    if record.kind is RevisionKind.REPIN:
        _check_repin(here, record)
    if record.acks and record.kind in _NEVER_GUARDED:
        raise here.broken(trail.LinkStatement, f"a {record.kind.value} was acknowledged")
    if len({ack.sha256 for ack in record.acks}) != len(record.acks):
        raise here.broken(trail.LinkStatement, "one acknowledgement stands twice")
    for what, keys in _signed(record):
        if not keys or len(set(keys)) != len(keys):
            told = "nobody" if not keys else "one key twice"
            raise here.broken(trail.LinkStatement, f"{what[:200]} was signed by {told}")
    if record.applied_at > now + CLOCK_TOLERANCE:
        told = f"{format_instant(record.applied_at)}, judged at {format_instant(now)}"
        raise here.broken(trail.LinkTime, told)


def _check_repin(here: trail.Here, record: AuditRecord) -> None:
    if ROOT not in record.signers:
        raise here.broken(trail.LinkStatement, "nobody signed the root of a repin")
    if record.counts:
        raise here.broken(trail.LinkStatement, "a repin changes nothing that is served")


def _signed(record: AuditRecord) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield who signed what, everywhere in a record."""
    yield from record.signers.items()
    for ack in record.acks:
        yield "an acknowledgement", ack.signers
    if record.rollback is not None:
        yield "the rollback", record.rollback.signers
