"""The controller's state as values: no connection, no decision."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from controller.kernel.canonical import Digest, Json
from controller.kernel.errors import Refused, Unavailable
from controller.kernel.instants import Window
from controller.kernel.objects import Oid


class RevisionKind(StrEnum):
    """Why there is a revision: the first, a new release, an older one, other rules, another pin,
    or rows that had drifted and were put as they are declared.
    """

    BASELINE = "baseline"
    FORWARD = "forward"
    ROLLBACK = "rollback"
    REPOLICY = "repolicy"
    REPIN = "repin"
    HEAL = "heal"


class OutboxKind(StrEnum):
    """What a revision may owe the world."""

    AUDIT_COMMIT = "audit_commit"


@dataclass(frozen=True, slots=True)
class Applied:
    """What production is at: one value, read and written as a whole.

    `commit` is the newest commit that was accepted; `serial_high` the highest serial ever accepted.
    """

    environment: str
    repository: UUID
    commit: Oid
    release_sha256: Digest
    serial_current: int
    serial_high: int
    root_version: int
    policies_digest: Digest
    revision: int
    max_time_seen: datetime
    applied_at: datetime
    epoch: int = 0
    """The lease epoch of the last writer; set by the store."""
    reset_serial: int | None = None
    reset_sha256: Digest | None = None
    """The root's last reset that was obeyed: it must not be obeyed again."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write to one environment, as long as nobody holds a later epoch."""

    environment: str
    holder: str
    epoch: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SeenRelease:
    """A release that verified in the chain.

    `applied_revision` and `applied_at` are of the last time it was applied; `live_until` is when
    another release replaced it that time, `None` while it is live or when it never was. `chain` is
    the digest of the release that a root let serials start again from, '' before the first time.
    """

    serial: int
    sha256: Digest
    commit: Oid
    seen_at: datetime
    applied_revision: int | None = None
    applied_at: datetime | None = None
    live_until: datetime | None = None
    chain: str = ""


@dataclass(frozen=True, slots=True)
class AppliedBundle:
    """One live bundle version as it was applied: where its files are and which rules it met.

    `bundle` is written `<rail>/<name>`; `window` is the version's, already narrowed by the release.
    """

    bundle: str
    version: int
    payload_sha256: Digest
    files_root: Digest
    files_tree: Oid
    window: Window
    policy_digest: Digest


@dataclass(frozen=True, slots=True)
class AppliedRevision:
    """One state production was in; `counts` holds rows by table, then by kind of change."""

    environment: str
    revision: int
    kind: RevisionKind
    commit: Oid
    release_sha256: Digest
    serial: int
    from_revision: int | None
    applied_at: datetime
    counts: Mapping[str, Mapping[str, int]]
    plan_digest: Digest


@dataclass(frozen=True, slots=True)
class RootRecord:
    """One accepted version of the root of trust: its payload's digest and its envelope's bytes."""

    version: int
    sha256: Digest
    envelope: bytes


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """An effect that is owed; either a journal record or a payload says what it is about."""

    id: int
    kind: str
    controller: str | None
    journal_seq: int | None
    payload: Json
    due_at: datetime
    attempts: int
    last_error: str


class StaleWriter(Unavailable):
    """Production moved since it was read: read again and decide again."""

    code = "control.stale_writer"

    def __init__(self, environment: str, *, expected: int, found: int) -> None:
        super().__init__(
            f"{environment} is at revision {found}, not at {expected} as this pass assumed"
            if found != expected
            else f"{environment} accepted another commit since this pass looked",
            hint="another pass was faster; the next one starts from what it left",
        )
        self.environment, self.expected, self.found = environment, expected, found


class Fenced(Unavailable):
    """Another controller has taken the lease: whatever this one decided is void."""

    code = "control.fenced"

    def __init__(self, lease: Lease, *, epoch: int, holder: str) -> None:
        super().__init__(
            f"{lease.holder} held epoch {lease.epoch} of {lease.environment}; "
            f"{holder or 'nobody'} holds epoch {epoch} now",
            hint="two controllers serve this environment; the one with the later epoch goes on",
        )
        self.environment, self.lease_epoch = lease.environment, lease.epoch
        self.epoch, self.holder = epoch, holder


class LeaseHeld(Unavailable):
    """Somebody else holds the lease."""

    code = "control.lease_held"

    def __init__(self, environment: str, *, holder: str, expires_at: datetime) -> None:
        super().__init__(
            f"{holder} holds {environment} until {expires_at.isoformat(timespec='seconds')}",
            hint="a controller that runs is asked to look by `countersign reconcile --request`; "
            "otherwise wait until the lease is given back or runs out",
        )
        self.environment, self.holder, self.expires_at = environment, holder, expires_at


class OtherEnvironment(Refused):
    """The database already serves another environment."""

    code = "control.other_environment"

    def __init__(self, environment: str, *, served: str) -> None:
        super().__init__(
            f"this database serves {served}, not {environment}",
            hint="give each environment a database of its own",
        )
        self.environment, self.served = environment, served
