"""Many rows on their way through COPY: those to put, and the keys of those to drop."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from controller.adapters.postgres import Connection
from controller.kernel.instants import Window
from controller.plan.rows import SourceFile, StoredRow
from controller.plan.whole import WholeFile
from controller.stores.directory.copytext import FileText, columns_of
from controller.stores.directory.errors import NotAllCopied
from controller.stores.directory.sql import QUERIES
from controller.stores.directory.statements import columns
from controller.stores.directory.tables import STORE_TABLES, window_texts

_PORTION_LINES = 500
_SPECIAL = re.compile(r"[\\\n\r]")
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


class Sending(NamedTuple):
    """One COPY: into which columns of which table of ours, in which window, which files' texts."""

    table: str
    target: str
    columns: tuple[str, ...]
    window: Window
    wanted: list[FileText]
    rows: int


class Copied:
    """What both ways of changing many rows share."""

    def __init__(
        self, connection: Connection[Any], table: str, revision: int, *, incoming: str, freeze: bool
    ) -> None:
        self._connection, self._table, self._revision = connection, table, revision
        store = self._store = STORE_TABLES[table]
        self._incoming, self._freeze = incoming, freeze
        self._leaving = f"pg_temp.leaving_{store.name}"
        self._put = self._copy_in(incoming, store.columns)
        self._take = self._copy_in(self._leaving, ("row_key", "effective_from"))
        self._cell_tabs = len(store.cells) - 1
        self._window = Window()
        self._window_texts = window_texts(self._window)
        self.incoming = self.leaving = 0
        connection.execute(QUERIES["settings_of_a_load"])
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

    def sendings(
        self, files: Sequence[WholeFile], numbers: Mapping[SourceFile, int]
    ) -> Iterator[Sending]:
        """Yield what is to be sent of whole files, all with the same columns and windows."""
        one = files[0]
        names, rows = one.facts.columns, sum(file.facts.rows for file in files)
        for window in one.going:
            wanted = [_wanted(file, None) for file in files]
            yield Sending(self._table, self._leaving, ("row_key",), window, wanted, rows)
        for window in one.coming:
            wanted = [_wanted(file, numbers[file.source]) for file in files]
            into = columns_of(self._table, names)
            yield Sending(self._table, self._incoming, into, window, wanted, rows)

    def send(self, sending: Sending, texts: Iterator[bytes]) -> None:
        """Copy texts into a table of ours whose other columns are the same for all of them."""
        start, end = window_texts(sending.window)
        same = {"effective_from": start, "effective_to": end, "revision": str(self._revision)}
        if sending.target == self._leaving:
            same = {"effective_from": start}
            self.leaving += sending.rows
        else:
            self.incoming += sending.rows
        self._say_once(sending.target, "SET DEFAULT", same)
        statement = self._copy_in(sending.target, sending.columns)
        cursor = self._connection.cursor()
        with cursor.copy(statement) as copy:
            for text in islice(texts, len(sending.wanted)):
                copy.write(text)
        if cursor.rowcount != sending.rows:
            raise NotAllCopied(sending.table, planned=sending.rows, copied=cursor.rowcount)
        self._say_once(sending.target, "DROP DEFAULT", dict.fromkeys(same, ""))

    def _say_once(self, target: str, what: str, same: Mapping[str, str]) -> None:
        changes = [
            f"ALTER COLUMN {name} {what}" + (f" '{value}'" if value else "")
            for name, value in same.items()
        ]
        self._connection.execute(f"ALTER TABLE {target} {', '.join(changes)}".encode())

    def _copy_in(self, target: str, names: tuple[str, ...]) -> bytes:
        freeze = ", FREEZE" if self._freeze and target == self._incoming else ""
        return (
            f"COPY {target} ({columns(names)}) FROM STDIN WITH (FORMAT text, NULL ''{freeze})"
        ).encode()

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


def _wanted(file: WholeFile, file_id: int | None) -> FileText:
    facts = file.facts
    return FileText(file.table, facts.columns, file.oid, facts.sha256, facts.size_bytes, file_id)
