"""How production stands to the branch: what is applied, what is wanted, and who has to act.

Nothing is kept about it: it is derived from the branch and the database each time it is asked, so
it says the same whether a controller runs or not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from controller.adapters import migrations
from controller.kernel.canonical import Digest
from controller.kernel.errors import ControllerError, Unavailable
from controller.kernel.objects import Oid
from controller.plan.guards import GuardTripped
from controller.reconcile.again import insist
from controller.reconcile.cycle import is_settled, next_target
from controller.reconcile.decide import Decision, decide, held_root
from controller.reconcile.holds import WINDOW, HeldBack, Holding, Holds, all_of
from controller.reconcile.reported import Reported, read_reported
from controller.reconcile.world import World
from controller.stores.control import outbox
from controller.stores.control import store as control
from controller.stores.control.model import Applied, AppliedBundle, OutboxKind, StaleWriter
from controller.stores.directory import store as directory


class Sync(StrEnum):
    """Whether production is what the branch declares."""

    SYNCED = "Synced"
    OUT_OF_SYNC = "OutOfSync"
    UNKNOWN = "Unknown"


class State(StrEnum):
    """Whether anything is left to do, and whether a person has to do it."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"


@dataclass(frozen=True, slots=True)
class Condition:
    """The state of the controller; `reason` is an error's code, or a word of ours."""

    state: State
    reason: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class RootStatus:
    """The root of trust in force: the newest one accepted, or the pinned one before that."""

    version: int
    sha256: Digest
    expires: datetime
    expired: bool


@dataclass(frozen=True, slots=True)
class Status:
    """Everything `status` tells.

    `applied` is `None` before the first revision, `root` where no root that is kept can be
    followed: then the condition says why.
    """

    environment: str
    branch: str
    observed: Oid | None
    applied: Applied | None
    sync: Sync
    condition: Condition
    root: RootStatus | None
    bundles: tuple[AppliedBundle, ...]
    rows: Mapping[str, int]
    audit_waiting: int
    next_boundary: datetime | None
    reported: Reported
    holds: Holds


class _Kept(NamedTuple):
    """What the database tells, at one moment."""

    applied: Applied | None
    bundles: tuple[AppliedBundle, ...]
    rows: Mapping[str, int]
    audit_waiting: int
    next_boundary: datetime | None
    reported: Reported
    holds: Holds


def read_status(world: World, now: datetime) -> Status:
    """Look at the branch and at production; only a database without our schema is an error.

    Production is told as it stood at one moment; whoever a pass overtakes looks again.
    """
    migrations.check(world.connection)
    return insist(lambda: _look(world, now))


def _look(world: World, now: datetime) -> Status:
    kept = _kept(world, now)
    applied = kept.applied
    observed, sync, condition = _observe(world, applied, now, kept.holds.holding)
    root, fault = _root(world, applied, now)
    if fault is not None and condition.state is not State.STALLED:
        condition = _stopped(fault)
    found = control.read_applied(world.connection, world.environment)
    if found != applied:
        raise StaleWriter(world.environment, expected=_number(applied), found=_number(found))
    return Status(
        environment=world.environment,
        branch=world.branch,
        observed=observed,
        applied=applied,
        sync=sync,
        condition=condition,
        root=root,
        bundles=kept.bundles,
        rows=kept.rows,
        audit_waiting=kept.audit_waiting,
        next_boundary=kept.next_boundary,
        reported=kept.reported,
        holds=kept.holds,
    )


def _kept(world: World, now: datetime) -> _Kept:
    """Read all that the database tells at one moment, and hold that moment no longer."""
    connection, environment = world.connection, world.environment
    with directory.moment(connection):
        return _Kept(
            control.read_applied(connection, environment),
            control.live_bundles(connection, environment),
            {table: kept.rows for table, kept in directory.kept(connection).items()},
            outbox.queued(connection, OutboxKind.AUDIT_COMMIT, controller=world.controller),
            directory.next_boundary(connection, now),
            read_reported(connection, environment),
            all_of(world, now),
        )


def _number(applied: Applied | None) -> int:
    return applied.revision if applied is not None else 0


def _observe(
    world: World, applied: Applied | None, now: datetime, holding: Holding | None
) -> tuple[Oid | None, Sync, Condition]:
    try:
        head = world.head()
    except ControllerError as error:
        return None, Sync.UNKNOWN, _stopped(error)
    try:
        target = next_target(world, applied)
        if applied is not None and is_settled(world, applied, target):
            return head, Sync.SYNCED, _ready(world, applied)
        condition = _pending(applied, decide(world, applied, target, now), holding)
    except StaleWriter:
        raise
    except ControllerError as error:
        condition = _stopped(error)
    return head, Sync.OUT_OF_SYNC, condition


def _ready(world: World, applied: Applied) -> Condition:
    commit = applied.commit.hex()[:12]
    return Condition(State.READY, "Applied", f"{world.environment} is at commit {commit}")


def _pending(applied: Applied | None, decision: Decision, holding: Holding | None) -> Condition:
    # The database's own rules, such as references between rows, are asked by the transaction that
    # writes: no words here may promise what only that can tell.
    if decision.held:
        return _stopped(GuardTripped(decision.trips, plan=decision.plan.digest))
    if holding is not None:
        return _held_back(HeldBack(holding))
    serial, commit = decision.succession.release.statement.serial, decision.commit.hex()[:12]
    wanted = (
        f"release {serial} of commit {commit} is ready to be tried; "
        "the database asks its own rules of the rows when they are written"
    )
    if decision.kind is None:
        wanted = f"commit {commit} passed every check; it changes nothing that is served"
    if applied is None:
        return Condition(
            State.RECONCILING,
            "NothingApplied",
            f"nothing has been applied yet; {wanted}",
            "run `countersign reconcile --once`",
        )
    return Condition(State.RECONCILING, "Pending", wanted, "run `countersign reconcile --once`")


def _held_back(error: HeldBack) -> Condition:
    # A window opens by itself; whatever a person holds waits for a person.
    state = State.RECONCILING if error.holding.kind == WINDOW else State.STALLED
    return Condition(state, error.code, str(error), error.hint)


def _stopped(error: ControllerError) -> Condition:
    state = State.RECONCILING if isinstance(error, Unavailable) else State.STALLED
    return Condition(state, error.code, str(error), error.hint)


def _root(
    world: World, applied: Applied | None, now: datetime
) -> tuple[RootStatus | None, ControllerError | None]:
    """Return the root that the next pass starts from, or why it could not start from any."""
    try:
        root = held_root(world, world.recall.known(world.environment, applied)).root
    except Unavailable:
        raise
    except ControllerError as error:
        return None, error
    expired = root.expires <= now
    return RootStatus(root.version, root.digest, root.expires, expired=expired), None
