"""What the HTTP surface counts, whoever keeps the count."""

from collections.abc import Callable
from typing import Protocol

from controller.reconcile.keeper import State


class Meters(Protocol):
    """Counts requests by route pattern and status, webhooks by sender and outcome."""

    def watch(self, state: Callable[[], State]) -> None:
        """Ask how the copy stands whenever somebody reads."""
        ...

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count a request that the application answered."""
        ...

    def answered_at_once(self, status: int) -> None:
        """Count a request that the hot route answered."""
        ...

    def hook(self, provider: str, result: str) -> None:
        """Count a webhook."""
        ...

    def exposition(self) -> bytes:
        """Return everything as the text that Prometheus reads."""
        ...
