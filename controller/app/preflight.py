"""Ask production before a commit is made that it would refuse."""

from controller.app import wiring
from controller.app.settings import Settings
from controller.authoring.ack import PlanNotHeld
from controller.kernel.canonical import Digest
from controller.reconcile.decide import Decision
from controller.reconcile.drift import look
from controller.reconcile.preview import preview
from controller.reconcile.world import World
from controller.source.history import ancestry
from controller.stores.control import store as control
from controller.trust.history import RollbackReason, RollbackRefused, check_ancestry


def check_rollback(settings: Settings, serial: int, sha256: Digest) -> None:
    """Raise when this host's controller would refuse to go back to a release it never applied.

    Also when the branch no longer contains what was accepted. Dates and signatures are judged when
    the commit is there.
    """
    with wiring.world(settings) as world:
        before = control.read_applied(world.connection, world.environment)
        if before is None:
            return  # Nothing is applied yet, so nothing is gone back from.
        head = world.head()
        descends = ancestry(world.repository, before.commit, head).descends
        check_ancestry(before.commit, before.commit, head, descends=descends)
        applied = {
            (one.serial, one.sha256)
            for one in control.releases(world.connection, world.environment)
            if one.applied_at is not None
        }
    if (serial, sha256) not in applied:
        raise RollbackRefused(serial, before.serial_high, RollbackReason.NEVER_APPLIED)


def _is_drift(world: World, digest: Digest) -> bool:
    """Whether a digest is that of the live rows that drifted, as they are now."""
    found = look(world)
    return found is not None and found.digest == digest


def check_ack(settings: Settings, plan: Digest) -> None:
    """Raise `PlanNotHeld` when no guard of this host stops such a plan; as the pass would, too.

    The digest of rows that drifted is one to acknowledge as well. One that enough owners have
    acknowledged already is still the one that the guard is about.
    """
    with wiring.world(settings) as world:
        if _is_drift(world, plan):
            return
        found = preview(world)
    stopped = found.plan.digest if isinstance(found, Decision) and found.trips else None
    if stopped != plan:
        raise PlanNotHeld(plan, settings.controller.environment, held=stopped)
