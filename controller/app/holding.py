"""What a host's settings say of holds: its windows, the folder of its freeze file, who asks."""

import os
import pwd
import socket
from pathlib import Path

from controller.adapters.calendar import Schedule
from controller.app.settings import Settings, ambient
from controller.reconcile.windows import ChangeWindow, WindowKind, Windows


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
