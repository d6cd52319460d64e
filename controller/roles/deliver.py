"""Delivers what is owed to people, beside the loop: a receiver that is away delays no pass.

Each notice is claimed for a while, sent without a transaction that stays open, and then finished.
Whoever dies in between leaves it claimed until that while is over; then it is sent again, the same
to the letter. Each target gets its notices in their order, and waits for no other target.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from controller.adapters.outbound import ReceiverRefused, ReceiverUnavailable
from controller.adapters.postgres import Connection, transaction
from controller.adapters.senders import Sender
from controller.kernel.canonical import Json
from controller.kernel.errors import ControllerError
from controller.kernel.events import Event
from controller.kernel.instants import Clock
from controller.kernel.notices import Notice
from controller.reconcile import notices as deciding
from controller.reconcile.notices import Target
from controller.roles.companions import Companion, Say
from controller.roles.timing import Backoff, Chance
from controller.stores.control import conditions, events, notices
from controller.stores.control.events import Happened
from controller.stores.control.notices import Owed

CLAIM = timedelta(seconds=120)
"""How long a notice is ours: longer than the longest request takes."""

PAUSE_MAX_SECONDS = 900.0
FAILURES_MAX = 3
"""After so many failures in a row a target counts as away."""

ATTEMPTS_MAX = 200
"""About a day and a half at the longest pauses; then a notice is given up."""

LOOK_SECONDS = 2.0
DECIDE_SECONDS = 30.0
FORGET_SECONDS = 3_600.0


@dataclass(slots=True)
class Breaker:
    """How a target has answered of late: pauses grow while it fails, whatever is owed to it."""

    backoff: Backoff
    failures: int = 0

    @property
    def is_open(self) -> bool:
        """Whether the target counts as away."""
        return self.failures >= FAILURES_MAX

    def failed(self, retry_after_seconds: float | None) -> float:
        """Return how many seconds to leave it alone."""
        self.failures += 1
        return max(self.backoff.next(), retry_after_seconds or 0.0)

    def worked(self) -> None:
        """Begin again."""
        self.failures = 0
        self.backoff.reset()


@dataclass(slots=True)
class Postman:
    """Sends what is due to the targets it has senders for, and remembers how they answered."""

    environment: str
    senders: Mapping[str, Sender]
    clock: Clock
    chance: Chance
    say: Say
    attempts_max: int = ATTEMPTS_MAX
    _breakers: dict[str, Breaker] = field(default_factory=dict, init=False)

    def deliver_due(
        self, connection: Connection[Any], *, is_over: Callable[[], bool] = lambda: False
    ) -> int:
        """Send what is due until nothing is, or `is_over`; return how many were delivered."""
        count = 0
        while not is_over():
            now = self.clock.now()
            owed = notices.claim(connection, self.senders, now=now, until=now + CLAIM)
            if owed is None:
                break
            count += self._deliver(connection, owed)
        return count

    def _deliver(self, connection: Connection[Any], owed: Owed) -> bool:
        target = _member(owed.payload, "target")
        breaker = self._breakers.setdefault(
            target, Breaker(Backoff(self.chance, most=PAUSE_MAX_SECONDS))
        )
        try:
            notice, delivery = _read(owed.payload)
        except Exception as error:  # noqa: BLE001  a poison notice must not stop those behind it
            self._bury(connection, owed, target, f"{target}: {type(error).__name__}")
            return False
        try:
            self.senders[target].send(notice, delivery=delivery, now=self.clock.now())
        except ReceiverRefused as error:
            self._bury(
                connection, owed, target, f"{error}; {error.hint}" if error.hint else str(error)
            )
        except ControllerError as error:
            self._postpone(connection, owed, target, breaker, error)
        except Exception as error:  # noqa: BLE001  nor one that no sender can put in its form
            # Not its words: they may hold what was sent, and with what secret.
            self._bury(connection, owed, target, f"{target}: {type(error).__name__}")
        else:
            self._took(connection, owed, target, breaker)
            return True
        return False

    def _took(self, connection: Connection[Any], owed: Owed, target: str, breaker: Breaker) -> None:
        notices.finish(connection, owed)
        if breaker.is_open:
            self._tell(Event.RECOVERED, f"{target} takes notices again", target)
        breaker.worked()

    def _postpone(
        self,
        connection: Connection[Any],
        owed: Owed,
        target: str,
        breaker: Breaker,
        error: ControllerError,
    ) -> None:
        asked = error.retry_after_seconds if isinstance(error, ReceiverUnavailable) else None
        pause = breaker.failed(asked)
        if owed.attempts >= self.attempts_max:
            self._bury(connection, owed, target, f"given up after {owed.attempts} tries: {error}")
            return
        due_at = self.clock.now() + timedelta(seconds=pause)
        notices.postpone(connection, owed, error=str(error), due_at=due_at)
        if breaker.failures == FAILURES_MAX:
            self._tell(Event.BESIDE_FAILED, f"notices wait: {error}", target)

    def _bury(self, connection: Connection[Any], owed: Owed, target: str, error: str) -> None:
        happened = self._happened(Event.NOTICE_LOST, error, target)
        with transaction(connection):
            notices.bury(connection, owed, error=error)
            events.append(connection, self.environment, happened)
        self.say(happened)

    def _tell(self, event: Event, words: str, target: str) -> None:
        self.say(self._happened(event, words, target))

    def _happened(self, event: Event, words: str, target: str) -> Happened:
        return Happened(event, self.clock.now(), words, facts={"target": target})


class Deliverer(Companion):
    """Decides again what lasts, and delivers, over a connection of its own."""

    def __init__(
        self,
        open_connection: Callable[[], AbstractContextManager[Connection[Any]]],
        postman: Postman,
        targets: Sequence[Target],
        *,
        backoff: Backoff,
        clock: Clock,
        say: Say,
    ) -> None:
        super().__init__("delivering notices", backoff, clock, say)
        self._open, self._postman, self._targets = open_connection, postman, targets
        self._due = threading.Event()
        self._decide_at = self._forget_at = 0.0

    def ask(self) -> None:
        """Say that something may be due."""
        self._due.set()

    def stop(self) -> None:
        """End the thread and wait for it; a request that is under way is waited for."""
        self.ended.set()
        self.ask()
        super().stop()

    def work(self) -> None:
        """Deliver until told to stop, or until the connection is lost."""
        with self._open() as connection:
            while not self.ended.is_set():
                self._due.clear()
                self._decide(connection)
                self._postman.deliver_due(connection, is_over=self.ended.is_set)
                self.went_well()
                self._wait()

    def _decide(self, connection: Connection[Any]) -> None:
        """Owe what is to be said again, and what a target that is new was never told."""
        moment, now = time.monotonic(), self._clock.now()
        if moment >= self._decide_at:
            self._decide_at = moment + DECIDE_SECONDS
            environment = self._postman.environment
            said = (one.condition for one in conditions.read(connection, environment))
            deciding.owe(connection, environment, self._targets, said, now)
        if moment >= self._forget_at:
            self._forget_at = moment + FORGET_SECONDS
            notices.forget(connection, now - timedelta(days=notices.KEPT_DAYS))

    def _wait(self) -> None:
        self._due.wait(LOOK_SECONDS)


def _read(payload: Json) -> tuple[Notice, str]:
    """Return a notice as it was owed, and its delivery's id; raise whatever it is not."""
    notice = payload.get("notice") if isinstance(payload, Mapping) else None
    if not isinstance(notice, Mapping):
        raise TypeError("a notice is an object")
    return Notice.from_json(notice), _member(payload, "id")


def _member(value: Json, name: str) -> str:
    found = value.get(name) if isinstance(value, Mapping) else None
    if not isinstance(found, str):
        raise TypeError(f"a notice names its {name}")
    return found
