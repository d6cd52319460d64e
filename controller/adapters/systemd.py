"""What systemd wants to hear of a service: that it is ready, lives, stops, and how it is doing.

Without systemd nothing is sent. Nothing is waited for either: what cannot be sent is lost.
"""

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

STATUS_MAX_CHARACTERS: Final = 300
STARTING_SECONDS: Final = 120
"""How much longer than it was given a start may take, said again and again while it goes on."""

VARIABLES: Final = frozenset({"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"})
"""Meant for one process: no child gets them."""

_SAID_AGAIN_SECONDS: Final = 10.0
_SHARE: Final = 4  # of the time that it would wait for a sign of life


class Notifier:
    """Tells the manager that started us, where there is one.

    `address` is a path, or `@` and an abstract name; `watchdog_seconds` how long it may be silent.
    """

    def __init__(self, address: str | None, watchdog_seconds: float | None = None) -> None:
        self._address = _spelt(address)
        self._watchdog, self._due, self._is_ready = watchdog_seconds, 0.0, False

    def ready(self) -> None:
        """Say that everything runs."""
        self._is_ready, self._due = True, 0.0
        self._send("READY=1")

    def alive(self) -> None:
        """Say that we look after things; more often than needed is not said."""
        now = time.monotonic()
        if now < self._due:
            return
        if not self._is_ready:
            self._due = now + _SAID_AGAIN_SECONDS
            self._send(f"EXTEND_TIMEOUT_USEC={STARTING_SECONDS * 1_000_000}")
        elif self._watchdog is not None:
            self._due = now + self._watchdog / _SHARE
            self._send("WATCHDOG=1")

    def status(self, words: str) -> None:
        """Say in words how it stands: one line."""
        line = "".join(one if one.isprintable() else " " for one in words)
        self._send(f"STATUS={line[:STATUS_MAX_CHARACTERS]}")

    def stopping(self) -> None:
        """Say that we end in order."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if self._address is None:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
            door.setblocking(False)
            door.sendto(message.encode("utf-8", "replace"), self._address)


def notifier(environment: Mapping[str, str]) -> Notifier:
    """Return who tells the manager that the environment names."""
    watchdog, meant_for = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID")
    is_ours = meant_for in (None, str(os.getpid())) and watchdog.isdecimal() and int(watchdog) > 0
    return Notifier(
        environment.get("NOTIFY_SOCKET"), int(watchdog) / 1_000_000 if is_ours else None
    )


def _spelt(address: str | None) -> str | None:
    if not address or address[0] not in "/@":
        return None  # none, or of a kind (vsock) that only machines as a whole are given
    return "\0" + address[1:] if address[0] == "@" else address
