"""Walk git trees from strangers: whole trees, one path, or where several trees differ.

Every level is judged before it is used (`tree`); levels, entries and sizes are bounded. Nothing is
checked out and no blob is read before its header said how big it is. At the top of a repository
other people's entries (`README.md`, `.github`) stand beside ours: `find` passes over them, every
other function is strict.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from controller.artifacts import levels
from controller.artifacts.levels import BadTree, Entry, Level, TooLarge, children, join, parse_tree
from controller.kernel.errors import Corrupt
from controller.kernel.objects import Objects, Oid

ENTRIES_MAX = 200_000
DEPTH_MAX = 12
COMPARED_MAX = 10_000
TOP_SIZE_MAX_BYTES = 64 * 1024
"""The top of a repository, where names of any kind stand: some 1,500 of them."""

TOPS_MAX = 16
"""So many tops are remembered: a pass asks for what stands in the same one again and again."""

_DIRECTORIES = (b"40000", b"040000")


class File(NamedTuple):
    """A plain file and the id of its bytes."""

    path: str
    oid: Oid


class Place(NamedTuple):
    """A name in several trees: what stands there in each, `None` where nothing does."""

    name: str
    is_tree: bool
    oids: tuple[Oid | None, ...]


class Compared:
    """Levels that were held against one another, for who asks the same again: bounded."""

    def __init__(self) -> None:
        self._known: dict[tuple[bool, tuple[Oid | None, ...]], list[Place]] = {}
        self._places = 0
        self.get = self._known.get

    def put(self, key: tuple[bool, tuple[Oid | None, ...]], places: list[Place]) -> None:
        """Keep the places of a level; beyond the bound none is kept any more."""
        self._places += 1 + len(places)
        if self._places <= COMPARED_MAX:
            self._known[key] = places


@dataclass(slots=True)
class _Budget:
    path: str
    entries: int = 0

    def spend(self, count: int) -> None:
        self.entries += count
        if self.entries > ENTRIES_MAX:
            raise TooLarge(self.path, size=self.entries, size_max=ENTRIES_MAX, unit="entries")


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
            here = join(below, entry.name)
            _refuse_depth(len(stack), here)
            stack.append(_listing(objects, entry.oid, here, budget, faults))
        else:
            yield File(join(below, entry.name), entry.oid)


def find(objects: Objects, tree: Oid, path: str) -> Entry | None:
    """Return the entry at `a/b/c` below a tree, or `None`; only the first level may hold others."""
    parts = path.split("/")
    found = _find_first(objects, tree, parts[0])
    for depth, part in enumerate(parts[1:], start=1):
        if found is None or not found.is_tree:
            return None
        below = "/".join(parts[:depth])
        level = levels.level(levels.read_tree(objects, found.oid, below), below)
        found = level.named(part, is_tree=False) or level.named(part, is_tree=True)
    return found


def differing(
    objects: Objects,
    trees: Sequence[Oid | None],
    path: str,
    same: Callable[[tuple[Oid | None, ...]], bool],
    compared: Compared | None = None,
) -> Iterator[tuple[str, tuple[Oid | None, ...]]]:
    """Yield each file where the trees differ: its path, and its id in each tree (`None`: absent).

    `same` is asked with the ids found in one place, of directories as of files, and prunes the
    walk wherever it says yes; of places where all trees hold one id it says the same everywhere.
    Paths come in byte order, with `path` before each. With `compared`, what one walk has held
    against one another another walk over the same trees, in the same order, need not.
    """
    budget = _Budget(path)
    compared = Compared() if compared is None else compared
    roots = tuple(trees)
    some = next((root for root in roots if root is not None), None)
    if some is None or same(roots):
        return
    equal_too = not same((some,) * len(roots))

    def level(places: tuple[Oid | None, ...], here: str) -> Iterator[Place]:
        key = equal_too, places
        known = compared.get(key)
        if known is None:
            known = _merged(objects, places, here, budget, equal_too=equal_too)
            compared.put(key, known)
        return iter(known)

    stack = [(path, level(roots, path))]
    while stack:
        below, places = stack[-1]
        place = next(places, None)
        if place is None:
            stack.pop()
            continue
        name, is_tree, oids = place
        here = join(below, name)
        if same(oids):
            continue
        if is_tree:
            _refuse_depth(len(stack), here)
            stack.append((here, level(oids, here)))
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


def _find_first(objects: Objects, tree: Oid, name: str) -> Entry | None:
    found = _top(levels.read_tree(objects, tree, "", TOP_SIZE_MAX_BYTES)).get(name.encode(), [])
    if not found:
        return None
    mode, raw_name, oid = found[0]
    fault = levels.fault(mode, raw_name)
    if fault is not None:
        raise BadTree(name, fault[0], hint=fault[1])
    if len(found) > 1:
        raise BadTree(name, "a name that stands twice")
    return Entry(name, mode == _DIRECTORIES[0], oid)


@lru_cache(maxsize=TOPS_MAX)
def _top(raw: bytes) -> Mapping[bytes, list[tuple[bytes, bytes, Oid]]]:
    """Return the entries of a repository's top by name, in order, and not yet judged."""
    entries = parse_tree(raw)
    keys = [other + b"/" if mode in _DIRECTORIES else other for mode, other, _ in entries]
    if len(set(keys)) != len(keys) or sorted(keys) != keys:
        raise BadTree("", "entries out of order, or a name that stands twice")
    found: dict[bytes, list[tuple[bytes, bytes, Oid]]] = {}
    for entry in entries:
        found.setdefault(entry[1], []).append(entry)
    return found


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
        entries, bad = levels.judged(objects, tree, path)
        faults += bad
        budget.spend(len(bad))
        if len(faults) > levels.FAULTS_MAX:
            raise TooLarge(path, size=len(faults), size_max=levels.FAULTS_MAX, unit="faults")
    budget.spend(len(entries))
    return path, iter(entries)


