"""Requests to other people's servers end in time, stay small, and tell no secret."""

import logging
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from controller.adapters.gitcli import child_environment
from controller.adapters.outbound import (
    BadCaFile,
    BadReceiverUrl,
    Call,
    ReceiverRefused,
    ReceiverUnavailable,
    Route,
    exchange,
    host_of,
    send,
)
from controller.kernel.errors import ControllerError
from tests.support.gitservers import make_authority
from tests.support.house import ROOT
from tests.support.receivers import HASTE, SECRET, Receiver, receiver

ROUTE = Route("on-call", bounds=HASTE)


def call(to: Receiver) -> Call:
    """Return a request whose address, headers and body all hold a secret."""
    return Call("POST", f"{to.url}/{SECRET}", {"authorization": SECRET}, SECRET.encode())


def test_what_is_taken_was_sent_as_it_was_given() -> None:
    with receiver() as to:
        answer = send(ROUTE, call(to))

    assert answer.status == 200
    (got,) = to.got
    assert (got.path, got.body) == (f"/{SECRET}", SECRET.encode())
    assert got.headers["user-agent"].startswith("countersign/")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422, 301, 307])
def test_an_answer_that_stays_the_same_is_a_refusal(status: int) -> None:
    with receiver(str(status)) as to, pytest.raises(ReceiverRefused) as refused:
        send(ROUTE, call(to))

    assert refused.value.status == status
    assert len(to.got) == 1


@pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504])
def test_an_answer_that_may_change_is_none_yet(status: int) -> None:
    with receiver(str(status)) as to, pytest.raises(ReceiverUnavailable):
        send(ROUTE, call(to))


@pytest.mark.parametrize(
    ("said", "wanted"), [("7", 7.0), ("999999", 3_600.0), ("soon", None), ("-1", None)]
)
def test_a_receiver_may_say_when_to_come_again(said: str, wanted: float | None) -> None:
    with receiver("429") as to:
        to.retry_after = said
        with pytest.raises(ReceiverUnavailable) as away:
            send(ROUTE, call(to))

    assert away.value.retry_after_seconds == wanted


@pytest.mark.parametrize("manner", ["slow", "drip", "drip-body"])
def test_no_receiver_holds_us_longer_than_the_deadline(manner: str) -> None:
    begun = time.monotonic()
    with receiver(manner) as to, pytest.raises(ReceiverUnavailable):
        send(ROUTE, call(to))

    assert time.monotonic() - begun < HASTE.total_seconds + 3


@pytest.mark.parametrize("manner", ["close", "garbage"])
def test_an_answer_that_is_none_is_tried_again(manner: str) -> None:
    with receiver(manner) as to, pytest.raises(ReceiverUnavailable):
        send(ROUTE, call(to))


def test_of_an_answer_without_end_only_the_beginning_is_read() -> None:
    with receiver("huge") as to:
        answer = exchange(ROUTE, call(to))

    assert len(answer.body) == HASTE.answer_max_bytes


def test_a_redirect_is_not_followed() -> None:
    with receiver("redirect") as to, pytest.raises(ReceiverRefused) as refused:
        send(ROUTE, call(to))

    assert len(to.got) == 1
    assert "elsewhere" in refused.value.hint


def test_nobody_listens_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    with pytest.raises(ReceiverUnavailable, match="cannot be reached"):
        send(ROUTE, Call("POST", f"http://127.0.0.1:{port}/"))


@pytest.mark.parametrize(
    "manner", ["200", "400", "429", "500", "slow", "drip", "redirect", "garbage", "close", "huge"]
)
def test_no_secret_is_in_what_is_said_or_logged(
    manner: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said = ""
    with receiver(manner) as to:
        asked = call(to)
        try:
            send(ROUTE, asked)
        except ControllerError as error:
            said = f"{error!r} {error} {error.hint} {vars(error)} {error.__cause__!r}"

    assert to.got
    assert (to.host in said) == (manner not in {"200", "huge"})
    assert SECRET not in said + repr(asked) + caplog.text


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example",
        "http://hooks.example/x",
        "http://127.0.0.1.example/x",
        "ftp://hooks.example/x",
        f"https://user:{SECRET}@hooks.example/x",
        f"https://{SECRET}@hooks.example/x",
        "https://hooks.example/#x",
        "https://hooks.example:port/x",
        "https:///x",
        "https://hooks.example/a b",
        "https://hooks.example/\r\nx: y",
    ],
)
def test_an_address_that_is_none_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(BadReceiverUrl) as refused:
        send(ROUTE, Call("POST", url))

    assert SECRET not in f"{refused.value} {vars(refused.value)}"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://hooks.example/x?y=z", "hooks.example"),
        ("https://hooks.example:8443/x", "hooks.example:8443"),
        ("http://[::1]:80/x", "[::1]:80"),
        ("http://localhost/x", "localhost"),
    ],
)
def test_of_a_good_address_only_the_host_is_shown(url: str, host: str) -> None:
    assert host_of("on-call", url) == host


def test_a_header_that_would_be_two_is_not_sent() -> None:
    with receiver() as to, pytest.raises(ControllerError):
        send(ROUTE, Call("POST", to.url, {"authorization": "x\r\ny: z"}))

    assert to.got == []


def test_a_certificate_counts_when_the_named_ca_vouches_for_it(tmp_path: Path) -> None:
    ca_file, certificate = make_authority(tmp_path)

    with receiver(certificate=certificate) as to:
        send(Route("on-call", ca_file=ca_file, bounds=HASTE), call(to))

    assert len(to.got) == 1


def test_a_certificate_that_nobody_vouches_for_gets_nothing(tmp_path: Path) -> None:
    _, certificate = make_authority(tmp_path)

    with (
        receiver(certificate=certificate) as to,
        pytest.raises(ReceiverUnavailable, match="vouches"),
    ):
        send(ROUTE, call(to))

    assert to.got == []


def test_a_ca_file_that_holds_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")

    for file in ("ca.pem", "gone.pem"):
        with receiver() as to, pytest.raises(BadCaFile):
            send(Route("on-call", ca_file=tmp_path / file), call(to))


def test_a_proxy_is_asked_where_a_setting_names_it() -> None:
    with receiver() as proxy, receiver() as to:
        send(Route("on-call", proxy=proxy.url, bounds=HASTE), call(to))

    assert to.got == []
    assert [one.path for one in proxy.got] == [f"{to.url}/{SECRET}"]


ASK = """
import sys
from controller.adapters.outbound import Call, Route, send
send(Route("on-call"), Call("POST", sys.argv[1]))
"""


def test_the_environment_names_no_proxy_and_no_ca(tmp_path: Path) -> None:
    ca_file, certificate = make_authority(tmp_path)
    with receiver() as proxy, receiver() as plain, receiver(certificate=certificate) as secure:
        named = {"HTTP_PROXY": proxy.url, "http_proxy": proxy.url, "ALL_PROXY": proxy.url}
        trust = {"SSL_CERT_FILE": str(ca_file), "REQUESTS_CA_BUNDLE": str(ca_file)}
        codes = [
            subprocess.run(
                [sys.executable, "-c", ASK, one.url],
                cwd=ROOT,
                env=child_environment() | named | trust,
                stderr=subprocess.DEVNULL,
                check=False,
            ).returncode
            for one in (plain, secure)
        ]

    assert (codes, len(proxy.got), len(plain.got), len(secure.got)) == ([0, 1], 0, 1, 0)
