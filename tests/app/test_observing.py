"""What watches a controller is made of its settings; traces arrive at a collector over HTTP."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from controller.adapters.outbound import BadReceiverUrl
from controller.app import settings
from controller.app.observing import observed
from controller.app.settings import Settings
from controller.kernel.events import Event
from controller.kernel.objects import Oid
from controller.kernel.stages import Stage
from controller.reconcile.standing import Facts
from controller.roles.telemetry import Timed
from controller.stores.control.events import Happened
from tests.adapters.test_metrics import value
from tests.app.test_settings import GOOD
from tests.support.control import NOON
from tests.support.control import revision as a_revision


class _Collector(BaseHTTPRequestHandler):
    heard: list[tuple[str, bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.heard.append((self.headers["authorization"], body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


@contextmanager
def collector() -> Iterator[tuple[int, list[tuple[str, bytes]]]]:
    heard: list[tuple[str, bytes]] = []
    handler = type("Handler", (_Collector,), {"heard": heard})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port, heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def host(folder: Path, text: str) -> Settings:
    (folder / "countersign.toml").write_text(GOOD + text)
    return settings.load(folder / "countersign.toml")


def test_without_settings_for_it_nothing_runs_beside(tmp_path: Path) -> None:
    shown = observed(host(tmp_path, ""), lambda _: None)

    assert shown.tracing is None
    assert shown.companions("us") == []


def test_an_event_is_logged_and_counted(tmp_path: Path) -> None:
    said: list[Happened] = []
    shown = observed(host(tmp_path, ""), said.append)

    shown.say(Happened(Event.LEADING, NOON, "it leads"))

    assert [one.event for one in said] == [Event.LEADING]
    labels = 'event="lease.taken",severity="info"'
    assert value(shown.metrics, f"countersign_events_total{{{labels}}}") == 1


def test_a_trace_arrives_with_the_token_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a-token-of-ours\n")
    (tmp_path / "token").chmod(0o600)
    with collector() as (port, heard):
        text = f'[telemetry]\ntraces_url = "http://127.0.0.1:{port}/v1/traces"\n'
        shown = observed(host(tmp_path, text + 'traces_token_file = "token"\n'), lambda _: None)
        assert shown.tracing is not None
        commit = Oid(b"\x11" * 20)
        revision = replace(a_revision(2), commit=commit)
        timed = (Timed(Stage.DECIDE, 1, 2), Timed(Stage.APPLY, 2, 3))
        shown.tracing.seen(Facts(NOON, "production", revisions=(revision,)), timed)
        shown.tracing.start()
        while len(heard) < 3:
            shown.tracing.join(0.01)
        shown.tracing.stop()

    assert {token for token, _ in heard} == {"Bearer a-token-of-ours"}
    assert any(commit[:16] in body for _, body in heard)


def test_a_token_is_sent_to_nobody_without_encryption(tmp_path: Path) -> None:
    text = '[telemetry]\ntraces_url = "http://collector.example/v1/traces"\n'

    with pytest.raises(BadReceiverUrl):
        observed(host(tmp_path, text), lambda _: None)
