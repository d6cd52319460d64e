"""The command that a conformance suite starts, over real HTTP, as its protocol describes it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.conformance.tufrepository import TufRepository
from tests.support.house import ROOT


@dataclass
class Suite:
    """A repository behind a server, and the folders that a suite gives to a client."""

    home: Path
    url: str
    repository: TufRepository = field(default_factory=TufRepository)
    asked: list[str] = field(default_factory=list)

    def start(self, *arguments: str | Path) -> int:
        """Start the client as a suite does and return how it ends."""
        command = [sys.executable, "-m", "tests.conformance.tufclient"]
        folder = ["--metadata-dir", self.home / "metadata"]
        done = subprocess.run(
            [*command, *map(str, [*folder, *arguments])],
            cwd=ROOT,
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return done.returncode

    def init(self) -> int:
        trusted = self.home / "initial_root.json"
        trusted.write_bytes(self.repository.files["1.root.json"])
        return self.start("init", trusted)

    def refresh(self) -> int:
        self.asked.clear()
        return self.start("--metadata-url", f"{self.url}/metadata", "refresh")

    def download(self, target: str) -> int:
        self.asked.clear()
        return self.start(
            *("--metadata-url", f"{self.url}/metadata"),
            *("--target-name", target),
            *("--target-base-url", f"{self.url}/targets/"),
            *("--target-dir", self.home / "targets"),
            "download",
        )

    def version(self, role: str) -> int | None:
        file = self.home / "metadata" / f"{role}.json"
        version: int = json.loads(file.read_bytes())["signed"]["version"] if file.exists() else 0
        return version or None

    def downloaded(self) -> list[bytes]:
        return [file.read_bytes() for file in (self.home / "targets").iterdir()]

    def held(self, path: str) -> bytes | None:
        """Return what the server holds at a path."""
        self.asked.append(path)
        kind, _, name = path.removeprefix("/").partition("/")
        if kind == "metadata":
            return self.repository.files.get(name)
        for target, data in self.repository.artifacts.items():
            folder, _, last = target.rpartition("/")
            digest = self.repository.bodies["targets"]["targets"][target]["hashes"]["sha256"]
            if name == "/".join(filter(None, [folder, f"{digest}.{last}"])):
                return data
        return None


@contextmanager
def served(suite: Suite) -> Iterator[None]:
    """Serve a suite's repository on its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = suite.held(self.path)
            self.send_response(404 if data is None else 200)
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    suite.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def suite(tmp_path: Path) -> Iterator[Suite]:
    for name in ("metadata", "targets"):
        (tmp_path / name).mkdir()
    made = Suite(tmp_path, "")
    with served(made):
        yield made


def test_a_client_starts_refreshes_and_downloads(suite: Suite) -> None:
    suite.repository.add("a/file.txt", b"content")
    suite.repository.publish("targets")

    assert suite.init() == 0
    assert suite.asked == []
    assert suite.refresh() == 0
    assert suite.asked == [
        "/metadata/2.root.json",
        "/metadata/timestamp.json",
        "/metadata/2.snapshot.json",
        "/metadata/2.targets.json",
    ]
    assert [suite.version(role) for role in ("root", "timestamp", "snapshot", "targets")] == [
        1,
        2,
        2,
        2,
    ]
    assert suite.download("a/file.txt") == 0
    assert suite.downloaded() == [b"content"]
    assert suite.asked[:2] == ["/metadata/2.root.json", "/metadata/timestamp.json"]
    assert len(suite.asked) == 3
    assert suite.download("a/file.txt") == 0
    assert len(suite.asked) == 2


def test_a_client_remembers_between_commands_what_may_not_go_back(suite: Suite) -> None:
    suite.repository.publish("targets")
    suite.init()
    suite.refresh()
    suite.repository.bodies["timestamp"]["version"] = 0
    suite.repository.publish_timestamp()

    assert suite.refresh() == 1
    assert suite.version("timestamp") == 2
    suite.repository.bodies["timestamp"]["version"] = 2
    suite.repository.publish_timestamp()
    assert suite.refresh() == 0
    assert suite.version("timestamp") == 3


def test_a_client_keeps_the_roots_that_it_followed_although_a_refresh_fails(suite: Suite) -> None:
    suite.init()
    suite.repository.role("root", "a")
    suite.repository.publish_root(by="ra")
    timestamp = suite.repository.files.pop("timestamp.json")

    assert suite.refresh() == 1
    assert (suite.version("root"), suite.version("timestamp")) == (2, None)
    suite.repository.files["timestamp.json"] = timestamp
    assert suite.refresh() == 0


def test_a_client_fetches_again_what_was_damaged_on_its_disk(suite: Suite) -> None:
    suite.init()
    suite.refresh()
    (suite.home / "metadata" / "snapshot.json").write_bytes(b"{")

    assert suite.refresh() == 0
    assert suite.version("snapshot") == 1


def test_a_target_with_other_bytes_is_not_kept(suite: Suite) -> None:
    suite.repository.add("file", b"content")
    suite.repository.publish("targets")
    suite.init()
    suite.repository.artifacts["file"] = b"CONTENT"

    assert suite.download("file") == 1
    assert suite.downloaded() == []
    suite.repository.artifacts["file"] = b"content"
    assert suite.download("file") == 0
    assert suite.downloaded() == [b"content"]


def test_a_target_of_nobody_is_not_downloaded(suite: Suite) -> None:
    suite.init()

    assert suite.download("file") == 1
    assert suite.downloaded() == []


def test_a_client_without_a_repository_believes_nothing_new(suite: Suite) -> None:
    suite.init()
    suite.url = "http://127.0.0.1:9"

    assert suite.refresh() == 1
    assert suite.version("timestamp") is None
