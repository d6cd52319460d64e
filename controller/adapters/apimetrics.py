"""What the API counts, in the words of Prometheus; a registry of its own for each process.

Labels are route patterns, status codes and names of senders: all of them few, none from a request.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_HOT = "/v1/resolve/{scheme}/{value}"
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Copy(Protocol):
    """How a process's copy of the directory stands."""

    @property
    def revision(self) -> int | None:
        """The revision it is of."""
        ...

    @property
    def stale_since(self) -> datetime | None:
        """Since when it may be behind."""
        ...

    @property
    def mismatches(self) -> int:
        """How many keys were found to differ."""
        ...

    @property
    def rebuilds(self) -> int:
        """How often it was made anew."""
        ...


class ApiMetrics:
    """Counts what one process of the API does."""

    def __init__(self, version: str) -> None:
        registry = self._registry = CollectorRegistry()
        self._requests = Counter(
            "countersign_http_requests",
            "Requests by route and status; 0: the client went away.",
            ("route", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "countersign_http_request_duration_seconds",
            "How long the application took to answer.",
            ("route",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._hooks = Counter(
            "countersign_webhook_requests",
            "Webhooks by sender and outcome.",
            ("provider", "result"),
            registry=registry,
        )
        self._revision = Gauge(
            "countersign_resolver_revision", "The revision answered from.", registry=registry
        )
        self._stale = Gauge(
            "countersign_resolver_stale", "1 while answers may be old.", registry=registry
        )
        self._mismatches = Gauge(
            "countersign_resolver_mismatches",
            "Keys of the copy that were found to differ from the database since the start.",
            registry=registry,
        )
        self._rebuilds = Gauge(
            "countersign_resolver_rebuilds", "New bases since the start.", registry=registry
        )
        built = Gauge("countersign_build_info", "Always 1.", ("version",), registry=registry)
        built.labels(version).set(1)
        self._hot = {status: self._requests.labels(_HOT, str(status)) for status in (200, 304)}
        self._copy: Callable[[], Copy] | None = None

    def watch(self, copy: Callable[[], Copy]) -> None:
        """Ask how the copy stands whenever somebody reads."""
        self._copy = copy

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count a request that the application answered."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def answered_at_once(self, status: int) -> None:
        """Count a request that the hot route answered."""
        self._hot[status].inc()

    def hook(self, provider: str, result: str) -> None:
        """Count a webhook."""
        self._hooks.labels(provider, result).inc()

    def exposition(self) -> bytes:
        """Return everything as the text that Prometheus reads."""
        if self._copy is not None:
            copy = self._copy()
            self._revision.set(copy.revision or 0)
            self._stale.set(copy.stale_since is not None)
            self._mismatches.set(copy.mismatches)
            self._rebuilds.set(copy.rebuilds)
        return generate_latest(self._registry)
