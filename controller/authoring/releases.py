"""Releases in history: the current one, the highest one, and the one of a serial.

Read without verifying: history is what it is. Whoever builds on one of them verifies it first.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from controller.artifacts import release as statements
from controller.artifacts.layout import (
    RELEASE_STEM,
    ROLLBACK_STEM,
    is_envelope_name,
    release_dir,
    release_path,
)
from controller.artifacts.release import ReleaseRef, ReleaseStatement
from controller.authoring.view import View, Workspace
from controller.kernel.canonical import sha256
from controller.kernel.errors import Refused
from controller.kernel.objects import Oid


class NoRelease(Refused):
    """There is no such release in the history of this branch."""

    code = "authoring.no_release"


@dataclass(frozen=True, slots=True)
class Found:
    """A release as it stands at a commit."""

    commit: Oid
    statement: ReleaseStatement
    payload: bytes

    @property
    def ref(self) -> ReleaseRef:
        """Return how another release names it."""
        return ReleaseRef(self.statement.serial, sha256(self.payload))


def release_in(view: View, commit: Oid, environment: str) -> Found | None:
    """Return the release in a commit's tree, or `None` before the first."""
    payload = view.read(release_path(environment))
    if payload is None:
        return None
    return Found(commit, statements.parse(payload), payload)


def releases(workspace: Workspace, environment: str) -> Iterator[Found]:
    """Yield each release of the first-parent history, newest first, at the commit that made it."""
    pending: tuple[Oid, Oid] | None = None
    for commit in workspace.repository.first_parents(workspace.tip()):
        entry = workspace.at(commit).find(release_path(environment))
        blob = entry.oid if entry else None
        if pending is not None and pending[1] != blob:
            found = release_in(workspace.at(pending[0]), pending[0], environment)
            assert found is not None  # its file was there a moment ago
            yield found
            pending = None
        pending = (commit, blob) if blob else None
    if pending is not None:
        found = release_in(workspace.at(pending[0]), pending[0], environment)
        assert found is not None  # its file was there a moment ago
        yield found


def current(workspace: Workspace, environment: str) -> Found | None:
    """Return the release in the newest commit."""
    tip = workspace.tip()
    return release_in(workspace.at(tip), tip, environment)


def highest(workspace: Workspace, environment: str) -> Found | None:
    """Return the release with the highest serial, which the next one follows."""
    return max(
        releases(workspace, environment), key=lambda found: found.statement.serial, default=None
    )


def by_serial(workspace: Workspace, environment: str, serial: int) -> Found:
    """Return the newest commit at which a release stood."""
    found = next(
        (one for one in releases(workspace, environment) if one.statement.serial == serial), None
    )
    if found is None:
        raise NoRelease(
            f"release {serial} of {environment} is not in the history of this branch",
            hint="`countersign history` lists them; a shallow clone lacks the older ones",
        )
    return found


def release_files(view: View, environment: str) -> dict[str, bytes]:
    """Return the statement and the envelopes of a release by path."""
    folder = release_dir(environment)
    names = (entry.name for entry in view.children(folder))
    wanted = [
        name
        for name in names
        if name == f"{RELEASE_STEM}.json"
        or (is_envelope_name(name, RELEASE_STEM) and not name.startswith(ROLLBACK_STEM))
    ]
    found = {f"{folder}/{name}": view.read(f"{folder}/{name}") for name in wanted}
    return {path: data for path, data in found.items() if data is not None}
