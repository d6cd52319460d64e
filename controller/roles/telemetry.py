"""What the loop shows of itself in numbers: stages, turns, events, and what the database says."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from controller.adapters.metrics import CONTENT_TYPE, ControllerMetrics
from controller.adapters.postgres import Connection
from controller.adapters.scraped import Scraped
from controller.kernel.errors import ControllerError, Corrupt, Held, Unavailable
from controller.kernel.instants import Clock
from controller.kernel.stages import Stage
from controller.reconcile.freshness import Freshness
from controller.reconcile.holds import SUSPEND, WINDOW
from controller.reconcile.standing import Facts, conditions
from controller.roles.companions import Companion, Say
from controller.roles.timing import Backoff
from controller.stores.control import lease, outbox
from controller.stores.control import store as control
from controller.stores.control.events import Happened
from controller.stores.directory import store as directory

SURVEY_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Timed:
    """One stage: when it began and ended on the monotonic clock, and what it ended in."""

    stage: Stage
    began: float
    ended: float
    error: str = ""


@dataclass(slots=True)
class Stopwatch:
    """Times the stages of one turn."""

    _timed: list[Timed] = field(default_factory=list, init=False)

    @contextmanager
    def staged(self, stage: Stage) -> Iterator[None]:
        """Time a stage."""
        began, error = time.monotonic(), ""
        try:
            yield
        except ControllerError as failed:
            error = failed.code
            raise
        except Exception as failed:
            error = type(failed).__name__
            raise
        finally:
            self._timed.append(Timed(stage, began, time.monotonic(), error))

    def take(self) -> tuple[Timed, ...]:
        """Return the stages since it was last asked."""
        found, self._timed = tuple(self._timed), []
        return found


@dataclass(frozen=True, slots=True)
class Gauges:
    """Turns facts into numbers. `pushes`: the audit branch is pushed to a remote."""

    metrics: ControllerMetrics
    pushes: bool = False

    def seen(self, facts: Facts, timed: tuple[Timed, ...]) -> None:
        """Take note of a turn."""
        metrics, error = self.metrics, facts.error
        for one in timed:
            metrics.stage(one.stage, one.ended - one.began)
        compared = None if isinstance(error, Unavailable | Corrupt) else facts.now
        metrics.turned(result(facts), in_sync=facts.settled, compared_at=compared)
        if error is not None:
            metrics.failed(error.code)
        for condition in conditions(facts):
            metrics.condition(condition.type.value, condition.status.value)
        metrics.held(_held(facts))
        for revision in facts.revisions:
            metrics.changed(revision.counts)
            metrics.applied(revision.revision, revision.applied_at)
        if facts.revisions and self.pushes:
            metrics.push_owed(facts.now)

    def told(self, happened: Happened) -> None:
        """Take note of an event; a thread's error counts by its code."""
        self.metrics.happened(happened.event)
        code = happened.facts.get("code") if isinstance(happened.facts, dict) else None
        if isinstance(code, str) and happened.revision is None and happened.commit is None:
            self.metrics.failed(code)

    def fresh(self, found: Freshness, max_staleness: Any) -> None:
        """Take note of the heartbeat."""
        beat = found.heartbeat
        if beat is None:
            self.metrics.heartbeat(None, None)
        else:
            self.metrics.heartbeat(beat.created, min(beat.expires, beat.created + max_staleness))


def result(facts: Facts) -> str:
    """Return how a turn ended, in one word."""
    match facts.error:
        case None:
            return "success" if facts.revisions else "noop"
        case Held():
            return "held"
        case Unavailable():
            return "transient"
        case Corrupt():
            return "corrupt"
        case _:
            return "refused"


def _held(facts: Facts) -> Iterator[str]:
    for one in facts.holds.all:
        if one.is_freeze:
            yield "frozen"
        elif one.kind == SUSPEND:
            yield "suspended"
        elif one.kind == WINDOW:
            yield "window_closed"
    if facts.holds.override is not None:
        yield "overridden"


class Surveyor(Companion):
    """Asks the database now and then for what numbers show: also while another controller leads."""

    def __init__(
        self,
        open_connection: Callable[[], AbstractContextManager[Connection[Any]]],
        environment: str,
        holder: str,
        metrics: ControllerMetrics,
        *,
        backoff: Backoff,
        clock: Clock,
        say: Say,
    ) -> None:
        super().__init__("survey for metrics", backoff, clock, say)
        self._open, self._environment, self._holder = open_connection, environment, holder
        self._metrics = metrics

    def work(self) -> None:
        """Ask until told to stop, or until the connection is lost."""
        with self._open() as connection:
            while not self.ended.is_set():
                self.survey(connection)
                self.went_well()
                self.ended.wait(SURVEY_SECONDS)

    def survey(self, connection: Connection[Any]) -> None:
        """Ask once."""
        leader = lease.leader(connection, self._environment)
        if leader is not None:
            leads = leader.is_held and leader.holder == self._holder
            self._metrics.leading(leads=leads, epoch=leader.epoch)
        applied = control.read_applied(connection, self._environment)
        if applied is not None:
            self._metrics.applied(applied.revision, applied.applied_at)
        self._metrics.boundary(directory.next_boundary(connection, self._clock.now()))
        waiting = outbox.survey(connection)
        self._metrics.owed({kind: (one.depth, one.due_at) for kind, one in waiting.items()})


class Exposing(Companion):
    """Serves the numbers to Prometheus."""

    def __init__(
        self,
        host: str,
        port: int,
        metrics: ControllerMetrics,
        *,
        backoff: Backoff,
        clock: Clock,
        say: Say,
    ) -> None:
        super().__init__("serving metrics", backoff, clock, say)
        self._host, self._port, self._metrics = host, port, metrics

    def work(self) -> None:
        """Serve until told to stop."""
        server = Scraped(self._host, self._port, CONTENT_TYPE, self._metrics.exposition)
        self.went_well()
        server.serve_while(lambda: not self.ended.is_set())
