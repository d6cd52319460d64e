"""Serves one text to Prometheus over HTTP, from a thread of its own.

One request at a time, each with a deadline for all of it: whoever is slow keeps others waiting for
so long and no longer. Of a request only its first line counts.
"""

import socket
import time
from collections.abc import Callable
from typing import Final

from controller.kernel.errors import Unavailable

PATH: Final = b"/metrics"
REQUEST_SECONDS: Final = 3.0
_REQUEST_MAX_BYTES: Final = 16 * 1024
_LOOK_SECONDS: Final = 0.25
_BACKLOG: Final = 16


class PortTaken(Unavailable):
    """Another process listens where metrics should be served."""

    code = "metrics.port_taken"

    def __init__(self, host: str, port: int, why: str) -> None:
        super().__init__(
            f"cannot serve metrics on {host} port {port}: {why}",
            hint="set telemetry.metrics_port to a port of this host that nobody listens on",
        )


class Scraped:
    """A server of one page, bound when it is made. Raises `PortTaken`."""

    def __init__(self, host: str, port: int, content: str, page: Callable[[], bytes]) -> None:
        self._content, self._page = content, page
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        except OSError as error:
            raise PortTaken(host, port, error.strerror or "it is refused") from error
        self._listener.settimeout(_LOOK_SECONDS)

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    def serve_while(self, wanted: Callable[[], bool]) -> None:
        """Answer requests until nobody wants that any more; then close."""
        with self._listener:
            while wanted():
                try:
                    caller, _ = self._listener.accept()
                    with caller:
                        self._answer(caller)
                except OSError:
                    continue  # nobody called, or whoever did is slow or gone

    def _answer(self, caller: socket.socket) -> None:
        until = time.monotonic() + REQUEST_SECONDS
        request = _request(caller, until)
        method, _, rest = request.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if method != b"GET":
            answer = _whole("405 Method Not Allowed", "text/plain", b"")
        elif path != PATH:
            answer = _whole("404 Not Found", "text/plain", b"")
        else:
            answer = _whole("200 OK", self._content, self._page())
        caller.settimeout(max(0.1, until - time.monotonic()))
        caller.sendall(answer)


def _request(caller: socket.socket, until: float) -> bytes:
    """Return what was sent up to the empty line; raise `TimeoutError` when it does not come."""
    said = b""
    while b"\r\n\r\n" not in said:
        left = until - time.monotonic()
        if left <= 0 or len(said) > _REQUEST_MAX_BYTES:
            raise TimeoutError
        caller.settimeout(left)
        data = caller.recv(_REQUEST_MAX_BYTES)
        if not data:
            raise TimeoutError
        said += data
    return said


def _whole(status: str, content: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\ncontent-type: {content}\r\ncontent-length: {len(body)}\r\n"
        "connection: close\r\n\r\n"
    )
    return head.encode() + body
