"""Hears the database's notices in a thread of its own, and rings.

A notice is a hint: the counter it speaks of is in a table. So one that was missed while the
connection was away is made up for by one ring when it is back.
"""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from controller.adapters.postgres import Connection, sql, translated
from controller.kernel.errors import ControllerError
from controller.roles.doorbell import Cause, Doorbell
from controller.roles.timing import Backoff

HEAR_SECONDS = 0.5
"""How often the thread looks whether it should end."""


class Listener(threading.Thread):
    """Rings `cause` for each notice on a channel whose payload is the one waited for."""

    def __init__(
        self,
        open_connection: Callable[[], AbstractContextManager[Connection[Any]]],
        channel: str,
        payload: str,
        bell: Doorbell,
        backoff: Backoff,
    ) -> None:
        super().__init__(name=f"listen-{channel}", daemon=True)
        self._open, self._channel, self._payload = open_connection, channel, payload
        self._bell, self._backoff = bell, backoff
        self._ended = threading.Event()

    def run(self) -> None:
        """Listen until told to stop; a connection that is lost is opened again."""
        while not self._ended.is_set():
            try:
                with self._open() as connection, translated():
                    self._listen(connection)
            except ControllerError:
                # Whoever leads meets the same database and says what is wrong with it.
                self._ended.wait(self._backoff.next())

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._ended.set()
        self.join()

    def _listen(self, connection: Connection[Any]) -> None:
        connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))
        self._backoff.reset()
        self._bell.ring(Cause.POLL)
        while not self._ended.is_set():
            for notice in connection.notifies(timeout=HEAR_SECONDS):
                if notice.payload == self._payload:
                    self._bell.ring(Cause.REQUEST)
                if self._ended.is_set():
                    return
