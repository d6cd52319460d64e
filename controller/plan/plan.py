"""A plan: how many rows of each table come, change, move and go, in what words an ack names it.

The digest covers the environment, the release the store holds, the release it shall hold, and every
file that changes, in order: the rows it makes the store drop and put, or, where all of a plain
file's rows come or go, its bytes and windows; not the commit. One way from here to there has one
digest, whoever works it out.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from controller.kernel.canonical import Digest, canonical, sha256
from controller.kernel.instants import Window, union
from controller.plan.changes import FileChange, rows_of
from controller.plan.rows import STORED_TABLES, StoredRow, row_text, window_text
from controller.plan.shard import ShardChange
from controller.plan.whole import WholeFile

SAMPLES_MAX = 5
KEPT_ROWS_MAX = 50_000
_RECORD = "\x1e"
_KINDS = "DEMA"  # E: modified, and ending
Windows: TypeAlias = tuple[Window, ...]


@dataclass(frozen=True, slots=True)
class TableCounts:
    """How one table changes, in keys; `rows_put` and `rows_dropped` count stored rows.

    `ending` are those of the modified keys that will not be visible at some instant at which they
    would have been: cut short, put off, or away for a while."""

    added: int = 0
    modified: int = 0
    ending: int = 0
    removed: int = 0
    moved: int = 0
    rows_put: int = 0
    rows_dropped: int = 0


@dataclass(frozen=True, slots=True)
class Beginnings:
    """How many keys of a table get rows that begin later than now, and between which instants."""

    keys: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Sample:
    """One change to show: its letter (A, M or D), the key, and the rows dropped and put for it."""

    letter: str
    table: str
    key: tuple[str, ...]
    before: tuple[StoredRow, ...]
    after: tuple[StoredRow, ...]
    ending: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The way from one release to another. `base` is `None` when nothing was applied yet."""

    environment: str
    base: Digest | None
    target: Digest
    counts: dict[str, TableCounts]
    endless: dict[str, int]
    """How many more of each table's stored rows will have no end; below zero: fewer."""
    beginnings: dict[str, Beginnings]
    samples: tuple[Sample, ...]
    digest: Digest
    shards: tuple[FileChange, ...] | None
    """The changes themselves, or `None` when they are too many to keep: walk them again."""

    @property
    def is_empty(self) -> bool:
        """Whether no stored row changes."""
        return not self.counts

    @property
    def changed_rows(self) -> dict[str, int]:
        """How many stored rows of each table come or go: what chooses the way of applying."""
        return {
            table: max(counts.rows_put, counts.rows_dropped)
            for table, counts in self.counts.items()
        }


def make_plan(
    environment: str,
    base: Digest | None,
    target: Digest,
    changes: Iterable[FileChange],
    *,
    one_sided: bool = False,
    now: datetime | None = None,
) -> Plan:
    """Read all changes and return the plan; say `one_sided` when rows only come or only go.

    What a key loses before `now` does not count as ending; without it, every instant counts.
    """
    tally = Tally(one_sided=one_sided, now=now)
    for change in changes:
        tally.add(change)
    return tally.plan(environment, base, target)


@dataclass(slots=True)
class _Count:
    added: int = 0
    modified: int = 0
    ending: int = 0
    removed: int = 0
    moved: int = 0
    rows_put: int = 0
    rows_dropped: int = 0
    endless: int = 0
    beginning: int = 0
    first: datetime | None = None
    last: datetime | None = None

    def whole(self, file: WholeFile) -> None:
        """Count the keys and the stored rows of a whole file."""
        self.added += file.facts.rows if file.coming else 0
        self.removed += file.facts.rows if file.going else 0
        self.rows_put += file.rows_put
        self.rows_dropped += file.rows_dropped
        self.endless += file.facts.rows * sum(window.end is None for window in file.coming)
        self.endless -= file.facts.rows * sum(window.end is None for window in file.going)

    def rows(self, shard: ShardChange) -> None:
        """Count the stored rows of one file."""
        self.rows_put += len(shard.added)
        self.rows_dropped += len(shard.removed)
        self.endless += sum(row.window.end is None for row in shard.added)
        self.endless -= sum(row.window.end is None for row in shard.removed)

    def begins(self, start: datetime, keys: int = 1) -> None:
        """Count keys that get a row from an instant on."""
        self.beginning += keys
        self.first = start if self.first is None else min(self.first, start)
        self.last = start if self.last is None else max(self.last, start)

    def beginnings(self) -> Beginnings | None:
        """Return from when rows are put, where it is later than now."""
        if self.first is None or self.last is None:
            return None
        return Beginnings(self.beginning, self.first, self.last)

    def table(self) -> TableCounts:
        """Return what the plan keeps."""
        return TableCounts(
            self.added,
            self.modified,
            self.ending,
            self.removed,
            self.moved,
            self.rows_put,
            self.rows_dropped,
        )


