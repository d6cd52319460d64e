"""One bell for everything that wants a look: rings are counted together, none is lost.

Whoever waits is told why it was rung since the last time it looked. A ring in the middle of a look
is heard after it.
"""

from contextlib import suppress
from enum import StrEnum
from queue import Empty, SimpleQueue


class Cause(StrEnum):
    """Why somebody should look."""

    START = "start"
    POLL = "poll"
    REPOSITORY = "repository"
    """A reference of the repository moved."""
    REQUEST = "request"
    """Somebody asked: a webhook, a person, a signal."""
    BOUNDARY = "boundary"
    """A window began or ended."""
    DRIFT = "drift"
    STOP = "stop"


class Doorbell:
    """Safe to ring from any thread, and from a signal handler: the queue under it is reentrant."""

    def __init__(self) -> None:
        self._rings: SimpleQueue[Cause] = SimpleQueue()
        self._stops = False

    def ring(self, cause: Cause) -> None:
        """Ask for a look, or to stop."""
        self._stops = self._stops or cause is Cause.STOP
        self._rings.put(cause)

    def stops(self) -> bool:
        """Whether it was ever rung to stop: what takes long is not waited for any more."""
        return self._stops

    def wait(self, seconds: float) -> frozenset[Cause]:
        """Return why it was rung since the last call, at once if it was, or nothing when late."""
        rung = set()
        with suppress(Empty):
            if seconds > 0:
                rung.add(self._rings.get(timeout=seconds))
            while True:
                rung.add(self._rings.get_nowait())
        return frozenset(rung)
