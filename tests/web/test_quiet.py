"""A card number that a client sends anywhere is nowhere to be found afterwards."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.adapters.postgres import connect
from tests.support.api import Api, serving, settings

CARD = "4929123456781234"
SPACED = "4929 1234-5678.1234"
ESCAPED = "%34%39%32%39%31%32%33%34%35%36%37%38%31%32%33%34"
PARTS = (CARD, SPACED.replace(" ", "%20"), ESCAPED, CARD + "9")


@pytest.fixture
def server(town_url: str, tmp_path: Path) -> Iterator[Api]:
    """Return a server of its own, that hears webhooks."""
    (tmp_path / "hook").write_text("x" * 32)
    (tmp_path / "hook").chmod(0o600)
    more = '[webhooks.github]\nsecret_file = "hook"\n'
    with serving(settings(tmp_path, town_url, more)) as running:
        yield running


def requests(card: str) -> Iterator[bytes]:
    """Yield requests that hold a card number in every place there is."""
    end = b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    word = card.encode()
    for target in (
        f"/v1/resolve/iin/{card}",
        f"/v1/resolve/{card}/iin",
        f"/v1/resolve/bic/x{card}",
        f"/v1/resolve/bic/{card}x?at={card}&{card}=1",
        f"/v1/resolve/bic/A/{card}/B",
        f"/v1/participants/{card}?{card}",
        f"/v1/changes?since=0&after=ranges.{card}",
        f"/v1/changes?since={card}",
        f"/{card}",
        f"//{card}@x:{card}/",
        f"http://{card}/{card}",
        f"/v1/hooks/{card}",
    ):
        for method in (b"GET", b"POST", b"DELETE", word):
            yield method + b" " + target.encode() + end + b"\r\n"
    yield b"GET /healthz" + end + b"X-Card: " + word + b"\r\nCookie: card=" + word + b"\r\n\r\n"
    yield b"GET /v1/status" + end + b"Authorization: Bearer " + word + b"\r\n\r\n"
    yield b"GET /healthz HTTP/" + word + b"\r\n\r\n"
    yield word + b"\r\n\r\n"
    yield b"GET /healthz HTTP/1.1\r\nContent-Length: " + word + b"\r\n\r\n"
    yield b"GET /healthz HTTP/1.1\r\n" + word + b"\r\n\r\n"
    for body in (
        b'{"questions": [{"scheme": "iin", "value": "' + word + b'"}]}',
        b'{"questions": [{"scheme": "iin", "value": ' + word + b"}]}",
        b'{"' + word + b'": "' + word + b'"',
        b'{"questions": [{"' + word + b'": 1}]}',
    ):
        head = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        yield b"POST /v1/resolve:batch" + end + head + body
        yield b"POST /v1/hooks/github" + end + head + body


def send(server: Api, data: bytes) -> bytes:
    """Send bytes, and return what comes back; the other end may just close."""
    with socket.create_connection((server.host, server.port), timeout=5) as client:
        found = b""
        try:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            while more := client.recv(65_536):
                found += more
        except OSError:
            pass
        return found


def traces(text: str) -> list[str]:
    """Return the card numbers that a text holds, however they are written."""
    digits = "".join(one for one in text if one not in " -.")
    return [one for one in (CARD, ESCAPED) if one in digits or one in text]


@pytest.mark.stops("api.card-number")
def test_a_card_number_reaches_no_log_no_answer_and_no_counter(server: Api, town_url: str) -> None:
    sent = 0
    for card in PARTS:
        for data in requests(card):
            answer = send(server, data)
            sent += 1
            assert not traces(answer.decode("latin-1")), (data, answer)
    # What goes wrong on our side has the most to tell: let the database be another one.
    with connect(town_url, application_name="tests", autocommit=True) as connection:
        connection.execute("ALTER SCHEMA controller RENAME TO elsewhere")
        for card in PARTS:
            for data in requests(card):
                assert not traces(send(server, data).decode("latin-1"))
        server.get("/v1/status")
        connection.execute("ALTER SCHEMA elsewhere RENAME TO controller")

    assert sent > 200
    assert not traces(server.get("/metrics").body.decode())
    assert not traces(server.said)


def test_what_goes_wrong_on_our_side_is_told_by_its_kind_and_its_request(
    server: Api, town_url: str
) -> None:
    with connect(town_url, application_name="tests", autocommit=True) as connection:
        connection.execute("ALTER SCHEMA controller RENAME TO elsewhere")
        got = server.get("/v1/status")
        connection.execute("ALTER SCHEMA elsewhere RENAME TO controller")

    assert (got.status, got.json["code"]) == (500, "database.schema_differs")
    assert got.json["detail"] == "the request is good, but it cannot be answered now"
    assert got.headers["x-request-id"] in server.said


def test_a_trace_is_found_however_it_is_written() -> None:
    assert traces(f"request {CARD}")
    assert traces(f"request {SPACED}")
    assert traces(f"/{ESCAPED}/")
    assert not traces("request 4929123456")