class Tally:
    """Counts changes one by one.

    A row that leaves one file and comes into another is found by its key at the end. `one_sided`
    says that there can be none; then nothing is remembered.
    """

    def __init__(self, *, one_sided: bool = False, now: datetime | None = None) -> None:
        self._one_sided = one_sided
        self._now = now
        self._counts: dict[str, _Count] = {}
        self._pending: dict[str, dict[int, _Pending]] = {}
        self._windows: dict[Windows, Windows] = {}
        self._samples: dict[tuple[str, str], list[Sample]] = {}
        self._files = hashlib.sha256()
        self._kept: list[FileChange] | None = []
        self._kept_rows = 0

    def add(self, change: FileChange) -> None:
        """Count one file's change."""
        self._files.update(hashlib.sha256(_record(change).encode()).digest())
        self._keep(change)
        if isinstance(change, WholeFile) and self._one_sided:
            self._add_whole(change)
        else:
            self._add_rows(rows_of(change))

    def _add_whole(self, file: WholeFile) -> None:
        count = self._counts.setdefault(file.table, _Count())
        count.whole(file)
        start = _next_start(file.coming, self._now)
        if start is not None:
            count.begins(start, file.facts.rows)
        kind = "A" if file.coming else "D"
        if len(self._samples.get((file.table, kind), ())) < SAMPLES_MAX:
            shard = rows_of(file)
            for some in _by_key(shard.removed).values():
                self._sample("D", file.table, some, [])
            for some in _by_key(shard.added).values():
                self._sample("A", file.table, [], some)

    def _add_rows(self, shard: ShardChange) -> None:
        count = self._counts.setdefault(shard.table, _Count())
        count.rows(shard)
        old, new = _by_key(shard.removed), _by_key(shard.added)
        for key, before in old.items():
            after = new.pop(key, [])
            if after and _same_time(before, after):
                self._count(shard.table, "M", _windows(after))
                self._sample("M", shard.table, before, after)
            else:
                self._meet(shard.table, key, before, after)
        for key, after in new.items():
            self._meet(shard.table, key, [], after)

    def plan(self, environment: str, base: Digest | None, target: Digest) -> Plan:
        """Return the plan for everything that was counted."""
        counts, endless, beginnings = {}, {}, {}
        for table in STORED_TABLES:
            count = self._counts.get(table)
            if count is not None:
                self._settle(table, count)
                counts[table], endless[table] = count.table(), count.endless
                if (some := count.beginnings()) is not None:
                    beginnings[table] = some
        digest = sha256(
            canonical(
                {
                    "environment": environment,
                    "base": base,
                    "target": target,
                    "changes": self._files.hexdigest(),
                    "version": 2,
                }
            )
        )
        samples = tuple(
            sample
            for table in STORED_TABLES
            for kind in _KINDS
            for sample in self._samples.get((table, kind), ())
        )
        kept = None if self._kept is None else tuple(self._kept)
        return Plan(environment, base, target, counts, endless, beginnings, samples, digest, kept)

    def _meet(self, table: str, key: int, before: list[StoredRow], after: list[StoredRow]) -> None:
        """Count a key of which another file may hold more; when none can, at once."""
        if self._one_sided:
            self._count(table, "D" if before else "A", _windows(after))
            self._sample("D" if before else "A", table, before, after)
            return
        some = self._pending.setdefault(table, {})
        pending = some.get(key)
        if pending is None:
            # Rows to show are kept only while everything is still small.
            shown = self._kept is not None or len(some) < SAMPLES_MAX
            pending = some[key] = _Pending(shown=shown)
        pending.old ^= _signature(before)
        pending.new ^= _signature(after)
        pending.went = self._interned(pending.went + _windows(before))
        pending.came = self._interned(pending.came + _windows(after))
        if pending.shown:
            pending.before += before
            pending.after += after

    def _interned(self, windows: Windows) -> Windows:
        """Return equal windows as one object: nearly all keys have the same few."""
        return self._windows.setdefault(windows, windows)

    def _settle(self, table: str, count: _Count) -> None:
        loses: dict[tuple[Windows, Windows], bool] = {}  # nearly all keys have the same few
        for pending in self._pending.pop(table, {}).values():
            went, came = pending.went, pending.came
            if went and came and pending.old == pending.new:
                count.moved += 1
                continue
            kind = "D" if not came else "A" if not went else "M"
            if kind == "M":
                lost = loses.get((went, came))
                if lost is None:
                    lost = loses[went, came] = _loses(went, came, self._now)
                kind = "E" if lost else "M"
            self._count(table, kind, came)
            if pending.shown:
                self._sample(kind, table, pending.before, pending.after)

    def _count(self, table: str, kind: str, after: Windows) -> None:
        count = self._counts[table]
        count.added += kind == "A"
        count.modified += kind in "ME"
        count.ending += kind == "E"
        count.removed += kind == "D"
        start = _next_start(after, self._now)
        if start is not None:
            count.begins(start)

    def _sample(
        self, kind: str, table: str, before: list[StoredRow], after: list[StoredRow]
    ) -> None:
        some = self._samples.setdefault((table, kind), [])
        if len(some) < SAMPLES_MAX:
            ending = kind == "E"
            letter = "M" if ending else kind
            parts = (before or after)[0].parts
            some.append(Sample(letter, table, parts, _in_time(before), _in_time(after), ending))

    def _keep(self, change: FileChange) -> None:
        if isinstance(change, ShardChange):
            self._kept_rows += len(change.added) + len(change.removed)
        if self._kept_rows > KEPT_ROWS_MAX:
            self._kept = None
        if self._kept is not None:
            self._kept.append(change)


