"""Look at the remote before a pass: the running controller each time, a command once."""

from controller.reconcile.following import forward_only
from controller.reconcile.world import NoBaseline, World
from controller.source.follow import Follower, Look
from controller.stores.control import store as control


def look(follower: Follower, world: World, *, expects_news: bool) -> Look:
    """Bring the mirror, which `world` reads, up to its remote; see `Follower.look`."""
    if world.baseline is None:
        raise NoBaseline
    applied = control.read_applied(world.connection, world.environment)
    accepted = applied.commit if applied is not None else None
    may_follow = forward_only(world.repository, accepted, world.baseline)
    return follower.look(world.clock.now(), may_follow, expects_news=expects_news)
