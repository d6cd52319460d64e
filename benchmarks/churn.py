"""Random changes of a small directory, in every way an apply has, with what should stand there.

For finding a kept digest that is not the recomputed one. Nothing here is fast or realistic: few
keys, so that the same ones come, change, move and go again; absent cells, so that NULLs are hashed;
four windows that share no instant, so that one key has several rows.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random  # noqa: TID251  a seeded source
from typing import Any, TypeAlias

from controller.adapters.postgres import Connection, transaction
from controller.kernel.canonical import canonical
from controller.kernel.instants import Window
from controller.plan.rows import STORED_TABLES, SourceFile, StoredRow, key_of
from controller.plan.shard import ShardChange
from controller.plan.strategy import DELTA_ROWS_MAX, STAGED_SHARE_MAX
from controller.stores.directory import store
from controller.stores.directory.digest import DigestDiffers
from controller.stores.directory.tables import STORE_TABLES

KEYS = 24
ANCHORS = 4
"""Participants and endpoints that never go, for other rows to refer to."""

ROWS_MAX = 5
STATES_MAX = 8
KINDS = ("change", "change", "change", "abort", "return")
WAYS = ("delta", "delta", "delta", "staged", "rebuild")

_NOON = datetime(2027, 1, 1, 12, tzinfo=UTC)
_EDGES = (None, _NOON, _NOON + timedelta(days=1), _NOON + timedelta(days=2), None)
_WINDOWS = tuple(Window(_EDGES[at], _EDGES[at + 1]) for at in range(len(_EDGES) - 1))
_FILES = tuple(
    SourceFile("card-bin/churn", f"bundles/card-bin/churn/files/{name}.csv") for name in "ab"
)
_TEXTS = ("", "", "plain", "Ä ö € 𝄞", 'quo"te, comma', "back\\slash", "1.0", "1.00", "x" * 3_000)
_STAGED_ROWS = (DELTA_ROWS_MAX + 1) * STAGED_SHARE_MAX

Place: TypeAlias = tuple[str, int, Window]
State: TypeAlias = dict[Place, StoredRow]


class _Undone(Exception):
    """Ends a transaction that is not to be kept."""


@dataclass
class Churn:
    """A directory on an empty database, and what it should hold."""

    connection: Connection[Any]
    random: Random
    state: State = field(default_factory=dict)
    revision: int = 0
    changes: int = 0
    mismatches: int = 0
    done: dict[str, int] = field(default_factory=dict)
    _states: deque[State] = field(default_factory=lambda: deque(maxlen=STATES_MAX))

    def start(self) -> None:
        """Put the rows that others refer to."""
        anchors = {_place(row): row for row in _anchors(self.random)}
        self._apply(anchors, "delta")
        self.state = anchors

    def step(self) -> None:
        """Change something at random; count it when a kept digest is not the recomputed one."""
        kind, way = self.random.choice(KINDS), self.random.choice(WAYS)
        wanted = self._wanted(kind)
        if kind == "abort":
            with suppress(_Undone), transaction(self.connection):
                self._apply(wanted, way)
                raise _Undone
        else:
            self._apply(wanted, way)
            self._states.append(self.state)
            self.state = wanted
        self.changes += 1
        for name in (kind, way):
            self.done[name] = self.done.get(name, 0) + 1
        try:
            store.verify(self.connection)
        except DigestDiffers:
            self.mismatches += 1

    def differing(self) -> int:
        """Return how many rows the store holds that it should not hold, or the other way round."""
        held = self.stored()
        places = held.keys() | self.state.keys()
        return sum(1 for place in places if held.get(place) != self.state.get(place))

    def stored(self) -> State:
        """Return what the store holds now."""
        rows = (row for table in STORE_TABLES for row in store.stored_rows(self.connection, table))
        return {_place(row): row for row in rows}

    def _wanted(self, kind: str) -> State:
        if kind == "return" and self._states:
            return self.random.choice(self._states)
        wanted = dict(self.state)
        loose = [place for place, row in wanted.items() if not _is_anchor(row)]
        for place in self.random.sample(loose, min(len(loose), self.random.randint(0, ROWS_MAX))):
            row = wanted.pop(place)
            if self.random.random() < 0.3:  # it only moves
                wanted[place] = row._replace(source=self.random.choice(_FILES))
        for _ in range(self.random.randint(0, ROWS_MAX)):
            row = _row(self.random)
            wanted[_place(row)] = row  # a new row, or another one in the place of an old one
        return wanted

    def _apply(self, wanted: State, way: str) -> None:
        """Bring the store to `wanted`, one transaction, whichever way is asked for."""
        removed = [row for place, row in self.state.items() if wanted.get(place) != row]
        added = [row for place, row in wanted.items() if self.state.get(place) != row]
        changed = {
            "delta": 1,
            "staged": DELTA_ROWS_MAX + 1,
            "rebuild": 1 << 40,
        }[way]
        self.revision += 1
        with transaction(self.connection), self._looking_large(way == "staged"):
            store.apply(
                self.connection,
                _shards(removed, added),
                revision=self.revision,
                changed=dict.fromkeys(STORE_TABLES, changed),
            )

    @contextmanager
    def _looking_large(self, wanted: bool) -> Iterator[None]:
        """Make the store believe that its tables are large enough to be staged into."""
        if not wanted:
            yield
            return
        more = "UPDATE directory.table_digest SET rows = rows + %s"
        self.connection.execute(more, [_STAGED_ROWS])
        yield
        self.connection.execute(more, [-_STAGED_ROWS])


def _shards(removed: list[StoredRow], added: list[StoredRow]) -> list[ShardChange]:
    places = dict.fromkeys((row.source, row.table) for row in (*removed, *added))
    return [
        ShardChange(source, table, _at(removed, source, table), _at(added, source, table))
        for source, table in places
    ]


def _at(rows: Iterable[StoredRow], source: SourceFile, table: str) -> tuple[StoredRow, ...]:
    return tuple(row for row in rows if (row.source, row.table) == (source, table))


def _place(row: StoredRow) -> Place:
    return row.table, row.key, row.window


def _is_anchor(row: StoredRow) -> bool:
    return row.cells[0].startswith("anchor")


def _anchors(random: Random) -> Iterator[StoredRow]:
    for number in range(ANCHORS):
        name = f"anchor{number}"
        yield _made("participants", Window(), random, id=name)
        yield _made("endpoints", Window(), random, id=name, participant_id=name)


def _row(random: Random) -> StoredRow:
    table = random.choice(tuple(STORED_TABLES))
    number = random.randrange(KEYS)
    anchor = f"anchor{random.randrange(ANCHORS)}"
    given = {
        "participants": {"id": f"p{number}"},
        "identifiers": {"participant_id": anchor, "scheme": "bic", "value": f"v{number}"},
        "endpoints": {"id": f"e{number}", "participant_id": anchor},
        "capabilities": {"endpoint_id": anchor, "message": f"m{number}"},
        "ranges": {
            "iin_start": f"4{number:05d}" + "00" * (number % 2),
            "iin_end": "",
            "participant_id": random.choice(("", anchor)),
        },
        "rules": {"bundle": "card-bin/churn", "id": f"r{number}", "document": _rule(random)},
    }[table]
    return _made(table, random.choice(_WINDOWS), random, **given)


def _rule(random: Random) -> str:
    anchor = f"anchor{random.randrange(ANCHORS)}"
    parts = {"participant_id": anchor, "endpoint_id": anchor}
    return canonical({name: parts[name] for name in parts if random.random() < 0.5}).decode()


def _made(table: str, window: Window, random: Random, **given: str) -> StoredRow:
    columns, key = STORED_TABLES[table].columns, STORED_TABLES[table].key
    cells = tuple(
        given.get(column, "" if column in key else random.choice(_TEXTS)) for column in columns
    )
    return StoredRow(table, key_of(table, cells), window, cells, random.choice(_FILES))