class _Pending:
    """A key that some file changes; what its rows were is remembered as a number.

    `went` and `came` are the windows of the rows that are dropped and put.
    """

    __slots__ = ("after", "before", "came", "new", "old", "shown", "went")

    def __init__(self, *, shown: bool) -> None:
        self.old = self.new = 0
        self.went: Windows = ()
        self.came: Windows = ()
        self.shown = shown
        self.before: list[StoredRow] = []
        self.after: list[StoredRow] = []


def _record(change: FileChange) -> str:
    """Return what the digest covers of one file; only a whole file's has an equals sign."""
    lines = [f"{change.source.bundle}\x1f{change.source.path}"]
    if isinstance(change, WholeFile):
        lines.append(f"={change.facts.sha256.hex()}")
        lines += ["-" + window_text(window) for window in change.going]
        lines += ["+" + window_text(window) for window in change.coming]
    else:
        lines += ["-" + row_text(row) for row in change.removed]
        lines += ["+" + row_text(row) for row in change.added]
    return _RECORD.join(lines)


def _windows(rows: list[StoredRow]) -> Windows:
    return tuple([row.window for row in rows])


def _in_time(rows: list[StoredRow]) -> tuple[StoredRow, ...]:
    return tuple(sorted(rows, key=lambda row: row.window.order))


def _same_time(before: list[StoredRow], after: list[StoredRow]) -> bool:
    """Whether rows of one key are visible at the same instants; nearly always one row each."""
    if len(before) == len(after) == 1:
        return before[0].window == after[0].window
    return union(_windows(before)) == union(_windows(after))


def _loses(before: Windows, after: Windows, now: datetime | None) -> bool:
    """Whether some instant from `now` on is in `before` but not in `after`."""
    ahead = Window(now, None)
    left, right = (
        [found for one in some if (found := one.intersect(ahead)) is not None]
        for some in (before, after)
    )
    return union([*left, *right]) != union(right)


def _next_start(windows: Windows, now: datetime | None) -> datetime | None:
    """Return the first instant after `now` at which one of the windows begins."""
    starts = [one.start for one in windows if one.start is not None]
    return min((start for start in starts if now is None or start > now), default=None)


def _signature(rows: list[StoredRow]) -> int:
    signature = 0
    for row in rows:
        signature ^= hash((row.window, row.cells))
    return signature


def _by_key(rows: tuple[StoredRow, ...]) -> dict[int, list[StoredRow]]:
    found: dict[int, list[StoredRow]] = {}
    for row in rows:
        found.setdefault(row.key, []).append(row)
    return found
