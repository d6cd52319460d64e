"""Trees from strangers."""

import pytest

from controller.artifacts.levels import BadTree, Entry, TooLarge, children, parse_tree
from controller.artifacts.walk import DEPTH_MAX, differing, files, find, read_blob
from controller.kernel.objects import Header, MissingObject, Oid
from tests.support.trees import MemoryObjects, Nested, raw_tree

FILE, FOLDER = b"100644", b"40000"


def differs(oids: tuple[Oid | None, ...]) -> bool:
    return len(set(oids)) == 1


def test_a_level_of_plain_files_and_folders_is_listed() -> None:
    objects = MemoryObjects()
    tree = objects.tree({"a.csv": b"1\n", "b": {"c.csv": b"2\n"}})

    found = children(objects, tree, "files")

    assert [(entry.name, entry.is_tree) for entry in found] == [("a.csv", False), ("b", True)]


def test_files_come_in_byte_order_of_their_whole_paths() -> None:
    objects = MemoryObjects()
    nested: Nested = {"a": {"x": b"1"}, "a-b": b"2", "a.csv": b"3", "a0": {"y": b"4"}}

    paths = [file.path for file in files(objects, objects.tree(nested), "top")]

    assert paths == sorted(paths)
    assert paths == ["top/a-b", "top/a.csv", "top/a/x", "top/a0/y"]


def test_an_empty_tree_holds_no_file() -> None:
    objects = MemoryObjects()

    assert list(files(objects, objects.tree({}), "files")) == []


@pytest.mark.parametrize(
    "raw",
    [
        b"100644",
        b"100644 a",
        b"100644 a\0short",
        b"x a\0" + b"0" * 20,
        b"100644 \0" + b"0" * 20,
        b"100644 \0" + b"0" * 20 + b"100644 a\0" + b"0" * 20,
        b"100644 a\0" + b"0" * 20 + b"100644 \0" + b"0" * 20,
    ],
)
def test_bytes_that_are_no_tree_are_refused(raw: bytes) -> None:
    with pytest.raises(BadTree, match="not a git tree"):
        parse_tree(raw)


def test_a_raw_tree_is_read_entry_by_entry() -> None:
    oid = Oid(b"\0" * 20)

    assert parse_tree(raw_tree([(FILE, b"a", oid)])) == [(FILE, b"a", oid)]


def test_a_blob_named_as_a_folder_is_refused() -> None:
    objects = MemoryObjects()
    tree = objects.put("tree", raw_tree([(FOLDER, b"a", objects.blob(b"1"))]))

    with pytest.raises(BadTree, match="named as a directory"):
        list(files(objects, tree, ""))


def test_a_tree_named_as_a_file_is_refused() -> None:
    objects = MemoryObjects()

    with pytest.raises(BadTree, match="named as a file"):
        read_blob(objects, objects.tree({}), "a", 10)


def test_a_file_is_refused_by_its_header_before_it_is_read() -> None:
    objects = MemoryObjects()
    oid = objects.blob(b"0123456789")

    with pytest.raises(TooLarge) as refusal:
        read_blob(objects, oid, "a.csv", 9)

    assert (refusal.value.size, refusal.value.size_max, objects.reads) == (10, 9, [])


def test_a_file_of_exactly_the_limit_is_read() -> None:
    objects = MemoryObjects()

    assert read_blob(objects, objects.blob(b"0123456789"), "a.csv", 10) == b"0123456789"


def test_a_folder_deeper_than_the_limit_is_refused() -> None:
    objects = MemoryObjects()
    nested: Nested = {"f": b""}
    for _ in range(DEPTH_MAX):
        nested = {"d": nested}

    with pytest.raises(TooLarge) as refusal:
        list(files(objects, objects.tree(nested), ""))

    assert refusal.value.unit == "levels"


def test_a_folder_of_exactly_the_deepest_level_is_read() -> None:
    objects = MemoryObjects()
    nested: Nested = {"f": b""}
    for _ in range(DEPTH_MAX - 1):
        nested = {"d": nested}

    assert len(list(files(objects, objects.tree(nested), ""))) == 1


def test_a_dozen_objects_that_name_ten_milliard_paths_are_stopped() -> None:
    objects = MemoryObjects()
    oid, mode = objects.blob(b""), FILE
    for _ in range(10):
        oid = objects.put("tree", raw_tree((mode, b"n%d" % i, oid) for i in range(10)))
        mode = FOLDER

    with pytest.raises(TooLarge) as refusal:
        list(files(objects, oid, ""))

    assert refusal.value.unit == "entries"


def test_an_entry_is_found_by_its_path_past_other_peoples_files() -> None:
    objects = MemoryObjects()
    tree = objects.tree({"README.md": b"hi", ".github": {"x.yml": b""}, "a": {"b": {"c": b"1"}}})

    assert find(objects, tree, "a/b/c") == Entry("c", is_tree=False, oid=objects.blob(b"1"))
    assert find(objects, tree, "a/b/d") is None
    assert find(objects, tree, "a/b/c/d") is None
    assert find(objects, tree, "z") is None


