"""One page over HTTP for whoever scrapes; nobody keeps it from ending or from answering others."""

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from controller.adapters import scraped
from controller.adapters.scraped import PortTaken, Scraped


@contextmanager
def serving() -> Iterator[int]:
    server, ended = Scraped("127.0.0.1", 0, "text/plain", lambda: b"a 1\n"), threading.Event()
    port = server.port
    thread = threading.Thread(target=server.serve_while, args=(lambda: not ended.is_set(),))
    thread.start()
    try:
        yield port
    finally:
        ended.set()
        thread.join(scraped.REQUEST_SECONDS + 5)
        assert not thread.is_alive()


def ask(port: int, path: str = "/metrics", method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def test_the_page_is_served_and_nothing_else() -> None:
    with serving() as port:
        assert ask(port) == (200, b"a 1\n")
        assert ask(port, "/metrics?x=1") == (200, b"a 1\n")
        assert ask(port, "/") == (404, b"")
        assert ask(port, method="POST") == (405, b"")


def test_whoever_is_slow_or_talks_nonsense_keeps_nobody_waiting_for_long() -> None:
    with serving() as port, socket.create_connection(("127.0.0.1", port)) as slow:
        slow.sendall(b"GET /metr")
        begun = time.monotonic()
        with socket.create_connection(("127.0.0.1", port)) as noisy:
            noisy.sendall(b"\x00" * 1000)

        assert ask(port)[0] == 200
        assert time.monotonic() - begun < 3 * scraped.REQUEST_SECONDS


def test_a_port_that_is_taken_is_told() -> None:
    with serving() as port, pytest.raises(PortTaken) as taken:
        Scraped("127.0.0.1", port, "text/plain", bytes)

    assert str(port) in str(taken.value)
