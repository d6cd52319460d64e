"""A plan: how many rows of each table come, change, move and go, in what words an ack names it.

The digest covers the environment, the release the store holds, the release it shall hold, and every
row that is dropped or put, in order; not the commit. One way from here to there has one digest,
whoever works it out.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from controller.kernel.canonical import Digest, canonical, sha256
from controller.plan.changes import ShardChange
from controller.plan.rows import STORED_TABLES, StoredRow, row_text

SAMPLES_MAX = 5
KEPT_ROWS_MAX = 50_000
_RECORD = "\x1e"


@dataclass(frozen=True, slots=True)
class TableCounts:
    """How one table changes, in keys; `rows_put` and `rows_dropped` count stored rows."""

    added: int = 0
    modified: int = 0
    removed: int = 0
    moved: int = 0
    rows_put: int = 0
    rows_dropped: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """One change to show: its letter (A, M or D), the key, and a row before and after."""

    letter: str
    table: str
    key: tuple[str, ...]
    before: StoredRow | None
    after: StoredRow | None


@dataclass(frozen=True, slots=True)
class Plan:
    """The way from one release to another. `base` is `None` when nothing was applied yet."""

    environment: str
    base: Digest | None
    target: Digest
    counts: dict[str, TableCounts]
    samples: tuple[Sample, ...]
    digest: Digest
    shards: tuple[ShardChange, ...] | None
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
    changes: Iterable[ShardChange],
    *,
    one_sided: bool = False,
) -> Plan:
    """Read all changes and return the plan; say `one_sided` when rows only come or only go."""
    tally = Tally(one_sided=one_sided)
    for _ in tally.through(changes):
        pass
    return tally.plan(environment, base, target)


@dataclass(slots=True)
class _Count:
    added: int = 0
    modified: int = 0
    removed: int = 0
    moved: int = 0
    rows_put: int = 0
    rows_dropped: int = 0


class Tally:
    """Counts changes while they pass by, so that a first load is read once.

    A row that leaves one file and comes into another is found by its key at the end. `one_sided`
    says that there can be none; then nothing is remembered.
    """

    def __init__(self, *, one_sided: bool = False) -> None:
        self._one_sided = one_sided
        self._counts: dict[str, _Count] = {}
        self._pending: dict[str, dict[int, _Pending]] = {}
        self._samples: dict[tuple[str, str], list[Sample]] = {}
        self._files = hashlib.sha256()
        self._kept: list[ShardChange] | None = []
        self._kept_rows = 0

    def through(self, changes: Iterable[ShardChange]) -> Iterator[ShardChange]:
        """Yield every change after it has been counted."""
        for shard in changes:
            self.add(shard)
            yield shard

    def add(self, shard: ShardChange) -> None:
        """Count one file's change."""
        self._digest(shard)
        self._keep(shard)
        count = self._counts.setdefault(shard.table, _Count())
        count.rows_put += len(shard.added)
        count.rows_dropped += len(shard.removed)
        if self._one_sided and len(self._samples.get((shard.table, "A"), ())) == SAMPLES_MAX:
            count.added += len({row.key for row in shard.added})
            count.removed += len({row.key for row in shard.removed})
            return
        old, new = _by_key(shard.removed), _by_key(shard.added)
        for key, before in old.items():
            after = new.pop(key, None)
            if after is not None:
                count.modified += 1
                self._sample("M", shard.table, before, after)
            else:
                self._go(count, shard.table, key, before)
        for key, after in new.items():
            self._come(count, shard.table, key, after)

    def plan(self, environment: str, base: Digest | None, target: Digest) -> Plan:
        """Return the plan for everything that was counted."""
        counts = {}
        for table in STORED_TABLES:
            count = self._counts.get(table)
            if count is not None:
                self._settle(table, count)
                counts[table] = TableCounts(
                    count.added,
                    count.modified,
                    count.removed,
                    count.moved,
                    count.rows_put,
                    count.rows_dropped,
                )
        digest = sha256(
            canonical(
                {
                    "environment": environment,
                    "base": base,
                    "target": target,
                    "changes": self._files.hexdigest(),
                    "version": 1,
                }
            )
        )
        samples = tuple(
            sample
            for table in STORED_TABLES
            for letter in "DMA"
            for sample in self._samples.get((table, letter), ())
        )
        kept = None if self._kept is None else tuple(self._kept)
        return Plan(environment, base, target, counts, samples, digest, kept)

    def _go(self, count: _Count, table: str, key: int, rows: list[StoredRow]) -> None:
        if self._one_sided:
            count.removed += 1
            self._sample("D", table, rows, [])
            return
        pending = self._pending.setdefault(table, {}).setdefault(key, _Pending())
        pending.old ^= _signature(rows)
        pending.went = True
        pending.before = pending.before or self._remember(rows)

    def _come(self, count: _Count, table: str, key: int, rows: list[StoredRow]) -> None:
        if self._one_sided:
            count.added += 1
            self._sample("A", table, [], rows)
            return
        pending = self._pending.setdefault(table, {}).setdefault(key, _Pending())
        pending.new ^= _signature(rows)
        pending.came = True
        pending.after = pending.after or self._remember(rows)

    def _remember(self, rows: list[StoredRow]) -> list[StoredRow]:
        """Keep rows to show only while everything is still small."""
        return rows if self._kept is not None else []

    def _settle(self, table: str, count: _Count) -> None:
        for pending in self._pending.pop(table, {}).values():
            if pending.went and pending.came and pending.old == pending.new:
                count.moved += 1
                continue
            letter = "M" if pending.went and pending.came else "D" if pending.went else "A"
            count.modified += letter == "M"
            count.removed += letter == "D"
            count.added += letter == "A"
            if pending.before or pending.after:
                self._sample(letter, table, pending.before, pending.after)

    def _sample(
        self, letter: str, table: str, before: list[StoredRow], after: list[StoredRow]
    ) -> None:
        some = self._samples.setdefault((table, letter), [])
        if len(some) < SAMPLES_MAX:
            one = (before or after)[0]
            some.append(
                Sample(
                    letter,
                    table,
                    one.parts,
                    before[0] if before else None,
                    after[0] if after else None,
                )
            )

    def _digest(self, shard: ShardChange) -> None:
        lines = [f"{shard.source.bundle}\x1f{shard.source.path}"]
        lines += ["-" + row_text(row) for row in shard.removed]
        lines += ["+" + row_text(row) for row in shard.added]
        self._files.update(hashlib.sha256(_RECORD.join(lines).encode()).digest())

    def _keep(self, shard: ShardChange) -> None:
        self._kept_rows += len(shard.added) + len(shard.removed)
        if self._kept_rows > KEPT_ROWS_MAX:
            self._kept = None
        if self._kept is not None:
            self._kept.append(shard)


class _Pending:
    """A key that left or came in some file; what it was is remembered as a number."""

    __slots__ = ("after", "before", "came", "new", "old", "went")

    def __init__(self) -> None:
        self.old = self.new = 0
        self.went = self.came = False
        self.before: list[StoredRow] = []
        self.after: list[StoredRow] = []


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
