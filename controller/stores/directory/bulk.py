"""Many rows: copied beside the table, then merged into it or put in its place."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from controller.adapters.postgres import Connection, dict_row
from controller.kernel.instants import Window
from controller.plan.rows import SourceFile, StoredRow
from controller.stores.directory import checks, digest
from controller.stores.directory.errors import AlreadyThere, BaseDiffers
from controller.stores.directory.model import Applied
from controller.stores.directory.references import check_referrers, check_whole
from controller.stores.directory.sql import QUERIES
from controller.stores.directory.statements import NEXT, STAGED, columns
from controller.stores.directory.tables import STORE_TABLES, window_texts

_MEMORY = b"SET LOCAL work_mem = '64MB'; SET LOCAL maintenance_work_mem = '256MB'"
_PORTION_LINES = 500
_SPECIAL = re.compile(r"[\\\n\r]")
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


class _Copied:
    """Rows on their way through COPY: those to put, and the keys of those to drop."""

    def __init__(
        self, connection: Connection[Any], table: str, revision: int, *, incoming: str, freeze: bool
    ) -> None:
        self._connection, self._table, self._revision = connection, table, revision
        store = self._store = STORE_TABLES[table]
        self._put = (
            f"COPY {incoming} ({columns(store.columns)}) FROM STDIN "
            f"WITH (FORMAT text, NULL ''{', FREEZE' if freeze else ''})"
        ).encode()
        leaving = f"pg_temp.leaving_{store.name}"
        self._take = f"COPY {leaving} (row_key, effective_from) FROM STDIN".encode()
        self._cell_tabs = len(store.cells) - 1
        self._window = Window()
        self._window_texts = window_texts(self._window)
        self.incoming = self.leaving = 0
        connection.execute(_MEMORY)
        connection.execute(
            f"CREATE TEMP TABLE leaving_{store.name} "
            "(row_key bigint, effective_from timestamptz) ON COMMIT DROP".encode()
        )

    def add(
        self,
        removed: Iterable[StoredRow],
        added: Iterable[StoredRow],
        numbers: Mapping[SourceFile, int],
    ) -> None:
        """Copy rows to drop and rows to put."""
        self.leaving += self._copy(
            self._take, (f"{row.key}\t{window_texts(row.window)[0]}\n" for row in removed)
        )
        self.incoming += self._copy(self._put, (self._line(row, numbers) for row in added))

    def _copy(self, statement: bytes, lines: Iterator[str]) -> int:
        """Send lines in portions, so that the server reads while we write the next."""
        first = next(lines, None)
        if first is None:
            return 0
        count = 1
        with self._connection.cursor().copy(statement) as copy:
            copy.write(first)
            while portion := list(islice(lines, _PORTION_LINES)):
                copy.write("".join(portion))
                count += len(portion)
        return count

    def _line(self, row: StoredRow, numbers: Mapping[SourceFile, int]) -> str:
        """Return one line of COPY's text format; cells hold no separators, but we look."""
        if row.window is not self._window:
            self._window, self._window_texts = row.window, window_texts(row.window)
        start, end = self._window_texts
        cells = "\t".join(row.cells)
        if cells.count("\t") != self._cell_tabs or _SPECIAL.search(cells):
            cells = "\t".join([cell.translate(_ESCAPES) for cell in row.cells])
        derived = self._store.derive(row.cells)
        middle = "".join(["\t" if value is None else f"{value}\t" for value in derived])
        file_id = numbers[row.source]
        return f"{row.key}\t{start}\t{end}\t{middle}{cells}\t{file_id}\t{self._revision}\n"


class StagedLoad(_Copied):
    """Rows for up to a tenth of a table: staged, then merged by set."""

    def __init__(self, connection: Connection[Any], table: str, revision: int) -> None:
        name = STORE_TABLES[table].name
        connection.execute(
            f"CREATE TEMP TABLE incoming_{name} (LIKE directory.{name}) ON COMMIT DROP".encode()
        )
        super().__init__(
            connection, table, revision, incoming=f"pg_temp.incoming_{name}", freeze=False
        )
        self._statements = STAGED[table]
        self.live = f"directory.{name}"

    def write(self) -> Applied:
        """Move, drop and put by set, then look for clashes of what was put."""
        name, run = self._store.name, self._statements
        for staged in ("incoming", "leaving"):
            self._connection.execute(f"ANALYZE pg_temp.{staged}_{name}".encode())
        moved = 0
        if self.leaving:
            moved = self._connection.execute(run("move_staged")).rowcount
            found = self._rows("take", {"revision": self._revision})
            if found != self.leaving - moved:
                raise BaseDiffers(self._table, expected=self.leaving - moved, found=found)
        put = self._rows("put")
        if put != self.incoming - moved:
            self._refuse("taken", self._clash)
            raise AlreadyThere(self._table, expected=self.incoming - moved, put=put)
        self._refuse("clashing", self._clash, touched="pg_temp.incoming_" + name)
        if self._table == "ranges":
            self._refuse("straddling", checks.refuse_straddle)
        return Applied(self._table, "staged", self.leaving - moved, put)

    def check_references(self, live: Mapping[str, str], rebuilt: frozenset[str]) -> None:
        """Refuse references of what came, and references to what went."""
        for reference in self._store.references:
            if reference.target in rebuilt:
                check_whole(self._connection, self._table, reference, live)
                continue
            statement = self._statements(
                "missing_target", reference=reference.column, target=live[reference.target]
            )
            row = checks.first(self._connection, statement)
            if row is not None:
                raise checks.refuse_dangling(self._connection, self._table, reference.target, row)
        check_referrers(self._connection, self._statements, live, rebuilt, None)

    def finish(self) -> None:
        """Drop what was staged."""
        name = self._store.name
        drop = f"DROP TABLE pg_temp.incoming_{name}, pg_temp.leaving_{name}"
        self._connection.execute(drop.encode())

    def _clash(self, connection: Connection[Any], row: checks.Row) -> Exception:
        return checks.refuse_clash(connection, self._table, row)

    def _refuse(
        self,
        name: str,
        error: Callable[[Connection[Any], checks.Row], Exception],
        **words: str,
    ) -> None:
        row = checks.first(self._connection, self._statements(name, **words))
        if row is not None:
            raise error(self._connection, row)

    def _rows(self, name: str, values: Mapping[str, Any] | None = None) -> int:
        row = checks.first(self._connection, self._statements(name), values)
        assert row is not None
        return int(row["rows"])


