"""What is live: which versions of which bundles, and from when until when."""

from collections.abc import Iterable
from dataclasses import dataclass

from controller.artifacts.layout import BundleId
from controller.kernel.instants import Window, union
from controller.kernel.objects import Oid


@dataclass(frozen=True, slots=True)
class LiveVersion:
    """One version of a bundle in a release: its files and the (narrowed) window they count in.

    `files_tree` has been verified against the signed files root by whoever made this value.
    """

    bundle: BundleId
    version: int
    files_tree: Oid
    window: Window


def coverage(versions: Iterable[LiveVersion]) -> dict[Oid, tuple[Window, ...]]:
    """Return when each files tree counts: disjoint windows in order; windows that touch are one."""
    windows: dict[Oid, list[Window]] = {}
    for version in versions:
        windows.setdefault(version.files_tree, []).append(version.window)
    return {tree: union(some) for tree, some in windows.items()}
