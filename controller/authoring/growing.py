"""What the next release grows from: the one in force, or the one that a root starts again from.

A release follows the highest serial there ever was. Where a root's reset names a release, serials
start again from that one: what stood in force before the reset is nobody's predecessor any more.
"""

from dataclasses import dataclass

from controller.artifacts.release import ReleaseRef
from controller.authoring.releases import Found, current, highest, releases
from controller.authoring.view import Workspace
from controller.reconcile.resets import Brought, brought
from controller.trust.root import Root


@dataclass(frozen=True, slots=True)
class Base:
    """The release whose versions the next one keeps, and the one it follows.

    `starts_again`: nothing has been released since the reset that `root` carries.
    """

    present: Found | None
    newest: ReleaseRef | None
    starts_again: bool = False

    @property
    def present_ref(self) -> ReleaseRef | None:
        """Return how the next release would name what it takes back."""
        if self.starts_again:
            return self.newest
        return self.present.ref if self.present is not None else None


def base(workspace: Workspace, root: Root, environment: str) -> Base:
    """Return what the next release of an environment grows from, under the root in force."""
    present = current(workspace, environment)
    reset = brought(workspace.repository, workspace.committed().tree, root, environment)
    if reset is None:
        newest = highest(workspace, environment)
        return Base(present, newest.ref if newest is not None else None)
    start = ReleaseRef(*reset.release)
    since = _since(workspace, reset, start, environment)
    if since:
        return Base(present, max(since, key=lambda ref: ref.serial))
    named = (one for one in releases(workspace, environment) if one.ref == start)
    return Base(next(named, present), start, starts_again=True)


def _since(
    workspace: Workspace, reset: Brought, start: ReleaseRef, environment: str
) -> list[ReleaseRef]:
    """Return the releases that followed, one after the other, since the reset stood there."""
    after = [
        one
        for one in releases(workspace, environment)
        if reset.at(workspace.repository, one.commit) is not None
    ]
    chain: list[ReleaseRef] = []
    for one in reversed(after):
        if one.ref == start or one.statement.previous in (start, *chain):
            chain.append(one.ref)
    return chain
