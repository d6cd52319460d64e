"""When to look again: a poll that hosts do not share the second of, and retries that spread out."""

from dataclasses import dataclass, field
from typing import Protocol

RETRY_FIRST_SECONDS = 1.0
RETRY_MAX_SECONDS = 300.0
_GROWTH = 3.0


class Chance(Protocol):
    """A source of chance, handed in so that a test knows what comes."""

    def uniform(self, a: float, b: float) -> float:
        """Return a number between `a` and `b`."""
        ...


def jittered(seconds: float, share: float, chance: Chance) -> float:
    """Return a time within `share` of `seconds` to either side."""
    return chance.uniform(seconds * (1 - share), seconds * (1 + share))


@dataclass(slots=True)
class Backoff:
    """Decorrelated jitter: each pause lies between the first and three times the one before.

    Source: the "decorrelated jitter" of Marc Brooker, Exponential Backoff And Jitter (2015).
    """

    chance: Chance
    first: float = RETRY_FIRST_SECONDS
    most: float = RETRY_MAX_SECONDS
    _last: float = field(default=0.0, init=False)

    def next(self) -> float:
        """Return how many seconds to wait before the next try."""
        longest = max(self.first, self._last * _GROWTH)
        self._last = min(self.most, self.chance.uniform(self.first, longest))
        return self._last

    def reset(self) -> None:
        """Begin again with the first pause: something new has come, or it worked."""
        self._last = 0.0
