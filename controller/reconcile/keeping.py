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
from controller.reconcile.world import LEASE_DURATION, World
from controller.stores.control import lease as leases
from controller.stores.control import store as control
from controller.stores.control.known import Known
from controller.stores.control.model import Applied, RootRecord
from controller.trust import root
from controller.trust.envelope import parse


def keep_roots(world: World, before: Applied | None, target: Oid) -> None:
    """Write down the roots of a commit that follow ours; nothing else moves.

    Roots that do not hold are left alone: why the pass was refused is said already. Nothing is
    kept before the first revision, when there is nothing to keep it beside.
    """
    if before is None:
        return
    known = world.recall.known(world.environment, before)
    new = _new_roots(world, known, target)
    if new:
        _write(world, before, known, new)


def _new_roots(world: World, known: Known, target: Oid) -> tuple[RootRecord, ...]:
    try:
        start = held_root(world, known)
        # Whether older commits held others is not asked: what the owners signed is theirs.
        envelopes = roots_after(world.repository, target, start.root.version, since=target)
        root.follow(start, envelopes)
    except Unavailable:
        raise
    except ControllerError:
        return ()
    first = start.root.version + 1
    return tuple(
        RootRecord(version, parse(envelope).digest, envelope)
        for version, envelope in enumerate(envelopes, start=first)
    )


def _write(world: World, before: Applied, known: Known, new: tuple[RootRecord, ...]) -> None:
    connection = world.connection
    with transaction(connection):
        lease = leases.acquire(
            connection, world.environment, holder=world.controller, duration=LEASE_DURATION
        )
        applied = control.advance(
            connection,
            lease,
            before,
            commit=before.commit,
            root_version=before.root_version,
            now=before.max_time_seen,
        )
        for record in new:
            control.record_root(connection, record)
        leases.release(connection, lease)
    roots = (*known.roots, *new)
    world.recall.learn(applied, Known(roots, known.bundle_versions, known.live))
