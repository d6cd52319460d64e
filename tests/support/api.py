"""The API role as a process of its own over a directory of a few rows, and clients of it."""

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controller.adapters.gitcli import child_environment
from tests.support.directory import days, row
from tests.support.house import ROOT

PATIENCE_SECONDS = 60.0
_LISTENS = re.compile(r"listening on https?://\S+?:([0-9]+)\b")
ROWS = (
    row("participants", id="alder-bank", name="Alder Bank", country="DE"),
    row("participants", id="birch-bank", name="Birch Bank", country="NL"),
    row("identifiers", participant_id="alder-bank", scheme="bic", value="ALDRDEFF"),
    row(
        "identifiers",
        participant_id="alder-bank",
        scheme="bic",
        value="OLDRDEFF",
        successor_scheme="bic",
        successor_value="ALDRDEFF",
    ),
    row(
        "identifiers",
        participant_id="alder-bank",
        scheme="bic",
        value="GONEDEFF",
        successor_scheme="bic",
        successor_value="ALDRDEFF",
        removal_date="2026-01-01",
        status="removed",
    ),
    row("identifiers", days(5, None), participant_id="birch-bank", scheme="bic", value="BRCHNL2A"),
    row("endpoints", id="alder-as4", participant_id="alder-bank", protocol="as4", priority="1"),
    row("endpoints", id="alder-mq", participant_id="alder-bank", protocol="mq", priority="2"),
    row("capabilities", endpoint_id="alder-mq", message="pacs.008", currency="EUR"),
    row("ranges", iin_start="400012", brand="Visa", participant_id="birch-bank"),
)


@dataclass(frozen=True)
class Got:
    """What a request was answered with; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body as an object of version 1, without that member, or as a problem."""
        found: dict[str, Any] = json.loads(self.body)
        if self.headers["content-type"] == "application/problem+json":
            assert found["status"] == self.status
        else:
            assert found.pop("version") == 1
        return found


@dataclass
class Api:
    """A running process of the role."""

    process: "subprocess.Popen[bytes]"
    log: Path
    host: str = "127.0.0.1"
    port: int = 0
    token: str = field(default="", repr=False)

    @property
    def said(self) -> str:
        """Everything the process has written, to either stream."""
        return self.log.read_text()

    @property
    def memory_kib(self) -> int:
        """How much memory the process has had at most."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0])

    def ask(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Got:
        """Send one request on a connection of its own."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        held = {"authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            connection.request(method, target, body, {**held, **(headers or {})})
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Got(answer.status, names, answer.read())
        finally:
            connection.close()

    def get(self, target: str, **headers: str) -> Got:
        """Ask for something; `_` in a header's name stands for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("GET", target, headers=named)

    def post(self, target: str, members: object) -> Got:
        """Send a document."""
        words = json.dumps(members).encode()
        return self.ask("POST", target, words, {"content-type": "application/json"})

    def raw(self, data: bytes, *, seconds: float = 30.0) -> bytes:
        """Send bytes and return all that comes until the other end closes."""
        with socket.create_connection((self.host, self.port), timeout=seconds) as client:
            client.sendall(data)
            found = b""
            while more := client.recv(65_536):
                found += more
            return found

    def until(self, holds: Callable[[], object], what: str) -> None:
        """Wait until something holds, or fail with what the process said."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            assert self.process.poll() is None, self.said
            assert time.monotonic() < end, f"never: {what}\n{self.said}"
            time.sleep(0.02)

    def is_current(self) -> bool:
        """Whether it answers from a copy that is not behind."""
        ready = self.get("/readyz")
        return ready.status == 200 and not ready.json["reasons"]


def settings(folder: Path, database_url: str, more: str = "") -> Path:
    """Write the settings of a host that serves; the role reads nothing of its repository."""
    file = folder / "countersign.toml"
    file.write_text(
        f'[trust]\nroot = "1.root.json"\nroot_sha256 = "{"0" * 64}"\n'
        f"[database]\nurl = {json.dumps(database_url)}\n[api]\nport = 0\n{more}"
    )
    file.chmod(0o600)
    return file


@contextmanager
def serving(file: Path, *, waits: bool = True) -> Iterator[Api]:
    """Run the role while the block runs; it has to end in order."""
    log = file.with_name("api.log")
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "controller", "role", "api", "--config", str(file)],
            cwd=file.parent,
            env={**child_environment(), "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    api = Api(process, log)
    try:
        api.until(lambda: _LISTENS.search(api.said), "it listens")
        match = _LISTENS.search(api.said)
        assert match is not None, "just waited for"
        api.port = int(match[1])
        if waits:
            api.until(api.is_current, "its copy is current")
        yield api
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0, api.said
    finally:
        process.kill()
        process.wait()
