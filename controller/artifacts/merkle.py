"""The files root: one SHA-256 that stands for every name and byte below a `files/` folder.

`merkle_record` says how files and directories are hashed. A memory keeps what was hashed, by git
tree id, so that a small change costs a few files. A record is only ever made from bytes that were
read and hashed here: a git id finds a record, it proves nothing about bytes nobody has hashed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from controller.artifacts import levels
from controller.artifacts.levels import Level, TooLarge
from controller.artifacts.merkle_record import Item, Record, leaf
from controller.artifacts.walk import DEPTH_MAX, ENTRIES_MAX, check_blob
from controller.kernel.canonical import Digest
from controller.kernel.errors import Corrupt
from controller.kernel.objects import Objects, Oid

FILE_SIZE_MAX_BYTES = 64 * 1024 * 1024
TOTAL_SIZE_MAX_BYTES = 4 * 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Counts:
    """How many files, rows (0 for documents) and bytes there are."""

    files: int = 0
    rows: int = 0
    bytes: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        """Return the sum."""
        return Counts(self.files + other.files, self.rows + other.rows, self.bytes + other.bytes)


@dataclass(frozen=True, slots=True)
class FilesSummary:
    """The root over a `files/` folder and what lies in it, by table and by kind of document."""

    root: Digest
    tables: Mapping[str, Counts] = field(default_factory=dict)
    documents: Mapping[str, Counts] = field(default_factory=dict)

    @property
    def total(self) -> Counts:
        """Everything together."""
        return sum([*self.tables.values(), *self.documents.values()], Counts())


class MerkleMemory(Protocol):
    """Where records of trees that we hashed are kept between passes."""

    def get(self, tree: Oid) -> Record | None:
        """Return the record put for a tree, or `None`."""
        ...

    def at_hand(self, tree: Oid) -> Record | None:
        """Return the record put for a tree where that takes no time, or `None`."""
        ...

    def expect(self, trees: Iterable[Oid]) -> None:
        """Get ready to be asked for all of these."""
        ...

    def put(self, tree: Oid, record: Record, base: Oid | None) -> None:
        """Keep the record of a tree; most of it equals the record of `base`, where that is known.

        A record is never changed after this.
        """
        ...


class NoMemory:
    """Forgets at once: every file is hashed again."""

    def get(self, tree: Oid) -> Record | None:
        """Return nothing."""
        del tree
        return None

    at_hand = get

    def expect(self, trees: Iterable[Oid]) -> None:
        """Do nothing."""

    def put(self, tree: Oid, record: Record, base: Oid | None) -> None:
        """Keep nothing."""


class DictMemory:
    """Remembers the latest records for as long as the process lives."""

    def __init__(self, *, records_max: int = ENTRIES_MAX) -> None:
        self.records: dict[Oid, Record] = {}
        self.records_max = records_max

    def get(self, tree: Oid) -> Record | None:
        """Return the record put for a tree, or `None`."""
        return self.records.get(tree)

    at_hand = get

    def expect(self, trees: Iterable[Oid]) -> None:
        """Do nothing: what is remembered is at hand."""

    def put(self, tree: Oid, record: Record, base: Oid | None) -> None:
        """Keep the record of a tree."""
        del base
        self.records[tree] = record
        if len(self.records) > self.records_max:
            del self.records[next(iter(self.records))]


@dataclass(slots=True)
class _Node:
    """A directory that is to be hashed, and what is known of it from an earlier state, `base`."""

    level: Level
    before: Record
    base: Oid | None
    fresh: dict[str, Item] = field(default_factory=dict)
    below: list[tuple[str, Oid]] = field(default_factory=list)


class _Pending(NamedTuple):
    node: _Node
    name: str
    oid: Oid
    size_bytes: int
    path: str


def files_root(
    objects: Objects, tree: Oid, path: str, memory: MerkleMemory, *, base: Oid | None = None
) -> FilesSummary:
    """Return the files root of a tree and its counts; `path` says where the tree stands.

    `base` is an earlier tree of the same folder, known to `memory`: a directory that changed
    takes the digests of its unchanged files from there instead of reading them again. Where it is
    at hand, the memory is not asked for the tree itself: most often that is new.
    """
    known = base is not None and memory.at_hand(base) is not None
    remembered = memory.at_hand(tree) if known else memory.get(tree)
    if remembered is not None:
        return _summary(remembered)
    work = _Work(objects, memory)
    work.open(tree, path, base, depth=1)
    work.hash_files(path)
    return _summary(work.fold(tree, path))


class _Work:
    """One computation: list what is not known, hash it in one stream, fold it upwards."""

    def __init__(self, objects: Objects, memory: MerkleMemory) -> None:
        self.objects, self.memory = objects, memory
        self.records: dict[Oid, Record] = {}
        self.nodes: dict[Oid, _Node] = {}  # in post-order: what is below comes before
        self.pending: list[_Pending] = []

    def open(self, tree: Oid, path: str, base: Oid | None, *, depth: int) -> None:
        """List a directory that nobody remembers, and those below it.

        With a base that is remembered a memory is not asked for what is new: that costs more than
        the few files that differ.
        """
        if depth > DEPTH_MAX:
            raise TooLarge(path, size=depth, size_max=DEPTH_MAX, unit="levels")
        before = self.memory.get(base) if base is not None else None
        if before is None and (record := self.memory.get(tree)) is not None:
            self.records[tree] = record
            return
        level = levels.level(levels.read_tree(self.objects, tree, path), path)
        here = _Node(level, before or Record(), base if before else None)
        for name, is_tree, oid in sorted(level.set - here.before.entries):
            if is_tree:
                here.below.append((name, oid))
            else:
                self._await(here, name, oid, f"{path}/{name}", path)
        items = [here.before.get(name) for name, _ in here.below]
        bases = [item.oid if item is not None and item.is_tree else None for item in items]
        self.memory.expect([below for below in bases if below is not None])
        for (name, oid), below in zip(here.below, bases, strict=True):
            if oid not in self.nodes and oid not in self.records:
                self.open(oid, f"{path}/{name}", below, depth=depth + 1)
        self.nodes[tree] = here

    def _await(self, here: "_Node", name: str, oid: Oid, file: str, path: str) -> None:
        size = check_blob(self.objects, oid, file, FILE_SIZE_MAX_BYTES)
        self.pending.append(_Pending(here, name, oid, size, file))
        if len(self.pending) > ENTRIES_MAX:
            raise TooLarge(path, size=len(self.pending), size_max=ENTRIES_MAX, unit="files")

    def hash_files(self, path: str) -> None:
        """Read and hash every file that is not known yet, in one stream."""
        total = sum(file.size_bytes for file in self.pending)
        if total > TOTAL_SIZE_MAX_BYTES:
            raise TooLarge(path, size=total, size_max=TOTAL_SIZE_MAX_BYTES)
        contents = self.objects.read_many(file.oid for file in self.pending)
        for file, data in zip(self.pending, contents, strict=True):
            if len(data) != file.size_bytes:
                raise Corrupt(f"{file.path}: not as long as its header says")
            file.node.fresh[file.name] = _file(file.name, file.oid, data)

    def fold(self, tree: Oid, path: str) -> Record:
        """Make the records of all listed directories, from the deepest up, and keep them."""
        for oid, here in self.nodes.items():
            for name, child in here.below:
                here.fresh[name] = _directory(child, self.records[child])
            record = self.records[oid] = here.before.changed(here.level, here.fresh)
            _check_size(record, path)
            self.memory.put(oid, record, here.base)
        return self.records[tree]


def _file(name: str, oid: Oid, data: bytes) -> Item:
    if not name.endswith(".csv"):
        return Item(False, oid, leaf(data), document_files=1, document_bytes=len(data))
    lines = data.count(b"\n") + (not data.endswith(b"\n"))
    return Item(False, oid, leaf(data), 1, max(lines - 1, 0), len(data))


def _directory(oid: Oid, record: Record) -> Item:
    files, rows, size, documents, documents_size, folders = record.sums
    counts = (files, rows, size, documents, documents_size, folders + 1)
    return Item(True, oid, record.digest, *counts, record.height)


def _check_size(record: Record, path: str) -> None:
    """Raise unless a directory and all below it is as small as what we read.

    Directories are hashed once wherever they stand, or were before: what a record adds up to is
    the same whoever remembers it, and so is the verdict.
    """
    table_files, _, table_bytes, document_files, document_bytes, folders = record.sums
    entries = table_files + document_files + folders
    size = table_bytes + document_bytes
    if entries > ENTRIES_MAX:
        raise TooLarge(path, size=entries, size_max=ENTRIES_MAX, unit="entries")
    if size > TOTAL_SIZE_MAX_BYTES:
        raise TooLarge(path, size=size, size_max=TOTAL_SIZE_MAX_BYTES)
    if record.height > DEPTH_MAX:
        raise TooLarge(path, size=record.height, size_max=DEPTH_MAX, unit="levels")


def _summary(record: Record) -> FilesSummary:
    tables: dict[str, Counts] = {}
    documents: dict[str, Counts] = {}
    for name, item in sorted(record.items()):
        group = name if item.is_tree else name.split(".")[0]
        table = Counts(item.table_files, item.rows, item.table_bytes)
        document = Counts(item.document_files, 0, item.document_bytes)
        for found, counts in ((tables, table), (documents, document)):
            if counts.files:
                found[group] = found.get(group, Counts()) + counts
    return FilesSummary(Digest(record.digest.hex()), tables, documents)
