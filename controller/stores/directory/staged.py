"""Rows for up to a tenth of a table: copied beside it, then merged by set."""

from collections.abc import Callable, Mapping
from typing import Any

from controller.adapters.postgres import Connection
from controller.stores.directory import checks
from controller.stores.directory.copied import Copied
from controller.stores.directory.errors import AlreadyThere, BaseDiffers
from controller.stores.directory.model import Applied
from controller.stores.directory.references import check_referrers, check_whole
from controller.stores.directory.statements import STAGED
from controller.stores.directory.tables import STORE_TABLES


class StagedLoad(Copied):
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
            now = {"revision": self._revision}
            moved = self._connection.execute(run("move_staged"), now).rowcount
            found = self._rows("take", now)
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
