"""Look again where somebody else was faster: a few times, each a little later."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from controller.adapters.postgres import DatabaseBusy
from controller.stores.control.model import Fenced, LeaseHeld, StaleWriter
from controller.stores.control.refusals import HeldMeanwhile

# How long whoever was overtaken lets the other one go on before it looks again.
PAUSES_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8)
_OVERTAKEN = (StaleWriter, Fenced, LeaseHeld, DatabaseBusy, HeldMeanwhile)

T = TypeVar("T")


def insist(look: Callable[[], T], *, pauses_seconds: Sequence[float] = PAUSES_SECONDS) -> T:
    """Return what `look` returns; it is called again when somebody overtook it.

    What the last call raises is raised: `StaleWriter`, `Fenced`, `LeaseHeld`, `DatabaseBusy` or
    `HeldMeanwhile`.
    """
    for seconds in pauses_seconds:
        try:
            return look()
        except _OVERTAKEN:
            time.sleep(seconds)
    return look()
