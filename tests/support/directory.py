"""Builders for the directory: rows, files, versions in memory, and changes ready to be applied."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from controller.artifacts import strictcsv
from controller.artifacts.layout import BundleId
from controller.artifacts.tables import TABLES
from controller.kernel.instants import Window
from controller.kernel.objects import Header, MissingObject, Oid
from controller.plan.changes import Changes
from controller.plan.live import LiveVersion
from controller.plan.rows import SourceFile, StoredRow, key_of
from controller.plan.shard import ShardChange

BUNDLE = BundleId.parse("card-bin/tests")
FILE = SourceFile(str(BUNDLE), f"bundles/{BUNDLE}/files/tests.csv")
OPEN = Window()


def day(number: int) -> datetime:
    """Return midnight of a day of 2027, counted from 0."""
    return datetime.fromtimestamp(
        datetime(2027, 1, 1, tzinfo=UTC).timestamp() + number * 86_400, UTC
    )


def days(start: int | None, end: int | None) -> Window:
    return Window(None if start is None else day(start), None if end is None else day(end))


def cells(table: str, **given: str) -> tuple[str, ...]:
    """Return a row's cells; a column that is not given is empty."""
    assert given.keys() <= set(TABLES[table].columns), given
    return tuple(given.get(column, "") for column in TABLES[table].columns)


def row(table: str, window: Window = OPEN, source: SourceFile = FILE, **given: str) -> StoredRow:
    some = cells(table, **given)
    return StoredRow(table, key_of(table, some), window, some, source)


def participant(
    identifier: str, window: Window = OPEN, source: SourceFile = FILE, **more: str
) -> StoredRow:
    given = {"id": identifier, "name": identifier.title()} | more
    return row("participants", window, source, **given)


def card_range(
    start: str, end: str = "", window: Window = OPEN, source: SourceFile = FILE, **more: str
) -> StoredRow:
    return row("ranges", window, source, iin_start=start, iin_end=end, **more)


def shards(put: Iterable[StoredRow] = (), drop: Iterable[StoredRow] = ()) -> list[ShardChange]:
    """Group rows into the changes of their files."""
    puts, drops = list(put), list(drop)
    places = dict.fromkeys((one.source, one.table) for one in (*drops, *puts))
    return [
        ShardChange(
            source,
            table,
            tuple(
                sorted(
                    (r for r in drops if (r.source, r.table) == (source, table)),
                    key=lambda one: one.cells,
                )
            ),
            tuple(
                sorted(
                    (r for r in puts if (r.source, r.table) == (source, table)),
                    key=lambda one: one.cells,
                )
            ),
        )
        for source, table in places
    ]


class MemoryObjects:
    """Git objects in a dictionary, with git's own ids; counts what is read."""

    def __init__(self) -> None:
        self._objects: dict[Oid, tuple[str, bytes]] = {}
        self.read_oids: list[Oid] = []

    def header(self, oid: Oid) -> Header:
        kind, data = self._found(oid)
        return Header(kind, len(data))

    def read(self, oid: Oid) -> bytes:
        self.read_oids.append(oid)
        return self._found(oid)[1]

    def read_many(self, oids: Iterable[Oid]) -> Iterator[bytes]:
        return (self.read(oid) for oid in oids)

    def blob(self, data: bytes) -> Oid:
        """Store a file's bytes."""
        return self._store("blob", data)

    def tree(self, files: Mapping[str, bytes]) -> Oid:
        """Store files by path and return their tree."""
        below: dict[str, dict[str, bytes]] = {}
        entries: list[tuple[str, str, Oid]] = []
        for path, data in files.items():
            name, slash, rest = path.partition("/")
            if slash:
                below.setdefault(name, {})[rest] = data
            else:
                entries.append((name, "100644", self._store("blob", data)))
        entries += [(name, "40000", self.tree(some)) for name, some in below.items()]
        entries.sort(key=lambda entry: entry[0] + ("/" if entry[1] == "40000" else ""))
        raw = b"".join(f"{mode} {name}\0".encode() + oid for name, mode, oid in entries)
        return self._store("tree", raw)

    def _store(self, kind: str, data: bytes) -> Oid:
        oid = Oid(hashlib.sha1(f"{kind} {len(data)}\0".encode() + data).digest())
        self._objects[oid] = (kind, data)
        return oid

    def _found(self, oid: Oid) -> tuple[str, bytes]:
        if oid not in self._objects:
            raise MissingObject(oid)
        return self._objects[oid]


def csv(table: str, rows: Iterable[tuple[str, ...]]) -> bytes:
    """Return a file of a table with all its columns."""
    return strictcsv.render(TABLES[table].columns, rows)


def version(
    objects: MemoryObjects,
    files: Mapping[str, bytes],
    window: Window = OPEN,
    *,
    number: int = 1,
    bundle: BundleId = BUNDLE,
) -> LiveVersion:
    return LiveVersion(bundle, number, objects.tree(files), window)


def changes(
    objects: MemoryObjects,
    applied: Iterable[LiveVersion] = (),
    desired: Iterable[LiveVersion] = (),
) -> Changes:
    return Changes(objects, tuple(applied), tuple(desired))


def many_ranges(count: int, *, participant_id: str = "") -> list[tuple[str, ...]]:
    """Return disjoint eight-digit ranges, in order."""
    return [
        cells(
            "ranges",
            iin_start=f"{40_000_000 + number:08d}",
            scheme=("visa", "mastercard", "amex")[number % 3],
            brand=f"Brand {number % 97}",
            type=("credit", "debit")[number % 2],
            country=("US", "DE", "IN")[number % 3],
            participant_id=participant_id,
        )
        for number in range(count)
    ]


def shard_ranges(rows: Iterable[tuple[str, ...]]) -> dict[str, bytes]:
    """Return files of ranges by their first four digits."""
    some: dict[str, list[tuple[str, ...]]] = {}
    for one in rows:
        some.setdefault(one[0][:4], []).append(one)
    return {f"ranges/{digits}.csv": csv("ranges", group) for digits, group in some.items()}
