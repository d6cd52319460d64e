"""A plan's rows become the store's rows, inside the caller's transaction.

Whatever is refused here is refused before anything is visible: the caller rolls back. Nothing is
committed here, and no clock is read.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from itertools import groupby
from typing import Any, NamedTuple, Protocol

from controller.adapters.postgres import Connection, pipelined
from controller.plan.changes import FileChange, rows_of
from controller.plan.rows import SourceFile, StoredRow
from controller.plan.shard import ShardChange, Windows
from controller.plan.strategy import Strategy, choose
from controller.plan.whole import WholeFile
from controller.stores.directory import digest, files
from controller.stores.directory.copied import Sending
from controller.stores.directory.copytext import Render, rendered_here
from controller.stores.directory.few import FewLoad
from controller.stores.directory.model import Applied
from controller.stores.directory.rebuilt import RebuiltLoad
from controller.stores.directory.small import Few, Sent, by_table, live_tables
from controller.stores.directory.staged import StagedLoad
from controller.stores.directory.tables import STORE_TABLES

_BATCH_ROWS = 10_000


class Load(Protocol):
    """One table's part of an apply: rows come in, are written, and are checked."""

    @property
    def live(self) -> str:
        """The relation that holds the table's rows while the checks run."""
        ...

    def add(
        self,
        removed: Iterable[StoredRow],
        added: Iterable[StoredRow],
        numbers: Mapping[SourceFile, int],
    ) -> None:
        """Take rows to drop and rows to put."""
        ...

    def write(self) -> Applied:
        """Drop and put; refuse rows that clash with one another."""
        ...

    def check_references(self, live: Mapping[str, str], rebuilt: frozenset[str]) -> None:
        """Refuse references that lead nowhere, in both directions."""
        ...

    def finish(self) -> None:
        """Make the rows the table's, when every table has been checked."""
        ...


def apply(
    connection: Connection[Any],
    changes: Iterable[FileChange],
    *,
    revision: int,
    changed: Mapping[str, int],
    render: Render | None = None,
) -> tuple[Applied, ...]:
    """Drop and put the rows of `changes`; return what happened to each table that changed.

    `changed` says how many rows of each table change, as the plan counted them or as signed
    statements promise them: it chooses the way, not the outcome. `render` makes the text of whole
    files that go through COPY; without it that is done here, one after the other.
    """
    with pipelined(connection) if is_small(changed) else nullcontext():
        rows = prepare(connection, changes, revision=revision, changed=changed, render=render)
        sent = rows.send()
        sent.finish()
    return sent.applied


def is_small(changed: Mapping[str, int]) -> bool:
    """Whether so few rows change that they go in statements alone, whatever the tables hold."""
    return all(choose(rows, 0) is Strategy.DELTA for rows in changed.values())


class Prepared(Protocol):
    """Rows that are ready to be sent."""

    def send(self) -> Sent:
        """Send the rows; `finish` of the result says whether they may stand."""
        ...


def prepare(
    connection: Connection[Any],
    changes: Iterable[FileChange],
    *,
    revision: int,
    changed: Mapping[str, int],
    render: Render | None = None,
) -> Prepared:
    """Begin what `apply` does: ask what it needs to know; nothing is written yet.

    In a pipeline, where `is_small` says so, what the caller sends before each next step is answered
    together with it.
    """
    if is_small(changed):
        return Few(connection, changes, revision)
    return _Many(connection, changes, revision, changed, render)


