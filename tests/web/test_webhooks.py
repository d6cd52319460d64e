"""Webhooks: who is proven may ask for a look, at an interval; nobody else causes anything."""

import asyncio
import hashlib
import hmac
import socket
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from controller.adapters.apimetrics import ApiMetrics
from controller.adapters.postgres import Connection, connect
from controller.kernel.errors import ControllerError, Unavailable
from controller.stores.control import wake
from controller.web import reading
from controller.web.access import Unauthenticated
from controller.web.problems import BodyTooSlow, status_of
from controller.web.webhooks import (
    REMEMBERED_MAX,
    REMEMBERED_SECONDS,
    Provider,
    Replays,
    Waker,
    WeakSecret,
    Webhooks,
)
from tests.support.api import Api, serving, settings
from tests.support.resolving import ENVIRONMENT

SECRET = "a secret of more than sixteen bytes"
HEADERS = {
    "github": "x-hub-signature-256",
    "gitea": "x-gitea-signature",
    "generic": "x-signature",
}
SENDERS = ("github", "gitlab", "gitea", "generic")


def signed(provider: str, body: bytes, secret: str = SECRET) -> dict[str, str]:
    """Return the headers that a sender proves itself by."""
    if provider == "gitlab":
        return {"x-gitlab-token": secret}
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {HEADERS[provider]: digest if provider == "gitea" else f"sha256={digest}"}


@pytest.fixture
def hooked(database_url: str, tmp_path: Path) -> Iterator[Api]:
    """Return a server that hears every sender, over an empty production."""
    (tmp_path / "hook").write_text(SECRET + "\n")
    (tmp_path / "hook").chmod(0o600)
    more = "".join(f'[webhooks.{one}]\nsecret_file = "hook"\n' for one in SENDERS)
    file = settings(tmp_path, database_url, f"[webhooks]\nwake_seconds = 1\n{more}")
    with serving(file, waits=False) as running:
        yield running


@pytest.fixture
def live(database_url: str) -> Iterator[Connection[object]]:
    connection: Connection[object] = connect(
        database_url, application_name="tests", autocommit=True
    )
    yield connection
    connection.close()


def asked(connection: Connection[object]) -> int:
    """Return how often a look was asked for."""
    return wake.read(connection, ENVIRONMENT).requested


@pytest.mark.allows("webhook.replay", "webhook.flood")
def test_who_knows_the_secret_asks_for_a_look(hooked: Api, live: Connection[object]) -> None:
    for provider in SENDERS:
        got = hooked.ask("POST", f"/v1/hooks/{provider}", b"{}", signed(provider, b"{}"))
        reason = f"webhook:{provider}"

        assert (got.status, got.json) == (202, {"accepted": True})
        hooked.until(partial(was_told, live, reason), reason)


def was_told(connection: Connection[object], reason: str) -> bool:
    """Whether a look was asked for, for this reason."""
    return wake.read(connection, ENVIRONMENT).reason == reason


def forgeries(provider: str) -> list[dict[str, str]]:
    """Return headers that prove nothing of the body `body`."""
    good = signed(provider, b"body")
    return [
        {},
        signed(provider, b"body", "another secret of sixteen bytes"),
        dict.fromkeys(good, ""),
        {name: value[:-1] for name, value in good.items()},
        dict.fromkeys(good, "sha256=" + "é" * 64),
        {"x-hub-signature": "sha1=0"},
    ]


@pytest.mark.stops("webhook.replay")
def test_who_does_not_know_it_causes_nothing(hooked: Api, live: Connection[object]) -> None:
    for provider in SENDERS:
        target = f"/v1/hooks/{provider}"
        answers = [hooked.ask("POST", target, b"body", one) for one in forgeries(provider)]
        if provider != "gitlab":
            answers.append(hooked.ask("POST", target, b"other", signed(provider, b"body")))

        assert {one.status for one in answers} == {401}
        assert {one.json["code"] for one in answers} == {"api.unauthenticated"}
        assert f'provider="{provider}",result="forged"' in hooked.get("/metrics").body.decode()
    assert asked(live) == 0


