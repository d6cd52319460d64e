"""A controller that goes on running beside a test, its loop in a thread."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import SystemRandom
from typing import Any

from controller.adapters.git import GitRepository
from controller.adapters.postgres import Connection, translated
from controller.authoring.starting import ENVIRONMENT
from controller.reconcile.standing import Facts
from controller.reconcile.turn import Eyes
from controller.reconcile.world import World
from controller.roles.controller import Cadence, Controller, Watchers
from controller.roles.doorbell import Cause, Doorbell
from controller.stores.control import conditions, events, wake
from controller.stores.control.conditions import Condition, ConditionType
from controller.stores.control.events import Happened
from tests.support.world import Shop, open_connection

QUICK = Cadence(poll_seconds=0.2, poll_jitter=0.1, renew_seconds=0.5)
PATIENCE_SECONDS = 60.0


@dataclass
class Running:
    """A loop in a thread, and what it said."""

    shop: Shop
    url: str
    cadence: Cadence = QUICK
    holder: str = "countersign@here"
    eyes: Eyes = field(default_factory=Eyes)
    git_dir: Path | None = None
    """Where it reads, when that is not people's own repository."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What else of its world is another one."""
    bell: Doorbell = field(default_factory=Doorbell)
    said: list[Happened] = field(default_factory=list)
    turns: list[Facts] = field(default_factory=list)
    beats: int = 0

    def start(self) -> None:
        """Begin; `stop` ends it."""
        self._thread = threading.Thread(target=self._run, name="controller-loop")
        self._error: BaseException | None = None
        self._thread.start()

    def stop(self) -> None:
        """End it in order; whatever it died of is raised here."""
        self.bell.ring(Cause.STOP)
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive(), "the loop does not end"
        if self._error is not None:
            raise self._error

    def until(self, holds: Callable[[], object], what: str = "") -> None:
        """Wait until something holds, or fail."""
        until = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            assert self._error is None, self._error
            assert time.monotonic() < until, f"never: {what or holds}"
            time.sleep(0.01)

    def settles(self) -> None:
        """Wait until production is at the branch."""
        self.until(
            lambda: (found := self.shop.applied()) is not None and found.commit == self.shop.tip,
            "production is at the branch",
        )

    def condition(self, connection: Connection[Any], kind: ConditionType) -> Condition:
        """Return what was said last of one thing."""
        found = {
            one.condition.type: one.condition for one in conditions.read(connection, ENVIRONMENT)
        }
        return found[kind]

    def names(self, connection: Connection[Any]) -> list[str]:
        """Return the names of the events that were written, the oldest first."""
        return [one.name for one in events.since(connection, ENVIRONMENT)]

    def ask(self, connection: Connection[Any]) -> None:
        """Ask for a look as a person does, and ring as the listening thread would."""
        wake.request(connection, ENVIRONMENT, reason="test", now=self.shop.clock.now())
        self.bell.ring(Cause.REQUEST)

    def _run(self) -> None:
        try:
            Controller(
                open_world=self._world,
                clock=self.shop.clock,
                process="test",
                holder=self.holder,
                bell=self.bell,
                chance=SystemRandom(),
                cadence=self.cadence,
                eyes=self.eyes,
                watchers=Watchers(beat=self._beat, say=self.said.append, seen=self.turns.append),
            ).run()
        except BaseException as error:  # noqa: BLE001  told to the thread that waits
            self._error = error

    def _beat(self) -> None:
        self.beats += 1

    @contextmanager
    def _world(self) -> Iterator[World]:
        with open_connection(self.url) as connection, translated():
            repository = GitRepository.open(self.git_dir or self.shop.repository.git_dir)
            yield self.shop.world(connection, repository=repository, **self.facts)


@contextmanager
def running(shop: Shop, url: str, **changes: Any) -> Iterator[Running]:
    """Run a controller on a shop while the block runs."""
    one = Running(shop, url, **changes)
    one.start()
    try:
        yield one
    finally:
        one.stop()
