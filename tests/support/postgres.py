"""Owners of embedded servers that tests may kill, and folders that any account can reach."""

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.adapters.embedded import EmbeddedPostgres
from controller.adapters.postgres import TupleRow, connect

_ROOT = Path(__file__).parents[2]


@contextmanager
def passable_folder(prefix: str = "countersign-") -> Iterator[Path]:
    """A temporary folder that other users can pass through, as a database's account must."""
    with tempfile.TemporaryDirectory(prefix=prefix) as name:
        Path(name).chmod(0o711)
        yield Path(name)


@dataclass(frozen=True)
class Owner:
    """Another process that holds a handle on the server of a state directory."""

    process: subprocess.Popen[bytes]
    url: str
    owns: bool
    postmaster: int | None

    def told_to_leave(self) -> None:
        """Let the process stop in order, whenever that is."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def kill(self) -> None:
        """End the process as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(60)


@contextmanager
def owners(state: Path, count: int) -> Iterator[list[Owner]]:
    """Start `count` processes at once, each with a handle on the server of `state`."""
    command = [sys.executable, "-m", "tests.support.postgres", str(state)]
    processes = [
        subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(count)
    ]
    try:
        yield [_ready(process) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                pipe.close()


def ask(url: str, query: str) -> TupleRow | None:
    """Run one query over a connection of its own and return its first row."""
    connection = connect(url, application_name="tests", autocommit=True)
    try:
        cursor = connection.execute(query.encode())
        return cursor.fetchone() if cursor.description is not None else None
    finally:
        connection.close()


def _ready(process: subprocess.Popen[bytes]) -> Owner:
    assert process.stdout is not None
    facts: dict[str, Any] = json.loads(process.stdout.readline())
    return Owner(process, **facts)


def _own(state: Path) -> None:
    with EmbeddedPostgres(state) as server:
        facts = {"url": server.url, "owns": server.owns, "postmaster": server.pid}
        print(json.dumps(facts), flush=True)  # noqa: T201  (the parent reads this)
        sys.stdin.read()


if __name__ == "__main__":
    _own(Path(sys.argv[1]))
