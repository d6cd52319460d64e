"""The server itself: where it listens, how much it takes on, and how it ends."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest

from controller.adapters.gitcli import child_environment
from controller.web.server import is_loopback
from tests.support.api import PATIENCE_SECONDS, Api, serving, settings
from tests.support.gitservers import make_authority
from tests.support.house import ROOT

ROLE = (sys.executable, "-m", "controller", "role", "api")
BODY = b'{"questions": []}'
HEAD = (
    b"POST /v1/resolve:batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n"
) % len(BODY)


def test_it_speaks_tls_with_the_certificate_of_the_settings(town_url: str, tmp_path: Path) -> None:
    authority, server = make_authority(tmp_path)
    server.chmod(0o600)
    more = 'cert_file = "server.pem"\nkey_file = "server.pem"\n'
    context = ssl.create_default_context(cafile=str(authority))

    with serving(settings(tmp_path, town_url, more), waits=False) as api:
        with (
            socket.create_connection((api.host, api.port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as client,
        ):
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert client.recv(12) == b"HTTP/1.1 200"
            assert client.version() in {"TLSv1.2", "TLSv1.3"}
        assert "listening on https://" in api.said
        assert not api.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 200")


def ended(file: Path) -> str:
    """Run the role where it cannot serve; return what it says, having ended by itself."""
    done = subprocess.run(
        [*ROLE, "--config", str(file)],
        cwd=file.parent,
        env={**child_environment(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_a_certificate_that_cannot_be_used_is_refused(town_url: str, tmp_path: Path) -> None:
    _, server = make_authority(tmp_path)
    key = tmp_path / "key.pem"
    more = 'cert_file = "server.pem"\nkey_file = "key.pem"\n'
    file = settings(tmp_path, town_url, more)

    key.write_text("no key")
    key.chmod(0o600)
    assert "api.cert_file and api.key_file cannot be used" in ended(file)

    shutil.copy(server, key)
    key.chmod(0o644)
    assert "can be read by other users" in ended(file)


def test_an_address_that_is_taken_is_refused(town_url: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        file = settings(tmp_path, town_url)
        file.write_text(file.read_text().replace("port = 0", f"port = {port}"))
        assert f"cannot listen on 127.0.0.1 port {port}" in ended(file)


def test_a_request_that_has_begun_may_end(town_url: str, tmp_path: Path) -> None:
    with (
        serving(settings(tmp_path, town_url)) as api,
        socket.create_connection((api.host, api.port), timeout=10) as client,
    ):
        client.sendall(HEAD + BODY[:5])
        time.sleep(0.3)
        api.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((api.host, api.port), timeout=10)
        client.sendall(BODY[5:])
        assert client.recv(12) == b"HTTP/1.1 200"


def test_a_request_that_never_ends_is_not_waited_for(town_url: str, tmp_path: Path) -> None:
    with (
        serving(settings(tmp_path, town_url, "stop_seconds = 1\n")) as api,
        socket.create_connection((api.host, api.port), timeout=10) as client,
    ):
        client.sendall(HEAD)
        time.sleep(0.3)
        began = time.monotonic()
        api.process.send_signal(signal.SIGTERM)
        assert api.process.wait(PATIENCE_SECONDS) == 0
        assert time.monotonic() - began < 10
    assert "Traceback" not in api.said


def test_more_requests_than_may_be_are_asked_to_come_again(town_url: str, tmp_path: Path) -> None:
    with serving(settings(tmp_path, town_url, "requests = 2\n")) as api:
        slow = [socket.create_connection((api.host, api.port), timeout=10) for _ in range(2)]
        for client in slow:
            client.sendall(HEAD)
        api.until(lambda: api.get("/v1/nothing").status == 503, "both are worked on")
        busy = api.get("/v1/status")
        hot = api.get("/v1/resolve/bic/ALDRDEFF")
        for client in slow:
            client.sendall(BODY)
            assert client.recv(12) == b"HTTP/1.1 200"
            client.close()

        assert (busy.status, busy.json["code"]) == (503, "api.too_busy")
        assert busy.headers["retry-after"] == "5"
        assert hot.status == 200  # it waits for nothing
        api.until(lambda: api.get("/v1/status").status == 200, "there is room again")


def test_a_role_shows_that_it_lives_and_ends_when_nobody_looks(
    town_url: str, tmp_path: Path
) -> None:
    file = settings(tmp_path, town_url)
    ours, theirs = os.pipe()
    process = subprocess.Popen(
        [*ROLE, "--config", str(file), "--beat-fd", str(theirs)],
        cwd=tmp_path,
        env={**child_environment(), "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
        pass_fds=[theirs],
    )
    os.close(theirs)
    try:
        assert os.read(ours, 1) == b"."
        process.send_signal(signal.SIGHUP)
        time.sleep(1.5)
        assert os.read(ours, 100)
        assert process.poll() is None
        os.close(ours)
        assert process.wait(PATIENCE_SECONDS) == 0
    finally:
        process.kill()
        process.wait()


def test_memory_and_files_stay_where_they_are(api: Api) -> None:
    def once(number: int) -> None:
        api.get(f"/v1/resolve/bic/X{number}")
        api.get("/v1/status")
        api.ask("POST", "/v1/resolve:batch", b"x" * 600_000, {"content-type": "application/json"})

    def files() -> int:
        return len(list(Path(f"/proc/{api.process.pid}/fd").iterdir()))

    for number in range(30):
        once(number)
    before, held = api.memory_kib, files()
    for number in range(150):
        once(number)

    assert api.memory_kib - before < 6 * 1024
    assert files() <= held + 2


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.1", False),
        ("", False),
        ("no-such-host.invalid", False),
    ],
)
def test_an_address_is_this_hosts_alone_or_it_is_not(host: str, *, is_ours: bool) -> None:
    assert is_loopback(host) is is_ours
