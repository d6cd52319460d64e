"""A loop that runs shows what it does in numbers, and whoever reads them gets them over HTTP."""

import http.client
import socket
from dataclasses import replace
from datetime import timedelta
from secrets import SystemRandom

import pytest

from controller.adapters.metrics import ControllerMetrics
from controller.kernel.errors import Corrupt, Held, Refused, Unavailable
from controller.kernel.events import Event
from controller.kernel.stages import Stage
from controller.reconcile.freshness import Freshness, Reason
from controller.reconcile.holds import Holding, Holds
from controller.reconcile.standing import Facts
from controller.reconcile.turn import Eyes, Turns
from controller.reconcile.world import World
from controller.roles.telemetry import Exposing, Gauges, Stopwatch, Surveyor, result
from controller.roles.timing import Backoff
from controller.stores.control import lease, outbox
from controller.stores.control.events import Happened
from tests.adapters.test_metrics import Clock, value
from tests.support.control import NOON
from tests.support.running import running
from tests.support.world import NEW_RANGE, Shop, open_connection

FACTS = Facts(NOON, "production", settled=True)


def gauges(*, pushes: bool = False) -> tuple[Gauges, ControllerMetrics]:
    metrics = ControllerMetrics("1", Clock())
    return Gauges(metrics, pushes=pushes), metrics


@pytest.mark.parametrize(
    ("error", "wanted", "compared"),
    [
        (None, "noop", True),
        (Refused("no"), "refused", True),
        (Held("a guard"), "held", True),
        (Unavailable("away"), "transient", False),
        (Corrupt("damaged"), "corrupt", False),
    ],
    ids=str,
)
def test_a_turn_counts_by_how_it_ended(error: Refused | None, wanted: str, compared: bool) -> None:
    shown, metrics = gauges()
    facts = Facts(NOON, "production", settled=error is None, error=error)

    shown.seen(facts, ())

    assert result(facts) == wanted
    assert value(metrics, f'countersign_reconcile_total{{result="{wanted}"}}') == 1
    at = value(metrics, "countersign_last_compare_success_timestamp_seconds")
    assert at == (NOON.timestamp() if compared else 0)
    if error is not None:
        assert value(metrics, f'countersign_errors_total{{code="{error.code}"}}') == 1


def test_what_holds_is_shown_by_its_kind() -> None:
    shown, metrics = gauges()
    holds = Holds(
        (Holding("host-freeze", "x"), Holding("suspend", "y"), Holding("window", "z")),
        Holding("override", "now", "ann"),
    )

    shown.seen(Facts(NOON, "production", holds=holds), ())

    names = ("frozen", "suspended", "window_closed", "overridden")
    assert [value(metrics, f"countersign_{name}") for name in names] == [1, 1, 1, 1]


def test_an_error_beside_the_loop_counts_by_its_code_and_a_turns_is_not_counted_twice() -> None:
    shown, metrics = gauges()
    facts = {"code": "remote.away"}

    shown.told(Happened(Event.BESIDE_FAILED, NOON, "listening: away", facts=facts))
    shown.told(Happened(Event.LEADING, NOON, ""))

    labels = 'event="beside.failed",severity="warning"'
    assert value(metrics, f"countersign_events_total{{{labels}}}") == 1
    assert value(metrics, 'countersign_errors_total{code="remote.away"}') == 1


def test_a_stage_is_timed_also_when_it_fails() -> None:
    watch = Stopwatch()
    with watch.staged(Stage.LOOK):
        pass
    with pytest.raises(Refused), watch.staged(Stage.DECIDE):
        raise Refused("no")
    with pytest.raises(ValueError, match="x"), watch.staged(Stage.APPLY):
        raise ValueError("x")

    timed = watch.take()

    assert [(one.stage, one.error) for one in timed] == [
        (Stage.LOOK, ""),
        (Stage.DECIDE, "refused"),
        (Stage.APPLY, "ValueError"),
    ]
    assert all(one.began <= one.ended for one in timed)
    assert watch.take() == ()


