"""What happened to the controller, in order: for people and machines that watch.

The proof of what was done is the journal; this is what is told about it, and about all the times
when nothing could be done.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from controller.adapters.postgres import Connection
from controller.kernel.canonical import Json, canonical
from controller.kernel.events import Event
from controller.kernel.objects import Oid
from controller.stores.control.statements import QUERIES, every, run

EVENTS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Happened:
    """One event before it is written. `cause` is for the log alone: it is never stored."""

    event: Event
    at: datetime
    message: str
    actor: str = ""
    revision: int | None = None
    commit: Oid | None = None
    facts: Json = None
    cause: BaseException | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event as it was written; `name` may be one that this version does not know any more."""

    id: int
    at: datetime
    name: str
    severity: str
    actor: str
    revision: int | None
    commit: Oid | None
    message: str
    facts: Json


def append(connection: Connection[Any], environment: str, happened: Happened) -> None:
    """Write an event, inside the caller's transaction if there is one."""
    facts = {
        "environment": environment,
        "at": happened.at,
        "name": str(happened.event),
        "severity": happened.event.severity,
        "actor": happened.actor,
        "revision": happened.revision,
        "commit": happened.commit,
        "message": happened.message,
        "facts": canonical(happened.facts or {}).decode(),
    }
    run(connection, QUERIES["append_event"], facts)


def since(
    connection: Connection[Any], environment: str, *, after: int = 0, limit: int = EVENTS_MAX
) -> tuple[StoredEvent, ...]:
    """Return events with a higher id than `after`, the oldest first."""
    facts = {"environment": environment, "after": after, "limit": limit}
    return tuple(StoredEvent(**row) for row in every(connection, QUERIES["read_events"], facts))


def newest(connection: Connection[Any], environment: str, *, limit: int) -> tuple[StoredEvent, ...]:
    """Return the last `limit` events, the oldest of them first."""
    facts = {"environment": environment, "limit": limit}
    return tuple(StoredEvent(**row) for row in every(connection, QUERIES["newest_events"], facts))