def test_below_the_top_other_peoples_files_are_refused() -> None:
    objects = MemoryObjects()
    tree = objects.tree({"a": {"README.md": b"hi", "b": b"1"}})

    with pytest.raises(BadTree, match=r"a/README\.md"):
        find(objects, tree, "a/b")


def test_a_top_level_name_that_stands_twice_is_refused() -> None:
    objects = MemoryObjects()
    one = objects.tree({"a": b"1"})
    tree = objects.put("tree", raw_tree([(FOLDER, b"bundles", one), (FOLDER, b"bundles", one)]))

    with pytest.raises(BadTree, match="twice"):
        find(objects, tree, "bundles")


def test_a_folder_that_is_a_link_at_the_top_is_refused() -> None:
    objects = MemoryObjects()
    tree = objects.put("tree", raw_tree([(b"120000", b"bundles", objects.blob(b"/etc"))]))

    with pytest.raises(BadTree, match="symbolic link"):
        find(objects, tree, "bundles/x")


def test_a_report_hears_of_every_bad_entry_and_of_all_that_is_good() -> None:
    objects = MemoryObjects()
    one = objects.blob(b"1")
    below = objects.put("tree", raw_tree([(b"120000", b"link", one), (FILE, b"good", one)]))
    entries = [(FILE, b"README.md", one), (b"100755", b"run", one), (FOLDER, b"sub", below)]
    tree = objects.put("tree", raw_tree([*entries, (FILE, b"z", one)]))
    faults: list[BadTree | TooLarge] = []

    found = [file.path for file in files(objects, tree, "a", faults)]

    assert found == ["a/sub/good", "a/z"]
    assert [fault.path for fault in faults] == ["a/README.md", "a/run", "a/sub/link"]
    with pytest.raises(BadTree, match=r"a/README\.md"):
        list(files(objects, tree, "a"))


def test_a_report_reads_nothing_of_a_level_whose_order_is_wrong() -> None:
    objects = MemoryObjects()
    one = objects.blob(b"1")
    tree = objects.put("tree", raw_tree([(FILE, b"b", one), (FILE, b"a", one)]))
    faults: list[BadTree | TooLarge] = []

    assert list(files(objects, tree, "x", faults)) == []
    assert [fault.path for fault in faults] == ["x"]


def test_a_report_passes_over_a_folder_that_is_none() -> None:
    objects = MemoryObjects()
    one = objects.blob(b"1")
    tree = objects.put("tree", raw_tree([(FOLDER, b"a", one), (FILE, b"b", one)]))
    faults: list[BadTree | TooLarge] = []

    assert [file.path for file in files(objects, tree, "x", faults)] == ["x/b"]
    assert "named as a directory" in str(faults[0])


def test_a_missing_object_is_never_an_empty_folder() -> None:
    objects = MemoryObjects()
    tree = objects.put("tree", raw_tree([(FOLDER, b"a", Oid(b"\1" * 20))]))

    with pytest.raises(MissingObject):
        list(files(objects, tree, ""))


def test_two_trees_differ_where_a_file_came_went_or_changed() -> None:
    objects = MemoryObjects()
    old = objects.tree({"a": {"x": b"1", "y": b"2"}, "gone": b"3", "same": {"z": b"4"}})
    new = objects.tree({"a": {"x": b"1", "y": b"5"}, "came": b"6", "same": {"z": b"4"}})

    found = dict(differing(objects, [old, new], "f", differs))

    assert found == {
        "f/a/y": (objects.blob(b"2"), objects.blob(b"5")),
        "f/came": (None, objects.blob(b"6")),
        "f/gone": (objects.blob(b"3"), None),
    }


def test_a_folder_that_is_the_same_everywhere_is_not_opened() -> None:
    objects = MemoryObjects()
    same = objects.tree({"z": b"4"})
    old = objects.tree({"same": {"z": b"4"}, "x": b"1"})
    new = objects.tree({"same": {"z": b"4"}, "x": b"2"})

    list(differing(objects, [old, new], "", differs))

    assert same not in objects.reads


def test_a_file_that_became_a_folder_is_gone_and_what_is_in_it_came() -> None:
    objects = MemoryObjects()
    old, new = objects.tree({"a": b"1"}), objects.tree({"a": {"b": b"1"}})

    found = list(differing(objects, [old, new], "", differs))

    assert found == [("a", (objects.blob(b"1"), None)), ("a/b", (None, objects.blob(b"1")))]


def test_three_trees_and_an_absent_one_are_compared_at_once() -> None:
    objects = MemoryObjects()
    one, two = objects.tree({"a": b"1"}), objects.tree({"a": b"2"})

    found = dict(differing(objects, [one, None, two], "", differs))

    assert found == {"a": (objects.blob(b"1"), None, objects.blob(b"2"))}


def test_a_header_that_lies_about_the_size_is_noticed() -> None:
    class Liar(MemoryObjects):
        def header(self, oid: Oid) -> Header:
            return Header(super().header(oid).kind, 1)

    objects = Liar()

    with pytest.raises(Exception, match="not as long as its header says"):
        read_blob(objects, objects.blob(b"123"), "a", 10)
