"""Keep the roots that a refused pass has followed: what they revoked stays revoked.

A root that takes a key away often comes with a release that still needs other signatures, so the
pass is refused. If the root were forgotten with it, whoever may push by force could take it out of
the branch again, and the key would be believed once more.
"""

from controller.adapters.postgres import transaction
from controller.kernel.errors import ControllerError, Unavailable
from controller.kernel.objects import Oid
from controller.reconcile.decide import held_root
from controller.reconcile.roots import roots_after
from controller.reconcile.world import World
from controller.stores.control import store as control
from controller.stores.control.known import Known
from controller.stores.control.model import Applied, Lease, RootRecord
from controller.trust import root
from controller.trust.envelope import parse


def keep_roots(world: World, before: Applied | None, target: Oid) -> None:
    """Write down the roots of a commit that follow ours; nothing else moves.

    Roots that do not hold are left alone: why the pass was refused is said already. Before the
    first revision they are kept as well, behind the pinned one: a new host has nothing else to
    remember a revocation by. From then on its database believes this chain and no other pin.
    """
    known = world.recall.known(world.environment, before)
    new = _new_roots(world, known, target)
    if new:
        _write(world, before, known, new)


def _new_roots(world: World, known: Known, target: Oid) -> tuple[RootRecord, ...]:
    try:
        start = held_root(world, known)
        pinned = () if known.roots else (start.envelope,)
        # Whether older commits held others is not asked: what the owners signed is theirs.
        envelopes = roots_after(world.repository, target, start.root.version, since=target)
        root.follow(start, envelopes)
    except Unavailable:
        raise
    except ControllerError:
        return ()
    if not envelopes:
        return ()
    first = start.root.version + 1 - len(pinned)
    return tuple(
        RootRecord(version, parse(envelope).digest, envelope)
        for version, envelope in enumerate((*pinned, *envelopes), start=first)
    )


def _write(world: World, before: Applied | None, known: Known, new: tuple[RootRecord, ...]) -> None:
    connection = world.connection
    with transaction(connection), world.leading() as lease:
        applied = _stand_still(world, lease, before)
        for record in new:
            control.record_root(connection, record)
    roots = (*known.roots, *new)
    world.recall.learn(applied, Known(roots, known.bundle_versions, known.live))


def _stand_still(world: World, lease: Lease, before: Applied | None) -> Applied | None:
    """Make sure that production is where the refused pass saw it, and leave it there."""
    if before is None:
        control.check_nothing_applied(world.connection, lease)
        return None
    return control.advance(
        world.connection,
        lease,
        before,
        commit=before.commit,
        root_version=before.root_version,
        now=before.max_time_seen,
    )
