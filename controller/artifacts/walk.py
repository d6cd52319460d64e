"""Walk git trees from strangers: levels, whole trees, one path, or where several trees differ.

Every entry is judged before it is used: plain files and directories only, lower-case ASCII names,
git's order, no name twice, bounded numbers and depth. Nothing is checked out and no blob is read
before its header said how big it is. At the top of a repository other people's entries
(`README.md`, `.github`) stand beside ours: `find` passes over them, every other function is strict.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, pairwise
from typing import NamedTuple

from controller.kernel.errors import Corrupt, Refused
from controller.kernel.objects import Objects, Oid

ENTRIES_MAX = 200_000
DEPTH_MAX = 12
TREE_SIZE_MAX_BYTES = 2 * 1024 * 1024
"""One level: some 20,000 names of full length, some 70,000 of the shortest."""
TOP_SIZE_MAX_BYTES = 64 * 1024
"""The top of a repository, where names of any kind stand: some 1,500 of them."""
FAULTS_MAX = 1000
"""So many entries of a level, or of a walk, are reported one by one."""

# Levels that are remembered once judged: enough for a pass, and little memory at worst.
_KNOWN_LEVELS_MAX = 128
_KNOWN_LEVEL_MAX_BYTES = 16 * 1024
_LARGE_LEVELS_MAX = 2

_FILE, _DIRECTORY = b"100644", b"40000"
_DIRECTORIES = (_DIRECTORY, b"040000")
_OID_SIZE = 20
_SEGMENT = re.compile(rb"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_ENTRY = re.compile(rb"(100644|40000) ([a-z0-9][a-z0-9._-]{0,63})\0(.{20})", re.ASCII | re.DOTALL)
_MODE = re.compile(rb"[0-7]{1,6}", re.ASCII)
_KINDS = {
    b"100755": "an executable file",
    b"120000": "a symbolic link",
    b"160000": "a submodule",
    b"040000": "a directory written with a leading zero",
}


class BadTree(Refused):
    """A tree holds something we never read: a link, an odd name, two entries of one name."""

    code = "walk.bad_tree"

    def __init__(self, path: str, reason: str, *, hint: str = "") -> None:
        super().__init__(f"{path or '/'}: {reason}", hint=hint)
        self.path, self.reason = path, reason


class TooLarge(Refused):
    """A file or a tree is bigger than we read."""

    code = "walk.too_large"

    def __init__(self, path: str, *, size: int, size_max: int, unit: str = "bytes") -> None:
        super().__init__(
            f"{path or '/'}: {size:,} {unit} is more than the {size_max:,} we read",
            hint="split the file or the folder; `countersign shard` splits tables",
        )
        self.path, self.size, self.size_max, self.unit = path, size, size_max, unit


class Entry(NamedTuple):
    """A name in a tree, judged."""

    name: str
    is_tree: bool
    oid: Oid


class File(NamedTuple):
    """A plain file and the id of its bytes."""

    path: str
    oid: Oid


@dataclass(slots=True)
class _Budget:
    path: str
    entries: int = 0

    def spend(self, count: int) -> None:
        self.entries += count
        if self.entries > ENTRIES_MAX:
            raise TooLarge(self.path, size=self.entries, size_max=ENTRIES_MAX, unit="entries")


def parse_tree(raw: bytes) -> list[tuple[bytes, bytes, Oid]]:
    """Return (mode, name, id) of each entry of a raw tree, in its order and not yet judged."""
    entries = []
    at = 0
    while at < len(raw):
        space = raw.find(b" ", at, at + 8)
        end = raw.find(b"\0", space + 1)
        if space < 0 or end < 0 or end + 1 + _OID_SIZE > len(raw):
            raise BadTree("", f"not a git tree: byte {at} starts no entry")
        mode, name = raw[at:space], raw[space + 1 : end]
        if _MODE.fullmatch(mode) is None:
            raise BadTree("", f"not a git tree: byte {at} is no mode")
        at = end + 1 + _OID_SIZE
        entries.append((mode, name, Oid(raw[end + 1 : at])))
    return entries


def children(objects: Objects, tree: Oid, path: str) -> tuple[Entry, ...]:
    """Return one level of a tree; `path` says in refusals where the tree stands."""
    return level(_read_tree(objects, tree, path), path)


def level(raw: bytes, path: str) -> tuple[Entry, ...]:
    """Return the entries of a raw tree, judged."""
    try:
        return _large_level(raw) if len(raw) > _KNOWN_LEVEL_MAX_BYTES else _known_level(raw)
    except BadTree:
        return _level(raw, path)  # the same refusal, which now says where


@lru_cache(maxsize=_KNOWN_LEVELS_MAX)
def _known_level(raw: bytes) -> tuple[Entry, ...]:
    """Return one level from its bytes; one pass looks at the same few levels several times."""
    return _level(raw, "")


@lru_cache(maxsize=_LARGE_LEVELS_MAX)
def _large_level(raw: bytes) -> tuple[Entry, ...]:
    """Return one level from its bytes; a level is often looked at once for each of its names."""
    return _level(raw, "")


def judged(objects: Objects, tree: Oid, path: str) -> tuple[tuple[Entry, ...], list[BadTree]]:
    """Return what of one level can be read, and every fault: for a report, never to act on."""
    try:
        return children(objects, tree, path), []
    except BadTree as bad:
        strict = bad
    try:
        entries = parse_tree(_read_tree(objects, tree, path))
    except BadTree:
        return (), [strict]
    faults = list(islice(_faults(entries, path), FAULTS_MAX))
    kept = [
        mode + b" " + name + b"\0" + oid for mode, name, oid in entries if not _fault(mode, name)
    ]
    try:
        return _level(b"".join(kept), path), faults
    except BadTree as bad:
        return (), [*faults, bad]


def _level(raw: bytes, path: str) -> tuple[Entry, ...]:
    found = _ENTRY.findall(raw)
    if not found and not raw:
        return ()
    modes, names, oids = zip(*found, strict=True) if found else ((), (), ())
    # The expression skips what it does not know, so the sizes tell whether it knew everything.
    if sum(map(len, modes)) + sum(map(len, names)) + 22 * len(found) != len(raw):
        raise _first_fault(raw, path)
    keys = [name + b"/" if mode == _DIRECTORY else name for mode, name, _ in found]
    if len(set(keys)) != len(keys) or sorted(keys) != keys:
        raise BadTree(path, "entries out of order, or a name that stands twice")
    if len(set(names)) != len(found):
        raise BadTree(path, "a name that is a file and a directory at once")
    trees = [mode == _DIRECTORY for mode in modes]
    return tuple(map(Entry._make, zip(map(bytes.decode, names), trees, oids, strict=True)))


def files(
    objects: Objects, tree: Oid, path: str, faults: list[BadTree | TooLarge] | None = None
) -> Iterator[File]:
    """Yield every file below a tree in byte order of paths; `path` stands before each.

    With a list of `faults`, what cannot be read is put there and the walk goes on: for a report,
    never to act on.
    """
    budget = _Budget(path)
    stack = [_listing(objects, tree, path, budget, faults)]
    while stack:
        below, entries = stack[-1]
        entry = next(entries, None)
        if entry is None:
            stack.pop()
        elif entry.is_tree:
            here = _join(below, entry.name)
            _refuse_depth(len(stack), here)
            stack.append(_listing(objects, entry.oid, here, budget, faults))
        else:
            yield File(_join(below, entry.name), entry.oid)


def find(objects: Objects, tree: Oid, path: str) -> Entry | None:
    """Return the entry at `a/b/c` below a tree, or `None`; only the first level may hold others."""
    parts = path.split("/")
    found = _find_first(objects, tree, parts[0])
    for depth, part in enumerate(parts[1:], start=1):
        if found is None or not found.is_tree:
            return None
        found = _named(children(objects, found.oid, "/".join(parts[:depth])), part)
    return found


def differing(
    objects: Objects,
    trees: Sequence[Oid | None],
    path: str,
    same: Callable[[tuple[Oid | None, ...]], bool],
) -> Iterator[tuple[str, tuple[Oid | None, ...]]]:
    """Yield each file where the trees differ: its path, and its id in each tree (`None`: absent).

    `same` is asked with the ids found in one place, of directories as of files, and prunes the
    walk wherever it says yes. Paths come in byte order, with `path` before each.
    """
    budget = _Budget(path)
    roots = tuple(trees)
    if same(roots) or all(root is None for root in roots):
        return
    stack = [(path, iter(_merged(objects, roots, path, budget)))]
    while stack:
        below, places = stack[-1]
        place = next(places, None)
        if place is None:
            stack.pop()
            continue
        name, is_tree, oids = place
        here = _join(below, name)
        if same(oids):
            continue
        if is_tree:
            _refuse_depth(len(stack), here)
            stack.append((here, iter(_merged(objects, oids, here, budget))))
        else:
            yield here, oids


def read_blob(objects: Objects, oid: Oid, path: str, size_max_bytes: int) -> bytes:
    """Return a file's bytes, after its header said they are a file's and not too many."""
    size_bytes = check_blob(objects, oid, path, size_max_bytes)
    data = objects.read(oid)
    if len(data) != size_bytes:
        raise Corrupt(f"{path}: object {oid.hex()} is not as long as its header says")
    return data


def check_blob(objects: Objects, oid: Oid, path: str, size_max_bytes: int) -> int:
    """Return a blob's size in bytes without reading it, or refuse it."""
    header = objects.header(oid)
    if header.kind != "blob":
        raise BadTree(path, f"named as a file, but its object is a {header.kind}")
    if header.size_bytes > size_max_bytes:
        raise TooLarge(path, size=header.size_bytes, size_max=size_max_bytes)
    return header.size_bytes


