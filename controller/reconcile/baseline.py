"""The commit that this host pins: history has to descend from it, so it has to be there."""

from controller.kernel.errors import Refused
from controller.kernel.objects import Oid
from controller.reconcile.world import NoBaseline, World
from controller.source.history import ancestry


class BaselineMissing(Refused):
    """The pinned baseline is no commit of the repository."""

    code = "reconcile.baseline_missing"

    def __init__(self, baseline: Oid, *, kind: str | None) -> None:
        what = f"a {kind}, not a commit" if kind else "not in the repository"
        super().__init__(
            f"the pinned baseline {baseline.hex()} is {what}",
            hint="set repository.baseline in the settings to the commit that this host was given, "
            "and repository.path to its repository",
        )
        self.baseline, self.kind = baseline, kind


def pinned_baseline(world: World, head: Oid) -> Oid:
    """Return the pinned baseline; raise `NoBaseline`, or `BaselineMissing` where it is no commit.

    Asked by every pass: once something is applied nothing else needs it, and a setting that is
    wrong would be found out on the day on which the database is lost.
    """
    if world.baseline is None:
        raise NoBaseline
    if not world.repository.has(world.baseline):
        # One that the branch lost is a damaged repository: the walk raises where it meets the gap.
        ancestry(world.repository, world.baseline, head)
        raise BaselineMissing(world.baseline, kind=None)
    kind = world.repository.header(world.baseline).kind
    if kind != "commit":
        raise BaselineMissing(world.baseline, kind=kind)
    return world.baseline
