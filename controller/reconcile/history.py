"""The states production was in, the newest first, each with the audit commit that tells of it."""

from dataclasses import dataclass
from itertools import takewhile

from controller.adapters import migrations
from controller.audit.branch import published
from controller.kernel.objects import Oid
from controller.reconcile.world import World
from controller.stores.control import store as control
from controller.stores.control.model import AppliedRevision


@dataclass(frozen=True, slots=True)
class Entry:
    """A revision; `audit_commit` is `None` while its record waits to be published."""

    revision: AppliedRevision
    audit_commit: Oid | None


def history(world: World, limit: int) -> tuple[Entry, ...]:
    """Return up to `limit` revisions."""
    migrations.check(world.connection)
    revisions = control.revisions(world.connection, world.environment, limit=limit)
    oldest = revisions[-1].revision if revisions else 0
    commits = audit_commits(world, since=oldest)
    return tuple(Entry(one, commits.get(one.revision)) for one in revisions)


def audit_commits(world: World, *, since: int) -> dict[int, Oid]:
    """Return this controller's audit commits by revision, from a revision on."""
    told = takewhile(
        lambda one: one.record.revision >= since, published(world.repository, world.controller)
    )
    return {
        one.record.revision: one.commit
        for one in told
        if one.record.environment == world.environment
    }
