"""Objects that are read to be applied: each is hashed once more, against the root it belongs to.

Trees are hashed when a release is admitted, and what was hashed is remembered, in a database, by
git ids. Neither is a reason to believe the bytes that are read later: an id may come to stand for
other bytes, and somebody may have written into the memory. Here every directory is held against
the digest above it, up to the signed files root, and every file against its directory.
"""

from collections.abc import Iterable, Iterator, Mapping
from operator import ne
from typing import NamedTuple

from controller.artifacts import levels, merkle
from controller.artifacts.merkle import MerkleMemory
from controller.artifacts.merkle_record import Record, leaf
from controller.kernel.canonical import Digest
from controller.kernel.errors import Corrupt
from controller.kernel.objects import Header, Objects, Oid

KEPT_BYTES_MAX = 16 * 1024 * 1024
ENTRIES_MAX = 200_000
"""So many entries of proven directories are kept in a process at most."""


class Unproven(Corrupt):
    """An object is not what the signed files root stands on."""

    code = "proven.bytes_differ"

    def __init__(self, oid: Oid, reason: str) -> None:
        super().__init__(
            f"object {oid.hex()}: {reason}",
            hint="compare the repository with a fresh clone, and empty controller.merkle_memory, "
            "which is a cache; then find out who wrote to them",
        )
        self.oid, self.reason = oid, reason


class Directory(NamedTuple):
    """A directory that was held against a digest: its bytes, and what they say of its entries."""

    digest: bytes
    raw: bytes
    record: Record
    digests: dict[Oid, bytes]


class Directories:
    """The directories that this process has held against a digest; bounded."""

    def __init__(self, *, entries_max: int = ENTRIES_MAX) -> None:
        self._known: dict[Oid, Directory] = {}
        self._entries, self._entries_max = 0, entries_max

    def get(self, tree: Oid, digest: bytes) -> Directory | None:
        """Return a directory, if it was held against this very digest."""
        known = self._known.get(tree)
        return known if known is not None and known.digest == digest else None

    def put(self, tree: Oid, directory: Directory) -> None:
        """Keep a directory; when there are too many entries, begin anew."""
        if self._entries > self._entries_max:
            self._known.clear()
            self._entries = 0
        self._known[tree] = directory
        self._entries += len(directory.digests)


class Proven:
    """The objects of some files trees, as `kernel.objects.Objects`; `roots` are signed.

    `directories` are those that were proven before in this process. `paths` may say where a tree
    stands, so that its levels are judged by those that stood there before.
    """

    def __init__(
        self,
        objects: Objects,
        memory: MerkleMemory,
        roots: Mapping[Oid, Digest],
        directories: Directories | None = None,
        *,
        paths: Mapping[Oid, str] | None = None,
    ) -> None:
        self._objects, self._memory = objects, memory
        self._proven = directories if directories is not None else Directories()
        self._digests = {tree: bytes.fromhex(root) for tree, root in roots.items()}
        self._directories = dict.fromkeys(roots, "") | dict(paths or {})
        self._opened: dict[Oid, bytes] = {}
        self._near: dict[int, tuple[Record, tuple[str, ...]]] = {}
        self._read: dict[Oid, bytes] = {}
        self._read_bytes = 0

    def header(self, oid: Oid) -> Header:
        """Return kind and size, which prove nothing."""
        return self._objects.header(oid)

    def read(self, oid: Oid) -> bytes:
        """Return the contents of a directory or a file, or raise `Unproven`."""
        known = self._opened.get(oid) or self._read.get(oid)
        if known is not None:
            return known
        if oid in self._directories:
            raw = self._opened[oid] = self._open(oid)
            return raw
        data = self._checked(oid, self._objects.read(oid))
        self._keep(oid, data)
        return data

    def read_many(self, oids: Iterable[Oid]) -> Iterator[bytes]:
        """Yield the contents of files."""
        wanted = list(oids)
        if self._read.keys() >= set(wanted):
            yield from map(self._read.__getitem__, wanted)
            return
        for oid, data in zip(wanted, self._objects.read_many(wanted), strict=True):
            yield self._checked(oid, data)

    def _keep(self, oid: Oid, data: bytes) -> None:
        """Keep a file that was hashed: who judges it and who plans it both ask for it."""
        self._read_bytes += len(data)
        if self._read_bytes <= KEPT_BYTES_MAX:
            self._read[oid] = data

    def _checked(self, oid: Oid, data: bytes) -> bytes:
        if leaf(data) != self._digests.get(oid):
            raise Unproven(oid, "its bytes are not those that were signed")
        return data

    def _open(self, tree: Oid) -> bytes:
        digest = self._digests[tree]
        known = self._proven.get(tree, digest)
        if known is None:
            known = self._prove(tree, digest)
            self._proven.put(tree, known)
        self._learn(tree, known)
        return known.raw

    def _learn(self, tree: Oid, known: Directory) -> None:
        """Take the digests of a directory's entries; raise where another one is known of an id."""
        record, path = known.record, self._directories[tree]
        names = self._unlike(record)
        fresh = known.digests
        if names is not None:
            fresh = {item.oid: item.digest for item in map(record.__getitem__, names)}
        both = fresh.keys() & self._digests.keys()
        if any(map(ne, map(fresh.get, both), map(self._digests.get, both))):
            raise Unproven(tree, "an id in it has two digests")
        self._digests.update(fresh)
        if names is not None or record.has_folders:
            for name in record if names is None else names:
                item = record[name]
                if item.is_tree:
                    self._directories[item.oid] = levels.join(path, name)
        self._take_note(record)

    def _unlike(self, record: Record) -> tuple[str, ...] | None:
        """Return the names whose items no opened directory has; `None`: nothing is known of it."""
        _, names = self._near.get(id(record), (record, None))
        before = record.before()
        if names is None and before is not None and self._is_opened(before):
            names = record.fresh
        return names

    def _is_opened(self, record: Record) -> bool:
        near = self._near.get(id(record))
        return near is not None and not near[1]

    def _take_note(self, record: Record) -> None:
        """Note of an opened record, and of the one it was made from, what was not looked at."""
        self._near[id(record)] = record, ()
        before = record.before()
        if before is not None:
            self._near.setdefault(id(before), (before, record.fresh))

    def _prove(self, tree: Oid, digest: bytes) -> Directory:
        raw = self._objects.read(tree)
        record = self._record(tree)
        if record.digest != digest:
            raise Unproven(tree, "what is remembered of it does not hash to what was signed")
        level = levels.level(raw, self._directories[tree])
        if level.set is not record.entries and level.set != record.entries:
            raise Unproven(tree, "it is not the directory that was hashed")
        digests = record.digests
        if digests is None:
            raise Unproven(tree, "an id in it has two digests")
        return Directory(digest, raw, record, digests)

    def _record(self, tree: Oid) -> Record:
        """Return what is remembered of a directory; it is hashed again where that was forgotten."""
        record = self._memory.get(tree)
        if record is not None:
            return record
        memory = merkle.DictMemory()
        merkle.files_root(self._objects, tree, "", memory)
        return memory.records[tree]
