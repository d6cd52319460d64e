"""What was said to whom, and the notices that are still owed: rows of the outbox, by target.

Who decides that something is to be said hands in what it knew; where somebody else has said it
meanwhile, nothing is written.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from controller.adapters.postgres import Connection, transaction
from controller.kernel.canonical import Json, canonical
from controller.kernel.notices import Notice
from controller.stores.control.statements import QUERIES, every, one, run

PAUSE_MAX = timedelta(hours=2)
"""Nothing is put off for longer."""

KEPT_DAYS = 30
"""How long a notice is kept after it was delivered or given up."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a target was told last of a subject. `is_waiting`: it has not got it yet."""

    target: str
    subject: str
    reason: str
    revision: str
    is_open: bool
    opened_at: datetime
    said_at: datetime
    is_waiting: bool = False


@dataclass(frozen=True, slots=True)
class Saying:
    """What is to be said: what was known before, what is known after, and the words, if any."""

    before: Said | None
    after: Said
    notice: Notice | None


@dataclass(frozen=True, slots=True)
class Owed:
    """A notice that was claimed: `payload` is as it was written, `attempts` counts this try."""

    id: int
    payload: Json
    attempts: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many notices wait for a target, how many were given up, and what went wrong last."""

    target: str
    waiting: int
    dead: int
    last_error: str


def said(connection: Connection[Any], target: str) -> dict[str, Said]:
    """Return what a target was told, by subject."""
    rows = every(connection, QUERIES["read_notices"], {"target": target})
    return {row["subject"]: Said(**row) for row in rows}


def say(connection: Connection[Any], saying: Saying) -> bool:
    """Take note of what is said and owe it; return whether it was still as it was `before`."""
    after, before = saying.after, saying.before
    facts = {
        "target": after.target,
        "subject": after.subject,
        "reason": after.reason,
        "revision": after.revision,
        "is_open": after.is_open,
        "opened_at": after.opened_at,
        "said_at": after.said_at,
    }
    with transaction(connection):
        if before is None:
            written = run(connection, QUERIES["open_notice"], facts)
        else:
            was = {
                "was_reason": before.reason,
                "was_revision": before.revision,
                "was_open": before.is_open,
                "was_said_at": before.said_at,
            }
            written = run(connection, QUERIES["change_notice"], facts | was)
        if written and saying.notice is not None:
            owe(connection, after.target, saying.notice, after.said_at)
    return bool(written)


def owe(connection: Connection[Any], target: str, notice: Notice, due_at: datetime) -> None:
    """Owe a notice to a target; it is delivered after the transaction."""
    payload = canonical({"target": target, "notice": notice.to_json()}).decode()
    run(connection, QUERIES["owe_notice"], {"payload": payload, "due_at": due_at})


def claim(
    connection: Connection[Any], targets: Iterable[str], *, now: datetime, until: datetime
) -> Owed | None:
    """Take a notice that is due, the oldest of its target; nobody else takes it before `until`."""
    facts = {"targets": list(targets), "now": now, "until": until, "latest": now + PAUSE_MAX}
    row = one(connection, QUERIES["claim_notice"], facts)
    return None if row is None else Owed(**row)


def finish(connection: Connection[Any], owed: Owed) -> None:
    """Say that a notice was delivered."""
    run(connection, QUERIES["finish_notice"], {"id": owed.id})


def postpone(connection: Connection[Any], owed: Owed, *, error: str, due_at: datetime) -> None:
    """Try again at `due_at`; `error` says what went wrong."""
    facts = {"id": owed.id, "error": error, "due_at": due_at}
    run(connection, QUERIES["postpone_notice"], facts)


def bury(connection: Connection[Any], owed: Owed, *, error: str) -> None:
    """Give a notice up: nobody sends it any more, and `status` counts it."""
    run(connection, QUERIES["bury_notice"], {"id": owed.id, "error": error})


def forget(connection: Connection[Any], before: datetime) -> int:
    """Drop notices that were delivered or given up before; return how many."""
    return run(connection, QUERIES["forget_notices"], {"before": before})


def backlog(connection: Connection[Any]) -> tuple[Backlog, ...]:
    """Return what waits or was given up, by target; nothing where all was delivered."""
    rows = every(connection, QUERIES["notice_backlog"], {})
    return tuple(
        Backlog(row["target"], row["waiting"], row["dead"], row["last_error"] or "") for row in rows
    )
