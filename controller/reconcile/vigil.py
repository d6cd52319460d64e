"""What a turn looks at before anything is decided, also while the branch stands still.

A frozen branch is one that does not move: so whether its heartbeat is in time, and whether the
clock can be believed, is asked at every turn.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from controller.reconcile.clock import check_clock
from controller.reconcile.decide import held_root
from controller.reconcile.freshness import Freshness, freshness
from controller.reconcile.world import World
from controller.stores.control import store as control
from controller.stores.control.conditions import Condition, ConditionStatus, ConditionType
from controller.stores.control.model import Applied


def look(world: World, before: Applied | None, now: datetime) -> Freshness:
    """Return how fresh the followed branch is, under the newest root that this controller holds."""
    recall, environment = world.recall, world.environment
    if before is None:
        known = recall.known(environment, before)
    else:
        known = recall.remembered(environment, before)
    return freshness(
        world.repository,
        world.head(),
        environment,
        held_root(world, known).root,
        now,
        max_staleness=world.max_staleness,
        memory=recall.verified,
    )


def is_fresh(
    world: World, now: datetime, *, heard: Callable[[Freshness], None] = lambda _: None
) -> Sequence[Condition]:
    """Return the condition `Stale`; raises nothing for what its heartbeat says."""
    found = look(world, control.read_applied(world.connection, world.environment), now)
    heard(found)
    status = ConditionStatus.TRUE if found.is_stale else ConditionStatus.FALSE
    return (Condition(ConditionType.STALE, status, found.reason, found.message, found.hint),)


def clock_is_right(world: World, now: datetime) -> Sequence[Condition]:
    """Raise `ClockBehind` or `ClockAhead`; adds no condition of its own.

    No record of the journal is later than the latest instant that was seen, so it is not asked.
    """
    before = control.read_applied(world.connection, world.environment)
    beat = look(world, before, now).heartbeat
    check_clock(
        now,
        seen=before.max_time_seen if before is not None else None,
        heartbeat=beat.created if beat is not None else None,
        database=world.witness.now() if world.witness is not None else None,
    )
    return ()
