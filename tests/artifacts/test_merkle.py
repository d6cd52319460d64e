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


class Distant(DictMemory):
    """A memory that somebody else keeps: some is at hand, for the rest it has to be asked."""

    def __init__(self, *near: Oid) -> None:
        super().__init__()
        self.near, self.asked = set(near), list[Oid]()

    def get(self, tree: Oid) -> Record | None:
        if tree not in self.near:
            self.asked.append(tree)
        return super().get(tree)

    def at_hand(self, tree: Oid) -> Record | None:
        return super().get(tree) if tree in self.near else None


def test_a_memory_is_not_asked_for_what_is_new_where_the_state_before_is_at_hand() -> None:
    objects = MemoryObjects()
    old, new = objects.tree({"a": b"1"}), objects.tree({"a": b"2"})
    near, far = Distant(old), Distant()
    for memory in (near, far):
        files_root(objects, old, "files", memory)
        memory.asked.clear()

        summary = files_root(objects, new, "files", memory, base=old)

        assert summary == files_root(objects, new, "files", NoMemory())
    assert (near.asked, far.asked[0]) == ([], new)


def test_a_memory_that_is_asked_knows_a_tree_that_came_back() -> None:
    objects, memory = MemoryObjects(), Distant()
    old, new = objects.tree({"a": b"1"}), objects.tree({"a": b"2"})
    for tree in (old, new):
        files_root(objects, tree, "files", memory)
    objects.reads.clear()

    files_root(objects, old, "files", memory, base=new)

    assert objects.reads == []


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


def verdicts(objects: MemoryObjects, trees: list[Oid]) -> list[str | None]:
    """What is said of the last tree by who knows nothing, and by who saw those before it."""
    found: list[str | None] = []
    for memory, bases in ((NoMemory(), False), (DictMemory(), False), (DictMemory(), True)):
        base, said = None, None
        for tree in trees:
            try:
                files_root(objects, tree, "files", memory, base=base if bases else None)
                base, said = tree, None
            except TooLarge as error:
                said = error.unit
        found.append(said)
    return found


def deeper(objects: MemoryObjects, oid: Oid, levels: int) -> list[Oid]:
    """Put a tree into a folder, that into another, and so on; return all of them."""
    chain = [oid]
    for _ in range(levels):
        chain.append(objects.put("tree", raw_tree([(b"40000", b"d", chain[-1])])))
    return chain


@pytest.mark.parametrize(("levels", "said"), [(12, None), (13, "levels"), (14, "levels")])
def test_a_memory_does_not_change_how_deep_a_folder_may_be(levels: int, said: str | None) -> None:
    objects = MemoryObjects()
    chain = deeper(objects, objects.tree({"x.txt": b"1"}), levels - 1)

    assert verdicts(objects, chain) == [said] * 3


@pytest.mark.parametrize(("levels", "said"), [(11, None), (12, "levels")])
def test_a_folder_is_as_deep_as_its_longest_path_also_where_it_is_shared(
    levels: int, said: str | None
) -> None:
    objects = MemoryObjects()
    chain = deeper(objects, objects.tree({"x.txt": b"1"}), levels - 2)
    above = objects.put("tree", raw_tree([(b"40000", b"d", chain[-1])]))
    top = raw_tree([(b"40000", b"a", chain[-1]), (b"40000", b"b", above)])

    assert verdicts(objects, [*chain, above, objects.put("tree", top)]) == [said] * 3


def test_a_folder_may_become_lower_again() -> None:
    objects, memory = MemoryObjects(), DictMemory()
    names = {f"n{number:02}": {"x": b"1"} for number in range(20)}
    low = objects.tree(names)
    high = objects.tree({**names, "n07": {"d": {"d": {"x": b"1"}}}})
    base = None
    for tree, height in ((low, 2), (high, 4), (low, 2), (high, 4)):
        files_root(objects, tree, "files", memory, base=base)
        assert memory.records[tree].height == height
        base = tree
        memory.records = {tree: memory.records[tree]}


def test_folders_count_as_entries_wherever_they_stand() -> None:
    objects = MemoryObjects()
    empty = objects.put("tree", b"")
    wide = objects.put("tree", raw_tree((b"40000", b"e%05d" % i, empty) for i in range(20_000)))
    nine, ten = (
        objects.put("tree", raw_tree((b"40000", b"d%02d" % i, wide) for i in range(count)))
        for count in (9, 10)
    )

    assert verdicts(objects, [wide, nine]) == [None] * 3
    assert verdicts(objects, [wide, nine, ten]) == ["entries"] * 3


def test_shared_files_weigh_as_often_as_they_stand_there() -> None:
    objects = MemoryObjects()
    big = objects.tree({"x.csv": bytes(40 << 20)})
    hundred, more = (
        objects.put("tree", raw_tree((b"40000", b"d%03d" % i, big) for i in range(count)))
        for count in (102, 103)
    )

    assert verdicts(objects, [big, hundred]) == [None] * 3
    assert verdicts(objects, [big, hundred, more]) == ["bytes"] * 3


def test_a_link_below_has_no_root() -> None:
    objects = MemoryObjects()
    tree = objects.put("tree", raw_tree([(b"120000", b"a", objects.blob(b"/etc/passwd"))]))

    with pytest.raises(BadTree):
        files_root(objects, tree, "files", NoMemory())
