"""Worlds for the audit trail: records that follow one another."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from controller.audit.record import GENESIS, AckUsed, AuditRecord, RollbackUsed
from controller.kernel.canonical import Digest, sha256
from controller.kernel.objects import Oid
from controller.stores.control.model import RevisionKind

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
REPOSITORY = "0d6b6e2e-4f0a-4c1c-9b6e-6a6f0d0c7a11"
SOURCE = Oid(b"\x01" * 20)


def digest_of(text: str) -> Digest:
    """Return some digest that nothing else has."""
    return sha256(text.encode())


def record(
    seq: int = 1,
    *,
    controller: str = "one",
    prev: Digest = GENESIS,
    source: tuple[Oid, Digest] | None = None,
) -> AuditRecord:
    """Return the record of one ordinary revision."""
    return AuditRecord(
        seq=seq,
        prev=prev,
        controller=controller,
        environment="production",
        repository=REPOSITORY,
        revision=seq,
        kind=RevisionKind.BASELINE if seq == 1 else RevisionKind.FORWARD,
        commit=source[0] if source else SOURCE,
        parent_commit=None if seq == 1 else SOURCE,
        release_sha256=source[1] if source else digest_of(f"release {seq}"),
        serial=seq,
        root_version=1,
        policies_digest=digest_of("policies"),
        plan_digest=digest_of(f"plan {seq}"),
        signers={"release": ("SHA256:alice", "SHA256:bob"), "card-bin/binlist@1": ("SHA256:bob",)},
        counts={"ranges": {"added": seq, "modified": 0, "deleted": 0}},
        applied_at=NOON + timedelta(minutes=seq),
    )


def rolled_back(before: AuditRecord) -> AuditRecord:
    """Return the record of a rollback after `before`, with an acknowledged guard."""
    return replace(
        record(before.seq + 1, prev=before.sha256),
        kind=RevisionKind.ROLLBACK,
        serial=1,
        rollback=RollbackUsed(before.serial, digest_of("statement"), ("SHA256:carol",)),
        acks=(AckUsed(digest_of("ack"), ("SHA256:alice",)),),
    )


def chain(length: int, controller: str = "one") -> list[AuditRecord]:
    """Return `length` records, each naming the one before."""
    records: list[AuditRecord] = []
    prev = GENESIS
    for seq in range(1, length + 1):
        records.append(record(seq, controller=controller, prev=prev))
        prev = records[-1].sha256
    assert all(later.prev == earlier.sha256 for earlier, later in pairwise(records))
    return records
