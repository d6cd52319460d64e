"""Worlds for the controller's own state."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from controller.adapters.postgres import Connection, transaction
from controller.kernel.canonical import Digest, sha256
from controller.kernel.objects import Oid
from controller.stores.control import lease as leases
from controller.stores.control.model import (
    Applied,
    AppliedRevision,
    Lease,
    RevisionKind,
    SeenRelease,
)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def some_digest(text: str) -> Digest:
    """Return some digest that nothing else has."""
    return sha256(text.encode())


def some_oid(number: int) -> Oid:
    """Return some object id."""
    return Oid(number.to_bytes(20, "big"))


def at_revision(revision: int, environment: str = "production") -> Applied:
    """Return the state after an ordinary revision."""
    return Applied(
        environment=environment,
        repository=UUID("0d6b6e2e-4f0a-4c1c-9b6e-6a6f0d0c7a11"),
        commit=some_oid(revision),
        release_sha256=some_digest(f"release {revision}"),
        serial_current=revision,
        serial_high=revision,
        root_version=1,
        policies_digest=some_digest("policies"),
        revision=revision,
        max_time_seen=NOON + revision * MINUTE,
        applied_at=NOON + revision * MINUTE,
    )


def release(serial: int, content: str = "") -> SeenRelease:
    """Return a release that was seen."""
    digest = some_digest(content or f"release {serial}")
    return SeenRelease(serial, digest, some_oid(serial), NOON + serial * MINUTE)


def revision(number: int, *, serial: int | None = None) -> AppliedRevision:
    """Return an ordinary revision, or one that applies an older serial."""
    kind = RevisionKind.BASELINE if number == 1 else RevisionKind.FORWARD
    return AppliedRevision(
        environment="production",
        revision=number,
        kind=kind if serial is None else RevisionKind.ROLLBACK,
        commit=some_oid(number),
        release_sha256=some_digest(f"release {serial or number}"),
        serial=serial or number,
        from_revision=number - 1 or None,
        applied_at=NOON + number * MINUTE,
        counts={"ranges": {"added": number}},
        plan_digest=some_digest(f"plan {number}"),
    )


def leader(connection: Connection[Any], holder: str = "one") -> Lease:
    """Return the lease, taken and committed."""
    with transaction(connection):
        return leases.acquire(connection, "production", holder=holder, duration=MINUTE)