class RebuiltLoad(_Copied):
    """A first load, or more than a tenth of a table: a new table takes the old one's place."""

    def __init__(self, connection: Connection[Any], table: str, revision: int) -> None:
        name = STORE_TABLES[table].name
        connection.execute(
            f"CREATE TABLE directory.{name}_next "
            f"(LIKE directory.{name} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)".encode()
        )
        self.live = f"directory.{name}_next"
        super().__init__(connection, table, revision, incoming=self.live, freeze=True)
        self._statements, self._now = NEXT[table], f"directory.{name}"

    def write(self) -> Applied:
        """Carry over what stays, look for clashes, build the indexes, add up."""
        if self.leaving:
            self._keep_history()
        self._connection.execute(self._statements("carry_over", live=self._now))
        self._refuse_clashes()
        self._index()
        self._connection.execute(f"ANALYZE {self.live}".encode())
        if self._table == "ranges":
            self._refuse_straddles()
        digest.keep(self._connection, digest.of_table(self._connection, self._table, self.live))
        return Applied(self._table, "rebuild", self.leaving, self.incoming)

    def check_references(self, live: Mapping[str, str], rebuilt: frozenset[str]) -> None:
        """Check every row's references, and every row that refers to this table."""
        for reference in self._store.references:
            check_whole(self._connection, self._table, reference, live)
        for name, table in STORE_TABLES.items():
            for reference in table.references:
                if reference.target == self._table and name not in rebuilt:
                    check_whole(self._connection, name, reference, live)

    def finish(self) -> None:
        """Put the new table in the old one's place: only now do readers have to wait."""
        name = self._store.name
        indexes = self._indexes()
        self._connection.execute(f"DROP TABLE pg_temp.leaving_{name}".encode())
        self._connection.execute(f"DROP TABLE directory.{name}".encode())
        self._connection.execute(f"ALTER TABLE {self.live} RENAME TO {name}".encode())
        for index in indexes:
            self._connection.execute(
                f"ALTER INDEX directory.{index['name']}_next RENAME TO {index['name']}".encode()
            )

    def _keep_history(self) -> None:
        self._connection.execute(f"ANALYZE pg_temp.leaving_{self._store.name}".encode())
        self._connection.execute(f"ANALYZE {self.live}".encode())
        row = checks.first(self._connection, self._statements("matched", live=self._now))
        assert row is not None
        if row["rows"] != self.leaving:
            raise BaseDiffers(self._table, expected=self.leaving, found=row["rows"])
        self._connection.execute(self._statements("keep_revision", live=self._now))
        self._connection.execute(
            self._statements("keep_history", live=self._now), {"revision": self._revision}
        )

    def _index(self) -> None:
        name = self._store.name
        for index in self._indexes():
            if index["is_primary"]:
                text = (
                    f"ALTER TABLE {self.live} ADD CONSTRAINT {index['name']}_next "
                    "PRIMARY KEY (row_key, effective_from)"
                )
            else:
                text = index["definition"].replace(
                    f" {index['name']} ON directory.{name} ",
                    f" {index['name']}_next ON directory.{name}_next ",
                )
            self._connection.execute(text.encode())

    def _indexes(self) -> list[Mapping[str, Any]]:
        cursor = self._connection.cursor(row_factory=dict_row)
        return list(cursor.execute(QUERIES["index_definitions"], {"table": self._now}))

    def _refuse_clashes(self) -> None:
        """Look at keys that stand more than once, if there are any."""
        repeated = self._statements("repeated")
        if checks.first(self._connection, repeated) is None:
            return
        touched = f"({repeated.decode()}) AS repeated"
        clash = checks.first(self._connection, self._statements("clashing", touched=touched))
        if clash is not None:
            raise checks.refuse_clash(self._connection, self._table, clash)

    def _refuse_straddles(self) -> None:
        """Ask the cheap question first: in most lists no two ranges share a number."""
        touching = checks.first(self._connection, self._statements("touching"))
        if touching is not None and touching["found"]:
            row = checks.first(self._connection, self._statements("straddled"))
            if row is not None:
                raise checks.refuse_straddle(self._connection, row)