class _Many(NamedTuple):
    """Rows of which at least one table's go through COPY."""

    connection: Connection[Any]
    changes: Iterable[FileChange]
    revision: int
    changed: Mapping[str, int]
    render: Render | None

    def send(self) -> Sent:
        """Write the rows and judge them."""
        connection = self.connection
        loads, wholes = _taken(connection, self.changes, self.revision, self.changed)
        done = _copied(connection, loads, wholes, self.render) if wholes else {}
        ordered = [name for name in STORE_TABLES if name in loads]
        rebuilt = frozenset(name for name in ordered if isinstance(loads[name], RebuiltLoad))
        live = live_tables() | {name: load.live for name, load in loads.items()}
        applied = tuple(done[name] if name in done else loads[name].write() for name in ordered)
        for name in ordered:
            loads[name].check_references(live, rebuilt)
        for name in ordered:
            loads[name].finish()
        if rebuilt:
            connection.execute(b"ANALYZE directory.source_file")
        return Sent(applied, digest.kept(connection), {})


def _taken(
    connection: Connection[Any],
    changes: Iterable[FileChange],
    revision: int,
    changed: Mapping[str, int],
) -> tuple[dict[str, Load], list[WholeFile]]:
    """Hand every row to its table's load; return the loads, and the files that are copied whole."""
    sizes = digest.renewed(connection)
    loads: dict[str, Load] = {}
    wholes: list[WholeFile] = []

    def load_of(table: str) -> Load:
        if table not in loads:
            strategy = choose(changed.get(table, 0), sizes[table].rows)
            loads[table] = _load(connection, table, strategy, revision)
        return loads[table]

    def row_by_row() -> Iterator[ShardChange]:
        for change in changes:
            load = load_of(change.table)
            if isinstance(change, WholeFile) and isinstance(load, StagedLoad | RebuiltLoad):
                wholes.append(change)
            else:
                yield rows_of(change)

    for batch in _batches(row_by_row()):
        numbers = files.number(connection, {shard.source for shard in batch if shard.added})
        for table, shards in by_table(batch).items():
            load_of(table).add(
                (row for shard in shards for row in shard.removed),
                (row for shard in shards for row in shard.added),
                numbers,
            )
    return loads, wholes


def _copied(
    connection: Connection[Any],
    loads: Mapping[str, Load],
    wholes: list[WholeFile],
    render: Render | None,
) -> dict[str, Applied]:
    """Copy whole files, table by table; write each table while the next one's text is made."""
    numbers = files.number(connection, {file.source for file in wholes if file.coming})
    sendings: list[Sending] = []
    order = list(STORE_TABLES)
    for kind, some in groupby(sorted(wholes, key=lambda one: order.index(one.table)), key=_kind):
        load = loads[kind.table]
        assert isinstance(load, StagedLoad | RebuiltLoad)
        sendings += load.sendings(list(some), numbers)
    render = render or rendered_here(wholes[0].objects)
    texts = render([wanted for sending in sendings for wanted in sending.wanted])
    done: dict[str, Applied] = {}
    for table, here in groupby(sendings, key=lambda sending: sending.table):
        load = loads[table]
        assert isinstance(load, StagedLoad | RebuiltLoad)
        for sending in here:
            load.send(sending, texts)
        done[table] = load.write()
    return done


class _Kind(NamedTuple):
    """What whole files have in common that go through one COPY."""

    table: str
    columns: tuple[str, ...]
    going: Windows
    coming: Windows


def _kind(file: WholeFile) -> _Kind:
    return _Kind(file.table, file.facts.columns, file.going, file.coming)


def _load(connection: Connection[Any], table: str, strategy: Strategy, revision: int) -> Load:
    match strategy:
        case Strategy.DELTA:
            return FewLoad(connection, table, revision)
        case Strategy.STAGED:
            return StagedLoad(connection, table, revision)
        case Strategy.REBUILD:
            return RebuiltLoad(connection, table, revision)


def _batches(shards: Iterable[ShardChange]) -> Iterator[list[ShardChange]]:
    batch: list[ShardChange] = []
    rows = 0
    for shard in shards:
        batch.append(shard)
        rows += len(shard.added) + len(shard.removed)
        if rows >= _BATCH_ROWS:
            yield batch
            batch, rows = [], 0
    if batch:
        yield batch
