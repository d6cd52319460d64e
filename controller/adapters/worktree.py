"""A work tree seen as git objects: real ids, computed in memory, nothing written.

One walker then serves the daemon and the editor alike. Links, executable files and odd names stay
in the trees with git's modes, so that the walker refuses them here as it would in a commit.
Contents are not kept: they are read again when asked for, and must still be the bytes that were
hashed. Attributes and filters are not applied: the bytes on disk are the bytes that are judged.
"""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from controller.kernel.errors import Refused, Unavailable
from controller.kernel.objects import Header, MissingObject, Objects, Oid

TOP_LEVEL = (b"bundles", b"environments", b"policies", b"trust")
FILE_SIZE_MAX_BYTES = 64 * 1024 * 1024
ENTRIES_MAX = 400_000
DEPTH_MAX = 16

_DIRECTORY, _FILE, _EXECUTABLE, _LINK = b"40000", b"100644", b"100755", b"120000"


class ChangedUnderUs(Unavailable):
    """A file changed between two looks at it."""

    code = "worktree.changed"

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} changed while it was read", hint="run the command again")
        self.path = path


class TooMuch(Refused):
    """A work tree holds more, deeper or bigger files than we read."""

    code = "worktree.too_much"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}", hint="move what is not part of a bundle elsewhere")
        self.path, self.reason = path, reason


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A work tree at one moment: where its objects are, and the tree that holds our folders."""

    objects: Objects
    tree: Oid


@dataclass(frozen=True, slots=True)
class _OnDisk:
    path: bytes
    size_bytes: int


class WorktreeObjects:
    """The objects of a work tree; what it does not hold is looked for in `under`."""

    def __init__(self, under: Objects | None = None) -> None:
        self._held: dict[Oid, bytes | _OnDisk] = {}
        self._trees: set[Oid] = set()
        self._under = under

    def header(self, oid: Oid) -> Header:
        """Return kind and size as they were when the snapshot was made."""
        held = self._held.get(oid)
        if held is None:
            return self._below(oid).header(oid)
        size = held.size_bytes if isinstance(held, _OnDisk) else len(held)
        return Header("tree" if oid in self._trees else "blob", size)

    def read(self, oid: Oid) -> bytes:
        """Return the contents; raise `ChangedUnderUs` when the file holds others by now."""
        held = self._held.get(oid)
        if held is None:
            return self._below(oid).read(oid)
        if isinstance(held, bytes):
            return held
        data = _contents(held.path, held.size_bytes)
        if _oid(b"blob", data) != oid:
            raise ChangedUnderUs(Path(os.fsdecode(held.path)))
        return data

    def read_many(self, oids: Iterable[Oid]) -> Iterator[bytes]:
        """Yield the contents of many blobs, in the order asked for."""
        return map(self.read, oids)

    def put_tree(self, entries: list[tuple[bytes, bytes, Oid]]) -> Oid:
        """Hold a tree of (mode, name, id), put into git's order."""
        entries.sort(key=lambda entry: entry[1] + (b"/" if entry[0] == _DIRECTORY else b""))
        raw = b"".join(mode + b" " + name + b"\0" + oid for mode, name, oid in entries)
        oid = _oid(b"tree", raw)
        self._held[oid] = raw
        self._trees.add(oid)
        return oid

    def put_blob(self, data: bytes) -> Oid:
        """Hold a blob in memory."""
        oid = _oid(b"blob", data)
        self._held[oid] = data
        return oid

    def put_file(self, path: bytes, size_bytes: int) -> Oid:
        """Hash a file now and read it again when asked for."""
        oid = _oid(b"blob", _contents(path, size_bytes))
        self._held[oid] = _OnDisk(path, size_bytes)
        return oid

    def _below(self, oid: Oid) -> Objects:
        if self._under is None:
            raise MissingObject(oid, "work tree")
        return self._under


def snapshot(path: Path, under: Objects | None = None) -> Snapshot:
    """Hash the four folders of an artifact repository as git would; others are not looked at.

    `under` is where older objects are found: usually the repository the work tree belongs to.
    """
    objects = WorktreeObjects(under)
    scan = _Scan(objects)
    root = os.fsencode(path)
    entries = []
    for name in TOP_LEVEL:
        here = _join(root, name)
        if os.path.lexists(here):
            entry = scan.entry(here, name, 1)
            entries += [entry] if entry is not None else []
    return Snapshot(objects, objects.put_tree(entries))


class _Scan:
    def __init__(self, objects: WorktreeObjects) -> None:
        self.objects = objects
        self.entries = 0

    def entry(self, path: bytes, name: bytes, depth: int) -> tuple[bytes, bytes, Oid] | None:
        """Return mode, name and id of what stands at a path; nothing for an empty folder."""
        self.entries += 1
        if self.entries > ENTRIES_MAX:
            raise TooMuch(Path(os.fsdecode(path)), f"more than {ENTRIES_MAX} files")
        found = os.lstat(path)
        if stat.S_ISDIR(found.st_mode):
            below = self.directory(path, depth)
            return (_DIRECTORY, name, below) if below is not None else None
        if stat.S_ISREG(found.st_mode):
            mode = _EXECUTABLE if found.st_mode & stat.S_IXUSR else _FILE
            return mode, name, self.objects.put_file(path, found.st_size)
        if stat.S_ISLNK(found.st_mode):
            return _LINK, name, self.objects.put_blob(os.readlink(path))  # noqa: PTH115  bytes
        # Git has no name for sockets, pipes and devices; any mode it lacks is refused.
        return b"%o" % stat.S_IFMT(found.st_mode), name, self.objects.put_blob(b"")

    def directory(self, path: bytes, depth: int) -> Oid | None:
        if depth > DEPTH_MAX:
            raise TooMuch(Path(os.fsdecode(path)), f"folders deeper than {DEPTH_MAX}")
        if depth > 1 and os.path.lexists(_join(path, b".git")):
            return self._submodule()
        with os.scandir(path) as found:
            names = [entry.name for entry in found]
        entries = [self.entry(_join(path, name), name, depth + 1) for name in names]
        kept = [entry for entry in entries if entry is not None]
        return self.objects.put_tree(kept) if kept else None

    def _submodule(self) -> Oid:
        # A repository in a repository: git would store a link; its innards are not our business.
        return self.objects.put_tree([(_LINK, b".git", self.objects.put_blob(b""))])


def _join(path: bytes, name: bytes) -> bytes:
    # Names are bytes here: a `Path` cannot hold every name a file can have.
    return path + b"/" + name


def _contents(path: bytes, size_bytes: int) -> bytes:
    """Return a file's bytes if it is a plain file and still of this size."""
    where = Path(os.fsdecode(path))
    if size_bytes > FILE_SIZE_MAX_BYTES:
        raise TooMuch(where, f"{size_bytes:,} bytes is more than the {FILE_SIZE_MAX_BYTES:,}")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise ChangedUnderUs(where) from error
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ChangedUnderUs(where)
        data = file.read(size_bytes + 1)
    if len(data) != size_bytes:
        raise ChangedUnderUs(where)
    return data


def _oid(kind: bytes, data: bytes) -> Oid:
    state = hashlib.sha1(b"%s %d\0" % (kind, len(data)), usedforsecurity=False)
    state.update(data)
    return Oid(state.digest())
