"""Threads beside the loop: each does one thing at its own pace, and none of it is waited for.

What goes wrong in one of them is said once, and tried again after a pause that grows.
"""

import threading
from abc import abstractmethod
from collections.abc import Callable

from controller.kernel.errors import ControllerError
from controller.kernel.events import Event
from controller.kernel.instants import Clock
from controller.roles.timing import Backoff
from controller.stores.control.events import Happened

Say = Callable[[Happened], None]


class Companion(threading.Thread):
    """A thread that does its work again and again until it is told to stop."""

    def __init__(self, name: str, backoff: Backoff, clock: Clock, say: Say) -> None:
        super().__init__(name=name, daemon=True)
        self.ended = threading.Event()
        self._backoff, self._clock, self._say = backoff, clock, say
        self._said = ""

    @abstractmethod
    def work(self) -> None:
        """Do it until `ended` is set, or once; raise one of our errors when it cannot be done."""

    def run(self) -> None:
        """Work until told to stop."""
        while not self.ended.is_set():
            try:
                self.work()
            except ControllerError as error:
                self._tell(error)
                self.ended.wait(self._backoff.next())

    def stop(self) -> None:
        """End the thread and wait for it."""
        self.ended.set()
        self.join()

    def went_well(self) -> None:
        """Begin again with short pauses, and say so where something was wrong before."""
        self._backoff.reset()
        if self._said:
            words = f"{self.name} works again"
            self._say(Happened(Event.RECOVERED, self._clock.now(), words))
            self._said = ""

    def _tell(self, error: ControllerError) -> None:
        if error.code != self._said:
            self._said = error.code
            words = f"{self.name}: {error}"
            facts = {"code": error.code, "hint": error.hint}
            self._say(Happened(Event.BESIDE_FAILED, self._clock.now(), words, facts=facts))
