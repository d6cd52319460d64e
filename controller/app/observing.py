"""What watches a controller from outside: its log, its numbers, and who may read them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from secrets import SystemRandom

from controller import __version__
from controller.adapters import outbound
from controller.adapters.clock import SystemClock
from controller.adapters.metrics import ControllerMetrics
from controller.adapters.tracing import Collector, check_installed, exporter_to, sending
from controller.app import wiring
from controller.app.settings import Settings
from controller.kernel.instants import Clock
from controller.reconcile import vigil
from controller.reconcile.standing import Facts
from controller.reconcile.world import World
from controller.roles.companions import Companion, Say
from controller.roles.telemetry import Exposing, Gauges, Stopwatch, Surveyor
from controller.roles.timing import Backoff
from controller.roles.tracing import Tracing
from controller.stores.control.conditions import Condition
from controller.stores.control.events import Happened


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that one process of the controller shows. `say` takes every event."""

    settings: Settings
    say: Say
    clock: Clock
    metrics: ControllerMetrics
    gauges: Gauges
    tracing: Tracing | None
    stopwatch: Stopwatch = field(default_factory=Stopwatch)

    @contextmanager
    def world(self) -> Iterator[World]:
        """Open the world with every stage timed."""
        with wiring.world(self.settings, signs=True) as world:
            yield replace(world, staged=self.stopwatch.staged)

    def seen(self, facts: Facts) -> None:
        """Take a turn's facts."""
        timed = self.stopwatch.take()
        self.gauges.seen(facts, timed)
        if self.tracing is not None:
            self.tracing.seen(facts, timed)

    def is_fresh(self, world: World, now: datetime) -> Sequence[Condition]:
        """Ask for the heartbeat, and show it."""
        most = timedelta(seconds=self.settings.heartbeat.max_staleness_seconds)
        return vigil.is_fresh(world, now, heard=lambda found: self.gauges.fresh(found, most))

    def companions(self, holder: str) -> list[Companion]:
        """Return the threads that serve numbers and send traces; none where nobody reads them."""
        section = self.settings.telemetry
        tracing: list[Companion] = [self.tracing] if self.tracing is not None else []
        if section.metrics_port is None:
            return tracing
        environment = self.settings.controller.environment

        def backoff() -> Backoff:
            return Backoff(SystemRandom())

        return [
            *tracing,
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


def _tracing(settings: Settings, clock: Clock, say: Say) -> Tracing | None:
    section = settings.telemetry
    if section.traces_url is None:
        return None
    check_installed()
    outbound.host_of("telemetry.traces_url", section.traces_url)  # refuses what is never asked
    token, authorities = section.traces_token_file, section.traces_ca_file
    collector = Collector(
        section.traces_url,
        # Not resolved: a secret that is a link is refused, and said so.
        token_file=settings.folder / token.expanduser() if token is not None else None,
        ca_file=settings.path(authorities) if authorities is not None else None,
    )
    about = {
        "service.version": __version__,
        "deployment.environment.name": settings.controller.environment,
    }
    return Tracing(
        lambda: sending(exporter_to(collector), about),
        backoff=Backoff(SystemRandom()),
        clock=clock,
        say=say,
    )


def observed(settings: Settings, log: Say) -> Observed:
    """Make what watches a controller. Raises `TracingNotInstalled` and `BadReceiverUrl`."""
    clock = SystemClock()
    metrics = ControllerMetrics(__version__, clock)
    pushes = settings.remote.url is not None and settings.remote.audit is not None
    gauges = Gauges(metrics, pushes=pushes)

    def say(happened: Happened) -> None:
        gauges.told(happened)
        log(happened)

    return Observed(settings, say, clock, metrics, gauges, _tracing(settings, clock, say))
