"""A few rows: sent in statements, all together; ten rows take about two milliseconds."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from controller.adapters.postgres import Connection, dict_row
from controller.plan.rows import SourceFile, StoredRow
from controller.stores.directory import checks
from controller.stores.directory.errors import AlreadyThere, BaseDiffers
from controller.stores.directory.model import Applied
from controller.stores.directory.references import check_referrers, check_whole
from controller.stores.directory.statements import DELTA
from controller.stores.directory.tables import STORE_TABLES, Reference, window_texts

Numbered: TypeAlias = tuple[StoredRow, int]
"""A row to put, and the number of its file."""


class FewLoad:
    """Rows held in memory until a handful of statements write them, all sent before any answers.

    `finish` reads the answers and refuses what clashes, so that several tables share one round
    trip; until then nothing is known to be right.
    """

    def __init__(self, connection: Connection[Any], table: str, revision: int) -> None:
        self._connection, self._table, self._revision = connection, table, revision
        self._statements = DELTA[table]
        self._leaving: dict[tuple[object, ...], StoredRow] = {}
        self._incoming: list[Numbered] = []
        self._moved: list[Numbered] = []
        self._changed: list[tuple[StoredRow, Numbered]] = []
        self._sent: dict[str, Any] = {}
        self._references: list[tuple[str, Any]] = []
        self.kept: tuple[int, int] | None = None
        """Rows and digest of the table once all is written; `None` where they stay as they were."""
        self.live = f"directory.{STORE_TABLES[table].name}"

    def add(
        self,
        removed: Iterable[StoredRow],
        added: Iterable[StoredRow],
        numbers: Mapping[SourceFile, int],
    ) -> None:
        """Take rows to drop and rows to put."""
        self._leaving.update((_identity(row), row) for row in removed)
        self._incoming.extend((row, numbers[row.source]) for row in added)

    def write(self) -> Applied:
        """Send what moves, changes, goes and comes; `finish` judges the answers."""
        self._pair()
        dropped = len(self._leaving) + len(self._changed)
        put = len(self._incoming) + len(self._changed)
        if self._moved:
            values = _keys(row for row, _ in self._moved)
            files = {"files": [number for _, number in self._moved]}
            self._send("move", values | files | self._now())
        if self._leaving:
            self._send("take", _keys(self._leaving.values()) | {"revision": self._revision})
        if self._changed:
            self._send("change", self._values(new for _, new in self._changed) | self._now())
        if self._incoming:
            values = self._values(self._incoming)
            self._send("put", values)
            keys = [row.key for row, _ in self._incoming]
            self._send("clashing", {"keys": keys}, touched=_TOUCHED)
            if self._table == "ranges":
                self._send("straddling", values)
        return Applied(self._table, "delta", dropped, put)

    def check_references(self, live: Mapping[str, str], rebuilt: frozenset[str]) -> None:
        """Ask for references of what came, and refuse references to what went."""
        for reference in STORE_TABLES[self._table].references:
            if reference.target in rebuilt:
                check_whole(self._connection, self._table, reference, live)
            elif naming := self._naming(reference):
                words = {"reference": reference.column, "target": live[reference.target]}
                cursor = self._ask("missing_target", self._values(naming), **words)
                self._references.append((reference.target, cursor))
        coming = {row.key for row, _ in self._incoming} | {old.key for old, _ in self._changed}
        gone = [row for row in self._leaving.values() if row.key not in coming]
        if gone:
            check_referrers(self._connection, self._statements, live, rebuilt, _keys(gone))

    def finish(self) -> None:
        """Refuse what the answers say cannot stand: rows of another base, clashes, loose ends."""
        self._expect("take", len(self._leaving))
        self._expect("change", len(self._changed))
        self._expect_put()
        clash = self._answer("clashing")
        if clash is not None:
            raise checks.refuse_clash(self._connection, self._table, clash)
        straddle = self._answer("straddling")
        if straddle is not None:
            raise checks.refuse_straddle(self._connection, straddle)
        for target, cursor in self._references:
            row = cursor.fetchone()
            if row is not None:
                raise checks.refuse_dangling(self._connection, self._table, target, row)

    def _pair(self) -> None:
        """Tell apart rows that only move to another file, rows whose cells change, and the rest.

        A row that keeps key and window cannot clash with what it did not clash with before.
        """
        staying: list[Numbered] = []
        rest: list[Numbered] = []
        for row, number in self._incoming:
            found = self._leaving.pop(_identity(row), None)
            (rest if found is None else staying).append((row, number))
        places = {_place(row): identity for identity, row in self._leaving.items()}
        self._moved, self._incoming = staying, []
        for row, number in rest:
            identity = places.pop(_place(row), None)
            if identity is None:
                self._incoming.append((row, number))
            else:
                self._changed.append((self._leaving.pop(identity), (row, number)))

    def _send(self, name: str, values: Mapping[str, Any], **words: str) -> None:
        self._sent[name] = self._ask(name, values, **words)

    def _ask(self, name: str, values: Mapping[str, Any], **words: str) -> Any:
        cursor = self._connection.cursor(row_factory=dict_row)
        return cursor.execute(self._statements(name, **words), values)

    def _answer(self, name: str) -> dict[str, Any] | None:
        cursor = self._sent.get(name)
        return None if cursor is None else cursor.fetchone()

    def _expect(self, name: str, expected: int) -> None:
        answer = self._summed(name)
        if answer is not None and answer["rows"] != expected:
            raise BaseDiffers(self._table, expected=expected, found=answer["rows"])

    def _summed(self, name: str) -> dict[str, Any] | None:
        """Return a statement's answer; what the table adds up to after the last one stays."""
        answer = self._answer(name)
        if answer is not None:
            self.kept = (answer["kept"], answer["digest"])
        return answer

    def _expect_put(self) -> None:
        answer = self._summed("put")
        if answer is None or answer["rows"] == len(self._incoming):
            return
        values = self._values(self._incoming)
        taken = checks.first(self._connection, self._statements("taken"), values)
        if taken is None:
            raise AlreadyThere(self._table, expected=len(self._incoming), put=answer["rows"])
        raise checks.refuse_clash(self._connection, self._table, taken)

    def _naming(self, reference: Reference) -> list[Numbered]:
        """Return the rows that newly name something: most ranges name nobody."""
        store = STORE_TABLES[self._table]
        index = store.derived.index(reference.column)

        def named(row: StoredRow) -> object:
            return store.derive(row.cells)[index]

        came = [pair for pair in self._incoming if named(pair[0]) is not None]
        changed = [new for old, new in self._changed if named(new[0]) not in (None, named(old))]
        return came + changed

    def _values(self, rows: Iterable[Numbered]) -> dict[str, Any]:
        table = STORE_TABLES[self._table]
        values = (table.values(row, number, self._revision) for row, number in rows)
        documents = [dict(zip(table.columns, row, strict=True)) for row in values]
        return {"rows": json.dumps(documents, ensure_ascii=False)}

    def _now(self) -> dict[str, Any]:
        return {"revision": self._revision}


_TOUCHED = "unnest(%(keys)s::bigint[]) AS touched (row_key)"


def _identity(row: StoredRow) -> tuple[object, ...]:
    return (row.key, row.window, row.cells)


def _place(row: StoredRow) -> tuple[object, ...]:
    return (row.key, row.parts, row.window)


def _keys(rows: Iterable[StoredRow]) -> dict[str, Any]:
    pairs = [(row.key, window_texts(row.window)[0]) for row in rows]
    return {"keys": [key for key, _ in pairs], "starts": [start for _, start in pairs]}
