"""What watches a controller from outside: its log, its numbers, and who may read them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from secrets import SystemRandom

from controller import __version__
from controller.adapters.clock import SystemClock
from controller.adapters.metrics import ControllerMetrics
from controller.app import wiring
from controller.app.settings import Settings
from controller.kernel.instants import Clock
from controller.reconcile import vigil
from controller.reconcile.standing import Facts
from controller.reconcile.world import World
from controller.roles.companions import Companion, Say
from controller.roles.telemetry import Exposing, Gauges, Stopwatch, Surveyor
from controller.roles.timing import Backoff
from controller.stores.control.conditions import Condition
from controller.stores.control.events import Happened


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that one process of the controller shows. `log` takes every event."""

    settings: Settings
    log: Say
    clock: Clock
    metrics: ControllerMetrics
    gauges: Gauges
    stopwatch: Stopwatch = field(default_factory=Stopwatch)

    @contextmanager
    def world(self) -> Iterator[World]:
        """Open the world with every stage timed."""
        with wiring.world(self.settings, signs=True) as world:
            yield replace(world, staged=self.stopwatch.staged)

    def say(self, happened: Happened) -> None:
        """Take an event."""
        self.gauges.told(happened)
        self.log(happened)

    def seen(self, facts: Facts) -> None:
        """Take a turn's facts."""
        self.gauges.seen(facts, self.stopwatch.take())

    def is_fresh(self, world: World, now: datetime) -> Sequence[Condition]:
        """Ask for the heartbeat, and show it."""
        most = timedelta(seconds=self.settings.heartbeat.max_staleness_seconds)
        return vigil.is_fresh(world, now, heard=lambda found: self.gauges.fresh(found, most))

    def companions(self, holder: str) -> list[Companion]:
        """Return the threads that serve the numbers; none where nobody reads them."""
        section = self.settings.telemetry
        if section.metrics_port is None:
            return []
        environment = self.settings.controller.environment

        def backoff() -> Backoff:
            return Backoff(SystemRandom())

        return [
            Surveyor(
                lambda: wiring.database(self.settings, migrate=False),
                environment,
                holder,
                self.metrics,
                backoff=backoff(),
                clock=self.clock,
                say=self.say,
            ),
            Exposing(
                section.metrics_host,
                section.metrics_port,
                self.metrics,
                backoff=backoff(),
                clock=self.clock,
                say=self.say,
            ),
        ]


def observed(settings: Settings, log: Say) -> Observed:
    """Make what watches a controller."""
    clock = SystemClock()
    metrics = ControllerMetrics(__version__, clock)
    pushes = settings.remote.url is not None and settings.remote.audit is not None
    return Observed(settings, log, clock, metrics, Gauges(metrics, pushes=pushes))
