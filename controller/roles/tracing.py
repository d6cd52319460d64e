"""Sends a trace of each revision, beside the loop: a collector that is away delays nothing."""

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager

from controller.adapters.tracing import Send, Step, Trace
from controller.kernel.instants import Clock
from controller.kernel.stages import Stage
from controller.reconcile.standing import Facts
from controller.roles.companions import Companion, Say
from controller.roles.telemetry import Timed
from controller.roles.timing import Backoff
from controller.stores.control.model import AppliedRevision

WAITING_MAX = 100
"""More are forgotten, the oldest first."""

_NANOSECONDS = 1_000_000_000


class Tracing(Companion):
    """Sends what it is given once it is started; before that, traces wait."""

    def __init__(
        self,
        open_sink: Callable[[], AbstractContextManager[Send]],
        *,
        backoff: Backoff,
        clock: Clock,
        say: Say,
    ) -> None:
        super().__init__("sending traces", backoff, clock, say)
        self._open = open_sink
        self._waiting: deque[Trace] = deque(maxlen=WAITING_MAX)
        self._due = threading.Event()

    def seen(self, facts: Facts, timed: tuple[Timed, ...]) -> None:
        """Take what a turn did; a turn that applied nothing leaves no trace."""
        if facts.revisions:
            zero = int(self._clock.now().timestamp() * _NANOSECONDS)
            zero -= int(time.monotonic() * _NANOSECONDS)
            self._waiting.extend(traces_of(facts, timed, zero))
            self._due.set()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self.ended.set()
        self._due.set()
        super().stop()

    def work(self) -> None:
        """Send what waits until told to stop."""
        with self._open() as send:
            while not self.ended.is_set():
                self._due.wait()
                self._due.clear()
                while self._waiting:
                    send(self._waiting.popleft())
                self.went_well()


def traces_of(facts: Facts, timed: tuple[Timed, ...], zero: int) -> list[Trace]:
    """Return a trace for each revision; `zero` is when the monotonic clock began, in Unix time.

    What came before the first decision belongs to the first of them. A pass that was overtaken has
    no revision, and one that healed drift no stages.
    """
    before: list[Timed] = []
    passes: list[list[Timed]] = []
    for one in timed:
        if one.stage is Stage.DECIDE:
            passes.append([one])
        else:
            (passes[-1] if passes else before).append(one)
    done = [steps for steps in passes if _applied(steps)]
    pairs = list(zip(reversed(facts.revisions), reversed(done), strict=False))[::-1]
    return [
        _trace(facts, revision, [*(before if at == 0 else []), *steps], zero)
        for at, (revision, steps) in enumerate(pairs)
    ]


def _applied(steps: list[Timed]) -> bool:
    return any(one.stage is Stage.APPLY and not one.error for one in steps)


def _trace(facts: Facts, revision: AppliedRevision, steps: list[Timed], zero: int) -> Trace:
    about: dict[str, str | int] = {
        "countersign.environment": facts.environment,
        "countersign.revision": revision.revision,
        "countersign.kind": revision.kind.value,
        "countersign.serial": revision.serial,
        "countersign.commit": revision.commit.hex(),
    }
    return Trace(
        revision.commit,
        about,
        tuple(
            Step(
                one.stage.value,
                zero + int(one.began * _NANOSECONDS),
                zero + int(one.ended * _NANOSECONDS),
                one.error,
            )
            for one in steps
        ),
    )
