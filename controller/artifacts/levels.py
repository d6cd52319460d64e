"""One level of a git tree from strangers, judged before any of it is used.

Plain files and directories only, lower-case ASCII names, git's order, no name twice, bounded size.
Levels that were judged are remembered; the next one at a path is judged by what tells it from the
last: of a wide directory most stays as it was.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import islice, pairwise, repeat

from controller.artifacts.entries import Entry, Level, order
from controller.artifacts.linediff import same_end, same_start
from controller.kernel.errors import Refused
from controller.kernel.objects import Objects, Oid

__all__ = [
    "FAULTS_MAX",
    "KNOWN_BYTES_MAX",
    "TREE_SIZE_MAX_BYTES",
    "BadTree",
    "Entry",
    "Level",
    "TooLarge",
    "children",
    "fault",
    "join",
    "judge",
    "judged",
    "level",
    "parse_tree",
    "read_tree",
]

TREE_SIZE_MAX_BYTES = 2 * 1024 * 1024
"""One level: some 20,000 names of full length, some 70,000 of the shortest."""
FAULTS_MAX = 1000
"""So many entries of a level, or of a walk, are reported one by one."""
KNOWN_BYTES_MAX = 4 * 1024 * 1024
"""So many bytes of judged levels are remembered: some 100,000 entries, about 25 MiB."""

_MIDDLE_TIMES = 8
"""What differs has to be a smaller part of a level, or all of it is judged sooner."""

_FILE, _DIRECTORY = b"100644", b"40000"
_OID_SIZE = 20
_SEGMENT = re.compile(rb"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_ENTRY = re.compile(rb"(100644|40000) ([a-z0-9][a-z0-9._-]{0,63})\0(.{20})", re.ASCII | re.DOTALL)
_ANY_ENTRY = re.compile(rb"([0-7]{1,6}) ([^\0]+)\0(.{20})", re.DOTALL)
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


class _Levels:
    """Judged levels by their bytes, and the bytes seen last at each path; bounded.

    Threads may share one: at worst a level is judged twice.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, Level] = {}
        self._last: dict[str, bytes] = {}
        self._bytes = 0
        self.get = self._known.get

    def put(self, raw: bytes, path: str, level: Level) -> Level:
        self._bytes += len(raw)
        if self._bytes > KNOWN_BYTES_MAX:
            self._known.clear()
            self._last.clear()
            self._bytes = len(raw)
        self._known[raw] = level
        self._last[path] = raw
        return level

    def last(self, path: str) -> tuple[bytes, Level] | None:
        raw = self._last.get(path, b"")
        known = self._known.get(raw)
        return None if known is None else (raw, known)


_LEVELS = _Levels()


def parse_tree(raw: bytes) -> list[tuple[bytes, bytes, Oid]]:
    """Return (mode, name, id) of each entry of a raw tree, in its order and not yet judged."""
    known = _ANY_ENTRY.findall(raw)
    # The expression skips what is none, so the sizes tell whether it was all of them.
    if sum(len(mode) + len(name) for mode, name, _ in known) + 22 * len(known) == len(raw):
        return known
    entries = []
    at = 0
    while at < len(raw):
        space = raw.find(b" ", at, at + 8)
        end = raw.find(b"\0", space + 1)
        # A name is never empty: git knows no such entry.
        if space < 0 or end <= space + 1 or end + 1 + _OID_SIZE > len(raw):
            raise BadTree("", f"not a git tree: byte {at} starts no entry")
        mode, name = raw[at:space], raw[space + 1 : end]
        if _MODE.fullmatch(mode) is None:
            raise BadTree("", f"not a git tree: byte {at} is no mode")
        at = end + 1 + _OID_SIZE
        entries.append((mode, name, Oid(raw[end + 1 : at])))
    return entries


def read_tree(
    objects: Objects, tree: Oid, path: str, size_max_bytes: int = TREE_SIZE_MAX_BYTES
) -> bytes:
    """Return a raw tree, after its header said it is one and not too big."""
    header = objects.header(tree)
    if header.kind != "tree":
        raise BadTree(path, f"named as a directory, but its object is a {header.kind}")
    if header.size_bytes > size_max_bytes:
        raise TooLarge(path, size=header.size_bytes, size_max=size_max_bytes)
    return objects.read(tree)


def children(objects: Objects, tree: Oid, path: str) -> tuple[Entry, ...]:
    """Return one level of a tree; `path` says in refusals where the tree stands."""
    return level(read_tree(objects, tree, path), path).entries