def _named(level: Sequence[Entry], name: str) -> Entry | None:
    for key in (name, name + "/"):
        at = bisect_left(level, key, key=_order)
        if at < len(level) and level[at].name == name:
            return level[at]
    return None


def _order(entry: Entry) -> str:
    return entry.name + "/" if entry.is_tree else entry.name


def _read_tree(
    objects: Objects, tree: Oid, path: str, size_max_bytes: int = TREE_SIZE_MAX_BYTES
) -> bytes:
    header = objects.header(tree)
    if header.kind != "tree":
        raise BadTree(path, f"named as a directory, but its object is a {header.kind}")
    if header.size_bytes > size_max_bytes:
        raise TooLarge(path, size=header.size_bytes, size_max=size_max_bytes)
    return objects.read(tree)


def _find_first(objects: Objects, tree: Oid, name: str) -> Entry | None:
    entries = parse_tree(_read_tree(objects, tree, "", TOP_SIZE_MAX_BYTES))
    keys = [other + b"/" if mode in _DIRECTORIES else other for mode, other, _ in entries]
    if any(left >= right for left, right in pairwise(keys)):
        raise BadTree("", "entries out of order, or a name that stands twice")
    found = [entry for entry in entries if entry[1] == name.encode()]
    if not found:
        return None
    fault = _fault(found[0][0], found[0][1])
    if fault is not None:
        raise BadTree(name, fault[0], hint=fault[1])
    if len(found) > 1:
        raise BadTree(name, "a name that stands twice")
    mode, _, oid = found[0]
    return Entry(name, mode == _DIRECTORY, oid)


