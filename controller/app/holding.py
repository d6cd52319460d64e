"""What a host's settings say of holds: its windows, the folder of its freeze file, who asks."""

import os
import pwd
import socket
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controller.adapters.calendar import Schedule
from controller.adapters.clock import SystemClock
from controller.app.settings import Settings, ambient
from controller.kernel.instants import Clock
from controller.reconcile.windows import ChangeWindow, WindowKind, Windows

if TYPE_CHECKING:
    from controller.adapters.postgres import Connection
    from controller.reconcile.holds import Holding


def change_windows(settings: Settings) -> Windows:
    """Return when this host lets new revisions in."""
    return Windows(
        tuple(
            ChangeWindow(
                WindowKind(one.kind),
                Schedule.parse(one.schedule, one.minutes, one.zone),
                one.reason,
            )
            for one in settings.windows
        )
    )


def host_folder(settings: Settings) -> Path:
    """Return the folder in which a file freezes this host."""
    return settings.path(settings.controller.state_dir)


def person() -> str:
    """Return who asks, as `user@host`; behind sudo it is the one who called it."""
    name = ambient().get("SUDO_USER")
    if not name:
        try:
            name = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"


def clock() -> Clock:
    """Return the clock of this host."""
    return SystemClock()


def in_force(
    settings: Settings, connection: "Connection[Any] | None", now: datetime
) -> "tuple[Holding, ...]":
    """Return everything that holds, the strongest first."""
    from controller.reconcile.holds import look  # noqa: PLC0415  loads the database's driver

    environment, windows = settings.controller.environment, change_windows(settings)
    return look(connection, environment, windows, host_folder(settings), now).all


def of_this_host(settings: Settings, now: datetime) -> "tuple[Holding, ...]":
    """Return what holds by this host's file and its windows; no database is asked."""
    return in_force(settings, None, now)
