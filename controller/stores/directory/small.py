"""A small apply: few rows of each table, and one question for all that they need.

What is sent before each step is answered together with it, so nothing is known to be right until
`finish` has read the answers.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from controller.adapters.postgres import Connection
from controller.plan.changes import FileChange, rows_of
from controller.plan.shard import ShardChange
from controller.stores.directory import digest, files
from controller.stores.directory.few import FewLoad
from controller.stores.directory.model import Applied, TableDigest
from controller.stores.directory.sql import QUERIES
from controller.stores.directory.tables import STORE_TABLES


@dataclass(frozen=True, slots=True)
class Sent:
    """What happened to each table that changed; `finish` says whether it may stand."""

    applied: tuple[Applied, ...]
    _kept: Mapping[str, TableDigest]
    _unjudged: Mapping[str, FewLoad]

    def finish(self) -> dict[str, TableDigest]:
        """Refuse what cannot stand; return what each table of the room adds up to now."""
        kept = dict(self._kept)
        for name, load in self._unjudged.items():
            load.finish()
            if load.kept is not None:
                rows, sums = load.kept
                kept[name] = replace(kept[name], rows=rows, digest=sums)
        return kept


class Few:
    """Few rows on their way into their tables."""

    def __init__(
        self, connection: Connection[Any], changes: Iterable[FileChange], revision: int
    ) -> None:
        self._connection, self._revision = connection, revision
        self._shards = [rows_of(change) for change in changes]
        sources = {shard.source for shard in self._shards if shard.added}
        self._files = files.Asked(connection, sources)
        self._sizes = digest.ask(connection)

    def send(self) -> Sent:
        """Send the statements; nothing is known to be right until they are judged."""
        connection = self._connection
        numbers = self._files.numbers()
        sizes = digest.renewed(connection, self._sizes)
        found = by_table(self._shards)
        loads = {
            name: FewLoad(connection, name, self._revision)
            for name in STORE_TABLES
            if name in found
        }
        connection.execute(QUERIES["settings_of_few"])
        for name, load in loads.items():
            load.add(
                (row for shard in found[name] for row in shard.removed),
                (row for shard in found[name] for row in shard.added),
                numbers,
            )
        applied = tuple(load.write() for load in loads.values())
        live = live_tables()
        for load in loads.values():
            load.check_references(live, frozenset())
        return Sent(applied, sizes, loads)


def live_tables() -> dict[str, str]:
    """Return the relations that hold the rows of the tables."""
    return {name: f"directory.{table.name}" for name, table in STORE_TABLES.items()}


def by_table(batch: Iterable[ShardChange]) -> dict[str, list[ShardChange]]:
    """Return the changes of each table, in their order."""
    found: dict[str, list[ShardChange]] = {}
    for shard in batch:
        found.setdefault(shard.table, []).append(shard)
    return found
