"""What a controller counts, in the words of Prometheus; a registry of its own for each process.

No label comes from a commit, a path or a person: conditions, codes of errors, names of events and
tables are lists of ours, and short.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from controller.kernel.events import Event
from controller.kernel.instants import Clock
from controller.kernel.stages import Stage

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
RESULTS: Final = ("success", "noop", "held", "refused", "transient", "corrupt")
STATUSES: Final = ("True", "False", "Unknown")
HELD: Final = ("frozen", "suspended", "window_closed", "overridden")
_SECONDS: Final = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 180.0, 600.0, 1800.0)


class ControllerMetrics:
    """Counts what one process of the controller does. Instants are gauges in Unix seconds."""

    def __init__(self, version: str, clock: Clock) -> None:
        self._clock = clock
        registry = self._registry = CollectorRegistry()
        ProcessCollector(namespace="countersign", registry=registry)

        def gauge(name: str, words: str, *labels: str) -> Gauge:
            return Gauge(f"countersign_{name}", words, labels, registry=registry)

        def counter(name: str, words: str, *labels: str) -> Counter:
            return Counter(f"countersign_{name}", words, labels, registry=registry)

        gauge("build_info", "Always 1.", "version").labels(version).set(1)
        self._turns = counter("reconcile", "Turns by how they ended.", "result")
        self._stages = Histogram(
            "countersign_reconcile_duration_seconds",
            "How long each stage took.",
            ("stage",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._errors = counter("errors", "What turns and threads ended in, by code.", "code")
        self._events = counter("events", "Events by name.", "event", "severity")
        self._rows = counter("rows_changed", "Keys that revisions changed.", "table", "change")
        self._conditions = gauge("condition", "1 for the status it has.", "type", "status")
        self._compared = gauge(
            "last_compare_success_timestamp_seconds",
            "When it last knew how production stands to the branch.",
        )
        self._in_sync = gauge("in_sync", "1 while production is what the branch declares.")
        self._held = {
            name: gauge(name, f"1 while new revisions are {name.replace('_', ' ')}.")
            for name in HELD
        }
        self._leads = gauge("leader", "1 while this controller holds the lease.")
        self._epoch = gauge("epoch", "The epoch of the lease, whoever holds it.")
        self._revision = gauge("applied_revision", "The revision of production.")
        self._applied = gauge("applied_timestamp_seconds", "When it was applied.")
        self._boundary = gauge(
            "next_activation_timestamp_seconds", "When rows next begin or end; 0: never."
        )
        self._depth = gauge("outbox_depth", "Effects that are owed.", "kind")
        self._overdue = gauge("outbox_overdue_seconds", "How long the first is due.", "kind")
        self._beat = gauge("heartbeat_created_timestamp_seconds", "When it was signed; 0: none.")
        self._beat_ends = gauge(
            "heartbeat_expires_timestamp_seconds", "Until when it is in time; 0: none."
        )
        self._push_due: datetime | None = None
        self._kinds: set[str] = set()
        gauge("audit_push_lag_seconds", "How long the remote lacks an audit commit.").set_function(
            self._push_lag
        )
        self._surveyed = gauge("survey_timestamp_seconds", "When the database was last asked.")
        self._begin()

    def _begin(self) -> None:
        """Show counters that may never move: what is not there cannot be told from what is lost."""
        for result in RESULTS:
            self._turns.labels(result)
        for stage in Stage:
            self._stages.labels(stage.value)
        for event in Event:
            self._events.labels(str(event), event.severity.value)

    def turned(self, result: str, *, in_sync: bool, compared_at: datetime | None) -> None:
        """Count a turn; `compared_at` is when it knew how production stands, if it did."""
        assert result in RESULTS, "labels are a short list"
        self._turns.labels(result).inc()
        self._in_sync.set(in_sync)
        if compared_at is not None:
            self._compared.set(compared_at.timestamp())

    def stage(self, stage: Stage, seconds: float) -> None:
        """Take note how long a stage took."""
        self._stages.labels(stage.value).observe(seconds)

    def failed(self, code: str) -> None:
        """Count an error of ours by its code, which is one of a fixed list."""
        self._errors.labels(code).inc()

    def happened(self, event: Event) -> None:
        """Count an event."""
        self._events.labels(str(event), event.severity.value).inc()

    def changed(self, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Count what a revision changed, by table and kind of change."""
        for table, changes in counts.items():
            for change, number in changes.items():
                self._rows.labels(table, change).inc(number)

    def condition(self, kind: str, status: str) -> None:
        """Show how one condition stands."""
        for one in STATUSES:
            self._conditions.labels(kind, one).set(one == status)

    def held(self, holding: Iterable[str]) -> None:
        """Show which of `HELD` hold now."""
        found = set(holding)
        assert found <= set(HELD), "metrics have names of a fixed list"
        for name, gauge in self._held.items():
            gauge.set(name in found)

    def leading(self, *, leads: bool, epoch: int) -> None:
        """Show whether this controller leads."""
        self._leads.set(leads)
        self._epoch.set(epoch)

    def applied(self, revision: int, at: datetime) -> None:
        """Show what production is at."""
        self._revision.set(revision)
        self._applied.set(at.timestamp())

    def boundary(self, at: datetime | None) -> None:
        """Show when rows next begin or end."""
        self._boundary.set(at.timestamp() if at is not None else 0)

    def owed(self, kinds: Mapping[str, tuple[int, datetime]]) -> None:
        """Show how much is owed by kind, and since when the first of it is due."""
        for kind in self._kinds | kinds.keys():
            depth, due_at = kinds.get(kind, (0, self._clock.now()))
            self._depth.labels(kind).set(depth)
            self._overdue.labels(kind).set(max(0.0, self._since(due_at)))
        self._kinds |= kinds.keys()
        self._surveyed.set(self._clock.now().timestamp())

    def heartbeat(self, created: datetime | None, ends: datetime | None) -> None:
        """Show the newest heartbeat that is believed."""
        self._beat.set(created.timestamp() if created is not None else 0)
        self._beat_ends.set(ends.timestamp() if ends is not None else 0)

    def push_owed(self, at: datetime) -> None:
        """Take note that the remote lacks an audit commit since then."""
        self._push_due = self._push_due or at

    def pushed(self) -> None:
        """Take note that the remote has them all."""
        self._push_due = None

    def exposition(self) -> bytes:
        """Return everything as the text that Prometheus reads."""
        return generate_latest(self._registry)

    def _push_lag(self) -> float:
        due = self._push_due
        return self._since(due) if due is not None else 0.0

    def _since(self, at: datetime) -> float:
        return (self._clock.now() - at) / timedelta(seconds=1)
