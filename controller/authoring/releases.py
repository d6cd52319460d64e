"""Releases in history: the current one, the highest one, and the one of a serial.

Read without verifying: history is what it is. Whoever builds on one of them says so or verifies.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from controller.artifacts import release as statements
from controller.artifacts.layout import (
    RELEASE_STEM,
    ROLLBACK_STEM,
    is_envelope_name,
    release_dir,
)
from controller.artifacts.release import ReleaseRef, ReleaseStatement
from controller.authoring.versions import envelopes_in
from controller.authoring.view import View, Workspace
from controller.kernel.canonical import sha256
from controller.kernel.errors import Refused
from controller.kernel.objects import Oid
from controller.source.history import release_changes
from controller.trust.envelope import merge


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
    held = envelopes_in(view, release_dir(environment), RELEASE_STEM)
    if not held:
        return None
    # What is signed counts, not the copy beside it.
    payload = merge(list(held.values())).payload
    return Found(commit, statements.parse(payload), payload)


def releases(workspace: Workspace, environment: str) -> Iterator[Found]:
    """Yield each release of the first-parent history, newest first, at the commit that made it.

    What stood in between and was no release is passed over: it is nobody's predecessor.
    """
    last: bytes | None = None
    for change in reversed(
        release_changes(workspace.repository, environment, None, workspace.tip())
    ):
        try:
            found = release_in(workspace.at(change.commit), change.commit, environment)
        except Refused:
            continue
        if found is not None and found.payload != last:
            yield found
        last = found.payload if found is not None else None


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
