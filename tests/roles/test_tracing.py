"""One trace for each revision, found by its commit; nothing of the library without one."""

import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import replace
from secrets import SystemRandom

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from controller.adapters.gitcli import child_environment
from controller.adapters.tracing import Send, sending
from controller.kernel.stages import Stage
from controller.reconcile.standing import Facts
from controller.reconcile.turn import Turns
from controller.roles.telemetry import Stopwatch, Timed
from controller.roles.timing import Backoff
from controller.roles.tracing import WAITING_MAX, Tracing, traces_of
from tests.adapters.test_metrics import Clock
from tests.support.control import NOON
from tests.support.house import ROOT
from tests.support.world import NEW_RANGE, OTHER_RANGE, Shop, open_connection

ABOUT = {"service.version": "1"}
DECIDE, APPLY = Timed(Stage.DECIDE, 2, 3), Timed(Stage.APPLY, 3, 4)
OVERTAKEN = Timed(Stage.APPLY, 3, 4, "control.stale_writer")


def tracing(exporter: InMemorySpanExporter) -> Tracing:
    def sink() -> AbstractContextManager[Send]:
        return sending(exporter, ABOUT)

    return Tracing(sink, backoff=Backoff(SystemRandom()), clock=Clock(), say=lambda _: None)


def turn(shop: Shop, url: str) -> tuple[Facts, tuple[Timed, ...]]:
    watch = Stopwatch()
    with open_connection(url) as connection:
        facts = Turns(replace(shop.world(connection), staged=watch.staged)).take()
    return facts, watch.take()


def test_a_revision_is_one_trace_whose_id_is_the_commits(shop: Shop, shop_url: str) -> None:
    exporter = InMemorySpanExporter()
    shop.publish(add=[NEW_RANGE])
    one = tracing(exporter)

    one.seen(*turn(shop, shop_url))
    one.start()
    while "revision" not in {span.name for span in exporter.get_finished_spans()}:
        one.join(0.01)
    one.stop()

    spans = exporter.get_finished_spans()
    commit = shop.tip.hex()
    assert {f"{span.context.trace_id:032x}" for span in spans} == {commit[:32]}
    (whole,) = [span for span in spans if span.name == "revision"]
    parts = [span for span in spans if span is not whole]
    assert {"look", "decide", "apply"} <= {span.name for span in parts}
    assert {span.parent.span_id for span in parts if span.parent} == {whole.context.span_id}
    assert whole.parent is None
    assert whole.attributes is not None
    assert whole.attributes["countersign.commit"] == commit
    assert whole.attributes["countersign.revision"] == 2
    assert whole.resource.attributes["service.name"] == "countersign"
    for span in parts:
        assert whole.start_time is not None
        assert whole.end_time is not None
        assert span.start_time is not None
        assert span.end_time is not None
        assert whole.start_time <= span.start_time <= span.end_time <= whole.end_time


def test_a_turn_that_applies_nothing_leaves_no_trace(shop: Shop, shop_url: str) -> None:
    facts, timed = turn(shop, shop_url)

    assert facts.revisions == ()
    assert traces_of(facts, timed, 0) == []


def test_each_revision_has_the_stages_of_its_own_pass(shop: Shop, shop_url: str) -> None:
    shop.publish(add=[NEW_RANGE])
    first = turn(shop, shop_url)[0].revisions[0]
    shop.publish(add=[OTHER_RANGE])
    second = turn(shop, shop_url)[0].revisions[0]
    facts = Facts(NOON, "production", revisions=(first, second))
    look, publish = Timed(Stage.LOOK, 1, 2), Timed(Stage.PUBLISH, 4, 5)
    timed = (look, DECIDE, OVERTAKEN, DECIDE, APPLY, publish, DECIDE, APPLY)

    found = traces_of(facts, timed, 1_000)

    assert [one.commit for one in found] == [first.commit, second.commit]
    assert [[step.name for step in one.steps] for one in found] == [
        ["look", "decide", "apply", "publish"],
        ["decide", "apply"],
    ]
    assert found[0].steps[0].began == 1_000 + 1_000_000_000
    healed = traces_of(facts, (DECIDE, APPLY), 0)
    assert [one.commit for one in healed] == [second.commit]


def test_a_step_that_failed_says_with_which_code(shop: Shop, shop_url: str) -> None:
    exporter = InMemorySpanExporter()
    shop.publish(add=[NEW_RANGE])
    facts, _ = turn(shop, shop_url)
    failed = Timed(Stage.PUBLISH, 4, 5, "git.failed")

    with sending(exporter, ABOUT) as send:
        (trace,) = traces_of(facts, (DECIDE, APPLY, failed), 0)
        send(trace)

    statuses = {span.name: span.status for span in exporter.get_finished_spans()}
    assert statuses["publish"].status_code is StatusCode.ERROR
    assert statuses["publish"].description == "git.failed"
    assert statuses["apply"].status_code is StatusCode.UNSET


def test_what_waits_for_a_collector_has_a_bound(shop: Shop, shop_url: str) -> None:
    shop.publish(add=[NEW_RANGE])
    facts, timed = turn(shop, shop_url)
    one = tracing(InMemorySpanExporter())

    for _ in range(WAITING_MAX + 5):
        one.seen(facts, timed)

    assert len(one._waiting) == WAITING_MAX


def test_without_traces_nothing_of_the_library_is_loaded() -> None:
    code = (
        "import sys; import controller.app.serving, controller.adapters.tracing as t; "
        "t.check_installed; print('opentelemetry.sdk' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=child_environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )

    assert done.stdout.strip() == "False"
