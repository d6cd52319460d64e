"""What changes between two sets of live versions, one file at a time and only where files differ.

A walk over all versions' trees at once stops wherever every object found in a place counts in the
same windows before and after. Of the files that are left only the lines that differ are parsed. So
the work grows with the change. Where rows only come or only go, a plain file stays whole: its rows
need not be made to know what becomes of them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple, TypeAlias

from controller.artifacts import layout, walk
from controller.artifacts.layout import BundleId
from controller.kernel.instants import union
from controller.kernel.objects import Objects, Oid
from controller.plan.live import LiveVersion, coverage
from controller.plan.rows import RULES, STORED_TABLES, SourceFile
from controller.plan.shard import (
    Content,
    ShardChange,
    UnreadableRows,
    Windows,
    apart,
    shard_change,
)
from controller.plan.whole import FileFacts, WholeFile, read_facts

FILE_SIZE_MAX_BYTES = 128 * 1024 * 1024
_BATCH_FILES = 64

FileChange: TypeAlias = ShardChange | WholeFile
_Coverage: TypeAlias = dict[Oid, Windows]


class Counted(NamedTuple):
    """One of a file's contents, by its id, and when it counts before and after."""

    oid: Oid
    before: Windows
    after: Windows


class Place(NamedTuple):
    """A file that does not count alike before and after, with all its contents."""

    source: SourceFile
    table: str
    contents: tuple[Counted, ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """The way from the applied versions to the desired ones; iterate it as often as needed."""

    objects: Objects
    applied: tuple[LiveVersion, ...]
    desired: tuple[LiveVersion, ...]
    facts: dict[Oid, FileFacts] = field(default_factory=dict, compare=False)
    """What is known of files that somebody has read; of the others it is learnt on the way."""
    compared: walk.Compared = field(default_factory=walk.Compared, compare=False)
    """The levels of the trees that somebody has held against one another."""

    @property
    def is_one_sided(self) -> bool:
        """Whether rows only come or only go, so that no row can be on both sides."""
        sides = list(self._differing())
        return not any(before for _, before, _ in sides) or not any(after for _, _, after in sides)

    def __iter__(self) -> Iterator[FileChange]:
        """Yield the change of each file that has one, by bundle and path."""
        may_be_whole = self.is_one_sided
        for batch in _batches(self.places()):
            blobs = self._read(
                [place for place in batch if not (may_be_whole and self._is_plain(place))]
            )
            for place in batch:
                whole = self._whole(place, blobs) if may_be_whole else None
                change = whole if whole is not None else _rows(place, blobs)
                if change is not None:
                    yield change

    def shards(self) -> Iterator[ShardChange]:
        """Yield the same with all rows: for few of them, and for tests."""
        return map(rows_of, self)

    def places(self) -> Iterator[Place]:
        """Yield each file of a table that does not count alike before and after; read none."""
        for bundle, before, after in self._differing():
            yield from _places(self.objects, bundle, before, after, self.compared)

    def _is_plain(self, place: Place) -> bool:
        facts = self.facts.get(place.contents[0].oid) if len(place.contents) == 1 else None
        return facts is not None and facts.is_plain

    def _whole(self, place: Place, blobs: Mapping[Oid, bytes]) -> WholeFile | None:
        """Return a plain file's change, or `None` where rows have to be looked at."""
        if len(place.contents) > 1 or place.table == RULES.name:
            return None
        (one,) = place.contents
        if one.oid not in self.facts:
            self.facts[one.oid] = read_facts(blobs[one.oid], place.table)
        facts = self.facts[one.oid]
        if not facts.is_plain or not facts.rows:
            return None
        going, coming = apart(one.before, one.after)
        return WholeFile(place.source, place.table, one.oid, facts, going, coming, self.objects)

    def _read(self, places: Sequence[Place]) -> dict[Oid, bytes]:
        """Read the contents of some files: headers first, then the contents in one go."""
        wanted = {one.oid: place.source.path for place in places for one in place.contents}
        for oid, path in wanted.items():
            walk.check_blob(self.objects, oid, path, FILE_SIZE_MAX_BYTES)
        return dict(zip(wanted, self.objects.read_many(wanted), strict=True))

    def _differing(self) -> Iterator[tuple[BundleId, _Coverage, _Coverage]]:
        """Yield each bundle that does not count alike before and after; the others cost nothing."""
        before, after = _by_bundle(self.applied), _by_bundle(self.desired)
        differing = [
            bundle for bundle in {*before, *after} if before.get(bundle) != after.get(bundle)
        ]
        for bundle in sorted(differing, key=str):
            old, new = coverage(before.get(bundle, ())), coverage(after.get(bundle, ()))
            if old != new:
                yield bundle, old, new


def rows_of(change: FileChange) -> ShardChange:
    """Return a change with its rows, which are made here where it is a whole file."""
    if isinstance(change, ShardChange):
        return change
    contents = [Content(change.data(), change.going, change.coming)]
    made = shard_change(change.source, change.table, contents)
    assert made is not None  # a whole file has rows, and they come or go
    return made


def _by_bundle(versions: Iterable[LiveVersion]) -> dict[BundleId, list[LiveVersion]]:
    found: dict[BundleId, list[LiveVersion]] = {}
    for live in versions:
        found.setdefault(live.bundle, []).append(live)
    return found


def _places(
    objects: Objects,
    bundle: BundleId,
    before: _Coverage,
    after: _Coverage,
    compared: walk.Compared,
) -> Iterator[Place]:
    trees = sorted({*before, *after})
    places = [(before.get(tree, ()), after.get(tree, ())) for tree in trees]
    prefix = layout.files_path(bundle)

    def windows(oids: tuple[Oid | None, ...], oid: Oid, side: int) -> Windows:
        if oids.count(oid) == 1:
            return places[oids.index(oid)][side]
        here = [places[index][side] for index, one in enumerate(oids) if one == oid]
        return union(window for some in here for window in some)

    moves = [before != after for before, after in places]
    everywhere = tuple(union(some for place in places for some in place[side]) for side in (0, 1))

    def same(oids: tuple[Oid | None, ...]) -> bool:
        if oids.count(oids[0]) == len(oids):  # nearly every place of a large tree
            return everywhere[0] == everywhere[1]
        # Of two trees, one that comes for one that goes, this is all there is to see.
        for oid, moved in zip(oids, moves, strict=True):
            if moved and oid is not None and oids.count(oid) == 1:
                return False
        present = {oid for oid in oids if oid is not None}
        return all(windows(oids, oid, 0) == windows(oids, oid, 1) for oid in present)

    for path, oids in walk.differing(objects, trees, prefix, same, compared):
        table = table_of(path, prefix)
        if table is not None:
            contents = tuple(
                Counted(oid, windows(oids, oid, 0), windows(oids, oid, 1))
                for oid in dict.fromkeys(oids)
                if oid is not None
            )
            yield Place(SourceFile(str(bundle), path), table, contents)


def _rows(place: Place, blobs: Mapping[Oid, bytes]) -> ShardChange | None:
    contents = [Content(blobs[one.oid], one.before, one.after) for one in place.contents]
    try:
        return shard_change(place.source, place.table, contents)
    except ValueError as error:
        # A draft may hold anything: bytes that are no text, a range that is no number.
        reason = f"a line is not a row of {place.table}"
        raise UnreadableRows(place.source.path, reason) from error


def _batches(places: Iterable[Place]) -> Iterator[list[Place]]:
    numbered = enumerate(places)
    for _, some in groupby(numbered, key=lambda pair: pair[0] // _BATCH_FILES):
        yield [place for _, place in some]


def table_of(path: str, prefix: str) -> str | None:
    """Return the table a file belongs to, or `None` when it belongs to none."""
    first, _, rest = path.removeprefix(prefix + "/").partition("/")
    if not rest:  # a table of one file; rules are documents in a folder
        name = first.removesuffix(".csv")
        return name if name in STORED_TABLES and name not in (first, RULES.name) else None
    suffix = ".json" if first == RULES.name else ".csv"
    return first if first in STORED_TABLES and rest.endswith(suffix) else None
