"""Finding the files that a statement pins."""

from collections.abc import Iterator

import pytest

from controller.artifacts.bundle import BundleStatement
from controller.artifacts.layout import BundleId
from controller.artifacts.merkle import NoMemory, files_root
from controller.artifacts.pinned import FilesNotFound, find_files_tree, hinted
from controller.kernel.instants import Window
from controller.kernel.objects import Oid
from tests.support.trees import MemoryObjects, Nested

NOWHERE = Oid(b"\7" * 20)
SIGNED: Nested = {"a.csv": b"h\n1\n"}
EDITED: Nested = {"a.csv": b"h\n2\n"}


def pinning(objects: MemoryObjects, *, hint: Oid) -> BundleStatement:
    root = files_root(objects, objects.tree(SIGNED), "files", NoMemory()).root
    return BundleStatement(
        "0d6b6e2e-4f0a-4c1c-9b6e-6a6f0d0c7a11",
        BundleId("rail", "name"),
        version=1,
        previous=None,
        window=Window(),
        environments=("production",),
        files_root=root,
        git_tree=hint,
        tables={},
        documents={},
    )


def then_no_more(*trees: Oid) -> Iterator[Oid]:
    yield from trees
    pytest.fail("more was asked for though the tree was found")


def test_a_hint_is_a_tree_or_nothing() -> None:
    objects = MemoryObjects()
    tree, blob = objects.tree(SIGNED), objects.blob(b"")

    assert list(hinted(objects, pinning(objects, hint=tree))) == [tree]
    assert list(hinted(objects, pinning(objects, hint=blob))) == []
    assert list(hinted(objects, pinning(objects, hint=NOWHERE))) == []


def test_the_first_tree_that_hashes_to_the_root_is_the_one() -> None:
    objects = MemoryObjects()
    tree, liar = objects.tree(SIGNED), objects.tree(EDITED)
    trees = then_no_more(liar, liar, tree)

    found, summary = find_files_tree(objects, pinning(objects, hint=NOWHERE), trees, NoMemory())

    assert (found, summary.tables["a"].rows) == (tree, 1)


def test_files_that_are_nowhere_are_refused() -> None:
    objects = MemoryObjects()
    trees = [objects.tree(EDITED)]

    with pytest.raises(FilesNotFound):
        find_files_tree(objects, pinning(objects, hint=trees[0]), trees, NoMemory())


def test_a_tree_we_would_not_read_is_passed_over() -> None:
    objects = MemoryObjects()
    trees = [objects.tree({"A B": b""}), objects.tree(SIGNED)]

    found, _ = find_files_tree(objects, pinning(objects, hint=NOWHERE), trees, NoMemory())

    assert found == objects.tree(SIGNED)
