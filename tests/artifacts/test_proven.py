"""What is read to be applied hashes to the signed root, whatever git or a memory say."""

import pytest

from controller.artifacts.levels import children, level
from controller.artifacts.merkle import DictMemory, files_root
from controller.artifacts.merkle_record import Record
from controller.artifacts.proven import Directories, Proven, Unproven
from controller.artifacts.walk import files, find
from controller.kernel.canonical import Digest
from controller.kernel.objects import Oid
from tests.support.trees import MemoryObjects, Nested

TREE: Nested = {"a.csv": b"id\n1\n", "b": {"c.csv": b"id\n2\n", "d": {"e.json": b"{}"}}}
OTHER: Nested = {"a.csv": b"id\n1\n", "b": {"c.csv": b"id\n9\n", "d": {"e.json": b"{}"}}}


class Folder:
    """A tree that was hashed and is remembered."""

    def __init__(self) -> None:
        self.objects, self.memory = MemoryObjects(), DictMemory()
        self.tree = self.objects.tree(TREE)
        self.root = files_root(self.objects, self.tree, "f", self.memory).root

    def proven(self) -> Proven:
        """Return its objects as a pass reads them."""
        return Proven(self.objects, self.memory, {self.tree: self.root})

    def oid(self, path: str) -> Oid:
        """Return the id of what stands at a path."""
        entry = find(self.objects, self.tree, path)
        assert entry is not None
        return entry.oid

    def put_behind(self, path: str, data: bytes) -> None:
        """Put other bytes behind an id."""
        oid = self.oid(path)
        self.objects.held[oid] = (self.objects.held[oid][0], data)

    def read_all(self) -> list[bytes]:
        """Read every file, one by one and in one go."""
        proven = self.proven()
        oids = [file.oid for file in files(proven, self.tree, "f")]
        assert [proven.read(oid) for oid in oids] == list(proven.read_many(oids))
        return [proven.read(oid) for oid in oids]


@pytest.fixture
def folder() -> Folder:
    """Return a tree that was hashed."""
    return Folder()


@pytest.mark.allows("sha1.remembered", "insider.memory")
def test_a_tree_that_is_what_was_hashed_is_read(folder: Folder) -> None:
    assert folder.read_all() == [b"id\n1\n", b"id\n2\n", b"{}"]


def test_a_tree_that_nobody_remembers_is_hashed_and_read(folder: Folder) -> None:
    folder.memory.records.clear()

    assert folder.read_all() == [b"id\n1\n", b"id\n2\n", b"{}"]


@pytest.mark.stops("sha1.remembered")
@pytest.mark.parametrize("path", ["a.csv", "b/c.csv", "b/d/e.json"])
@pytest.mark.parametrize("remembered", [True, False])
def test_other_bytes_behind_the_id_of_a_file_are_refused(
    folder: Folder, path: str, remembered: bool
) -> None:
    folder.put_behind(path, b"id\n7\n")
    if not remembered:
        folder.memory.records.clear()

    with pytest.raises(Unproven):
        folder.read_all()


def test_another_listing_behind_the_id_of_a_folder_is_refused(folder: Folder) -> None:
    other = find(folder.objects, folder.objects.tree(OTHER), "b")
    assert other is not None
    folder.put_behind("b", folder.objects.read(other.oid))

    with pytest.raises(Unproven) as refusal:
        folder.read_all()

    assert refusal.value.oid == folder.oid("b")


def test_a_listing_that_lost_a_file_is_refused(folder: Folder) -> None:
    raw = folder.objects.read(folder.oid("b"))
    folder.put_behind("b", raw[raw.index(b"40000 d") :])

    with pytest.raises(Unproven):
        folder.read_all()


def forged(record: Record, name: str, oid: Oid) -> Record:
    """Return a record that says of another object what was true of one."""
    return Record({**record, name: record[name]._replace(oid=oid)})


@pytest.mark.stops("insider.memory")
@pytest.mark.parametrize("deep", [False, True], ids=["of the folder", "of the folder above, too"])
def test_a_forged_memory_lets_no_other_bytes_through(folder: Folder, deep: bool) -> None:
    honest = folder.memory.records
    evil = folder.objects.tree(OTHER)
    inner = find(folder.objects, evil, "b")
    assert inner is not None
    bad = find(folder.objects, evil, "b/c.csv")
    assert bad is not None
    folder.memory.put(evil, forged(honest[folder.tree], "b", inner.oid), None)
    if deep:
        folder.memory.put(inner.oid, forged(honest[folder.oid("b")], "c.csv", bad.oid), None)
    proven = Proven(folder.objects, folder.memory, {evil: folder.root})

    with pytest.raises(Unproven):
        _ = [proven.read(file.oid) for file in files(proven, evil, "f")]


def test_a_memory_that_hashes_to_something_else_is_refused(folder: Folder) -> None:
    proven = Proven(folder.objects, folder.memory, {folder.tree: Digest("a" * 64)})

    with pytest.raises(Unproven, match="does not hash"):
        children(proven, folder.tree, "f")


def test_an_object_outside_of_the_trees_is_refused(folder: Folder) -> None:
    stranger = folder.objects.blob(b"id\n3\n")

    with pytest.raises(Unproven):
        folder.proven().read(stranger)


