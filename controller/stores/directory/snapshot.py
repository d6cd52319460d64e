"""The directory as a resolver holds it in memory: a base file, and what changed since.

A value that never changes: a new revision makes a new one that shares nearly all of the old one,
so whoever is reading goes on with what they began with. Nothing here asks the database.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from controller.stores.directory.snapshot_base import INDEXES, Base
from controller.stores.directory.snapshot_records import (
    ALWAYS,
    NEVER,
    Record,
    place,
    read,
)

CHANGED_MAX = 10_000
"""So many changed keys are held beside a base; more ask for a new one."""

Groups = Mapping[int, tuple[bytes, ...]]
"""By key, all rows of the key as they are now; none where it has gone."""


@dataclass(frozen=True, slots=True)
class Level:
    """The changed card ranges of one level, by their first numbers."""

    begins: list[int]
    ranges: list[tuple[int, bytes]]
    """The last number and the record of each."""


@dataclass(frozen=True, slots=True)
class Rows:
    """All rows that a resolver answers from."""

    base: Base
    changed: Mapping[str, Groups] = field(default_factory=dict)
    ranges: Groups = field(default_factory=dict)
    levels: Mapping[int, Level] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    boundaries: tuple[int, ...] = ()
    """Instants at which something changed begins or ends, beside those of the base."""

    @property
    def changes(self) -> int:
        """How many keys are held beside the base."""
        return sum(map(len, self.changed.values())) + len(self.ranges)

    def find(self, index: str, key: int) -> Sequence[bytes]:
        """Return the rows of a key."""
        groups = self.changed.get(index)
        if groups:
            changed = groups.get(key)
            if changed is not None:
                return changed
        return self.base.find(index, key)

    def visible(self, index: str, key: int, name: bytes, at: int) -> Record | None:
        """Return the row of a name that is visible at an instant; two names may share a key."""
        # What `find` does, without a call: each answer comes here twice.
        groups = self.changed.get(index)
        some = groups.get(key) if groups else None
        for data in self.base.find(index, key) if some is None else some:
            record = read(data)
            if record.name == name and record.starts <= at < record.ends:
                return record
        return None

    def named(self, index: str, key: int, name: bytes) -> list[Record]:
        """Return the rows of a name, visible or not."""
        return [record for record in map(read, self.find(index, key)) if record.name == name]

    def ranges_around(self, lo: int, hi: int) -> list[tuple[int, int, Record]]:
        """Return every card range that holds all numbers of a span, the smallest first.

        Each comes behind its size and its start, by which they are ordered.
        """
        found = []
        for size, data in self.base.ranges_around(lo, hi):
            if not self.ranges or place(data)[0] not in self.ranges:
                record = read(data)
                found.append((size, record.starts, record))
        for level, some in self.levels.items():
            at = bisect_right(some.begins, lo)
            lowest = lo - (1 << level)
            while at > 0 and some.begins[at - 1] > lowest:
                at -= 1
                last, data = some.ranges[at]
                if last >= hi:
                    record = read(data)
                    found.append((last - some.begins[at], record.starts, record))
        found.sort()
        return found

    def ranges_of(self, key: int, lo: int) -> Sequence[bytes]:
        """Return the card ranges of a row key, which all begin with one number."""
        changed = self.ranges.get(key)
        if changed is not None:
            return changed
        return [data for data in self.base.ranges_from(lo) if place(data)[0] == key]

    def count(self, table: str) -> int:
        """Return how many rows of a table there are."""
        return self.counts.get(table, self.base.rows[table])

    def with_changes(
        self, groups: Mapping[str, Groups], ranges: Mapping[tuple[int, int], tuple[bytes, ...]]
    ) -> "Rows":
        """Return the rows after some keys have got other ones; a range comes by its key and lo."""
        counts = {table: self.count(table) for table in self.base.rows}
        edges = set(self.boundaries)
        for index, some in groups.items():
            table = INDEXES[index].table
            if index != "identifiers_of":  # the same rows as those of identifiers
                gone = sum(len(self.find(index, key)) for key in some)
                counts[table] += sum(map(len, some.values())) - gone
            edges.update(_edges(some))
        for (key, lo), rows in ranges.items():
            counts["ranges"] += len(rows) - len(self.ranges_of(key, lo))
        by_key = {key: rows for (key, _), rows in ranges.items()}
        edges.update(_edges(by_key))
        spans = {**self.ranges, **by_key} if by_key else self.ranges
        return replace(
            self,
            changed={
                index: {**self.changed.get(index, {}), **groups.get(index, {})} for index in INDEXES
            },
            ranges=spans,
            levels=_levels(spans) if by_key else self.levels,
            counts=counts,
            boundaries=tuple(sorted(edges)),
        )

    def around(self, at: int) -> tuple[int, int]:
        """Return the last boundary up to an instant and the next one after it."""
        last, following = ALWAYS, NEVER
        for edges in (self.base.boundaries, self.boundaries):
            index = bisect_right(edges, at)
            if index > 0:
                last = max(last, edges[index - 1])
            if index < len(edges):
                following = min(following, edges[index])
        return last, following


def _edges(groups: Groups) -> Iterator[int]:
    for rows in groups.values():
        for data in rows:
            record = read(data)
            yield from {record.starts, record.ends} - {ALWAYS, NEVER}


def _levels(groups: Groups) -> dict[int, Level]:
    some: dict[int, list[tuple[int, int, bytes]]] = {}
    for rows in groups.values():
        for data in rows:
            record = read(data)
            some.setdefault(record.number, []).append((record.ref, int(record.more), data))
    return {
        level: Level([one[0] for one in sorted(ranges)], [one[1:] for one in sorted(ranges)])
        for level, ranges in some.items()
    }
