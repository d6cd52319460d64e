"""A few rows: arrays in statements, sent together; ten rows take about two milliseconds."""

from collections.abc import Iterable, Mapping
from typing import Any

from controller.adapters.postgres import Connection, dict_row
from controller.plan.rows import SourceFile, StoredRow
from controller.stores.directory import checks
from controller.stores.directory.errors import AlreadyThere, BaseDiffers
from controller.stores.directory.model import Applied
from controller.stores.directory.references import check_referrers, check_whole
from controller.stores.directory.statements import DELTA
from controller.stores.directory.tables import STORE_TABLES, Reference, window_texts


class FewLoad:
    """Rows held in memory until they are written by a handful of statements."""

    def __init__(self, connection: Connection[Any], table: str, revision: int) -> None:
        self._connection, self._table, self._revision = connection, table, revision
        self._statements = DELTA[table]
        self._leaving: dict[tuple[object, ...], StoredRow] = {}
        self._incoming: list[tuple[StoredRow, int]] = []
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
        """Move, drop and put in one round trip, then judge what came back."""
        moved = [pair for pair in self._incoming if _identity(pair[0]) in self._leaving]
        for row, _ in moved:
            self._leaving.pop(_identity(row), None)
        gone = {_identity(row) for row, _ in moved}
        self._incoming = [pair for pair in self._incoming if _identity(pair[0]) not in gone]
        cursors = self._send(moved)
        self._judge(cursors)
        return Applied(self._table, "delta", len(self._leaving), len(self._incoming))

    def check_references(self, live: Mapping[str, str], rebuilt: frozenset[str]) -> None:
        """Refuse references of what came, and references to what went."""
        references = STORE_TABLES[self._table].references
        for reference in references:
            if reference.target in rebuilt:
                check_whole(self._connection, self._table, reference, live)
            elif self._refers(reference):
                statement = self._statements(
                    "missing_target", reference=reference.column, target=live[reference.target]
                )
                row = checks.first(self._connection, statement, self._put_values())
                if row is not None:
                    raise checks.refuse_dangling(
                        self._connection, self._table, reference.target, row
                    )
        coming = {row.key for row, _ in self._incoming}
        gone = [row for row in self._leaving.values() if row.key not in coming]
        if gone:
            check_referrers(self._connection, self._statements, live, rebuilt, _keys(gone))

    def finish(self) -> None:
        """Do nothing: the rows are already the table's."""

    def _send(self, moved: list[tuple[StoredRow, int]]) -> dict[str, Any]:
        work: list[tuple[str, dict[str, Any]]] = []
        if moved:
            values = _keys(row for row, _ in moved)
            work.append(("move", values | {"files": [number for _, number in moved]}))
        if self._leaving:
            work.append(("take", self._take_values()))
        if self._incoming:
            put = self._put_values()
            work += [("put", put), ("clashing", {"keys": put["c0"]})]
            if self._table == "ranges":
                work.append(("straddling", put))
        cursors = {}
        with self._connection.pipeline():
            for name, values in work:
                cursor = cursors[name] = self._connection.cursor(row_factory=dict_row)
                words = {"touched": _TOUCHED} if name == "clashing" else {}
                cursor.execute(self._statements(name, **words), values)
        return cursors

    def _judge(self, cursors: Mapping[str, Any]) -> None:
        if "take" in cursors:
            found = cursors["take"].fetchone()["rows"]
            if found != len(self._leaving):
                raise BaseDiffers(self._table, expected=len(self._leaving), found=found)
        if "put" not in cursors:
            return
        put = cursors["put"].fetchone()["rows"]
        if put != len(self._incoming):
            taken = checks.first(self._connection, self._statements("taken"), self._put_values())
            if taken is None:
                raise AlreadyThere(self._table, expected=len(self._incoming), put=put)
            raise checks.refuse_clash(self._connection, self._table, taken)
        clash = cursors["clashing"].fetchone()
        if clash is not None:
            raise checks.refuse_clash(self._connection, self._table, clash)
        straddle = cursors["straddling"].fetchone() if "straddling" in cursors else None
        if straddle is not None:
            raise checks.refuse_straddle(self._connection, straddle)

    def _refers(self, reference: Reference) -> bool:
        """Whether any row that came names something: most ranges name nobody."""
        store = STORE_TABLES[self._table]
        index = store.derived.index(reference.column)
        return any(store.derive(row.cells)[index] is not None for row, _ in self._incoming)

    def _take_values(self) -> dict[str, Any]:
        return _keys(self._leaving.values()) | {"revision": self._revision}

    def _put_values(self) -> dict[str, Any]:
        table = STORE_TABLES[self._table]
        rows = [table.values(row, number, self._revision) for row, number in self._incoming]
        return {f"c{index}": list(column) for index, column in enumerate(zip(*rows, strict=True))}


_TOUCHED = "unnest(%(keys)s::bigint[]) AS touched (row_key)"


def _identity(row: StoredRow) -> tuple[object, ...]:
    return (row.key, row.window, row.cells)


def _keys(rows: Iterable[StoredRow]) -> dict[str, Any]:
    pairs = [(row.key, window_texts(row.window)[0]) for row in rows]
    return {"keys": [key for key, _ in pairs], "starts": [start for _, start in pairs]}
