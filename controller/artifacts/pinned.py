"""Find the files that a bundle statement pins.

A statement carries a files root, which proves, and a git tree id, which only helps to look. A tree
is believed when its bytes hash to the signed root, never because of its id.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress

from controller.artifacts.bundle import BundleStatement
from controller.artifacts.layout import BundleId, files_path
from controller.artifacts.merkle import FilesSummary, MerkleMemory, files_root
from controller.kernel.canonical import Digest
from controller.kernel.errors import Refused
from controller.kernel.objects import MissingObject, Objects, Oid


class FilesNotFound(Refused):
    """No tree that we can reach holds the files a statement pins."""

    code = "pinned.files_not_found"

    def __init__(self, bundle: BundleId, version: int, root: Digest) -> None:
        super().__init__(
            f"{bundle} version {version}: no tree in the history has the signed files root "
            f"{root[:12]}…",
            hint="commit the files exactly as they were signed; a squash may have dropped them",
        )
        self.bundle, self.version, self.root = bundle, version, root


def find_files_tree(
    objects: Objects,
    statement: BundleStatement,
    trees: Iterable[Oid],
    memory: MerkleMemory,
    *,
    base: Oid | None = None,
) -> tuple[Oid, FilesSummary]:
    """Return the tree that a statement pins, and what it holds; raise `FilesNotFound`.

    `trees` are those it may be, asked for one by one and hashed until one is: whoever gives them
    bounds what that costs. `base` is an earlier files tree whose hashes may be used again.
    """
    path = files_path(statement.bundle)
    seen: set[Oid] = set()
    for tree in trees:
        if tree in seen:
            continue
        seen.add(tree)
        try:
            summary = files_root(objects, tree, path, memory, base=base)
        except Refused:
            # A tree we would not read cannot be the one that was signed; another one may be.
            continue
        if summary.root == statement.files_root:
            return tree, summary
    raise FilesNotFound(statement.bundle, statement.version, statement.files_root)


def hinted(objects: Objects, statement: BundleStatement) -> Iterator[Oid]:
    """Yield the tree that a statement names, if it is one and is there."""
    with suppress(MissingObject):
        if objects.header(statement.git_tree).kind == "tree":
            yield statement.git_tree
