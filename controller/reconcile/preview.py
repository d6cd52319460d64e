"""What the next pass would do, worked out beside whatever passes run; nothing is written."""

from controller.reconcile.again import insist
from controller.reconcile.cycle import check_settled, is_settled, next_target
from controller.reconcile.decide import Decision, decide
from controller.reconcile.world import World
from controller.stores.control import store as control
from controller.stores.control.model import Applied


def preview(world: World) -> Decision | Applied:
    """Return what a pass would do, or where production is when it would do nothing.

    Raises as the pass would. Whoever a pass overtakes looks again.
    """
    return insist(lambda: _look(world))


def _look(world: World) -> Decision | Applied:
    before = control.read_applied(world.connection, world.environment)
    target = next_target(world, before)
    if before is not None and is_settled(world, before, target):
        check_settled(world, before)
        return before
    return decide(world, before, target, world.clock.now())
