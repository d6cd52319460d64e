"""What the controller counts: every series by its name, no label from outside."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from controller.adapters.metrics import HELD, RESULTS, ControllerMetrics
from controller.kernel.events import Event
from controller.kernel.stages import Stage

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Clock:
    instant = NOON

    def now(self) -> datetime:
        return self.instant


def made() -> tuple[ControllerMetrics, Clock]:
    clock = Clock()
    return ControllerMetrics("1.2.3", clock), clock


def value(metrics: ControllerMetrics, series: str) -> float | None:
    """Return what a series stands at; `None` where there is none."""
    found = re.search(rf"^{re.escape(series)} (\S+)$", metrics.exposition().decode(), re.MULTILINE)
    return float(found[1]) if found else None


def test_two_processes_of_one_interpreter_share_nothing() -> None:
    first, second = made()[0], made()[0]

    first.turned("noop", in_sync=True, compared_at=NOON)

    assert value(first, 'countersign_reconcile_total{result="noop"}') == 1
    assert value(second, 'countersign_reconcile_total{result="noop"}') == 0


def test_what_never_happened_is_shown_as_nothing() -> None:
    metrics, _ = made()

    for result in RESULTS:
        assert value(metrics, f'countersign_reconcile_total{{result="{result}"}}') == 0
    for stage in Stage:
        series = f'countersign_reconcile_duration_seconds_count{{stage="{stage}"}}'
        assert value(metrics, series) == 0
    for event in Event:
        labels = f'event="{event}",severity="{event.severity}"'
        assert value(metrics, f"countersign_events_total{{{labels}}}") == 0
    assert value(metrics, 'countersign_build_info{version="1.2.3"}') == 1
    assert value(metrics, "countersign_process_start_time_seconds")


def test_a_turn_that_compared_nothing_leaves_the_instant_as_it_was() -> None:
    metrics, _ = made()
    metrics.turned("success", in_sync=True, compared_at=NOON)

    metrics.turned("transient", in_sync=False, compared_at=None)

    assert value(metrics, "countersign_last_compare_success_timestamp_seconds") == NOON.timestamp()
    assert value(metrics, "countersign_in_sync") == 0


def test_a_condition_has_one_status() -> None:
    metrics, _ = made()
    metrics.condition("Stalled", "True")
    metrics.condition("Stalled", "Unknown")

    found = {
        status: value(metrics, f'countersign_condition{{status="{status}",type="Stalled"}}')
        for status in ("True", "False", "Unknown")
    }
    assert found == {"True": 0, "False": 0, "Unknown": 1}


@pytest.mark.parametrize("name", HELD)
def test_a_hold_is_shown_until_it_is_lifted(name: str) -> None:
    metrics, _ = made()

    metrics.held([name])
    assert value(metrics, f"countersign_{name}") == 1
    assert sum(value(metrics, f"countersign_{one}") or 0 for one in HELD) == 1

    metrics.held([])
    assert value(metrics, f"countersign_{name}") == 0


def test_a_kind_of_which_nothing_is_owed_any_more_goes_back_to_nothing() -> None:
    metrics, clock = made()
    metrics.owed({"notice": (3, NOON - timedelta(seconds=90)), "audit_commit": (1, NOON)})
    assert value(metrics, 'countersign_outbox_depth{kind="notice"}') == 3
    assert value(metrics, 'countersign_outbox_overdue_seconds{kind="notice"}') == 90

    clock.instant = NOON + timedelta(seconds=10)
    metrics.owed({"audit_commit": (1, NOON + timedelta(hours=1))})

    assert value(metrics, 'countersign_outbox_depth{kind="notice"}') == 0
    assert value(metrics, 'countersign_outbox_overdue_seconds{kind="notice"}') == 0
    assert value(metrics, 'countersign_outbox_overdue_seconds{kind="audit_commit"}') == 0


def test_the_lag_of_a_push_grows_until_it_is_done() -> None:
    metrics, clock = made()
    assert value(metrics, "countersign_audit_push_lag_seconds") == 0

    metrics.push_owed(NOON)
    clock.instant = NOON + timedelta(seconds=30)
    metrics.push_owed(clock.instant)
    assert value(metrics, "countersign_audit_push_lag_seconds") == 30

    metrics.pushed()
    assert value(metrics, "countersign_audit_push_lag_seconds") == 0


def test_instants_and_counts_stand_as_they_were_given() -> None:
    metrics, _ = made()
    metrics.leading(leads=True, epoch=7)
    metrics.applied(12, NOON)
    metrics.boundary(NOON)
    metrics.heartbeat(NOON, NOON + timedelta(hours=2))
    metrics.changed({"ranges": {"added": 2, "removed": 1}})
    metrics.failed("remote.unreachable")
    metrics.happened(Event.APPLIED)
    metrics.stage(Stage.APPLY, 0.5)

    assert value(metrics, "countersign_leader") == 1
    assert value(metrics, "countersign_epoch") == 7
    assert value(metrics, "countersign_applied_revision") == 12
    assert value(metrics, "countersign_applied_timestamp_seconds") == NOON.timestamp()
    assert value(metrics, "countersign_next_activation_timestamp_seconds") == NOON.timestamp()
    expires = value(metrics, "countersign_heartbeat_expires_timestamp_seconds")
    assert expires == NOON.timestamp() + 7200
    assert value(metrics, 'countersign_rows_changed_total{change="added",table="ranges"}') == 2
    assert value(metrics, 'countersign_errors_total{code="remote.unreachable"}') == 1
    apply = 'countersign_reconcile_duration_seconds_sum{stage="apply"}'
    assert value(metrics, apply) == 0.5
    metrics.boundary(None)
    metrics.heartbeat(None, None)
    assert value(metrics, "countersign_next_activation_timestamp_seconds") == 0
    assert value(metrics, "countersign_heartbeat_expires_timestamp_seconds") == 0
