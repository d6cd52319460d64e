"""The database's clock: another machine's, where the database is on another machine."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from controller.adapters.postgres import Connection
from controller.stores.control.statements import QUERIES, one


@dataclass(frozen=True, slots=True)
class DatabaseClock:
    """A clock that asks over a connection, and tells the time itself, not a transaction's start."""

    connection: Connection[Any]

    def now(self) -> datetime:
        """Return the database's present instant, in UTC."""
        row = one(self.connection, QUERIES["read_clock"], {})
        assert row is not None, "a query without a table has a row"
        instant: datetime = row["now"]
        return instant.astimezone(UTC)
