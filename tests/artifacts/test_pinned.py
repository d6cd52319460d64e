"""Finding the files that a statement pins."""

from collections.abc import Iterator

import pytest

from controller.artifacts.bundle import BundleStatement
from controller.artifacts.layout import BundleId
from controller.artifacts.merkle import NoMemory, files_root
from controller.artifacts.pinned import FilesNotFound, find_files_tree
from controller.kernel.instants import Window
from controller.kernel.objects import Oid
from tests.support.trees import MemoryObjects, Nested

NOWHERE = Oid(b"\7" * 20)
SIGNED: Nested = {"a.csv": b"h\n1\n"}
EDITED: Nested = {"a.csv": b"h\n2\n"}


def repository_tree(objects: MemoryObjects, files: Nested) -> Oid:
    return objects.tree({"bundles": {"rail": {"name": {"files": files}}}, "README.md": b""})


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


def never() -> Iterator[Oid]:
    yield from [pytest.fail("the history was asked though the hint is right")]


def test_a_hint_that_hashes_to_the_root_is_enough() -> None:
    objects = MemoryObjects()
    tree = objects.tree(SIGNED)

    found, summary = find_files_tree(objects, pinning(objects, hint=tree), never(), NoMemory())

    assert (found, summary.tables["a"].rows) == (tree, 1)


def test_a_hint_that_lies_is_not_believed() -> None:
    objects = MemoryObjects()
    liar = objects.tree(EDITED)
    roots = [repository_tree(objects, SIGNED)]

    found, _ = find_files_tree(objects, pinning(objects, hint=liar), roots, NoMemory())

    assert found == objects.tree(SIGNED)


def test_without_a_hint_the_history_is_searched_from_the_nearest() -> None:
    objects = MemoryObjects()
    roots = [repository_tree(objects, EDITED), objects.tree({}), repository_tree(objects, SIGNED)]

    found, _ = find_files_tree(objects, pinning(objects, hint=NOWHERE), roots, NoMemory())

    assert found == objects.tree(SIGNED)


def test_files_that_are_nowhere_are_refused() -> None:
    objects = MemoryObjects()
    roots = [repository_tree(objects, EDITED)]

    with pytest.raises(FilesNotFound):
        find_files_tree(objects, pinning(objects, hint=objects.tree(EDITED)), roots, NoMemory())


def test_a_tree_we_would_not_read_is_passed_over() -> None:
    objects = MemoryObjects()
    roots = [repository_tree(objects, {"A B": b""}), repository_tree(objects, SIGNED)]

    found, _ = find_files_tree(objects, pinning(objects, hint=NOWHERE), roots, NoMemory())

    assert found == objects.tree(SIGNED)
