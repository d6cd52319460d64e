"""The files root, its frozen vectors, and its memory."""

import json
from pathlib import Path

import pytest

from controller.artifacts.levels import BadTree, TooLarge
from controller.artifacts.merkle import (
    Counts,
    DictMemory,
    NoMemory,
    files_root,
)
from controller.artifacts.merkle_record import Record
from controller.kernel.objects import Oid
from tests.support.trees import MemoryObjects, Nested, raw_tree

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "files-root.json").read_bytes())


def nested(files: dict[str, str]) -> Nested:
    top: dict[str, bytes | Nested] = {}
    for path, text in files.items():
        *folders, name = path.split("/")
        level = top
        for folder in folders:
            below = level.setdefault(folder, {})
            assert isinstance(below, dict)
            level = below
        level[name] = text.encode()
    return top


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["name"])
def test_the_files_root_is_what_the_frozen_vectors_say(
    vector: dict[str, str | dict[str, str]],
) -> None:
    files = vector["files"]
    assert isinstance(files, dict)
    objects = MemoryObjects()

    summary = files_root(objects, objects.tree(nested(files)), "files", NoMemory())

    assert summary.root == vector["root"]


def test_tables_and_documents_are_counted_apart() -> None:
    objects = MemoryObjects()
    tree = objects.tree(
        {
            "ranges": {"4": {"45.csv": b"h\n1\n2\n"}, "5.csv": b"h\n3\n"},
            "endpoints.csv": b"h\n",
            "rules": {"a.json": b"{}"},
        }
    )

    summary = files_root(objects, tree, "files", NoMemory())

    assert summary.tables == {"ranges": Counts(2, 3, 10), "endpoints": Counts(1, 0, 2)}
    assert summary.documents == {"rules": Counts(1, 0, 2)}
    assert summary.total == Counts(4, 3, 14)


def test_a_name_is_part_of_the_root() -> None:
    objects = MemoryObjects()
    one, two = objects.tree({"a": b"1"}), objects.tree({"b": b"1"})

    roots = {files_root(objects, tree, "files", NoMemory()).root for tree in (one, two)}

    assert len(roots) == 2


def test_a_remembered_tree_is_not_read_again() -> None:
    objects, memory = MemoryObjects(), DictMemory()
    tree = objects.tree({"a": {"x": b"1"}, "b": b"2"})
    first = files_root(objects, tree, "files", memory)
    objects.reads.clear()

    again = files_root(objects, tree, "files", memory)

    assert (again, objects.reads) == (first, [])


def test_one_changed_file_costs_itself_and_the_folders_above_it() -> None:
    objects, memory = MemoryObjects(), DictMemory()
    old = objects.tree({"a": {"x": b"1", "y": b"2"}, "b": {"z": b"3"}})
    new = objects.tree({"a": {"x": b"1", "y": b"9"}, "b": {"z": b"3"}})
    files_root(objects, old, "files", memory)
    objects.reads.clear()

    summary = files_root(objects, new, "files", memory, base=old)

    assert set(objects.reads) == {new, objects.tree({"x": b"1", "y": b"9"}), objects.blob(b"9")}
    assert summary == files_root(objects, new, "files", NoMemory())


def test_a_base_that_nobody_remembers_helps_nothing_and_harms_nothing() -> None:
    objects = MemoryObjects()
    old, new = objects.tree({"a": b"1"}), objects.tree({"a": b"2"})

    summary = files_root(objects, new, "files", DictMemory(), base=old)

    assert summary == files_root(objects, new, "files", NoMemory())


def test_a_memory_forgets_the_oldest_record_first() -> None:
    memory = DictMemory(records_max=2)
    for number in range(3):
        memory.put(Oid(bytes([number]) * 20), Record(), None)

    assert list(memory.records) == [b"\1" * 20, b"\2" * 20]


def test_folders_shared_ten_milliard_times_are_refused_at_once() -> None:
    objects = MemoryObjects()
    oid, mode = objects.blob(b""), b"100644"
    for _ in range(10):
        oid = objects.put("tree", raw_tree((mode, b"n%d" % i, oid) for i in range(10)))
        mode = b"40000"

    with pytest.raises(TooLarge):
        files_root(objects, oid, "files", NoMemory())


def test_a_link_below_has_no_root() -> None:
    objects = MemoryObjects()
    tree = objects.put("tree", raw_tree([(b"120000", b"a", objects.blob(b"/etc/passwd"))]))

    with pytest.raises(BadTree):
        files_root(objects, tree, "files", NoMemory())
