"""Hears the database's notices, and rings.

A notice is a hint: the counter it speaks of is in a table. So one that was missed while the
connection was away is made up for by one ring when it is back.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from controller.adapters.postgres import Connection, sql, translated
from controller.kernel.instants import Clock
from controller.roles.companions import Companion, Say
from controller.roles.doorbell import Cause, Doorbell
from controller.roles.timing import Backoff

HEAR_SECONDS = 0.5
"""How often the thread looks whether it should end."""


class Listener(Companion):
    """Rings for each notice on a channel whose payload is the one waited for."""

    def __init__(
        self,
        open_connection: Callable[[], AbstractContextManager[Connection[Any]]],
        channel: str,
        payload: str,
        bell: Doorbell,
        *,
        backoff: Backoff,
        clock: Clock,
        say: Say,
    ) -> None:
        super().__init__(f"listening to {channel}", backoff, clock, say)
        self._open, self._channel, self._payload = open_connection, channel, payload
        self._bell = bell

    def work(self) -> None:
        """Listen until told to stop, or until the connection is lost."""
        with self._open() as connection, translated():
            connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))
            self.went_well()
            self._bell.ring(Cause.POLL)
            while not self.ended.is_set():
                for notice in connection.notifies(timeout=HEAR_SECONDS):
                    if notice.payload == self._payload:
                        self._bell.ring(Cause.REQUEST)
                    if self.ended.is_set():
                        return
