"""What a role's process is made of: settings in, a loop that runs until it is told to stop."""

import fcntl
import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from secrets import SystemRandom, token_hex
from types import FrameType
from typing import Protocol

from controller.adapters.clock import SystemClock
from controller.adapters.files import write_file
from controller.adapters.workers import Beats
from controller.app import wiring
from controller.app.settings import Settings
from controller.kernel.errors import Refused
from controller.reconcile.turn import Eyes
from controller.roles.controller import Cadence, Controller, Watchers
from controller.roles.doorbell import Cause, Doorbell
from controller.roles.listening import Listener
from controller.roles.timing import Backoff
from controller.stores.control import wake
from controller.stores.control.events import Happened

_INSTALLATION = "installation"
_LOCK = "controller.lock"


class AlreadyRunning(Refused):
    """Another controller runs on the same state directory."""

    code = "serving.already_running"

    def __init__(self, state: Path) -> None:
        super().__init__(
            f"a controller already runs on {state}",
            hint="one state directory belongs to one controller: stop the other one first "
            "(`systemctl stop countersign`), or give this one its own controller.state_dir",
        )


class Companion(Protocol):
    """A thread that runs beside the loop."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


def serve_controller(settings: Settings, beats: Beats, say: Callable[[Happened], None]) -> None:
    """Run the controller role until SIGTERM or SIGINT; SIGHUP makes it look at once.

    Raises `AlreadyRunning`. What the database or the repository lack is said, and tried again.
    """
    state = settings.path(settings.controller.state_dir)
    state.mkdir(parents=True, exist_ok=True)
    bell = Doorbell()
    with _alone(state), _signals(bell), ExitStack() as stack:
        beside = _companions(settings, bell)

        def accompany() -> None:
            for one in beside:
                one.start()
                stack.callback(one.stop)

        def beat() -> None:
            if not beats.beat():
                bell.ring(Cause.STOP)  # nobody keeps us any more

        Controller(
            open_world=lambda: wiring.world(settings, signs=True),
            clock=SystemClock(),
            process=f"{socket.gethostname()} pid {os.getpid()}",
            holder=f"{settings.controller.name}@{_installation(state)}",
            bell=bell,
            chance=SystemRandom(),
            cadence=_cadence(settings),
            eyes=Eyes(),
            watchers=Watchers(beat=beat, say=say, settled=accompany),
        ).run()


def _cadence(settings: Settings) -> Cadence:
    daemon = settings.daemon
    return Cadence(daemon.poll_seconds, daemon.poll_jitter, daemon.renew_seconds)


def _companions(settings: Settings, bell: Doorbell) -> Sequence[Companion]:
    """Return the threads that start once the first turn is over: a fork must not meet them."""
    listener = Listener(
        lambda: wiring.database(settings, migrate=False),
        wake.CHANNEL,
        settings.controller.environment,
        bell,
        Backoff(SystemRandom()),
    )
    return (listener,)


def _installation(state: Path) -> str:
    """Return the name of this state directory's controller, made once: it outlives processes."""
    file = state / _INSTALLATION
    if not file.exists():
        write_file(file, f"{token_hex(8)}\n".encode())
    return file.read_text().strip()


@contextmanager
def _alone(state: Path) -> Iterator[None]:
    """Be the one controller of a state directory; the lock ends with the process."""
    descriptor = os.open(state / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise AlreadyRunning(state) from None
    finally:
        os.close(descriptor)


@contextmanager
def _signals(bell: Doorbell) -> Iterator[None]:
    """Ring for signals: to stop, or to look at once."""
    causes = {
        signal.SIGTERM: Cause.STOP,
        signal.SIGINT: Cause.STOP,
        signal.SIGHUP: Cause.REQUEST,
    }

    def ring(number: int, _frame: FrameType | None) -> None:
        bell.ring(causes[signal.Signals(number)])

    before = {number: signal.signal(number, ring) for number in causes}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
