"""A whole deploy host as processes: the supervisor and its roles, and what can be done to them."""

import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.asking import PAUSE_SECONDS, Answered
from tests.support.commands import Desk
from tests.support.house import ROOT
from tests.support.world import OLD_RANGE

HOST = "127.0.0.1"
PATIENCE_SECONDS = 60.0
BOTH = ("controller", "api")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server((HOST, 0)) as free:
        port: int = free.getsockname()[1]
        return port


def follow(desk: Desk, *, poll_seconds: float = 0.5, more: str = "") -> int:
    """Let a desk follow people's repository as its remote; return where its API will listen."""
    text, port = desk.config.read_text(), free_port()
    with_remote = text.replace('path = "../shop"\n', "")
    assert with_remote != text
    desk.config.write_text(
        f'{with_remote}\n[remote]\nurl = "file://{desk.folder}"\n[remote.audit]\n'
        f"[daemon]\npoll_seconds = {poll_seconds}\nrenew_seconds = 0.5\n"
        f"[api]\nport = {port}\n{more}"
    )
    return port


@dataclass
class Host:
    """A running host."""

    desk: Desk
    process: "subprocess.Popen[bytes]"
    log: Path
    port: int = 0

    @property
    def said(self) -> str:
        """Everything its processes have written."""
        return self.log.read_text()

    def role(self, name: str) -> int:
        """The process of a role; 0 while there is none."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        for child in children.split():
            with suppress(FileNotFoundError):
                words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
                if b"role" in words and name.encode() in words:
                    return int(child)
        return 0

    def kill_all(self) -> None:
        """End the supervisor and every role at one moment, as a power cut would."""
        roles = [self.role(name) for name in BOTH]
        for pid in (self.process.pid, *roles):
            if pid:
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def until(self, holds: Callable[[], object], what: str) -> None:
        """Wait until something holds, or fail with what was said."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            assert self.process.poll() is None, self.said
            assert time.monotonic() < end, f"never: {what}\n{self.said}"
            time.sleep(0.05)

    def get(self, target: str) -> tuple[int, dict[str, Any]]:
        """Ask the API; status 0 where nobody answers."""
        return ask(self.port, "GET", target)

    def serves(self, line: str) -> bool:
        """Whether a card range is answered."""
        return self.get(f"/v1/resolve/iin/{line.partition(',')[0]}")[0] == 200

    def is_settled(self) -> bool:
        """Whether production is at the branch, and the API says so of what it serves."""
        status, found = self.get("/v1/status")
        return status == 200 and found["sync"] == "Synced" and found["serving"]["is_current"]


def ask(port: int, method: str, target: str, **more: Any) -> tuple[int, dict[str, Any]]:
    """Ask an API for JSON; status 0 where nobody answers."""
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    try:
        connection.request(method, target, **more)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    except (OSError, http.client.HTTPException):
        return 0, {}
    finally:
        connection.close()


def announce(port: int, target: str, size: int, headers: str = "") -> tuple[int, int]:
    """Announce a body and send it until it is answered; return the status, and what was taken."""
    with socket.create_connection((HOST, port), timeout=30) as client:
        head = f"POST {target} HTTP/1.1\r\nHost: {HOST}\r\n{headers}Content-Length: {size}\r\n\r\n"
        client.sendall(head.encode())
        taken, found = 0, b""
        client.settimeout(1)
        with suppress(OSError):
            while taken < size and not select.select([client], [], [], 0)[0]:
                taken += client.send(bytes(64 * 1024))
        with suppress(OSError):
            found = client.recv(1024)
    return int(found.split()[1]) if found else 0, taken


@contextmanager
def hosting(
    desk: Desk, port: int = 0, *, roles: Sequence[str] = BOTH, name: str = "run", ends: int = 0
) -> Iterator[Host]:
    """Run a host while the block runs; it has to end in order, or as expected."""
    log = desk.home / f"{name}.log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "controller", "run", *roles, "--config", str(desk.config)],
            cwd=ROOT,
            stdout=out,
            stderr=out,
        )
    host = Host(desk, process, log, port)
    try:
        yield host
        if not ends:
            process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == ends, host.said
    finally:
        process.kill()
        process.wait()


@dataclass
class AskingApi(Answered):
    """Somebody who asks an API the same question all the time."""

    port: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def ask_until_told(self) -> None:
        """Ask again and again, each time on a connection of its own."""
        digits = OLD_RANGE.partition(",")[0]
        while not self.ended.wait(PAUSE_SECONDS):
            status, said = ask(self.port, "GET", f"/v1/resolve/iin/{digits}")
            if status == 200:
                said["query"].pop("at")
                self.take(said)
            elif status == 404:
                self.unknown += 1
            else:
                self.away += 1


@contextmanager
def asking_api(port: int) -> Iterator[AskingApi]:
    """Ask an API while the block runs."""
    one = AskingApi(port=port)
    thread = threading.Thread(target=one.ask_until_told, name="asking the API", daemon=True)
    thread.start()
    try:
        yield one
    finally:
        one.ended.set()
        thread.join(60)
