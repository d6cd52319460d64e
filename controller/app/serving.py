"""What a role's process is made of: settings in, a loop that runs until it is told to stop."""

import fcntl
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import SystemRandom, token_hex
from types import FrameType
from typing import Any

from controller.adapters.clock import SystemClock
from controller.adapters.files import write_file
from controller.adapters.workers import Beats
from controller.app import following, looking, telling, wiring
from controller.app.host import artifact_repository
from controller.app.observing import Observed, observed
from controller.app.settings import Settings
from controller.audit.commit import reference
from controller.kernel.errors import Refused
from controller.kernel.instants import Clock
from controller.reconcile import vigil
from controller.reconcile.drifting import Mode, Rules, Tender
from controller.reconcile.standing import Facts
from controller.reconcile.turn import Eyes
from controller.reconcile.world import World
from controller.roles.companions import Companion, Say
from controller.roles.controller import Cadence, Controller, Watchers
from controller.roles.deliver import Deliverer, Postman
from controller.roles.doorbell import Cause, Doorbell
from controller.roles.listening import Listener
from controller.roles.timing import Backoff
from controller.roles.upkeep import Upkeep
from controller.roles.watching import Watcher
from controller.source.follow import Follower
from controller.stores.control import wake

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


def serve_controller(settings: Settings, beats: Beats, say: Say) -> None:
    """Run the controller role until SIGTERM or SIGINT; SIGHUP makes it look at once.

    Raises `AlreadyRunning`. What the database or the repository lack is said, and tried again.
    """
    state = settings.path(settings.controller.state_dir)
    state.mkdir(parents=True, exist_ok=True)
    bell = Doorbell()
    with _alone(state), _signals(bell), ExitStack() as stack:
        clock = SystemClock()
        follower = following.follower(settings, stopped=bell.stops)
        holder = f"{settings.controller.name}@{_installation(state)}"
        shown = observed(settings, say)
        beside = _Beside(clock, shown)
        companions = _companions(settings, follower, bell, beside)
        companions += shown.companions(holder)
        if settings.notify:
            companions.append(_deliverer(settings, beside))

        def accompany() -> None:
            for one in companions:
                one.start()
                stack.callback(one.stop)

        def seen(facts: Facts) -> None:
            shown.seen(facts)
            for one in companions:
                if isinstance(one, Deliverer) or (facts.revisions and isinstance(one, Upkeep)):
                    one.ask()

        def beat() -> None:
            if not beats.beat():
                bell.ring(Cause.STOP)  # nobody keeps us any more

        Controller(
            open_world=shown.world,
            clock=clock,
            process=f"{socket.gethostname()} pid {os.getpid()}",
            holder=holder,
            bell=bell,
            chance=SystemRandom(),
            cadence=_cadence(settings),
            eyes=replace(
                _eyes(follower, shown), owe=telling.owe(settings), tend=_tender(settings).tend
            ),
            watchers=Watchers(beat=beat, say=shown.say, seen=seen, settled=accompany),
        ).run()


def _cadence(settings: Settings) -> Cadence:
    daemon = settings.daemon
    return Cadence(
        daemon.poll_seconds,
        daemon.poll_jitter,
        daemon.renew_seconds,
        settings.drift.interval_seconds,
    )


def _tender(settings: Settings) -> Tender:
    drift = settings.drift
    return Tender(Rules(Mode(drift.mode), drift.heal_max_rows, drift.heal_per_hour))


@dataclass(frozen=True, slots=True)
class _Beside:
    """What every thread beside the loop is made with."""

    clock: Clock
    shown: Observed

    @property
    def facts(self) -> dict[str, Any]:
        say = self.shown.say
        return {"backoff": Backoff(SystemRandom()), "clock": self.clock, "say": say}


def _companions(
    settings: Settings, follower: Follower | None, bell: Doorbell, beside: _Beside
) -> list[Companion]:
    """Return the threads that start once the first turn is over: a fork must not meet them."""
    environment, branch = settings.controller.environment, settings.repository.branch
    listener = Listener(
        lambda: wiring.database(settings, migrate=False),
        wake.CHANNEL,
        environment,
        bell,
        **beside.facts,
    )
    if follower is None:
        git_dir = artifact_repository(settings).git_dir
        return [listener, Watcher(git_dir, branch, bell, **beside.facts)]
    remote = following.audit_remote(settings)
    audit = (remote, reference(settings.controller.name)) if remote is not None else None
    pushed = beside.shown.metrics.pushed
    upkeep = Upkeep(follower.mirror, audit, stopped=bell.stops, pushed=pushed, **beside.facts)
    return [listener, upkeep]


def _deliverer(settings: Settings, beside: _Beside) -> Companion:
    environment, senders = settings.controller.environment, telling.senders(settings)
    return Deliverer(
        lambda: wiring.database(settings, migrate=False),
        Postman(environment, senders, beside.clock, SystemRandom(), beside.shown.say),
        telling.targets(settings),
        **beside.facts,
    )


def _eyes(follower: Follower | None, shown: Observed) -> Eyes:
    checks = (shown.is_fresh, vigil.clock_is_right)
    if follower is None:
        return Eyes(checks=checks)

    def look(world: World, expects_news: bool) -> None:
        looking.look(follower, world, expects_news=expects_news)

    return Eyes(look=look, checks=checks)


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