def level(raw: bytes, path: str) -> Level:
    """Return the entries of a raw tree, judged."""
    known = _LEVELS.get(raw)
    if known is None:
        last = _LEVELS.last(path)
        alike = _alike(raw, path, *last) if last is not None else None
        known = _LEVELS.put(raw, path, alike or Level(judge(raw, path)))
    return known


def _alike(raw: bytes, path: str, like: bytes, known: Level) -> Level | None:
    """Return a level by what tells it from one that was judged; `None`: judge the whole."""
    starts = known.starts
    same = same_start(raw, like)
    first = max(bisect_right(starts, same) - 1, 0)
    if len(raw) == len(like) and raw[starts[first + 1] :] == like[starts[first + 1] :]:
        last = first + 1  # nearly always it is one entry
    else:
        behind = same_end(raw, like, min(len(raw), len(like)) - starts[first])
        last = max(bisect_left(starts, len(like) - behind), first)
    end = len(raw) - (len(like) - starts[last])
    if len(raw) == len(like):
        other_ids = _other_ids(raw, like, known, first, last)
        if other_ids is not None:
            return other_ids
    if (end - starts[first]) * _MIDDLE_TIMES > len(raw):
        return None
    try:
        fresh = judge(raw[starts[first] : end], path)
    except BadTree:
        return None  # judged as a whole the fault has its place
    entries = (*known.entries[:first], *fresh, *known.entries[last:])
    seams = entries[max(first - 1, 0) : first + len(fresh) + 1]
    if any(order(one) >= order(next_one) for one, next_one in pairwise(seams)):
        return None
    level = Level(entries)
    if any(level.named(one.name, is_tree=not one.is_tree) for one in fresh):
        return None
    return level


def _other_ids(raw: bytes, like: bytes, known: Level, first: int, last: int) -> Level | None:
    """Return a level whose entries from `first` to `last` have other ids, or `None`."""
    starts, entries = known.starts, list(known.entries)
    gone, fresh = [], []
    for at in range(first, last):
        begin, end = starts[at], starts[at + 1]
        if raw[begin:end] == like[begin:end]:
            continue
        oid_at = end - _OID_SIZE
        if raw[begin:oid_at] != like[begin:oid_at]:
            return None
        before = entries[at]
        entry = entries[at] = Entry(before.name, before.is_tree, Oid(raw[oid_at:end]))
        gone.append(before)
        fresh.append(entry)
    return known.changed(tuple(entries), frozenset(fresh), frozenset(gone))


def judged(objects: Objects, tree: Oid, path: str) -> tuple[tuple[Entry, ...], list[BadTree]]:
    """Return what of one level can be read, and every fault: for a report, never to act on."""
    try:
        return children(objects, tree, path), []
    except BadTree as bad:
        strict = bad
    try:
        entries = parse_tree(read_tree(objects, tree, path))
    except BadTree:
        return (), [strict]
    faults = list(islice(_faults(entries, path), FAULTS_MAX))
    kept = [
        mode + b" " + name + b"\0" + oid for mode, name, oid in entries if not fault(mode, name)
    ]
    try:
        return judge(b"".join(kept), path), faults
    except BadTree as bad:
        return (), [*faults, bad]


def judge(raw: bytes, path: str) -> tuple[Entry, ...]:
    """Return the entries of a raw tree, judged without knowing any other."""
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
    fields = zip(map(bytes.decode, names), trees, oids, strict=True)
    # What `Entry._make` does, without a call of Python's for each of a thousand.
    return tuple(map(tuple.__new__, repeat(Entry), fields))


def _first_fault(raw: bytes, path: str) -> BadTree:
    try:
        first = next(_faults(parse_tree(raw), path), None)
    except BadTree as bad:
        return BadTree(path, bad.reason)
    return first or BadTree(path, "not a tree that git would write")


def _faults(entries: Iterable[tuple[bytes, bytes, Oid]], path: str) -> Iterator[BadTree]:
    """Yield what is wrong with each entry by itself."""
    for mode, name, _ in entries:
        found = fault(mode, name)
        if found is not None:
            yield BadTree(join(path, _shown(name)), found[0], hint=found[1])


def fault(mode: bytes, name: bytes) -> tuple[str, str] | None:
    """Return why an entry is not one we read, and what helps; `None` when it is."""
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


def join(path: str, name: str) -> str:
    """Return the path of an entry below `path`, which may be the top."""
    return f"{path}/{name}" if path else name
