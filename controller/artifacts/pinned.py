"""Find the files that a bundle statement pins.

A statement carries a files root, which proves, and a git tree id, which only helps to look. A tree
is believed when its bytes hash to the signed root, never because of its id.
"""

from collections.abc import Iterable, Iterator

from controller.artifacts.bundle import BundleStatement
from controller.artifacts.layout import BundleId, files_path
from controller.artifacts.merkle import FilesSummary, MerkleMemory, files_root
from controller.artifacts.walk import find
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
    roots: Iterable[Oid],
    memory: MerkleMemory,
    *,
    base: Oid | None = None,
) -> tuple[Oid, FilesSummary]:
    """Return the tree that a statement pins, and what it holds; raise `FilesNotFound`.

    `roots` are the repository's trees to look in, the nearest first: the commit's own, then those
    of its history. They are asked for one by one, and only when the hint does not lead to it.
    `base` is an earlier files tree whose hashes may be used again.
    """
    path = files_path(statement.bundle)
    seen: set[Oid] = set()
    for tree in _candidates(objects, statement, roots, path):
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


def _candidates(
    objects: Objects, statement: BundleStatement, roots: Iterable[Oid], path: str
) -> Iterator[Oid]:
    if _is_tree(objects, statement.git_tree):
        yield statement.git_tree
    for root in roots:
        try:
            entry = find(objects, root, path)
        except Refused:
            continue
        if entry is not None and entry.is_tree:
            yield entry.oid


def _is_tree(objects: Objects, oid: Oid) -> bool:
    try:
        return objects.header(oid).kind == "tree"
    except MissingObject:
        return False
