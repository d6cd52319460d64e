"""The controller role: wait, take a turn, say how it stands, and again, for months.

One thread does all of it; others only ring. Two of them on one environment: the one that holds the
lease works, the other waits and takes over when the lease runs out. A connection that is lost is
opened again, and everything that is remembered with it is forgotten.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from controller.adapters.postgres import transaction
from controller.kernel.errors import ControllerError, Corrupt, Unavailable
from controller.kernel.events import Event
from controller.kernel.instants import Clock
from controller.kernel.objects import Oid
from controller.reconcile.leading import Lead
from controller.reconcile.standing import Facts, event_of
from controller.reconcile.turn import Eyes, Turns
from controller.reconcile.world import World
from controller.roles.doorbell import Cause, Doorbell
from controller.roles.timing import Backoff, Chance, jittered
from controller.stores.control import events
from controller.stores.control import wake as wakes
from controller.stores.control.events import Happened
from controller.stores.control.model import Fenced, LeaseHeld
from controller.stores.directory import store as directory

_RENEWALS = 3
TICK_SECONDS = 1.0
"""The longest wait at once: the host's clock may be set, and a boundary come sooner than it was."""


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often things are done when nobody asks. The lease lasts three times its renewal."""

    poll_seconds: float = 15.0
    poll_jitter: float = 0.1
    renew_seconds: float = 20.0
    drift_seconds: float = 300.0
    """Live rows are looked at when a controller begins to lead, and so often from then on."""


def _nothing() -> None:
    """Nobody wants to know."""


def _say_nothing(_happened: Happened) -> None:
    """Nobody listens."""


def _see_nothing(_facts: Facts) -> None:
    """Nobody counts."""


@dataclass(frozen=True, slots=True)
class Watchers:
    """Who is told: each beat of the loop, each event, each turn's facts, and the first turn's end.

    `settled` is called once, after the first turn: from then on other threads may run.
    """

    beat: Callable[[], None] = _nothing
    say: Callable[[Happened], None] = _say_nothing
    seen: Callable[[Facts], None] = _see_nothing
    settled: Callable[[], None] = _nothing


class Stopping(Exception):
    """Somebody asked the loop to end."""


@dataclass(frozen=True, slots=True)
class Waiter:
    """Waits for a ring, and shows that it lives while it does."""

    bell: Doorbell
    beat: Callable[[], None]

    def wait(self, seconds: float) -> frozenset[Cause]:
        """Wait at most so long, or a tick; raise `Stopping` when that is what it rings for."""
        self.beat()
        rung = self.bell.wait(min(seconds, TICK_SECONDS))
        if Cause.STOP in rung:
            raise Stopping
        return rung

    def pause(self, seconds: float) -> None:
        """Wait so long, or until anything rings."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self.wait(left):
            pass


@dataclass(slots=True)
class Controller:
    """The loop. `open_world` opens the database and everything beside it anew each time."""

    open_world: Callable[[], AbstractContextManager[World]]
    clock: Clock
    process: str
    holder: str
    bell: Doorbell
    chance: Chance
    cadence: Cadence = Cadence()
    eyes: Eyes = field(default_factory=Eyes)
    watchers: Watchers = Watchers()
    _waiter: Waiter = field(init=False)
    _backoff: Backoff = field(init=False)
    _may_settle: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        """Begin with no pause behind us."""
        self._backoff = Backoff(self.chance)
        self._waiter = Waiter(self.bell, self.watchers.beat)

    def run(self) -> None:
        """Run until the bell is rung to stop."""
        with suppress(Stopping):
            while True:
                try:
                    with self.open_world() as world:
                        self._serve(world)
                except ControllerError as error:
                    # The database is away, or is none that we may use: nothing can be written.
                    self.watchers.say(Happened(event_of(error), self.clock.now(), str(error)))
                    self._waiter.pause(self._backoff.next())

    def _serve(self, world: World) -> None:
        """Lead when nobody else does, and wait for that otherwise."""
        duration = timedelta(seconds=_RENEWALS * self.cadence.renew_seconds)
        lead = Lead(world.environment, self.holder, self.process, duration)
        ours = replace(world, lead=lead)
        while True:
            self._stand_by(world, lead)
            self._tell(world, Event.LEADING, self.process)
            self._backoff.reset()
            try:
                _Leader(ours, lead, self._waiter, self).run()
            except Fenced as fenced:
                self._tell(world, Event.FENCED, str(fenced))

    def _stand_by(self, world: World, lead: Lead) -> None:
        """Return when the lease is ours."""
        told = False
        while True:
            try:
                lead.take(world.connection)
            except LeaseHeld as held:
                if not told:
                    self.watchers.say(Happened(Event.STANDING_BY, self.clock.now(), str(held)))
                told = True
                self.settled()
                self._waiter.pause(self.cadence.renew_seconds / 4)
            else:
                return

    def settled(self) -> None:
        """Take note that the first turn is over, or that another one leads."""
        if self._may_settle:
            self._may_settle = False
            self.watchers.settled()

    def _tell(self, world: World, event: Event, message: str) -> None:
        happened = Happened(event, self.clock.now(), message)
        with transaction(world.connection):
            events.append(world.connection, world.environment, happened)
        self.watchers.say(happened)