def test_a_folder_that_was_proven_in_this_process_is_proven_no_more_than_once(
    folder: Folder,
) -> None:
    before = Directories()
    read_through(folder, before)
    folder.objects.reads.clear()
    folder.memory.records.clear()

    assert read_through(folder, before) == [b"id\n1\n", b"id\n2\n", b"{}"]
    assert folder.tree not in folder.objects.reads


def test_a_folder_that_was_proven_counts_only_for_the_digest_it_was_held_against(
    folder: Folder,
) -> None:
    before = Directories()
    read_through(folder, before)
    proven = Proven(folder.objects, folder.memory, {folder.tree: Digest("a" * 64)}, before)

    with pytest.raises(Unproven):
        children(proven, folder.tree, "f")


def test_a_file_is_hashed_again_although_its_folder_was_proven_before(folder: Folder) -> None:
    before = Directories()
    read_through(folder, before)
    folder.put_behind("b/c.csv", b"id\n7\n")

    with pytest.raises(Unproven):
        read_through(folder, before)


def test_folders_beyond_the_bound_are_proven_again(folder: Folder) -> None:
    before = Directories(entries_max=0)
    read_through(folder, before)
    folder.objects.reads.clear()

    assert read_through(folder, before) == [b"id\n1\n", b"id\n2\n", b"{}"]
    assert folder.tree in folder.objects.reads


@pytest.mark.stops("insider.memory")
def test_one_id_with_two_digests_in_one_folder_is_refused() -> None:
    objects, memory = MemoryObjects(), DictMemory()
    signed = objects.tree({"a": b"1", "b": b"2"})
    root = files_root(objects, signed, "f", memory).root
    evil = objects.tree({"a": b"1", "b": b"1"})
    record = memory.records[signed]
    lie = Record({**record, "b": record["b"]._replace(oid=record["a"].oid)})
    assert lie.digest.hex() == root
    memory.put(evil, lie, None)

    with pytest.raises(Unproven, match="two digests"):
        children(Proven(objects, memory, {evil: root}), evil, "f")


def test_one_content_under_two_names_is_read() -> None:
    objects, memory = MemoryObjects(), DictMemory()
    tree = objects.tree({"a": b"1", "b": b"1"})
    proven = Proven(objects, memory, {tree: files_root(objects, tree, "f", memory).root})

    assert [proven.read(file.oid) for file in files(proven, tree, "f")] == [b"1", b"1"]


def test_one_id_with_two_digests_is_refused() -> None:
    objects, memory = MemoryObjects(), DictMemory()
    one, other = objects.tree({"a": b"1"}), objects.tree({"b": b"1"})
    roots = {tree: files_root(objects, tree, "f", memory).root for tree in (one, other)}
    record = memory.records[other]
    lie = Record({"b": record["b"]._replace(digest=b"x" * 32)})
    memory.put(other, lie, None)
    roots[other] = Digest(lie.digest.hex())
    liar = Proven(objects, memory, roots)
    children(liar, one, "f")

    with pytest.raises(Unproven, match="two digests"):
        children(liar, other, "f")


@pytest.mark.parametrize("turned", [False, True], ids=["old first", "new first"])
def test_a_folder_and_what_it_became_are_both_read(turned: bool) -> None:
    objects, memory = MemoryObjects(), DictMemory()
    old, new = objects.tree(TREE), objects.tree(OTHER)
    roots = {old: files_root(objects, old, "f", memory).root}
    roots[new] = files_root(objects, new, "f", memory, base=old).root
    assert memory.records[new].before() is memory.records[old]
    proven = Proven(objects, memory, roots)
    trees = [new, old] if turned else [old, new]

    found = {tree: [proven.read(file.oid) for file in files(proven, tree, "f")] for tree in trees}

    assert found[old] == [b"id\n1\n", b"id\n2\n", b"{}"]
    assert found[new] == [b"id\n1\n", b"id\n9\n", b"{}"]


@pytest.mark.stops("insider.memory")
@pytest.mark.parametrize("with_digests", [False, True])
def test_a_change_that_gives_a_known_id_another_digest_is_refused(with_digests: bool) -> None:
    objects, memory = MemoryObjects(), DictMemory()
    other, old = objects.tree({"c": b"9"}), objects.tree({"a": b"1"})
    evil = objects.tree({"a": b"9"})
    roots = {tree: files_root(objects, tree, "f", memory).root for tree in (other, old)}
    record = memory.records[old]
    if with_digests:
        assert record.digests is not None
    (entry,) = children(objects, evil, "f")
    lie = record.changed(level(objects.read(evil), "f"), {"a": record["a"]._replace(oid=entry.oid)})
    memory.put(evil, lie, None)
    roots[evil] = Digest(lie.digest.hex())
    proven = Proven(objects, memory, roots)
    children(proven, other, "f")
    children(proven, old, "f")

    with pytest.raises(Unproven, match="two digests"):
        children(proven, evil, "f")


def read_through(folder: Folder, before: Directories) -> list[bytes]:
    """Read every file as a pass does that remembers the one before."""
    proven = Proven(folder.objects, folder.memory, {folder.tree: folder.root}, before)
    return [proven.read(file.oid) for file in files(proven, folder.tree, "f")]
