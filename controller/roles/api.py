"""The API role: a copy of the directory that follows production, and a server that answers.

The copy is kept by one thread with a connection of its own; whatever else asks the database borrows
a connection. A database that is away takes nothing from answers: the last copy goes on, and says
since when it may be behind.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controller.adapters.pool import Pool
from controller.adapters.postgres import Connection
from controller.kernel.instants import Clock
from controller.policy.identifiers import Scheme
from controller.reconcile.keeper import Place, SnapshotKeeper, State
from controller.reconcile.windows import Windows
from controller.stores.control import wake
from controller.web.access import Access
from controller.web.app import application
from controller.web.hot import Answers
from controller.web.meters import Meters
from controller.web.server import Listening, Surroundings, serve
from controller.web.services import Services
from controller.web.webhooks import Provider, Webhooks


@dataclass(frozen=True, slots=True)
class Limits:
    """How many requests are worked on at once, how many of them ask the database, and how often
    webhooks ask for a look.
    """

    requests_max: int = 256
    workers: int = 8
    wake_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Api:
    """Everything one process of the role is made of. `connect` opens the copy's own connection."""

    where: Listening
    place: Place
    connect: Callable[[], Connection[Any]]
    pool: Pool
    schemes: Mapping[str, Scheme]
    secrets: Mapping[Provider, bytes]
    clock: Clock
    access: Access
    meters: Meters
    name: Callable[[], str]
    beat: Callable[[], bool]
    say: Callable[[str], None]
    limits: Limits = Limits()
    windows: Windows = field(default_factory=Windows)
    host_folder: Path | None = None

    def run(self) -> None:
        """Serve until told to stop."""
        workers = ThreadPoolExecutor(self.limits.workers, thread_name_prefix="database")
        keeper = SnapshotKeeper(self.connect, self.place, self.schemes, self.clock)
        app = application(
            self._services(keeper, workers),
            Webhooks(
                self.secrets, self._wake, self.meters, interval_seconds=self.limits.wake_seconds
            ),
            name=self.name,
            requests_max=self.limits.requests_max,
        )
        answers = Answers(
            lambda: keeper.current,
            self.clock,
            is_open=lambda: self.access.is_open and keeper.state.stale_since is None,
            counted=self.meters.answered_at_once,
        )
        around = Surroundings(self._started, self.beat, self.access.prepare)
        self.meters.watch(lambda: keeper.state)
        self.pool.open()
        keeper.start()
        try:
            serve(app, answers, self.where, around)
        finally:
            keeper.stop()
            workers.shutdown(cancel_futures=True)
            self.pool.close()

    def _services(self, keeper: SnapshotKeeper, workers: Executor) -> Services:
        def state() -> State:
            return keeper.state

        return Services(
            environment=self.place.environment,
            clock=self.clock,
            schemes=self.schemes,
            snapshot=lambda: keeper.current,
            state=state,
            connections=self.pool.connection,
            access=self.access,
            meters=self.meters,
            workers=workers,
            windows=self.windows,
            host_folder=self.host_folder,
        )

    def _started(self, port: int) -> None:
        host = f"[{self.where.host}]" if ":" in self.where.host else self.where.host
        self.say(f"listening on {self.where.scheme}://{host}:{port}")

    def _wake(self, reason: str) -> None:
        with self.pool.connection() as connection:
            now = self.clock.now()
            wake.request(connection, self.place.environment, reason=reason, now=now)