def test_a_branch_without_a_heartbeat_shows_none() -> None:
    shown, metrics = gauges()

    shown.fresh(Freshness(Reason.NOT_WATCHED, "nobody"), timedelta(hours=2))

    assert value(metrics, "countersign_heartbeat_expires_timestamp_seconds") == 0


def test_a_turn_shows_its_stages_its_revision_and_what_changed(shop: Shop, shop_url: str) -> None:
    shown, metrics = gauges(pushes=True)
    watch = Stopwatch()
    shop.publish(add=[NEW_RANGE])
    with open_connection(shop_url) as connection:
        turns = Turns(replace(shop.world(connection), staged=watch.staged))
        facts = turns.take()
    timed = watch.take()
    shown.seen(facts, timed)

    assert [one.stage for one in timed if one.stage is not Stage.PUBLISH] == [
        Stage.LOOK,
        Stage.DECIDE,
        Stage.APPLY,
    ]
    assert [one.error for one in timed if one.error] == []
    assert value(metrics, "countersign_applied_revision") == 2
    assert value(metrics, 'countersign_rows_changed_total{change="added",table="ranges"}')
    assert value(metrics, 'countersign_condition{status="True",type="Ready"}') == 1
    assert value(metrics, "countersign_in_sync") == 1
    count = 'countersign_reconcile_duration_seconds_count{stage="apply"}'
    assert value(metrics, count) == 1


def test_the_loop_says_what_its_turns_tell_and_an_unexpected_end_with_its_cause(
    shop: Shop, shop_url: str
) -> None:
    def poison(_world: World, _news: bool) -> None:
        if shop.tip == poisoned:
            raise ZeroDivisionError("hunter2")

    poisoned = None
    with running(shop, shop_url, eyes=Eyes(look=poison)) as one:
        shop.publish(add=[NEW_RANGE])
        one.settles()
        one.until(lambda: Event.APPLIED in {each.event for each in one.said}, "it is said")
        poisoned = shop.tip
        one.until(lambda: Event.CORRUPT in {each.event for each in one.said}, "it is said")

    said = next(each for each in one.said if each.event is Event.CORRUPT)
    assert isinstance(said.cause, ZeroDivisionError)
    assert "hunter2" not in said.message


def test_the_survey_shows_what_the_database_holds(shop: Shop, shop_url: str) -> None:
    _, metrics = gauges()
    with open_connection(shop_url) as connection:
        taken = lease.acquire(connection, "production", holder="us", duration=timedelta(minutes=1))
        outbox.enqueue(connection, "notice", {"a": 1}, NOON - timedelta(seconds=40))
        survey = Surveyor(
            lambda: open_connection(shop_url),
            "production",
            "us",
            metrics,
            backoff=Backoff(SystemRandom()),
            clock=Clock(),
            say=lambda _: None,
        )
        survey.survey(connection)

    assert value(metrics, "countersign_leader") == 1
    assert value(metrics, "countersign_epoch") == taken.epoch
    assert value(metrics, 'countersign_outbox_depth{kind="notice"}') == 1
    assert value(metrics, 'countersign_outbox_overdue_seconds{kind="notice"}')
    assert shop.tip


def test_numbers_are_served_and_a_taken_port_is_said_and_tried_again() -> None:
    _, metrics = gauges()
    said: list[Happened] = []

    def exposing(port: int) -> Exposing:
        beside = {"backoff": Backoff(SystemRandom()), "clock": Clock()}
        return Exposing("127.0.0.1", port, metrics, **beside, say=said.append)  # type: ignore[arg-type]

    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    server = exposing(port)
    server.start()
    try:
        while not said:
            server.join(0.01)
        taken.close()
        while len(said) < 2:
            server.join(0.01)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        assert answer.status == 200
        assert b"countersign_build_info" in answer.read()
        connection.close()
    finally:
        server.stop()

    assert [one.event for one in said] == [Event.BESIDE_FAILED, Event.RECOVERED]
    assert isinstance(said[0].facts, dict)
    assert said[0].facts["code"] == "metrics.port_taken"
