"""What a pass over an attacked world comes to: the refusal, what `status` shows, what was written.

A test states the whole of it: `assert attempt(shop) == stopped("trust.serial_skipped")`.
"""

from dataclasses import dataclass, replace
from typing import Any

from controller.kernel.errors import ControllerError
from controller.reconcile.cycle import converge
from controller.reconcile.status import State, read_status
from controller.reconcile.world import World
from tests.support.world import Shop

APPLIED = "applied"
# A refused pass keeps the roots that it followed, under the lease, and moves nothing else.
KEPT = ("controller.applied", "controller.lease", "controller.root")


@dataclass(frozen=True)
class Attempt:
    """The code a pass was refused with, how `status` shows it, and what changed although.

    `changed` are the tables, or "refs" and "objects", that are not what they were before.
    """

    code: str
    state: State
    reason: str
    changed: tuple[str, ...] = ()


def stopped(code: str, *, state: State = State.STALLED) -> Attempt:
    """Return what has to come out: nothing written but a root, `status` shows the same code."""
    return Attempt(code, state, code)


def attempt(shop: Shop, **changes: Any) -> Attempt:
    """Run passes until one is refused, then look at `status`; `changes` are of the world."""
    world = shop.world(**changes)
    before, was_at = shop.footprint(), shop.applied()
    code = _run(world)
    after, is_at = shop.footprint(), shop.applied()
    condition = read_status(world, shop.clock.now()).condition
    changed = tuple(sorted(name for name in after if after[name] != before.get(name)))
    if changed == KEPT and was_at and is_at == replace(was_at, epoch=is_at.epoch if is_at else 0):
        changed = ()
    return Attempt(code, condition.state, condition.reason, changed)


def _run(world: World) -> str:
    try:
        list(converge(world))
    except ControllerError as error:
        return error.code
    return APPLIED