class _Leader:
    """The loop while we lead: what is due when, and what was found last."""

    def __init__(self, world: World, lead: Lead, waiter: Waiter, controller: Controller) -> None:
        self._world, self._lead, self._waiter = world, lead, waiter
        self._controller = controller
        self._turns = Turns(world, controller.eyes)
        self._backoff = Backoff(controller.chance)
        self._turn_due = self._renewal_due = self._drift_due = time.monotonic()
        self._boundary: datetime | None = None
        self._compared_at: datetime | None = None
        self._head: Oid | None = None

    def run(self) -> None:
        """Take turns until another leader fences us off, or somebody asks to stop."""
        rung = frozenset({Cause.START})
        try:
            while True:
                self._renew()
                rung |= self._passed() | self._drifts()
                if rung or time.monotonic() >= self._turn_due:
                    self._turn(rung)
                    self._controller.settled()
                rung = self._waiter.wait(self._left())
        except Stopping:
            self._lead.give_back(self._world.connection)
            raise

    def _renew(self) -> None:
        if time.monotonic() >= self._renewal_due:
            self._lead.keep(self._world.connection, self._compared_at)
            self._renewal_due = time.monotonic() + self._controller.cadence.renew_seconds

    def _passed(self) -> frozenset[Cause]:
        """Return whether a window began or ended since the last turn; nothing is written then."""
        now = self._world.clock.now()
        if self._boundary is None or now < self._boundary:
            return frozenset()
        self._boundary = None
        words = "rows that begin or end are served as they are from now on"
        self._controller.watchers.say(Happened(Event.BOUNDARY, now, words))
        return frozenset({Cause.BOUNDARY})

    def _drifts(self) -> frozenset[Cause]:
        """Return whether it is time to look at live rows."""
        now = time.monotonic()
        if now < self._drift_due:
            return frozenset()
        self._drift_due = now + self._controller.cadence.drift_seconds
        return frozenset({Cause.DRIFT})

    def _turn(self, rung: frozenset[Cause]) -> None:
        world = self._world
        wake = wakes.read(world.connection, world.environment)
        asked = wake.is_due or bool(rung & {Cause.REQUEST, Cause.BOUNDARY})
        looks = wake.is_due or bool(rung & {Cause.REQUEST, Cause.DRIFT})
        facts = self._turns.take(asked=asked, expects_news=wake.is_due, looks=looks)
        if isinstance(facts.error, Fenced):
            raise facts.error
        for told in self._turns.told:
            self._controller.watchers.say(told)
        wakes.handled(world.connection, wake)
        self._boundary = directory.next_boundary(world.connection, facts.now)
        self._controller.watchers.seen(facts)
        self._plan(facts)

    def _plan(self, facts: Facts) -> None:
        """Work out when the next turn is due if nobody rings."""
        cadence = self._controller.cadence
        pause = jittered(cadence.poll_seconds, cadence.poll_jitter, self._controller.chance)
        if facts.head != self._head or not isinstance(facts.error, Unavailable):
            self._backoff.reset()
        if isinstance(facts.error, Unavailable):
            pause = self._backoff.next()
        elif not isinstance(facts.error, Corrupt):
            if self._compared_at is None:
                self._renewal_due = time.monotonic()  # people need not wait to see the first one
            self._compared_at = facts.now  # a refusal is the outcome of a comparison, too
        held = facts.holds.holding
        if held is not None and held.until is not None:  # whatever waits is let in to the second
            pause = min(pause, max(0.0, (held.until - facts.now).total_seconds()))
        self._head = facts.head
        self._turn_due = time.monotonic() + pause

    def _left(self) -> float:
        """Return how long may be waited until something is due."""
        left = min(self._turn_due, self._renewal_due, self._drift_due) - time.monotonic()
        if self._boundary is not None:
            left = min(left, (self._boundary - self._world.clock.now()).total_seconds())
        return max(0.0, left)