def _merged(
    objects: Objects,
    trees: tuple[Oid | None, ...],
    path: str,
    budget: _Budget,
    *,
    equal_too: bool,
) -> list[Place]:
    """Return the places of one level, in byte order.

    Places where all trees hold one id are left out unless `equal_too`: nearly all of them are.
    """
    found: dict[Oid, Level] = {}
    for tree in trees:
        if tree is not None and tree not in found:
            found[tree] = levels.level(levels.read_tree(objects, tree, path), path)
            budget.spend(len(found[tree].entries))
    unlike = _unlike(found, alike_too=equal_too or None in trees)
    places: dict[tuple[str, bool], list[Oid | None]] = {}
    for index, tree in enumerate(trees):
        for name, is_tree, oid in unlike[tree] if tree is not None else ():
            place = places.get((name, is_tree))
            if place is None:
                place = places[name, is_tree] = [None] * len(trees)
            place[index] = oid
    ordered = sorted(places, key=lambda place: place[0] + "/" if place[1] else place[0])
    return [Place(name, is_tree, tuple(places[name, is_tree])) for name, is_tree in ordered]


def _unlike(found: Mapping[Oid, Level], *, alike_too: bool) -> dict[Oid, frozenset[Entry]]:
    """Return the entries of each level, those that stand in all of them only if `alike_too`."""
    levels_found = list(found.values())
    if alike_too:
        some = [level.set for level in levels_found]
    elif len(levels_found) == 2:
        some = list(levels_found[0].unlike(levels_found[1]))
    else:
        shared = frozenset.intersection(*(level.set for level in levels_found))
        some = [level.set - shared for level in levels_found]
    return dict(zip(found, some, strict=True))


def _refuse_depth(depth: int, path: str) -> None:
    if depth >= DEPTH_MAX:
        raise TooLarge(path, size=depth + 1, size_max=DEPTH_MAX, unit="levels")