@pytest.mark.stops("webhook.replay")
def test_a_thousand_replays_ask_for_one_look_at_most(hooked: Api, live: Connection[object]) -> None:
    body = b'{"ref": "refs/heads/main"}'
    for number in range(1_000):
        headers = {**signed("github", body), "x-github-delivery": str(number)}
        assert hooked.ask("POST", "/v1/hooks/github", body, headers).status == 202
    time.sleep(1.5)

    assert asked(live) == 1


def test_a_burst_asks_for_a_look_now_and_for_one_after_it(
    hooked: Api, live: Connection[object]
) -> None:
    began = time.monotonic()
    for number in range(50):
        body = str(number).encode()
        assert hooked.ask("POST", "/v1/hooks/gitea", body, signed("gitea", body)).status == 202
    took = time.monotonic() - began
    hooked.until(lambda: asked(live) >= 2, "the last one is answered for")
    time.sleep(1.2)

    assert asked(live) <= 2 + int(took)


def test_nothing_of_a_body_is_read_or_told(hooked: Api, live: Connection[object]) -> None:
    for body in (b"", b"\xff\x00", b"{" * 5_000, b"4111111111111111", b"x" * 1_048_576):
        got = hooked.ask("POST", "/v1/hooks/github", body, signed("github", body))
        assert got.status == 202

    assert wake.read(live, ENVIRONMENT).reason == "webhook:github"
    assert "4111" not in hooked.said


def test_who_is_not_heard_is_not_there(own_api: Api) -> None:
    for target in ("/v1/hooks/github", "/v1/hooks/nobody"):
        got = own_api.ask("POST", target, b"{}", signed("github", b"{}"))
        assert (got.status, got.json["code"]) == (404, "api.no_such_route")


@pytest.mark.stops("webhook.flood")
@pytest.mark.parametrize("is_chunked", [False, True])
def test_fifty_megabytes_are_refused_without_being_held(hooked: Api, is_chunked: bool) -> None:
    hooked.get("/metrics")
    before = hooked.memory_kib
    size, piece = 50 * 1024 * 1024, b"x" * 65_536
    framing = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {size}"
    head = (
        f"POST /v1/hooks/github HTTP/1.1\r\nHost: x\r\n{framing}\r\n"
        f"X-Hub-Signature-256: sha256={'0' * 64}\r\n\r\n"
    )
    with socket.create_connection((hooked.host, hooked.port), timeout=30) as client:
        client.sendall(head.encode())
        sent = 0
        try:
            while sent < size:
                client.sendall(b"10000\r\n" + piece + b"\r\n" if is_chunked else piece)
                sent += len(piece)
        except OSError:
            pass  # closed in the middle, which is the point
        answer = client.recv(65_536)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert sent < size
    assert hooked.memory_kib - before < 8 * 1024


def test_a_database_that_is_away_makes_the_sender_come_again(
    hooked: Api, live: Connection[object]
) -> None:
    live.execute("ALTER TABLE controller.wake RENAME TO nobody_knows")
    body = b"pushed"
    away = hooked.ask("POST", "/v1/hooks/github", body, signed("github", body))
    live.execute("ALTER TABLE controller.nobody_knows RENAME TO wake")
    again = hooked.ask("POST", "/v1/hooks/github", body, signed("github", body))

    assert away.status == 500
    assert again.status == 202
    assert asked(live) == 1


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(WeakSecret):
        Webhooks({Provider.GITHUB: b"fifteen bytes.."}, print, ApiMetrics("0"))
    assert Webhooks({Provider.GITHUB: b"sixteen bytes..."}, print, ApiMetrics("0"))


def request(provider: str, headers: dict[str, bytes], *chunks: bytes) -> Request:
    """Return a request as a server hands it over, its body in pieces."""
    pieces = list(chunks)

    async def receive() -> dict[str, object]:
        await asyncio.sleep(0)
        body = pieces.pop(0) if pieces else b""
        return {"type": "http.request", "body": body, "more_body": bool(pieces)}

    scope = {
        "type": "http",
        "method": "POST",
        "path": f"/v1/hooks/{provider}",
        "path_params": {"provider": provider},
        "headers": [(name.encode(), value) for name, value in headers.items()],
        "query_string": b"",
    }
    return Request(scope, receive)


