"""Roles as processes: started, watched, started again when they end, ended in order.

Each role is a process of its own: one which dies or hangs takes nothing with it. A role that
ends is started again after a pause that grows; one that stops beating is killed first. The
embedded PostgreSQL, where there is one, belongs to the supervisor: roles come and go beside it.
"""

import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from controller.adapters.embedded import EmbeddedPostgres
from controller.adapters.systemd import VARIABLES, Notifier, notifier
from controller.adapters.workers import Worker
from controller.app.settings import Settings, ambient
from controller.kernel.events import Event
from controller.roles.timing import Backoff, Chance

LOOK_SECONDS = 0.2
STEADY_SECONDS = 60.0
"""A role that ran so long has come up: when it ends, its pauses begin anew."""

Say = Callable[[Event, str], None]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a role may be silent before it is killed, and how long it may take to end."""

    silent_seconds: float = 120.0
    stop_seconds: float = 30.0


@dataclass(slots=True)
class _Role:
    name: str
    backoff: Backoff
    worker: Worker | None = None
    due: float = 0.0


@dataclass(slots=True)
class Supervisor:
    """Keeps roles running until it is told to stop.

    `command` gives a role's arguments. The notifier is told once every role has beaten, and at each
    look: that one of them hangs is our business, and that we do is the business of who started us.
    """

    names: Sequence[str]
    command: Callable[[str], Sequence[str]]
    environment: Mapping[str, str]
    backoff: Callable[[], Backoff]
    say: Say
    patience: Patience = Patience()
    server: EmbeddedPostgres | None = None
    notifier: Notifier = field(default_factory=lambda: Notifier(None))
    _roles: list[_Role] = field(default_factory=list, init=False)
    _asked: list[int] = field(default_factory=list, init=False)

    def run(self) -> None:
        """Run until SIGTERM or SIGINT; SIGHUP is passed on: roles look at once."""
        self._roles = [_Role(name, self.backoff()) for name in self.names]
        with _signals(self._asked):
            try:
                self._watch()
            finally:
                self._end()

    def _watch(self) -> None:
        was_ready = False
        while not {signal.SIGTERM, signal.SIGINT} & set(self._asked):
            self._keep_server()
            for role in self._roles:
                self._keep(role)
            if signal.SIGHUP in self._asked:
                self._asked.remove(signal.SIGHUP)
                self._pass_on(signal.SIGHUP)
            if not was_ready and self._all_have_beaten():
                was_ready = True
                self._tell(Event.READY, f"{', '.join(self.names)} run")
                self.notifier.ready()
            self.notifier.alive()
            time.sleep(LOOK_SECONDS)

    def _all_have_beaten(self) -> bool:
        return all(role.worker is not None and role.worker.has_beaten for role in self._roles)

    def _tell(self, event: Event, words: str) -> None:
        self.say(event, words)
        self.notifier.status(words)

    def _keep_server(self) -> None:
        if self.server is not None and self.server.ended:
            self._tell(Event.DATABASE_AGAIN, "the embedded PostgreSQL has ended; starting it again")
            self.server.stop()
            self.server.start()

    def _keep(self, role: _Role) -> None:
        worker = role.worker
        if worker is None:
            if time.monotonic() >= role.due:
                role.worker = Worker(self.command(role.name), self.environment)
            return
        status = worker.look()
        if status is None and worker.silent_seconds() > self.patience.silent_seconds:
            silent = f"{role.name} shows no life for {worker.silent_seconds():.0f} s; killing it"
            self._tell(Event.ROLE_SILENT, silent)
            worker.signal(signal.SIGKILL)
            status = worker.stop(0)
        if status is not None:
            self._again(role, worker, status)

    def _again(self, role: _Role, worker: Worker, status: int) -> None:
        worker.close()
        role.worker = None
        if time.monotonic() - worker.started > STEADY_SECONDS:
            role.backoff.reset()
        pause = role.backoff.next()
        role.due = time.monotonic() + pause
        how = f"signal {-status}" if status < 0 else f"status {status}"
        words = f"{role.name} ended with {how}; starting it again in {pause:.1f} s"
        self._tell(Event.ROLE_ENDED, words)

    def _pass_on(self, number: int) -> None:
        for role in self._roles:
            if role.worker is not None:
                role.worker.signal(number)

    def _end(self) -> None:
        self.notifier.stopping()
        self._tell(Event.STOPPING, f"{', '.join(self.names)} end")
        self._pass_on(signal.SIGTERM)
        until = time.monotonic() + self.patience.stop_seconds
        for role in self._roles:
            if role.worker is not None:
                role.worker.stop(max(0.1, until - time.monotonic()))


@contextmanager
def _signals(asked: list[int]) -> Iterator[None]:
    """Collect what we are asked to do; handlers only take note."""

    def note(number: int, _frame: FrameType | None) -> None:
        asked.append(number)

    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def supervised(
    settings: Settings, file: Path, names: Sequence[str], chance: Chance, say: Say
) -> Iterator[Supervisor]:
    """Give a supervisor of roles on this host; its embedded PostgreSQL runs while it does."""
    environment = ambient()
    with ExitStack() as stack:
        server = None
        if settings.database_url() is None:
            state = settings.path(settings.controller.state_dir)
            server = EmbeddedPostgres(state, run_as=settings.database.run_as, keeps=True)
            stack.enter_context(server)
        yield Supervisor(
            names=names,
            command=lambda name: ["role", name, "--config", str(file.resolve())],
            environment={
                name: value for name, value in environment.items() if name not in VARIABLES
            },
            backoff=lambda: Backoff(chance),
            say=say,
            patience=Patience(settings.daemon.silent_seconds, settings.daemon.stop_seconds),
            server=server,
            notifier=notifier(environment),
        )
