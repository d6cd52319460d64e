"""The service as systemd runs it: told when it is ready, given credentials, heard and counted."""

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from controller.app.settings import ambient
from controller.stores.control import store
from tests.stories.test_daemon import DAEMON, PATIENCE_SECONDS, until
from tests.support.commands import Desk
from tests.support.world import open_connection


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port: int = door.getsockname()[1]
        return port


def scrape(port: int) -> str:
    """Return what the controller shows; nothing while it does not listen."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    except ConnectionRefusedError:
        return ""
    finally:
        connection.close()


@pytest.fixture
def host(first_host: Desk, tmp_path: Path, database_url: str) -> Desk:
    desk = first_host.copy(tmp_path, database_url)
    text = desk.config.read_text()
    key = re.search(r'^key = "(.+)"$', text, re.MULTILINE)
    assert key is not None
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "audit.key").write_bytes((desk.config.parent / key[1]).read_bytes())
    (credentials / "database.url").write_text(database_url + "\n")
    for file in credentials.iterdir():
        file.chmod(0o400)
    text = text.replace(key[0], "").replace(f"url = {json.dumps(database_url)}", "")
    desk.config.write_text(text + DAEMON)
    return desk


def test_a_service_is_ready_when_production_is_reached_and_tells_all_along(
    host: Desk, tmp_path: Path, database_url: str
) -> None:
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.settimeout(PATIENCE_SECONDS)
    port, heard = free_port(), []
    ours = {
        "COUNTERSIGN_AUDIT__KEY": str(tmp_path / "credentials" / "audit.key"),
        "COUNTERSIGN_DATABASE__URL_FILE": str(tmp_path / "credentials" / "database.url"),
        "COUNTERSIGN_TELEMETRY__METRICS_PORT": str(port),
    }
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "controller", "run", "controller", "--config", str(host.config)],
            env={
                **ambient(),
                **ours,
                "NOTIFY_SOCKET": str(tmp_path / "notify"),
                "WATCHDOG_USEC": "2000000",
            },
            stderr=out,
        )
    try:
        while "READY=1" not in heard:
            heard.append(manager.recv(4096).decode())
        with open_connection(database_url) as connection:
            applied = store.read_applied(connection, "production")
        assert applied is not None
        assert applied.commit == host.shop().tip
        until(lambda: "countersign_leader 1.0" in scrape(port), "it is counted")
        shown = scrape(port)
        while "WATCHDOG=1" not in heard:
            heard.append(manager.recv(4096).decode())
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0, log.read_text()
        while "STOPPING=1" not in heard:
            heard.append(manager.recv(4096).decode())
    finally:
        process.kill()
        process.wait()
        manager.close()

    assert heard[0].startswith(("EXTEND_TIMEOUT_USEC=", "STATUS="))
    assert 'countersign_reconcile_total{result="success"} 1.0' in shown
    assert 'countersign_condition{status="True",type="Ready"} 1.0' in shown
    assert "countersign_applied_revision 1.0" in shown
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    events = [one["event"] for one in lines]
    assert {"lease.taken", "revision.applied", "host.ready", "host.stopping"} <= set(events)
    assert {one["environment"] for one in lines} == {"production"}
    assert database_url not in log.read_text()
