"""The hot route over real connections: what it answers, what it leaves, and what it refuses."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from controller.adapters.postgres import Connection, connect
from controller.reconcile import snapshot_base
from controller.reconcile.answer import document
from controller.reconcile.resolve import Question, resolve
from controller.reconcile.snapshot import Snapshot
from controller.stores.directory.model import Reach
from controller.web import connection as connections
from controller.web.connection import protocol
from controller.web.hot import Answers, holds_a_card
from tests.support.directory import day, days, row
from tests.support.resolving import ENVIRONMENT, Town

CARD = "4111111111111111"
NEW = row("identifiers", days(None, 5), participant_id="p0", scheme="bic", value="ALDRDEFF")
LATER = row("identifiers", days(5, None), participant_id="p1", scheme="bic", value="ALDRDEFF")
RANGE = row("ranges", iin_start="400012", brand="Visa", participant_id="p1")


class Hands:
    """A clock that stands where it is put."""

    def __init__(self, now: datetime) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time


class App:
    """An application that answers 418, and keeps what it was asked."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        self.paths.append(scope["path"])
        headers = [(b"content-length", b"3")]
        await send({"type": "http.response.start", "status": 418, "headers": headers})
        await send({"type": "http.response.body", "body": b"app"})


class Stand:
    """A server, its application, its clock, its snapshot."""

    def __init__(self, live: Connection[Any], folder: Path) -> None:
        self.live, self.folder = live, folder
        self.clock, self.app = Hands(day(1)), App()
        self.town = Town(live, 1)
        self.town.begin()
        self.town.apply([NEW, LATER, RANGE], [])
        self.counted: list[int] = []
        self.is_open = True
        self.snapshot = self.built()
        self.port = 0

    def built(self) -> Snapshot:
        snapshot_base.forget(self.folder)
        snapshot_base.build(self.live, ENVIRONMENT, self.folder)
        found = snapshot_base.newest(self.folder, ENVIRONMENT, {})
        assert found is not None
        return found

    @contextmanager
    def serving(self) -> Iterator[None]:
        answers = Answers(
            lambda: self.snapshot,
            self.clock,
            is_open=lambda: self.is_open,
            counted=self.counted.append,
        )
        config = uvicorn.Config(
            self.app, loop="uvloop", http=protocol(answers), lifespan="off", log_level="critical"
        )
        server = uvicorn.Server(config)
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        while not server.started:
            time.sleep(0.005)
        try:
            yield
        finally:
            server.should_exit = True
            thread.join()
            listener.close()

    def client(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def get(self, target: str, *headers: str, method: str = "GET") -> tuple[str, str, str]:
        """Ask once on a connection of its own; return status, headers, body."""
        with self.client() as client:
            lines = [f"{method} {target} HTTP/1.1", "Host: here", *headers, "", ""]
            client.sendall("\r\n".join(lines).encode())
            return answer(client)


def answer(client: socket.socket) -> tuple[str, str, str]:
    """Read one answer and not a byte of the next."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        more = client.recv(1)
        assert more, "closed before an answer"
        head += more
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    left, body = int(lengths[0].split(b":")[1]) if lengths else 0, b""
    while left > 0:
        more = client.recv(left)
        assert more, "closed within an answer"
        body, left = body + more, left - len(more)
    status, _, rest = head.decode().partition("\r\n")
    return status.split()[1], rest.lower(), body.decode()


@pytest.fixture
def stand(database_url: str, tmp_path: Path) -> Iterator[Stand]:
    live = connect(database_url, application_name="tests", autocommit=True)
    made = Stand(live, tmp_path)
    with made.serving():
        yield made
    live.close()


def test_it_answers_as_the_database_does(stand: Stand) -> None:
    for target, asked in (
        ("bic/ALDRDEFF", Question("bic", "ALDRDEFF", day(1))),
        ("iin/40001234", Question("iin", "40001234", day(1))),
        ("bic/ALDRDEFF?rail=sepa", Question("bic", "ALDRDEFF", day(1), Reach(rail="sepa"))),
    ):
        wanted = resolve(stand.live, ENVIRONMENT, asked)
        assert wanted is not None

        status, headers, body = stand.get(f"/v1/resolve/{target}")

        assert (status, json.loads(body)) == ("200", {"version": 1, **document(wanted)})
        assert "content-type: application/json" in headers
        assert "cache-control: max-age=60" in headers
    assert stand.app.paths == []
    assert stand.counted == [200, 200, 200]


def test_a_known_tag_is_answered_without_a_body(stand: Stand) -> None:
    _, headers, _ = stand.get("/v1/resolve/bic/ALDRDEFF")
    tag = headers.split("etag: ")[1].split("\r\n")[0].replace("w/", "W/")

    assert stand.get("/v1/resolve/bic/ALDRDEFF", f"If-None-Match: {tag}")[0] == "304"
    assert stand.get("/v1/resolve/bic/ALDRDEFF", f'if-none-match: "a", {tag}')[0] == "304"
    assert stand.get("/v1/resolve/bic/ALDRDEFF", 'If-None-Match: W/"other"')[0] == "200"


def test_at_a_boundary_the_answer_changes_to_the_second(stand: Stand) -> None:
    stand.clock.time = day(5) - timedelta(seconds=2, microseconds=1)
    _, before, one = stand.get("/v1/resolve/bic/ALDRDEFF")
    stand.clock.time = day(5) - timedelta(microseconds=1)
    _, last, _ = stand.get("/v1/resolve/bic/ALDRDEFF")
    stand.clock.time = day(5)
    _, after, other = stand.get("/v1/resolve/bic/ALDRDEFF")
    stand.clock.time = day(5) - timedelta(seconds=1)
    _, back, _ = stand.get("/v1/resolve/bic/ALDRDEFF")

    def tag(headers: str) -> str:
        return headers.partition("etag: ")[2].partition("\r\n")[0]

    assert json.loads(one)["participant"]["id"] == "p0"
    assert json.loads(other)["participant"]["id"] == "p1"
    assert "max-age=3\r\n" in before
    assert "max-age=1\r\n" in last
    assert tag(before) == tag(last) == tag(back) != tag(after)


def test_an_answer_says_of_what_second_it_is_though_it_was_ready_before(stand: Stand) -> None:
    stand.get("/v1/resolve/bic/ALDRDEFF")
    stand.clock.time += timedelta(seconds=30)

    _, _, body = stand.get("/v1/resolve/bic/ALDRDEFF")

    assert json.loads(body)["query"]["at"] == "2027-01-02T00:00:30Z"


def test_a_new_snapshot_takes_the_ready_answers_away(stand: Stand) -> None:
    assert json.loads(stand.get("/v1/resolve/iin/400012")[2])["matched"]["brand"] == "Visa"
    stand.town.apply([row("ranges", iin_start="400012", brand="Other")], [RANGE])
    stand.snapshot = stand.built()

    found = json.loads(stand.get("/v1/resolve/iin/400012")[2])

    assert (found["matched"]["brand"], found["revision"]["number"]) == ("Other", 4)


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/v1/resolve/bic/NOBODY", []),
        ("/v1/resolve/iin/4000", []),
        ("/v1/resolve/bic/ALDRDEFF?at=2027-01-01T00:00:00Z", []),
        ("/v1/resolve/bic/ALDRDEFF?rail=a&rail=b", []),
        ("/v1/resolve/bic/ALD%52DEFF", []),
        ("/v1/resolve/bic/ALDRDEFF/", []),
        ("/v1/resolve/bic/ALDRDEFF", ["Content-Length: 0"]),
        ("/v1/resolve/bic/ALDRDEFF", ["Connection: close"]),
        ("/v1/resolve/bic/ALDRDEFF", ["Expect: 100-continue"]),
        ("/v1/resolve/bic/ALDRDEFF", ["Accept: text/html"]),
        ("/v1/status", []),
    ],
)
def test_what_is_not_plain_is_left_to_the_application(
    stand: Stand, target: str, headers: list[str]
) -> None:
    assert stand.get(target, *headers)[0] in {"418", "100"}
    assert stand.counted == []


def test_nothing_is_answered_here_while_the_route_is_closed(stand: Stand) -> None:
    stand.is_open = False

    assert stand.get("/v1/resolve/bic/ALDRDEFF")[0] == "418"


@pytest.mark.parametrize(
    "header", ["Transfer-Encoding: chunked", "content-length : 5", "transfer-encoding:\tchunked"]
)
def test_a_body_is_never_taken_for_another_request(stand: Stand, header: str) -> None:
    with stand.client() as client:
        smuggled = "GET /v1/resolve/bic/ALDRDEFF HTTP/1.1\r\nHost: x\r\n\r\n"
        request = f"GET /v1/resolve/iin/400012 HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n"
        client.sendall(request.encode())
        client.sendall(smuggled.encode())
        status, _, _ = answer(client)

    assert status in {"400", "418"}
    assert stand.counted == []


def test_requests_that_come_in_pieces_or_together_are_all_answered_in_order(stand: Stand) -> None:
    one = b"GET /v1/resolve/bic/ALDRDEFF HTTP/1.1\r\nHost: x\r\n\r\n"
    with stand.client() as client:
        for piece in (one[:20], one[20:-2], one[-2:]):
            client.sendall(piece)
            time.sleep(0.02)
        assert answer(client)[0] == "418"  # in pieces: the application
        client.sendall(one)
        assert answer(client)[0] == "200"
        client.sendall(one + b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer(client)[0] == "418"
        assert answer(client)[0] == "418"
        client.sendall(one)
        assert answer(client)[0] == "200"

    assert stand.app.paths[-2:] == ["/v1/resolve/bic/ALDRDEFF", "/a"]


@pytest.mark.parametrize(
    "target",
    [
        f"/v1/resolve/iin/{CARD}",
        f"/v1/resolve/iin/{CARD}?rail=sepa",
        "/v1/resolve/iin/4111-1111-1111-1111",
        "/v1/resolve/iin/4111%201111%201111%201111",
        "/v1/resolve/iin/%34111111111111111",
        f"/{CARD}",
        f"/v1/participants/{CARD}",
        f"/v1/resolve/bic/A?x={CARD}",
    ],
)
def test_a_card_number_is_refused_before_anybody_sees_it(stand: Stand, target: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        status, _, body = stand.get(target, method=method)

        assert status == "400"
        assert json.loads(body)["code"] == "resolve.too_many_digits"
        assert "1111" not in body
    assert stand.app.paths == []


def test_after_a_card_number_nothing_more_of_that_connection_is_read(stand: Stand) -> None:
    with stand.client() as client:
        bad = f"POST /{CARD} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
        client.sendall((bad + "GET /after HTTP/1.1\r\nHost: x\r\n\r\n").encode())
        assert answer(client)[0] == "400"
        assert client.recv(100) == b""

    assert stand.app.paths == []


def test_digits_that_are_no_card_number_go_through(stand: Stand) -> None:
    for target in ("/v1/resolve/lei/5299A0000000000000000", "/v1/changes?since=12345678901"):
        assert stand.get(target)[0] == "418"


def test_a_head_without_end_is_cut_off(stand: Stand) -> None:
    sent = 0
    with stand.client() as client, suppress(ConnectionError):
        client.sendall(b"GET /a HTTP/1.1\r\n")
        while sent < 100 * connections.HEAD_MAX_BYTES:
            client.sendall(b"x-filler: " + b"a" * 988 + b"\r\n")
            sent += 1000

    assert sent < 100 * connections.HEAD_MAX_BYTES
    assert stand.app.paths == []


def test_a_head_that_is_long_enough_goes_through(stand: Stand) -> None:
    filler = ["x-filler: " + "a" * 988] * (connections.HEAD_MAX_BYTES // 2000)

    assert stand.get("/a", *filler)[0] == "418"


def test_who_sends_nothing_is_not_waited_for(
    stand: Stand,
) -> None:
    with stand.client() as silent, stand.client() as slow:
        slow.sendall(b"GET /a HTTP/1.1\r\nHost:")
        silent.settimeout(connections.HEAD_SECONDS + 5)
        slow.settimeout(connections.HEAD_SECONDS + 5)

        assert silent.recv(1) == b""
        assert slow.recv(1) == b""


def test_looking_for_cards_in_a_hostile_target_takes_no_long_time() -> None:
    hostile = b"/" + b"-".join([b"4"] * 30_000) + b"x" + b" " * 30_000

    start = time.process_time()
    assert holds_a_card(hostile) is False
    assert time.process_time() - start < 0.5