NAMES = st.sampled_from([*HEADERS.values(), "x-gitlab-token", "content-length", "x-other"])
VALUES = st.one_of(
    st.binary(max_size=80),
    st.text("0123456789abcdefABCDEF", min_size=64, max_size=64).map(
        lambda digits: b"sha256=" + digits.encode()
    ),
    st.sampled_from([b"sha256=", b"-1", b"9" * 30, SECRET.encode()[:-1], b"\xc3\xa9" * 32]),
)


@given(
    provider=st.sampled_from([*SENDERS, "", "github ", "GITHUB"]),
    headers=st.dictionaries(NAMES, VALUES, max_size=4),
    chunks=st.lists(st.binary(max_size=100), max_size=4),
)
def test_whatever_a_stranger_sends_is_refused_in_words_of_ours(
    provider: str, headers: dict[str, bytes], chunks: list[bytes]
) -> None:
    woken: list[str] = []
    secrets = {one: SECRET.encode() for one in Provider}
    webhooks = Webhooks(secrets, woken.append, ApiMetrics("0"))

    with pytest.raises(ControllerError) as refusal:
        asyncio.run(webhooks.receive(request(provider, headers, *chunks)))

    assert status_of(refusal.value) in {401, 404, 413}
    assert woken == []


def test_a_body_in_any_pieces_is_proven_as_a_whole() -> None:
    woken: list[str] = []
    webhooks = Webhooks({Provider.GENERIC: SECRET.encode()}, woken.append, ApiMetrics("0"))
    headers = {name: value.encode() for name, value in signed("generic", b"abc").items()}

    asyncio.run(webhooks.receive(request("generic", headers, b"a", b"", b"bc")))
    with pytest.raises(Unauthenticated):
        asyncio.run(webhooks.receive(request("generic", headers, b"a", b"bc", b"d")))

    assert woken == ["webhook:generic"]


def test_a_body_that_drips_is_given_up() -> None:
    async def receive() -> dict[str, object]:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b"x", "more_body": True}

    slow = Request({"type": "http", "method": "POST", "headers": []}, receive)
    began = time.monotonic()

    with pytest.raises(BodyTooSlow):
        asyncio.run(reading.body(slow, size_max_bytes=1 << 20, seconds=0.3))

    assert time.monotonic() - began < 3


def test_what_was_forgotten_is_new_again() -> None:
    now = 0.0
    replays = Replays(lambda: now)
    replays.add(b"first")
    assert replays.has(b"first")

    now = REMEMBERED_SECONDS
    assert not replays.has(b"first")

    now = 0.0
    for number in range(REMEMBERED_MAX):
        replays.add(str(number).encode())
    assert not replays.has(b"first")
    assert replays.has(b"0")


class Away(Unavailable):
    code = "test.away"


def test_a_look_that_is_owed_is_asked_for_until_it_is_made() -> None:
    tries: list[str] = []

    def ask(reason: str) -> None:
        tries.append(reason)
        if len(tries) == 2:
            raise Away("gone")

    async def story() -> None:
        waker = Waker(ask, 0.05)
        waker.retry_seconds = 0.05
        await waker.ask("one")
        await waker.ask("two")
        await waker.ask("three")
        await asyncio.sleep(0.6)

    asyncio.run(story())

    assert tries == ["one", "three", "three"]


def test_the_settings_name_a_secret_that_nobody_else_reads(
    database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "hook").write_text(SECRET)
    (tmp_path / "hook").chmod(0o644)
    file = settings(tmp_path, database_url, '[webhooks.github]\nsecret_file = "hook"\n')

    with pytest.raises(AssertionError, match="can be read by other users"), serving(file):
        pass
    assert SECRET not in (tmp_path / "api.log").read_text()
