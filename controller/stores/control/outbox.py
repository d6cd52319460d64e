"""Effects a revision owes the world: written in its transaction, done after it, never lost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from controller.adapters.postgres import Connection
from controller.kernel.canonical import Json, canonical
from controller.stores.control.model import OutboxKind, OutboxRow
from controller.stores.control.statements import QUERIES, every, one, run


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many effects of a kind are owed, and when the first of them is due, or was."""

    depth: int
    due_at: datetime


def enqueue_record(
    connection: Connection[Any], kind: OutboxKind, *, controller: str, seq: int, due_at: datetime
) -> None:
    """Owe the effect `kind` for one journal record; the same record is never owed twice."""
    facts = {"kind": kind, "controller": controller, "journal_seq": seq, "payload": None}
    run(connection, QUERIES["enqueue"], facts | {"due_at": due_at})


def enqueue(connection: Connection[Any], kind: str, payload: Json, due_at: datetime) -> int:
    """Owe an effect that a payload describes; return the row's id."""
    text = canonical(payload).decode()
    facts = {"kind": kind, "controller": None, "journal_seq": None, "payload": text}
    row = one(connection, QUERIES["enqueue"], facts | {"due_at": due_at})
    assert row is not None, "RETURNING gives a row"
    return int(row["id"])


def survey(connection: Connection[Any]) -> dict[str, Waiting]:
    """Return what is owed by kind; a kind of which nothing is owed is left out."""
    rows = every(connection, QUERIES["survey_outbox"], {})
    return {row["kind"]: Waiting(row["depth"], row["due_at"]) for row in rows}


def claim(
    connection: Connection[Any], kind: str, *, now: datetime, limit: int
) -> tuple[OutboxRow, ...]:
    """Lock due rows, oldest first; rows held by another worker are skipped, not waited for."""
    facts = {"kind": kind, "now": now, "limit": limit}
    return tuple(OutboxRow(**row) for row in every(connection, QUERIES["claim_outbox"], facts))


def finish(connection: Connection[Any], rows: Sequence[int]) -> None:
    """Say that the effects of some rows, by id, have happened; each is finished once."""
    run(connection, QUERIES["finish_outbox"], {"ids": list(rows)})


def postpone(connection: Connection[Any], row: OutboxRow, *, error: str, due_at: datetime) -> None:
    """Try again at `due_at`; `error` says what went wrong this time."""
    facts = {"id": row.id, "error": error, "due_at": due_at}
    run(connection, QUERIES["postpone_outbox"], facts)


def queued(connection: Connection[Any], kind: str, *, controller: str | None = None) -> int:
    """Return how many effects of `kind` are owed, by one controller or by all."""
    row = one(connection, QUERIES["count_queued"], {"kind": kind, "controller": controller})
    return int(row["queued"]) if row else 0
