"""What people hold back, and who let it in again: rows that stay as a record.

A hold is in force until it is lifted or until it expires, judged by the instant that is handed in.
At most one of a kind is placed at a time. What is written about a hold is told in the same
transaction, and the running controller is asked to look.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from controller.adapters.postgres import Connection, transaction
from controller.kernel.errors import Refused
from controller.kernel.events import Event
from controller.kernel.instants import format_instant
from controller.stores.control import events, wake
from controller.stores.control.events import Happened
from controller.stores.control.statements import QUERIES, every, one, run

HISTORY_MAX = 1_000
TEXT_LENGTH_MAX = 500
EXPIRY = "expiry"
"""Who lifts a hold that nobody lifted before it expired."""


class HoldKind(StrEnum):
    """What a person may do to what comes in."""

    SUSPEND = "suspend"
    FREEZE = "freeze"
    OVERRIDE = "override"
    """Lets revisions through windows and a suspension, never through a freeze."""


@dataclass(frozen=True, slots=True)
class Hold:
    """One hold as it was placed and, perhaps, lifted."""

    id: int
    kind: HoldKind
    actor: str
    reason: str
    placed_at: datetime
    expires_at: datetime | None
    lifted_at: datetime | None
    lifted_by: str
    lifted_reason: str

    def is_active(self, now: datetime) -> bool:
        """Whether it is in force: the instant at which it expires is the first one without it."""
        return self.lifted_at is None and (self.expires_at is None or now < self.expires_at)

    def __str__(self) -> str:
        """Return it as people read it."""
        until = f" until {format_instant(self.expires_at)}" if self.expires_at else ""
        return f"{self.kind} by {self.actor}{until}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A hold that somebody wants to place; raises `BadHold` when it cannot be meant."""

    kind: HoldKind
    actor: str
    reason: str
    placed_at: datetime
    expires_at: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse what says nothing, too much, or ends before it begins."""
        check_words(self.actor, self.reason)
        if self.expires_at is not None and self.expires_at <= self.placed_at:
            raise BadHold(f"it would have ended at {format_instant(self.expires_at)} already")


class BadHold(Refused):
    """A hold says not who or why, or it would be over before it begins."""

    code = "holds.bad"

    def __init__(self, why: str) -> None:
        super().__init__(why, hint="say why: --reason TEXT, and until when in the future")


class AlreadyHeld(Refused):
    """Somebody holds it already in the same way."""

    code = "holds.already_held"

    def __init__(self, held: str) -> None:
        super().__init__(
            f"it is held already, {held}",
            hint="ask them, or lift that hold first; both words are kept",
        )


class NotHeld(Refused):
    """There is nothing to lift."""

    code = "holds.not_held"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"there is no {what} to lift", hint="`countersign status` shows every hold"
        )


def check_words(*words: str) -> None:
    """Raise `BadHold` unless each says something, on one line, and not too much."""
    for text in words:
        if not text.strip() or len(text) > TEXT_LENGTH_MAX or not text.isprintable():
            raise BadHold(f"{text[:40]!r} says not enough, or more than a line")


def unlifted(connection: Connection[Any], environment: str) -> tuple[Hold, ...]:
    """Return every hold that nobody lifted, expired ones with them, by kind."""
    rows = every(connection, QUERIES["read_holds"], {"environment": environment})
    return tuple(_hold(row) for row in rows)


def active(connection: Connection[Any], environment: str, now: datetime) -> tuple[Hold, ...]:
    """Return the holds in force, by kind."""
    return tuple(one for one in unlifted(connection, environment) if one.is_active(now))


def history(
    connection: Connection[Any], environment: str, *, limit: int = HISTORY_MAX
) -> tuple[Hold, ...]:
    """Return every hold there was, the newest first."""
    facts = {"environment": environment, "limit": limit}
    return tuple(_hold(row) for row in every(connection, QUERIES["hold_history"], facts))


def place(connection: Connection[Any], environment: str, wanted: Wanted) -> Hold:
    """Place a hold and tell of it; raise `AlreadyHeld` with who holds it."""
    facts = {
        "environment": environment,
        "kind": wanted.kind,
        "actor": wanted.actor,
        "reason": wanted.reason,
        "placed_at": wanted.placed_at,
        "expires_at": wanted.expires_at,
    }
    with transaction(connection):
        end_expired(connection, environment, wanted.placed_at)
        row = one(connection, QUERIES["place_hold"], facts)
        if row is None:
            held = [one for one in unlifted(connection, environment) if one.kind is wanted.kind]
            raise AlreadyHeld(str(held[0]) if held else "by somebody who lifts it just now")
        hold = _hold(row)
        event = Event.OVERRIDDEN if wanted.kind is HoldKind.OVERRIDE else Event.SUSPENDED
        _tell(connection, environment, event, hold, by=hold.actor, at=hold.placed_at)
    return hold


def lift(
    connection: Connection[Any],
    environment: str,
    kind: HoldKind,
    *,
    by: str,
    reason: str,
    now: datetime,
) -> Hold:
    """Lift the hold of a kind and tell of it; raise `NotHeld` when none is in force."""
    check_words(by, *([reason] if reason else []))
    facts = {"environment": environment, "kind": kind, "by": by, "reason": reason, "now": now}
    with transaction(connection):
        end_expired(connection, environment, now)
        row = one(connection, QUERIES["lift_hold"], facts)
        if row is None:
            raise NotHeld(kind)
        hold = _hold(row)
        _tell(connection, environment, Event.RESUMED, hold, by=by, at=now)
    return hold


def end_expired(connection: Connection[Any], environment: str, now: datetime) -> tuple[Hold, ...]:
    """Write down which holds have expired, and tell of each; nothing is written when none has."""
    facts = {"environment": environment, "by": EXPIRY, "now": now}
    with transaction(connection):
        ended = [_hold(row) for row in every(connection, QUERIES["end_expired_holds"], facts)]
        for hold in ended:
            _tell(connection, environment, Event.RESUMED, hold, by=EXPIRY, at=now)
    return tuple(ended)


def refuse(connection: Connection[Any], environment: str, now: datetime) -> None:
    """Raise `HeldMeanwhile` when a hold is in force; inside the transaction that lets a change in.

    Nothing is waited for but whoever is placing a hold. In a pipeline it is raised at its end.
    """
    run(connection, QUERIES["refuse_held"], {"environment": environment, "now": now})


def wait_for_applies(connection: Connection[Any], environment: str) -> None:
    """Return once nothing is being let in that did not see the holds committed by now.

    Raises `DatabaseBusy` when that takes longer than a lock may be waited for.
    """
    with transaction(connection):
        run(connection, QUERIES["wait_for_applies"], {"environment": environment})


def _tell(
    connection: Connection[Any],
    environment: str,
    event: Event,
    hold: Hold,
    *,
    by: str,
    at: datetime,
) -> None:
    lifted = event is Event.RESUMED
    words = f"{hold.kind} of {hold.actor} lifted" if lifted else str(hold)
    why = f": {hold.lifted_reason}" if lifted and hold.lifted_reason else ""
    facts = {
        "kind": hold.kind.value,
        "reason": hold.lifted_reason if lifted else hold.reason,
        "until": format_instant(hold.expires_at) if hold.expires_at is not None else None,
    }
    events.append(connection, environment, Happened(event, at, words + why, actor=by, facts=facts))
    wake.request(connection, environment, reason=f"{event} by {by}", now=at)


def _hold(row: dict[str, Any]) -> Hold:
    return Hold(**{**row, "kind": HoldKind(row["kind"])})
