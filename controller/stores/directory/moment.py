"""Read the rows of one moment, also beside a load that puts a new table in an old one's place."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from controller.adapters.postgres import Connection, reading, sketching
from controller.stores.directory.tables import STORE_TABLES

_HOLD = "LOCK TABLE {} IN ACCESS SHARE MODE".format(
    ", ".join(f"directory.{table.name}" for table in STORE_TABLES.values())
).encode()


@contextmanager
def moment(connection: Connection[Any]) -> Iterator[None]:
    """See one state of the database in every query of the block, and write nothing.

    Whoever opens a rebuilt table sees the rows that were copied into it frozen, whatever older
    moment it looks at. So all tables are held before the moment is chosen, which the first query
    does: a load then waits to put a new table in place, or has done so before.
    `connection` must not be inside a transaction. Raises `DatabaseBusy` when a load is just then
    putting its tables in place and does not end in time.
    """
    with reading(connection):
        connection.execute(_HOLD)
        yield


@contextmanager
def sketch(connection: Connection[Any]) -> Iterator[None]:
    """See one moment as `moment` does, and leave nothing of what the block writes.

    For temporary tables, which a transaction that only reads may not make.
    """
    with sketching(connection):
        connection.execute(_HOLD)
        yield
