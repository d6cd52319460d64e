"""Keeps the mirror small, and the remote's copy of the audit branch up to ours."""

import threading
from collections.abc import Callable

from controller.adapters.children import Stopped
from controller.adapters.gitcli import GitStopped
from controller.adapters.mirror import Mirror
from controller.adapters.remoteaddress import Remote
from controller.kernel.instants import Clock
from controller.roles.companions import Companion, Say
from controller.roles.timing import Backoff
from controller.source.follow import push_branch

LOOK_SECONDS = 600.0
"""How often it looks when nobody says that there is something to do."""

_TICK_SECONDS = 0.5


class Upkeep(Companion):
    """Pushes the audit branch after each revision, and tidies the mirror now and then."""

    def __init__(
        self,
        mirror: Mirror,
        audit: tuple[Remote, str] | None,
        *,
        backoff: Backoff,
        clock: Clock,
        say: Say,
        stopped: Stopped,
        pushed: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__("upkeep of the mirror", backoff, clock, say)
        self._mirror, self._audit, self._pushed = mirror, audit, pushed
        self._stopped = stopped
        self._due = threading.Event()
        self._due.set()

    def ask(self) -> None:
        """Say that there is something to push."""
        self._due.set()

    def work(self) -> None:
        """Do what is due, then wait until something is."""
        self._due.clear()
        try:
            self._push()
        except GitStopped:
            self.ended.wait()  # everything stops: what is not pushed is, after the next start
            return
        self._mirror.tidy()
        self.went_well()
        waited = 0.0
        while not self._due.wait(_TICK_SECONDS) and not self.ended.is_set():
            waited += _TICK_SECONDS
            if waited >= LOOK_SECONDS:
                return

    def _push(self) -> None:
        if self._audit is not None:
            push_branch(self._mirror, *self._audit, stopped=self._stopped)
            self._pushed()
