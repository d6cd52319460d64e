"""The server: uvicorn on uvloop, bound where the settings say, ended in order when told to.

Nothing is logged of a request, so nothing of one can be in a log. Signals only say that the server
is to end.
"""

import asyncio
import ipaddress
import logging
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
import uvloop
from starlette.types import ASGIApp

from controller.kernel.errors import Refused, Unavailable
from controller.web.connection import protocol
from controller.web.hot import Answers

BEAT_SECONDS = 1.0
_BACKLOG = 1_024


class AddressTaken(Unavailable):
    """Another process listens on the address, or this host does not have it."""

    code = "api.address_taken"

    def __init__(self, host: str, port: int, why: str) -> None:
        super().__init__(
            f"cannot listen on {host} port {port}: {why}",
            hint="set api.host and api.port to an address of this host that nobody listens on",
        )


class BadCertificate(Refused):
    """The certificate or its key cannot be used."""

    code = "api.bad_certificate"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"api.cert_file and api.key_file cannot be used: {why}",
            hint="both in PEM, the key of that certificate, without a passphrase",
        )


@dataclass(frozen=True, slots=True)
class Listening:
    """Where the server listens, and how much it takes on."""

    host: str = "127.0.0.1"
    port: int = 8380
    cert_file: Path | None = None
    key_file: Path | None = None
    connections_max: int = 1_000
    keep_alive_seconds: int = 15
    stop_seconds: int = 10

    @property
    def scheme(self) -> str:
        """How the address begins."""
        return "https" if self.cert_file is not None else "http"


def is_loopback(host: str) -> bool:
    """Whether nobody but this host reaches an address; a name counts by all that it stands for."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(ipaddress.ip_address(one[4][0]).is_loopback for one in found)


def bound(where: Listening) -> socket.socket:
    """Return a socket that listens, or raise `AddressTaken`."""
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            where.host, where.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, number)
    except OSError as error:
        raise AddressTaken(where.host, where.port, error.strerror or "no such address") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise AddressTaken(where.host, where.port, error.strerror or "it is refused") from error
    return listener


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Whom the server tells: once it listens, with its port, and at each beat.

    `beat` returns whether it should go on. `prepare` is run beside the first requests.
    """

    started: Callable[[int], None]
    beat: Callable[[], bool]
    prepare: Callable[[], None]


def serve(app: ASGIApp, answers: Answers, where: Listening, around: Surroundings) -> None:
    """Serve until SIGTERM or SIGINT; requests that have begun may end."""
    config = uvicorn.Config(
        app,
        http=protocol(answers),
        loop="none",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=where.connections_max,
        timeout_keep_alive=where.keep_alive_seconds,
        timeout_graceful_shutdown=where.stop_seconds,
        ssl_certfile=where.cert_file,
        ssl_keyfile=where.key_file,
    )
    # What clients send wrong is counted, not told: they could fill a disk with it.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise BadCertificate(error.strerror or type(error).__name__) from error
    listener = bound(where)
    server = _Server(config)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(server, listener, around))


async def _run(server: "_Server", listener: socket.socket, around: Surroundings) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.end)
    loop.add_signal_handler(signal.SIGHUP, _nothing)  # says "look at once" to other roles
    _beat(server, around.beat)
    preparing = loop.run_in_executor(None, around.prepare)
    around.started(listener.getsockname()[1])
    await server.serve([listener])
    await preparing


def _beat(server: "_Server", beat: Callable[[], bool]) -> None:
    """Show that the loop turns; end when nobody is left to see it."""
    if beat():
        asyncio.get_running_loop().call_later(BEAT_SECONDS, _beat, server, beat)
    else:
        server.end()


def _nothing() -> None:
    """Let a signal pass."""


class _Server(uvicorn.Server):
    """Leaves signals to the loop that it runs in."""

    def end(self) -> None:
        """Take no more requests, and end once those that have begun are answered."""
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield
