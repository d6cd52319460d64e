"""Requests to look again: any number of them are one, and none is lost in the middle of a look.

Whoever wants a look counts `requested` up. A controller reads it when a look begins and says so
when that look is over; what was asked for meanwhile is still ahead then.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from controller.adapters.postgres import Connection, transaction
from controller.stores.control.statements import QUERIES, one, run

CHANNEL = "countersign_wake"
REASON_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True)
class Wake:
    """How often a look was asked for, and up to which of these requests one was made."""

    environment: str
    requested: int
    handled: int
    requested_at: datetime | None
    reason: str

    @property
    def is_due(self) -> bool:
        """Whether somebody asked since the last look began."""
        return self.requested > self.handled


def request(connection: Connection[Any], environment: str, *, reason: str, now: datetime) -> Wake:
    """Ask for a look, and tell whoever listens; return where the count stands."""
    facts = {"environment": environment, "reason": reason[:REASON_LENGTH_MAX], "now": now}
    with transaction(connection):
        row = one(connection, QUERIES["request_wake"], facts)
        run(connection, QUERIES["notify_wake"], {"environment": environment})
    assert row is not None, "RETURNING gives a row"
    return Wake(**row)


def read(connection: Connection[Any], environment: str) -> Wake:
    """Return how the count stands; nobody ever asked: all zeros."""
    row = one(connection, QUERIES["read_wake"], {"environment": environment})
    return Wake(environment, 0, 0, None, "") if row is None else Wake(**row)


def handled(connection: Connection[Any], wake: Wake) -> None:
    """Say that a look which began after `wake` was read is over."""
    if wake.is_due:
        facts = {"environment": wake.environment, "requested": wake.requested}
        run(connection, QUERIES["handle_wake"], facts)
