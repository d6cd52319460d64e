"""The files root: one SHA-256 that stands for every name and byte below a `files/` folder.

    leaf = SHA-256("countersign file v1\\n" + contents)
    node = SHA-256("countersign tree v1\\n" + for each entry in byte order of names:
                   "f" or "d" + length of the name (2 bytes, big endian) + name + digest (32 bytes))

A memory keeps what was hashed, by git tree id, so that a small change costs a few files. A record
is only ever made from bytes that were read and hashed here: a git id finds a record, it proves
nothing about bytes nobody has hashed.
"""

import hashlib
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeAlias

from controller.artifacts.walk import (
    DEPTH_MAX,
    ENTRIES_MAX,
    Entry,
    TooLarge,
    check_blob,
    children,
)
from controller.kernel.canonical import Digest
from controller.kernel.errors import Corrupt
from controller.kernel.objects import Objects, Oid

FILE_SIZE_MAX_BYTES = 64 * 1024 * 1024
TOTAL_SIZE_MAX_BYTES = 4 * 1024 * 1024 * 1024

_FILE_TAG, _TREE_TAG = b"countersign file v1\n", b"countersign tree v1\n"
_MAGIC = b"merkle 1\n"
_ITEM = struct.Struct(">?H20s32s3Q2Q")
_NAME_LENGTH = struct.Struct(">H")


class ForeignRecord(Corrupt):
    """A remembered record is not one that this module wrote."""

    code = "merkle.foreign_record"


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

    def get(self, tree: Oid) -> bytes | None:
        """Return the record put for a tree, or `None`."""
        ...

    def put(self, tree: Oid, record: bytes) -> None:
        """Keep the record of a tree."""
        ...


class NoMemory:
    """Forgets at once: every file is hashed again."""

    def get(self, tree: Oid) -> bytes | None:
        """Return nothing."""
        del tree
        return None

    def put(self, tree: Oid, record: bytes) -> None:
        """Keep nothing."""


class DictMemory:
    """Remembers the latest records for as long as the process lives."""

    def __init__(self, *, records_max: int = ENTRIES_MAX) -> None:
        self.records: dict[Oid, bytes] = {}
        self.records_max = records_max

    def get(self, tree: Oid) -> bytes | None:
        """Return the record put for a tree, or `None`."""
        return self.records.get(tree)

    def put(self, tree: Oid, record: bytes) -> None:
        """Keep the record of a tree."""
        self.records[tree] = record
        if len(self.records) > self.records_max:
            del self.records[next(iter(self.records))]


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a file or a directory once its bytes were hashed."""

    digest: bytes
    table: Counts = Counts()
    document: Counts = Counts()


class _Item(NamedTuple):
    is_tree: bool
    oid: Oid
    known: _Known


_Record: TypeAlias = dict[str, _Item]


@dataclass(slots=True)
class _Node:
    """A directory that is to be hashed, and what is known of its entries already."""

    tree: Oid
    entries: tuple[Entry, ...]
    known: dict[str, _Known] = field(default_factory=dict)


class _Pending(NamedTuple):
    node: _Node
    name: str
    oid: Oid
    size_bytes: int
    path: str


def leaf(data: bytes) -> bytes:
    """Return the digest of one file's contents."""
    state = hashlib.sha256(_FILE_TAG)
    state.update(data)
    return state.digest()


def node(entries: Iterable[tuple[str, bool, bytes]]) -> bytes:
    """Return the digest of a directory from its entries (name, is a directory, digest)."""
    state = hashlib.sha256(_TREE_TAG)
    for name, is_tree, digest in sorted((name.encode(), tree, one) for name, tree, one in entries):
        state.update(b"d" if is_tree else b"f")
        state.update(_NAME_LENGTH.pack(len(name)) + name + digest)
    return state.digest()


def files_root(
    objects: Objects, tree: Oid, path: str, memory: MerkleMemory, *, base: Oid | None = None
) -> FilesSummary:
    """Return the files root of a tree and its counts; `path` says where the tree stands.

    `base` is an earlier tree of the same folder, known to `memory`: a directory that changed
    takes the digests of its unchanged files from there instead of reading them again.
    """
    remembered = _recall(memory, tree)
    if remembered is not None:
        return _summary(remembered)
    work = _Work(objects, memory)
    work.open(tree, path, _recall(memory, base), depth=1)
    work.hash_files(path)
    return _summary(work.fold(tree))


