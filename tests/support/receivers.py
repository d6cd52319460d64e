"""Real HTTP receivers on loopback, which record what they are sent and answer as they are told."""

import hashlib
import hmac
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from controller.adapters.outbound import Bounds, Route
from controller.adapters.senders import Place

HOST = "127.0.0.1"
SECRET = "5ecret-that-nobody-may-see"
HASTE = Bounds(connect_seconds=2, read_seconds=1, total_seconds=2, answer_max_bytes=1_000)


@dataclass(frozen=True)
class Received:
    """One request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def is_signed(self, secret: str) -> bool:
        """Verify a signed webhook as `docs/formats.md` tells others to."""
        signed = self.headers["x-countersign-timestamp"].encode() + b"." + self.body
        wanted = "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        return hmac.compare_digest(wanted, self.headers["x-countersign-signature"])


@dataclass
class Receiver:
    """A server that takes requests. `answers` are used one after the other, then `usual`."""

    url: str
    usual: str = "200"
    answers: list[str] = field(default_factory=list)
    got: list[Received] = field(default_factory=list)
    retry_after: str = "7"
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def host(self) -> str:
        """Where it is, without a path."""
        return self.url.partition("://")[2]

    def place(self, path: str = "", **route: Any) -> Place:
        """Return it as senders know it."""
        return Place(Route("somewhere", **{"bounds": HASTE, **route}), self.url + path)

    def until(self, count: int, seconds: float = 60.0) -> None:
        """Wait until so many requests came in, or fail."""
        end = time.monotonic() + seconds
        while len(self.got) < count:
            assert time.monotonic() < end, f"only {len(self.got)} of {count} came in"
            time.sleep(0.01)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    receiver: Receiver

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up: that is what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        """Record a request and answer it."""
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        receiver.got.append(Received(self.command, self.path, headers, body))
        answer = receiver.answers.pop(0) if receiver.answers else receiver.usual
        self.close_connection = True
        match answer:
            case "slow":
                receiver.ended.wait(30)
            case "drip":
                self._drip(b"HTTP/1.1 200 OK\r\nX-Filler: " + b"x" * 10_000)
            case "drip-body":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n")
                self._drip(b"y" * 900)
            case "close":
                self.connection.shutdown(socket.SHUT_RDWR)
            case "garbage":
                self.wfile.write(b"\x00\xffthis is not HTTP\r\n\r\n")
            case "huge":
                self._huge()
            case "redirect":
                self._answer(307, {"location": "https://elsewhere.example/" + SECRET})
            case _:
                self._answer(int(answer), {})

    def _answer(self, status: int, headers: dict[str, str]) -> None:
        # Some receivers repeat what they were sent.
        body = f"{status} {self.path} {SECRET}".encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status in {429, 503}:
            self.send_header("retry-after", self.server.receiver.retry_after)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _drip(self, data: bytes) -> None:
        for at in range(len(data)):
            if self.server.receiver.ended.wait(0.1):
                return
            self.wfile.write(data[at : at + 1])
            self.wfile.flush()

    def _huge(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
        with suppress(OSError):
            while not self.server.receiver.ended.is_set():
                self.wfile.write(b"z" * 65_536)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base's name)
        """Say nothing."""


@contextmanager
def receiver(*answers: str, certificate: Path | None = None) -> Iterator[Receiver]:
    """Run a receiver while the block runs; with a certificate it speaks TLS."""
    server = _Server((HOST, 0), _Handler)
    scheme = "http"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        scheme = "https"
    server.receiver = Receiver(f"{scheme}://{HOST}:{server.server_address[1]}", answers=[*answers])
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.receiver
    finally:
        server.receiver.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


def secret_file(folder: Path, name: str = "secret", text: str = SECRET) -> Path:
    """Write a file that holds a secret, for us alone."""
    file = folder / name
    file.write_text(f"{text}\n")
    file.chmod(0o600)
    return file
