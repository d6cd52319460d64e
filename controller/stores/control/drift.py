"""What was found to have drifted: one row while it lasts, kept when it is over."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from controller.adapters.postgres import Connection
from controller.adapters.queries import load
from controller.kernel.canonical import Digest, Json, canonical
from controller.stores.control.statements import one, run

QUERIES = load("controller.stores.control", "drift.sql")


class Ended(StrEnum):
    """How drift came to an end."""

    GONE = "gone"
    """A later look found everything as declared."""
    ACK = "ack"
    """Put right because owners signed for it."""
    HEAL = "heal"
    """Put right by the controller itself, within its limits."""
    PERSON = "person"
    """Put right by a person at a host."""


@dataclass(frozen=True, slots=True)
class StoredDrift:
    """The drift that is open: `found_at` is when there was none before it."""

    id: int
    revision: int
    digest: Digest
    found_at: datetime
    report: dict[str, Any]

    @property
    def tables(self) -> frozenset[str]:
        """The tables that drifted."""
        return frozenset(table["table"] for table in self.report["tables"])


def read(connection: Connection[Any], environment: str) -> StoredDrift | None:
    """Return the drift that is open, if there is one."""
    row = one(connection, QUERIES["read_drift"], {"environment": environment})
    return None if row is None else StoredDrift(**row)


def put(
    connection: Connection[Any],
    environment: str,
    *,
    revision: int,
    digest: Digest,
    report: Json,
    now: datetime,
) -> None:
    """Write what was found; drift that is open already becomes this one."""
    facts = {
        "environment": environment,
        "revision": revision,
        "digest": digest,
        "report": canonical(report).decode(),
        "now": now,
    }
    run(connection, QUERIES["put_drift"], facts)


def end(connection: Connection[Any], environment: str, now: datetime, by: Ended) -> None:
    """Say how the drift that is open ended, if there is one."""
    run(connection, QUERIES["end_drift"], {"environment": environment, "now": now, "by": by})


def count_ended(connection: Connection[Any], environment: str, by: Ended, since: datetime) -> int:
    """Return how many drifts ended in one way after an instant."""
    facts = {"environment": environment, "by": by, "since": since}
    row = one(connection, QUERIES["count_drifts_ended"], facts)
    return int(row["ended"]) if row else 0
