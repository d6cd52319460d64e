"""`countersign run controller api`: what is pushed is served, by processes that may die."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import Desk
from tests.support.world import NEW_RANGE, OTHER_RANGE

PATIENCE_SECONDS = 60.0
RUN = (sys.executable, "-m", "controller", "run", "controller", "api")
MORE = "\n[daemon]\npoll_seconds = 0.5\nrenew_seconds = 0.5\n[api]\nport = 0\n"


@dataclass
class Host:
    """The supervisor of both roles."""

    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def port(self) -> int:
        """Where the API listens, as it said last; 0 before it has."""
        found = re.findall(r"listening on http://127\.0\.0\.1:(\d+)", self.log.read_text())
        return int(found[-1]) if found else 0

    def pid(self, role: str) -> int:
        """The process of a role; 0 while there is none."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        for child in children.split():
            words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            if b"role" in words and role.encode() in words:
                return int(child)
        return 0

    def get(self, target: str) -> tuple[int, dict[str, Any]]:
        """Ask the API; status 0 when nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{target}", timeout=5) as got:
                return got.status, json.load(got)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)
        except OSError:
            return 0, {}

    def until(self, holds: Callable[[], object], what: str) -> None:
        """Wait until something holds, or fail."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, f"never: {what}\n{self.log.read_text()}"
            time.sleep(0.05)

    def serves(self, digits: str) -> None:
        """Wait until a card range is answered."""
        self.until(lambda: self.get(f"/v1/resolve/iin/{digits}")[0] == 200, f"{digits} is served")


@contextmanager
def running(desk: Desk) -> Iterator[Host]:
    """Run both roles while the block runs; they have to end in order."""
    log = desk.home / "run.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*RUN, "--config", str(desk.config)],
            stdout=out,
            stderr=out,
        )
    host = Host(process, log)
    try:
        yield host
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def desk(first_host: Desk, tmp_path: Path, database_url: str) -> Desk:
    """Return a deploy host on which nothing has been applied."""
    desk = first_host.copy(tmp_path, database_url)
    with desk.config.open("a") as settings:
        settings.write(MORE)
    return desk


def test_what_is_pushed_is_served_and_a_role_that_dies_takes_nothing_with_it(desk: Desk) -> None:
    shop = desk.shop()
    with running(desk) as host:
        host.until(lambda: host.get("/healthz")[0] == 200, "the API answers")
        host.serves("990105")
        host.until(lambda: host.get("/v1/status")[1].get("sync") == "Synced", "it is in sync")

        shop.publish(add=[NEW_RANGE])
        host.serves("990600")
        host.until(lambda: host.get("/v1/status")[1]["serving"]["is_current"], "it is current")

        api, controller = host.pid("api"), host.pid("controller")
        os.kill(api, signal.SIGKILL)
        host.until(lambda: host.pid("api") not in {0, api}, "the API is started again")
        host.serves("990600")
        assert host.pid("controller") == controller

        os.kill(controller, signal.SIGKILL)
        assert host.get("/v1/resolve/iin/990600")[0] == 200
        shop.publish(add=[OTHER_RANGE])
        host.serves("990601")
