"""What systemd hears: by path and by abstract name, and nothing that would be waited for."""

import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.adapters.systemd import STATUS_MAX_CHARACTERS, Notifier, notifier


class Manager:
    """A socket that hears what a service says."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.door = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.door.bind("\0" + name[1:] if name[0] == "@" else name)
        self.door.setblocking(False)

    def heard(self) -> list[str]:
        found = []
        while True:
            try:
                found.append(self.door.recv(4096).decode())
            except BlockingIOError:
                return found


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    name = f"@{secrets.token_hex(8)}" if request.param == "abstract" else str(tmp_path / "notify")
    one = Manager(name)
    yield one
    one.door.close()


def test_it_is_told_that_the_service_is_ready_lives_and_stops(manager: Manager) -> None:
    service = notifier({"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "60000000"})

    service.alive()
    service.alive()
    service.ready()
    service.alive()
    service.alive()
    service.stopping()

    assert manager.heard() == [
        "EXTEND_TIMEOUT_USEC=120000000",
        "READY=1",
        "WATCHDOG=1",
        "STOPPING=1",
    ]


def test_a_status_is_one_line_and_not_too_long(manager: Manager) -> None:
    notifier({"NOTIFY_SOCKET": manager.name}).status("api ended\nREADY=1\x00" + "x" * 1000)

    (said,) = manager.heard()
    assert said.startswith("STATUS=api ended READY=1 x")
    assert len(said) <= len("STATUS=") + STATUS_MAX_CHARACTERS


@pytest.mark.parametrize(
    "watchdog",
    [
        {},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "x"},
        {"WATCHDOG_USEC": "9", "WATCHDOG_PID": "1"},
    ],
    ids=str,
)
def test_without_a_watchdog_for_us_no_life_is_shown(
    manager: Manager, watchdog: dict[str, str]
) -> None:
    service = notifier({"NOTIFY_SOCKET": manager.name, **watchdog})

    service.ready()
    service.alive()

    assert manager.heard() == ["READY=1"]


def test_a_watchdog_for_this_process_is_ours(manager: Manager) -> None:
    ours = {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(os.getpid())}
    service = notifier({"NOTIFY_SOCKET": manager.name, **ours})

    service.ready()
    service.alive()

    assert manager.heard() == ["READY=1", "WATCHDOG=1"]


@pytest.mark.parametrize("address", [None, "", "vsock:2:1", "relative", "/nowhere/at/all"])
def test_where_nobody_hears_nothing_happens(address: str | None) -> None:
    service = Notifier(address, 10)

    service.ready()
    service.alive()
    service.status("well")


def test_a_manager_that_does_not_listen_is_not_waited_for(manager: Manager) -> None:
    service = Notifier(manager.name, 10)

    for number in range(2_000):
        service.status(f"{number}")

    assert manager.heard()
