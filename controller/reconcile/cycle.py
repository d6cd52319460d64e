"""One pass: look, decide, act, record. The order of effects is what a crash may interrupt.

1. look      the branch's commit against the applied one; nothing changed: nothing is done
2. decide    succession, roots, bundles, rows, plan, guards, holds: reads only
3. apply     ONE transaction: lease and compare-and-set, rows, history, journal, outbox
4. publish   the signed audit commit, from the outbox; a crash before it is made up for later

A controller that has applied nothing starts at its pinned baseline and goes on from there.

Of two who decide on the same state one applies; the other looks again, and most often finds that
nothing is left to do.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from controller.adapters import collector
from controller.adapters.postgres import transaction
from controller.artifacts import layout, walk
from controller.audit.publish import Published, publish
from controller.kernel.errors import Refused
from controller.kernel.objects import Oid
from controller.kernel.stages import Stage
from controller.plan.guards import GuardTripped
from controller.reconcile.again import insist
from controller.reconcile.apply import apply
from controller.reconcile.baseline import pinned_baseline
from controller.reconcile.decide import Decision, decide, held_root
from controller.reconcile.holds import check_holds, held_by
from controller.reconcile.keeping import keep_roots
from controller.reconcile.mixing import check_drift
from controller.reconcile.proof import branch_root
from controller.reconcile.world import World
from controller.stores.control import outbox
from controller.stores.control import store as control
from controller.stores.control.model import Applied, AppliedRevision, OutboxKind
from controller.trust.keys import KeyId
from controller.trust.root import Root


class TrailNotGranted(Refused):
    """The key that this host signs its audit trail with is not one of the root's for it."""

    code = "cycle.trail_not_granted"

    def __init__(self, controller: str, *, key: KeyId, root: int) -> None:
        super().__init__(
            f"root {root} does not let {key} sign the audit trail of {controller}",
            hint="set audit.key to the controller's key, or let a new root list this one "
            "(`countersign root propose`); nothing was applied",
        )
        self.controller, self.key, self.root = controller, key, root


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one pass did. `revision` is `None` when production did not change."""

    commit: Oid
    revision: AppliedRevision | None
    decision: Decision | None
    published: Published


def converge(world: World) -> Iterator[Outcome]:
    """Run passes until production is at the branch's commit; yield what each did.

    A pass that somebody else overtook is run again, a bounded number of times.
    """
    while True:
        outcome = insist(lambda: run_pass(world))
        yield outcome
        if outcome.revision is None or outcome.commit == world.head():
            return


def run_pass(world: World) -> Outcome:
    """Bring production one revision closer to the branch, or raise and leave it untouched.

    A refused pass writes nothing but the roots that it has followed (`keeping`).
    Raises `HeldBack` when a person or a window keeps new revisions out, `DriftInTheWay` when it
    would change a table that drifted, and `HeldMeanwhile`, `StaleWriter`, `Fenced`, `LeaseHeld` or
    `DatabaseBusy` when somebody else is at it.
    """
    now = world.clock.now()
    before = control.read_applied(world.connection, world.environment)
    target = next_target(world, before)
    if before is not None and is_settled(world, before, target):
        check_settled(world, before)
        return Outcome(target, None, None, publish_owed(world))
    with collector.resting():
        try:
            with world.staged(Stage.DECIDE):
                decision = decide(world, before, target, now)
                check_trail(world, decision.succession.release.root.root)
                if decision.held:
                    raise GuardTripped(decision.trips, plan=decision.plan.digest)
                check_holds(world, now)
            check_drift(world, decision)
        except Refused:
            world.recall.hashed.refused()
            _keep_roots(world, before, target, now)
            raise
        with world.staged(Stage.APPLY):
            revision = apply(world, decision)
    return Outcome(target, revision, decision, publish_owed(world))


def _keep_roots(world: World, before: Applied | None, target: Oid, now: datetime) -> None:
    """Keep the roots of a refused pass, but not in a freeze: then nothing at all is let in."""
    found = held_by(world, now)
    if found is None or not found.is_freeze:
        keep_roots(world, before, target)


def next_target(world: World, before: Applied | None) -> Oid:
    """Return the commit this pass goes for: the baseline at first, then the branch's."""
    head = world.head()
    baseline = pinned_baseline(world, head)
    return baseline if before is None and _declares(world, baseline) else head


def _declares(world: World, commit: Oid) -> bool:
    tree = world.repository.tree_of(commit)
    return walk.find(world.repository, tree, layout.release_path(world.environment)) is not None


def is_settled(world: World, before: Applied, target: Oid) -> bool:
    """Whether a commit is applied already, and judged by the rails that are in force now."""
    if before.commit != target:
        return False
    rails = world.rails.at(world.repository, world.repository.tree_of(target))
    live = world.recall.live(world.environment, before)
    used = {one.bundle.partition("/")[0] for one in live}
    return rails.digest(used) == before.policies_digest


def check_settled(world: World, before: Applied) -> None:
    """Raise `PinChanged` or `TrailNotGranted` although nothing is left to do.

    A pin stays as it is while a world is open, and roots are only added: those read last will do.
    """
    remembered = world.recall.remembered(world.environment, before)
    check_trail(world, held_root(world, remembered).root)


def check_trail(world: World, root: Root) -> None:
    """Raise `TrailNotGranted` where nobody could believe what this host would sign.

    One wrong link breaks a trail for good, so this is asked before anything is recorded. A new
    host that starts at an older commit may be named only by the branch's newest root, which is the
    one that trails are proven by.
    """
    if world.signer is None or _may_sign(world, root):
        return
    newest = branch_root(world.repository, world.pin, world.branch, world.clock.now()).root
    if not _may_sign(world, newest):
        raise TrailNotGranted(world.controller, key=world.signer.public.id, root=newest.version)


def _may_sign(world: World, root: Root) -> bool:
    role = root.audit.get(world.controller)
    assert world.signer is not None
    return role is not None and world.signer.public.id in {key.id for key in role.keys}


def publish_owed(world: World) -> Published:
    """Publish the audit commits that are owed, or say how many wait for a host with a key."""
    if world.signer is None:
        with transaction(world.connection):
            return Published((), outbox.queued(world.connection, OutboxKind.AUDIT_COMMIT))
    with world.staged(Stage.PUBLISH):
        return publish(
            world.connection,
            world.repository,
            world.signer,
            world.controller,
            last=world.recall.written,
        )
