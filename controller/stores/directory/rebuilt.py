"""A first load, or more than a tenth of a table: a new table takes the old one's place."""

from collections.abc import Callable, Mapping
from typing import Any

from controller.adapters.postgres import Connection, IntegrityRefused, dict_row, transaction
from controller.stores.directory import checks, digest
from controller.stores.directory.copied import Copied
from controller.stores.directory.errors import BaseDiffers
from controller.stores.directory.model import Applied
from controller.stores.directory.references import check_whole
from controller.stores.directory.sql import QUERIES
from controller.stores.directory.statements import NEXT
from controller.stores.directory.tables import STORE_TABLES

FILL_PERCENT = 96
"""How full pages are made, as migration 0005 says of tables that are never rebuilt."""


class RebuiltLoad(Copied):
    """One table that is made anew."""

    def __init__(self, connection: Connection[Any], table: str, revision: int) -> None:
        name = STORE_TABLES[table].name
        connection.execute(
            f"CREATE TABLE directory.{name}_next "
            f"(LIKE directory.{name} INCLUDING DEFAULTS INCLUDING CONSTRAINTS) "
            f"WITH (fillfactor = {FILL_PERCENT})".encode()
        )
        self.live = f"directory.{name}_next"
        super().__init__(connection, table, revision, incoming=self.live, freeze=True)
        self._statements, self._now = NEXT[table], f"directory.{name}"
        # Nearly no row has a boundary, so these indexes cost less now than a look at every row.
        self._index(lambda index: bool(index["is_of_boundaries"]))

    def write(self) -> Applied:
        """Carry over what stays, look for clashes, build the indexes, add up."""
        if self.leaving:
            self._keep_history()
        self._connection.execute(self._statements("carry_over", live=self._now))
        self._index_keys()
        self._index(lambda index: not (index["is_primary"] or index["is_of_boundaries"]))
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

    def _index_keys(self) -> None:
        """Build the primary key, which finds equal keys; refuse rows that clash.

        Two rows of one key differ in their start once this index stands, so one of them has one.
        """
        (index,) = [index for index in self._indexes() if index["is_primary"]]
        build = (
            f"ALTER TABLE {self.live} ADD CONSTRAINT {index['name']}_next "
            "PRIMARY KEY (row_key, effective_from)"
        )
        try:
            with transaction(self._connection):
                self._connection.execute(build.encode())
        except IntegrityRefused:
            self._refuse_clashes(self._statements("repeated"))
            raise
        self._refuse_clashes(self._statements("started"))

    def _index(self, wanted: Callable[[Mapping[str, Any]], bool]) -> None:
        name = self._store.name
        for index in filter(wanted, self._indexes()):
            text = index["definition"].replace(
                f" {index['name']} ON directory.{name} ",
                f" {index['name']}_next ON directory.{name}_next ",
            )
            self._connection.execute(text.encode())

    def _indexes(self) -> list[Mapping[str, Any]]:
        cursor = self._connection.cursor(row_factory=dict_row)
        return list(cursor.execute(QUERIES["index_definitions"], {"table": self._now}))

    def _refuse_clashes(self, suspects: bytes) -> None:
        """Look at keys that may stand more than once, if there are any."""
        if checks.first(self._connection, suspects) is None:
            return
        touched = f"({suspects.decode()}) AS suspects"
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
