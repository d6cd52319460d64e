"""What a fresh load would put into a table, beside what is there; and what is there put right.

The declared rows are copied into temporary tables, so that the server compares: whatever the tables
hold, little is held here. The caller's transaction holds both sides still.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, NamedTuple

from controller.adapters import queries
from controller.adapters.postgres import Connection, translated
from controller.plan.changes import FileChange
from controller.plan.rows import SourceFile
from controller.plan.shard import ShardChange
from controller.plan.whole import WholeFile
from controller.stores.directory import digest, files
from controller.stores.directory.copied import Copied
from controller.stores.directory.copytext import Render, rendered_here
from controller.stores.directory.model import TableDigest
from controller.stores.directory.statements import columns
from controller.stores.directory.tables import STORE_TABLES

_TEXTS = queries.load("controller.stores.directory", "drift.sql")
_BATCH_FILES = 64
_PORTION_ROWS = 1_000
FILE = "file"
"""What a row's bundle and path are called among its columns."""

Numbering = Callable[[Collection[SourceFile]], Mapping[SourceFile, int]]
Values = Mapping[str, str | None]
"""A row's texts by column; absent ones are `None`."""


class Difference(NamedTuple):
    """One row that is not as declared; `None` on the side that does not have it."""

    stored: Values | None
    declared: Values | None


class Declared(Copied):
    """The rows that a table should hold, in a temporary table that ends with the transaction."""

    def __init__(self, connection: Connection[Any], table: str, numbering: "Files") -> None:
        name = STORE_TABLES[table].name
        self.relation = f"pg_temp.declared_{name}"
        connection.execute(
            f"CREATE TEMP TABLE declared_{name} (LIKE directory.{name}) ON COMMIT DROP".encode()
        )
        super().__init__(connection, table, 0, incoming=self.relation, freeze=False)
        self._files = numbering
        self._words = _words(table, self.relation)

    def ready(self) -> None:
        """Let the planner know what was copied."""
        self._connection.execute(f"ANALYZE {self.relation}".encode())

    def digest(self) -> TableDigest:
        """Return what the declared rows add up to."""
        return digest.of_table(self._connection, self._table, self.relation)

    def differences(self) -> Iterator[Difference]:
        """Yield each row that is not as declared, by row key; little is held at once."""
        content = self._store.content
        width = len(content)
        with translated(), self._connection.cursor(name=f"differing_{self._store.name}") as cursor:
            cursor.itersize = _PORTION_ROWS
            cursor.execute(_TEXTS["differing"].format_map(self._words).encode())
            for has_stored, has_declared, number, place, *texts in cursor:
                stored = dict(zip(content, texts[:width], strict=True)) | {FILE: place}
                wanted = dict(zip(content, texts[width:], strict=True))
                wanted[FILE] = self._files.name(number) if has_declared else None
                yield Difference(stored if has_stored else None, wanted if has_declared else None)

    def put_right(self, revision: int) -> TableDigest:
        """Make the table hold the declared rows alone, and keep what it adds up to then.

        The table must be locked against other writers. Rows that go are kept in its history.
        """
        now = {"revision": revision}
        self._connection.execute(_TEXTS["settings_of_a_heal"].encode())
        for name in ("take_undeclared", "put_declared"):
            self._connection.execute(_TEXTS[name].format_map(self._words).encode(), now)
        live = f"directory.{self._store.name}"
        found = digest.of_table(self._connection, self._table, live)
        if found != self.digest():
            raise digest.DigestDiffers(self._table, kept=self.digest(), live=found)
        digest.keep(self._connection, found)
        return found


class Files:
    """Numbers of files, and their names."""

    def __init__(self, numbering: Numbering) -> None:
        self._numbering = numbering
        self._names: dict[int, SourceFile] = {}

    def numbers(self, wanted: Collection[SourceFile]) -> Mapping[SourceFile, int]:
        """Return the number of each file."""
        found = self._numbering(wanted)
        self._names.update((number, file) for file, number in found.items())
        return found

    def name(self, number: int) -> str:
        """Return bundle and path of a file."""
        file = self._names[number]
        return f"{file.bundle} {file.path}"


def known_numbers(connection: Connection[Any]) -> Numbering:
    """Return what numbers files without a write: one that has no number gets one below zero."""
    unknown: dict[SourceFile, int] = {}

    def run(wanted: Collection[SourceFile]) -> Mapping[SourceFile, int]:
        found = files.known(connection, wanted)
        for file in wanted:
            if file not in found:
                found[file] = unknown.setdefault(file, -1 - len(unknown))
        return found

    return run


def lasting_numbers(connection: Connection[Any]) -> Numbering:
    """Return what numbers files for good."""
    return lambda wanted: files.number(connection, wanted)


def declare(
    connection: Connection[Any],
    tables: Collection[str],
    changes: Iterable[FileChange],
    numbering: Numbering,
    render: Render | None = None,
) -> dict[str, Declared]:
    """Copy what `changes` put into some tables, starting from nothing, beside those tables."""
    known = Files(numbering)
    loads = {table: Declared(connection, table, known) for table in tables}
    for some in _batches(change for change in changes if change.table in loads):
        numbers = known.numbers({change.source for change in some})
        wholes = [change for change in some if isinstance(change, WholeFile)]
        for change in some:
            if isinstance(change, ShardChange):
                loads[change.table].add(change.removed, change.added, numbers)
        _copy(loads, wholes, numbers, render)
    for load in loads.values():
        load.ready()
    return loads


def lock(connection: Connection[Any], tables: Collection[str]) -> None:
    """Let nobody write to some tables before the transaction ends; readers go on."""
    listed = ", ".join(f"directory.{STORE_TABLES[table].name}" for table in tables)
    connection.execute(f"LOCK TABLE {listed} IN SHARE ROW EXCLUSIVE MODE".encode())


def _copy(
    loads: Mapping[str, Declared],
    wholes: list[WholeFile],
    numbers: Mapping[SourceFile, int],
    render: Render | None,
) -> None:
    for _, group in groupby(wholes, key=_kind):
        some = list(group)
        load = loads[some[0].table]
        rendered = render or rendered_here(some[0].objects)
        for sending in load.sendings(some, numbers):
            load.send(sending, rendered(sending.wanted))


def _kind(file: WholeFile) -> tuple[object, ...]:
    """Return what whole files have in common that go through one COPY."""
    return (file.table, file.facts.columns, file.going, file.coming)


def _batches(changes: Iterable[FileChange]) -> Iterator[list[FileChange]]:
    numbered = enumerate(changes)
    for _, some in groupby(numbered, key=lambda pair: pair[0] // _BATCH_FILES):
        yield [change for _, change in some]


def _words(table: str, relation: str) -> dict[str, str]:
    store = STORE_TABLES[table]
    rest = tuple(name for name in store.columns if name != "revision")
    return {
        "live": f"directory.{store.name}",
        "history": f"directory.{store.name}_history",
        "declared": relation,
        "columns": columns(store.columns),
        "gone_columns": columns(rest),
        "live_content": columns(store.content, "live"),
        "declared_content": columns(store.content, "declared"),
        "stored_texts": _texts(store.content, "stored"),
        "wanted_texts": _texts(store.content, "wanted"),
    }


def _texts(names: tuple[str, ...], side: str) -> str:
    return ", ".join(f'({side})."{name}"::text' for name in names)
