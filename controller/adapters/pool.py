"""The door to psycopg_pool: connections that are lent for a question and given back.

Each is opened as all ours are (`postgres.connect`), looked at before it is lent, and thrown away
when it broke. A database that is away costs whoever asks a bounded wait, and nobody else anything.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from psycopg_pool import ConnectionPool

from controller.adapters.postgres import Connection, Limits, connect, translated

LIFETIME_SECONDS = 1_800.0
_IDLE_SECONDS = 120.0
_WAITING_MAX = 256


@dataclass(frozen=True, slots=True)
class Size:
    """How many connections there are at most, and how long somebody waits for one."""

    connections: int = 8
    wait_seconds: float = 5.0


class Pool:
    """Connections to one database that commit by themselves. `open` it before use, `close` it."""

    def __init__(self, url: str, *, application_name: str, limits: Limits, size: Size) -> None:
        def made(_conninfo: str, **_more: Any) -> Connection[Any]:
            return connect(url, application_name=application_name, autocommit=True, limits=limits)

        self._size = size
        # The pool knows no URL: it is in the maker alone, so nothing of it can be logged.
        self._pool = ConnectionPool(
            "",
            connection_class=_maker(made),
            min_size=0,
            max_size=size.connections,
            timeout=size.wait_seconds,
            max_waiting=_WAITING_MAX,
            max_lifetime=LIFETIME_SECONDS,
            max_idle=_IDLE_SECONDS,
            reconnect_timeout=size.wait_seconds,
            check=ConnectionPool.check_connection,
            open=False,
            name=application_name,
        )

    def open(self) -> None:
        """Begin; no connection is waited for."""
        self._pool.open(wait=False)

    def close(self) -> None:
        """Close every connection."""
        self._pool.close(timeout=self._size.wait_seconds)

    @contextmanager
    def connection(self) -> Iterator[Connection[Any]]:
        """Lend a connection; raise `DatabaseUnavailable` when none comes in time."""
        with translated(), self._pool.connection() as connection:
            yield connection


def _maker(made: Callable[..., Connection[Any]]) -> type[Connection[Any]]:
    """Return what the pool makes connections of: it asks nothing of a class but `connect`."""

    class Ours(Connection[Any]):
        connect = staticmethod(made)  # type: ignore[assignment]

    return Ours
