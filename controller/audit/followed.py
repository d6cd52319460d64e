"""What the branch that a controller follows shows now: its newest commit, and its roots."""

from collections.abc import Mapping
from dataclasses import dataclass

from controller.kernel.objects import Oid
from controller.trust.root import Root


@dataclass(frozen=True, slots=True)
class Followed:
    """A branch at one moment.

    `root` is the one in force, the newest; `roots` are it and those before it that stand on the
    branch, by version. From the pinned one on each follows the one before; older ones are those
    that their own owners signed. A version below the pinned one that does not stand on the branch
    is unknown.
    """

    head: Oid
    root: Root
    roots: Mapping[int, Root]
