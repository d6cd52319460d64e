"""Look over a deploy host: everything a controller needs, each with how to mend it.

Nothing is changed, except that the embedded database is started where none is running and a small
file is written and removed again. What is broken keeps no other check from being made: each has a
deadline of its own, and what it raises is its finding.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from controller.app import (
    doctor_files,
    doctor_host,
    doctor_notify,
    doctor_remote,
    doctor_repository,
    host,
)
from controller.app.doctor_database import database
from controller.app.doctor_look import LOOK_SECONDS, Check, Verdict, look, ok, refused, warn
from controller.app.settings import Settings, load, named_file
from controller.kernel.errors import ControllerError
from controller.kernel.instants import Clock

__all__ = ["Check", "Verdict", "examine"]

_HOST: tuple[tuple[str, Callable[[], Check]], ...] = (
    ("python", doctor_host.python),
    ("git", doctor_host.git),
    ("ssh-keygen", doctor_host.ssh_keygen),
    ("locale", doctor_host.locale),
    ("descriptors", doctor_host.descriptors),
    ("memory", doctor_host.memory),
)

_IN_REPOSITORY = {"repository disk", "objects", "packing", "remote", "audit branch"}
"""What can only be looked at where the repository opens: that it does not is said once."""


def examine(config: Path | None, clock: Clock, *, seconds: float = LOOK_SECONDS) -> Iterator[Check]:
    """Yield one check after the other, each within so many seconds.

    What cannot be looked at without settings is left out.
    """
    for name, at in _HOST:
        yield look(name, at, seconds=seconds)
    try:
        file = named_file(config)
        settings = load(file)
    except ControllerError as error:
        yield refused("settings", error)
        return
    serves = f"{settings.controller.name} serves {settings.controller.environment}"
    yield ok("settings", serves)
    gone = False
    # A remote is asked without its mirror.
    inside = _IN_REPOSITORY if settings.remote.url is None else _IN_REPOSITORY - {"remote"}
    for name, at in _looks(settings, file, clock):
        if gone and name in inside:
            yield warn(name, "not looked at: the repository cannot be opened", "mend that first")
            continue
        check = look(name, at, seconds=seconds)
        yield check
        gone |= name == "repository" and (check.late or not doctor_repository.opens(settings))
    yield from database(settings, clock, seconds)


def _looks(
    settings: Settings, file: Path, clock: Clock
) -> Iterator[tuple[str, Callable[[], Check]]]:
    state = settings.path(settings.controller.state_dir)
    yield "disk", lambda: doctor_files.disk("disk", state)
    yield "fsync", lambda: doctor_files.sync(state)
    yield "settings file", lambda: doctor_files.settings_file(file)
    yield "secrets", lambda: doctor_files.secrets(settings, file)
    yield "repository", lambda: doctor_repository.repository(settings)
    yield (
        "repository disk",
        lambda: doctor_files.disk("repository disk", host.artifact_repository(settings).git_dir),
    )
    yield "objects", lambda: doctor_repository.objects(settings)
    yield "packing", lambda: doctor_repository.loose(settings)
    if settings.remote.url is None:
        yield "remote", lambda: doctor_repository.remotes(settings)
    yield from doctor_remote.looks(settings)
    yield from doctor_notify.looks(settings)
    yield "root file", lambda: doctor_files.pin_file(settings)
    yield "root", lambda: doctor_repository.pinned_root(settings, clock.now())
    yield "audit key", lambda: doctor_repository.audit_key(settings, clock.now())
    yield "audit branch", lambda: doctor_repository.audit_branch(settings)
