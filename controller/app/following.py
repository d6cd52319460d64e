"""The remote repository that a host's settings name, and the mirror that is kept of it."""

from pathlib import Path

from controller.adapters.children import Stopped
from controller.adapters.mirror import Mirror
from controller.adapters.remoteaddress import Remote
from controller.app.settings import RemoteAddressSection, Settings
from controller.source.follow import Follower

FIRST, SECOND, AUDIT = "remote", "remote.second", "remote.audit"
"""The names of remotes, as the settings and errors have them."""


def mirror_path(settings: Settings) -> Path:
    """Return where the mirror is kept."""
    return settings.path(settings.controller.state_dir) / "mirror.git"


def follower(settings: Settings, *, stopped: Stopped | None = None) -> Follower | None:
    """Return what follows the remote, making its mirror at first; `None` where there is no remote.

    One process alone should call this: the one that is to follow.
    """
    found = remotes(settings)
    if not found:
        return None
    mirror = Mirror.made(mirror_path(settings), settings.repository.branch)
    mirror.forget(found)
    second = found[1] if len(found) > 1 else None
    return Follower(mirror, settings.repository.branch, found[0], second, stopped)


def remotes(settings: Settings) -> tuple[Remote, ...]:
    """Return the remotes that are followed: none, one, or two that have to agree."""
    first, second = settings.remote, settings.remote.second
    if first.url is None:
        return ()
    found = (_remote(FIRST, first.url, first, settings),)
    if second is None or second.url is None:
        return found
    return (*found, _remote(SECOND, second.url, second, settings))


def audit_remote(settings: Settings) -> Remote | None:
    """Return where the audit branch is pushed, or `None` where it is not."""
    section = settings.remote.audit
    url = section.url or settings.remote.url if section is not None else None
    if section is None or url is None:
        return None
    return _remote(AUDIT, url, section, settings)


def _remote(name: str, url: str, section: RemoteAddressSection, settings: Settings) -> Remote:
    def file(path: Path | None) -> Path | None:
        # Not resolved: a secret that is a link is refused, and said so.
        return settings.folder / path.expanduser() if path is not None else None

    return Remote(
        name,
        url,
        ssh_key=file(section.ssh_key_file),
        known_hosts=file(section.known_hosts_file),
        user=section.user,
        token_file=file(section.token_file),
        ca_file=file(section.ca_file),
        seconds=settings.remote.deadline_seconds,
        look_seconds=settings.remote.look_seconds,
        size_max_bytes=settings.remote.max_bytes,
    )