def _listing(
    objects: Objects,
    tree: Oid,
    path: str,
    budget: _Budget,
    faults: list[BadTree | TooLarge] | None,
) -> tuple[str, Iterator[Entry]]:
    if faults is None:
        entries = children(objects, tree, path)
    else:
        entries, bad = judged(objects, tree, path)
        faults += bad
        budget.spend(len(bad))
        if len(faults) > FAULTS_MAX:
            raise TooLarge(path, size=len(faults), size_max=FAULTS_MAX, unit="faults")
    budget.spend(len(entries))
    return path, iter(entries)


def _merged(
    objects: Objects, trees: tuple[Oid | None, ...], path: str, budget: _Budget
) -> list[tuple[str, bool, tuple[Oid | None, ...]]]:
    """Return the places of one level, in byte order: name, whether a directory, id in each tree."""
    places: dict[tuple[str, bool], list[Oid | None]] = {}
    levels: dict[Oid, tuple[Entry, ...]] = {}
    for index, tree in enumerate(trees):
        if tree is None:
            continue
        if tree not in levels:
            levels[tree] = children(objects, tree, path)
            budget.spend(len(levels[tree]))
        for name, is_tree, oid in levels[tree]:
            place = places.get((name, is_tree))
            if place is None:
                place = places[name, is_tree] = [None] * len(trees)
            place[index] = oid
    ordered = sorted(places, key=lambda place: place[0] + "/" if place[1] else place[0])
    return [(name, is_tree, tuple(places[name, is_tree])) for name, is_tree in ordered]


def _first_fault(raw: bytes, path: str) -> BadTree:
    try:
        fault = next(_faults(parse_tree(raw), path), None)
    except BadTree as bad:
        return BadTree(path, bad.reason)
    return fault or BadTree(path, "not a tree that git would write")


def _faults(entries: Iterable[tuple[bytes, bytes, Oid]], path: str) -> Iterator[BadTree]:
    """Yield what is wrong with each entry by itself."""
    for mode, name, _ in entries:
        fault = _fault(mode, name)
        if fault is not None:
            yield BadTree(_join(path, _shown(name)), fault[0], hint=fault[1])


def _fault(mode: bytes, name: bytes) -> tuple[str, str] | None:
    if _SEGMENT.fullmatch(name) is None:
        return "not a name we read", (
            "names are lower-case ASCII: a letter or digit, then letters, digits, . _ - "
            "(64 at most)"
        )
    if mode not in (_FILE, _DIRECTORY):
        what = _KINDS.get(mode, f"mode {mode.decode('ascii', 'replace')}")
        hint = "chmod 644 and commit again" if mode == b"100755" else "commit the plain file itself"
        return f"{what}, and only plain files and directories are read", hint
    return None


def _shown(name: bytes) -> str:
    """Return a name that is safe to print, whatever bytes it is made of."""
    text = name[:80].decode("utf-8", "backslashreplace")
    return text.encode("ascii", "backslashreplace").decode() if text.isprintable() else repr(text)


def _refuse_depth(depth: int, path: str) -> None:
    if depth >= DEPTH_MAX:
        raise TooLarge(path, size=depth + 1, size_max=DEPTH_MAX, unit="levels")


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name
