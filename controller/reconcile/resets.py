"""From where on a root's reset counts: a release that stood there before the root is not after it.

A reset names the last good release. What a thief released after it followed it, too; so the first
release that follows it counts only where the root with the reset stood beside it already.
"""

from dataclasses import dataclass

from controller.artifacts import layout, walk
from controller.kernel.errors import Untrusted
from controller.kernel.objects import History, Objects, Oid
from controller.trust import root as roots
from controller.trust.envelope import parse
from controller.trust.history import ReleaseId
from controller.trust.root import Root


def reset_of(root: Root, environment: str) -> ReleaseId | None:
    """Return the release from which a root lets an environment's serials start again."""
    reset = root.reset.get(environment)
    return (reset.serial, reset.sha256) if reset is not None else None


@dataclass(frozen=True, slots=True)
class Brought:
    """A reset, and the version of the first root that carries it: roots hand it on."""

    release: ReleaseId
    by_root: int

    def at(self, history: History, commit: Oid) -> ReleaseId | None:
        """Return the reset's release where the reset stood at a commit already."""
        path = layout.root_path(self.by_root)
        stands = walk.find(history, history.tree_of(commit), path) is not None
        return self.release if stands else None


def brought(objects: Objects, tree: Oid, root: Root, environment: str) -> Brought | None:
    """Return the reset that `root` carries.

    The roots before it stand in `tree`. Nothing is believed of them but since when the reset has
    been there: `root` itself was believed by following them.
    """
    reset = reset_of(root, environment)
    if reset is None:
        return None
    version = root.version
    while version > 1 and _carries(objects, tree, version - 1, reset, environment):
        version -= 1
    return Brought(reset, version)


def _carries(objects: Objects, tree: Oid, version: int, reset: ReleaseId, environment: str) -> bool:
    path = layout.root_path(version)
    entry = walk.find(objects, tree, path)
    if entry is None or entry.is_tree:
        return False
    data = walk.read_blob(objects, entry.oid, path, roots.ENVELOPE_MAX_BYTES)
    try:
        before = roots.parse_root(parse(data, path).payload)
    except Untrusted:
        return False
    return reset_of(before, environment) == reset