class _Work:
    """One computation: list what is not known, hash it in one stream, fold it upwards."""

    def __init__(self, objects: Objects, memory: MerkleMemory) -> None:
        self.objects, self.memory = objects, memory
        self.records: dict[Oid, _Record] = {}
        self.nodes: dict[Oid, _Node] = {}  # in post-order: what is below comes before
        self.pending: list[_Pending] = []

    def open(self, tree: Oid, path: str, base: _Record | None, *, depth: int) -> None:
        """List a directory that nobody remembers, and those below it."""
        if depth > DEPTH_MAX:
            raise TooLarge(path, size=depth, size_max=DEPTH_MAX, unit="levels")
        here = _Node(tree, children(self.objects, tree, path))
        for name, is_tree, oid in here.entries:
            before = (base or {}).get(name)
            if before is not None and (before.is_tree, before.oid) == (is_tree, oid):
                here.known[name] = before.known
            elif not is_tree:
                size = check_blob(self.objects, oid, f"{path}/{name}", FILE_SIZE_MAX_BYTES)
                self.pending.append(_Pending(here, name, oid, size, f"{path}/{name}"))
                if len(self.pending) > ENTRIES_MAX:
                    raise TooLarge(path, size=len(self.pending), size_max=ENTRIES_MAX, unit="files")
            elif oid not in self.nodes and oid not in self.records:
                remembered = _recall(self.memory, oid)
                if remembered is not None:
                    self.records[oid] = remembered
                else:
                    below = _recall(self.memory, before.oid if before else None)
                    self.open(oid, f"{path}/{name}", below, depth=depth + 1)
        self.nodes[tree] = here

    def hash_files(self, path: str) -> None:
        """Read and hash every file that is not known yet, in one stream."""
        total = sum(file.size_bytes for file in self.pending)
        if total > TOTAL_SIZE_MAX_BYTES:
            raise TooLarge(path, size=total, size_max=TOTAL_SIZE_MAX_BYTES)
        contents = self.objects.read_many(file.oid for file in self.pending)
        for file, data in zip(self.pending, contents, strict=True):
            if len(data) != file.size_bytes:
                raise Corrupt(f"{file.path}: not as long as its header says")
            file.node.known[file.name] = _known_file(file.name, data)

    def fold(self, tree: Oid) -> _Record:
        """Make the records of all listed directories, from the deepest up, and keep them."""
        for oid, here in self.nodes.items():
            record: _Record = {}
            for name, is_tree, child in here.entries:
                known = here.known.get(name)
                record[name] = _Item(is_tree, child, known or _known_tree(self.records[child]))
            self.records[oid] = record
            _refuse_many(record)
            self.memory.put(oid, _pack(record))
        return self.records[tree]


def _recall(memory: MerkleMemory, tree: Oid | None) -> _Record | None:
    packed = memory.get(tree) if tree is not None else None
    return _unpack(packed) if packed is not None else None


def _known_file(name: str, data: bytes) -> _Known:
    if not name.endswith(".csv"):
        return _Known(leaf(data), document=Counts(1, 0, len(data)))
    lines = data.count(b"\n") + (not data.endswith(b"\n"))
    return _Known(leaf(data), table=Counts(1, max(lines - 1, 0), len(data)))


def _known_tree(record: _Record) -> _Known:
    return _Known(
        _digest(record),
        sum((item.known.table for item in record.values()), Counts()),
        sum((item.known.document for item in record.values()), Counts()),
    )


def _digest(record: _Record) -> bytes:
    return node((name, item.is_tree, item.known.digest) for name, item in record.items())


def _refuse_many(record: _Record) -> None:
    # Shared directories are hashed once, so only their sums tell how many paths there are.
    files = sum(item.known.table.files + item.known.document.files for item in record.values())
    if files > ENTRIES_MAX:
        raise TooLarge("", size=files, size_max=ENTRIES_MAX, unit="files")


def _summary(record: _Record) -> FilesSummary:
    tables: dict[str, Counts] = {}
    documents: dict[str, Counts] = {}
    for name, item in sorted(record.items()):
        group = name if item.is_tree else name.split(".")[0]
        for found, counts in ((tables, item.known.table), (documents, item.known.document)):
            if counts.files:
                found[group] = found.get(group, Counts()) + counts
    return FilesSummary(Digest(_digest(record).hex()), tables, documents)


def _pack(record: _Record) -> bytes:
    parts = [_MAGIC]
    for name, (is_tree, oid, known) in record.items():
        table, document = known.table, known.document
        sizes = (table.files, table.rows, table.bytes, document.files, document.bytes)
        parts.append(_ITEM.pack(is_tree, len(name), oid, known.digest, *sizes) + name.encode())
    return b"".join(parts)


def _unpack(packed: bytes) -> _Record:
    if not packed.startswith(_MAGIC):
        raise ForeignRecord("a remembered Merkle record has no known form")
    record: _Record = {}
    at = len(_MAGIC)
    try:
        while at < len(packed):
            is_tree, length, oid, digest, *sizes = _ITEM.unpack_from(packed, at)
            at += _ITEM.size + length
            name = packed[at - length : at].decode("ascii")
            table, document = Counts(*sizes[:3]), Counts(sizes[3], 0, sizes[4])
            record[name] = _Item(is_tree, Oid(oid), _Known(digest, table, document))
    except (struct.error, UnicodeDecodeError) as error:
        raise ForeignRecord("a remembered Merkle record is cut short") from error
    if at != len(packed):
        raise ForeignRecord("a remembered Merkle record is cut short")
    return record
