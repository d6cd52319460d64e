"""Whether a history holds together: each release follows those before it, and none goes missing.

The controller asks the same of what it has accepted; an author asks it of the history alone. What a
controller has applied, and when, is not in the repository, so that part of a rollback stays open.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from controller.adapters.git import GitRepository
from controller.artifacts import layout, levels
from controller.authoring.releases import Found, release_in
from controller.authoring.view import View
from controller.kernel.canonical import Digest
from controller.kernel.errors import Refused, Untrusted
from controller.kernel.objects import History, Oid
from controller.reconcile import resets
from controller.reconcile.succession import SignedRelease, candidate, rollback_authority
from controller.trust import history
from controller.trust.history import Accepted, RollbackReason, RollbackRefused

ENVIRONMENTS_MAX = 256


class TooManyEnvironments(Refused):
    """A repository declares more environments than anybody serves from one."""

    code = "authoring.too_many_environments"

    def __init__(self, count: int) -> None:
        super().__init__(
            f"environments: {count:,} is more than the {ENVIRONMENTS_MAX} we judge",
            hint="remove the folders of those that are gone",
        )
        self.count = count


def check_chain(objects: History, offered: SignedRelease, now: datetime) -> None:
    """Raise when a release does not continue the releases before it.

    One that goes back needs the word of a rollback key, where the commit is there to ask.
    """
    environment = offered.statement.environment
    root = offered.root.root
    reset = resets.brought(objects, offered.tree, root, environment)
    known = Accepted()
    for found in _releases_before(objects, offered):
        one = candidate(
            found.commit, found.ref.sha256, found.statement, at_baseline=known.serial_high is None
        )
        # What never followed was never accepted, so nothing has to follow it.
        with suppress(Untrusted):
            after = reset.at(objects, found.commit) if reset is not None else None
            known = history.advance(known, one, reset=after)
    last = candidate(
        offered.commit,
        offered.verified.digest,
        offered.statement,
        at_baseline=known.serial_high is None,
    )
    history.advance(known, last, reset=resets.reset_of(root, environment))
    _check_return(objects, known, offered, now)


def environments_before(objects: History, commit: Oid) -> frozenset[str]:
    """Return the environments that have had a release on the way to a commit."""
    found: set[str] = set()
    for view in _states(objects, commit, "environments"):
        with suppress(Refused):
            found |= {
                name
                for name in environments_in(view)
                if view.find(layout.release_path(name)) is not None
            }
    return frozenset(found)


def environments_in(view: View) -> set[str]:
    """Return the environments that have a folder."""
    found = {entry.name for entry in view.children("environments") if entry.is_tree}
    if len(found) > ENVIRONMENTS_MAX:
        raise TooManyEnvironments(len(found))
    return found


def _check_return(objects: History, known: Accepted, offered: SignedRelease, now: datetime) -> None:
    serial, high = offered.statement.serial, known.serial_high
    goes_back = high is not None and serial <= high and serial != known.serial_current
    if not goes_back or not isinstance(objects, GitRepository):
        return
    assert high is not None
    authority = rollback_authority(objects, offered, since=None, now=now)
    if authority is None or not authority.covers(serial, offered.verified.digest):
        raise RollbackRefused(serial, high, RollbackReason.UNSIGNED)


def _releases_before(objects: History, offered: SignedRelease) -> list[Found]:
    """Return the different releases before the offered one, by when they first stood there."""
    environment = offered.statement.environment
    found: dict[Digest, Found] = {}
    for commit, view in _commits(objects, offered.commit, layout.release_dir(environment)):
        with suppress(Refused):
            one = release_in(view, commit, environment)
            # The newest commits may hold the offered one itself.
            if one is not None and (found or one.ref.sha256 != offered.verified.digest):
                # One that came back counts where it stood first: walking on it is met again.
                found.pop(one.ref.sha256, None)
                found[one.ref.sha256] = one
    return list(found.values())[::-1]


def _states(objects: History, commit: Oid, path: str) -> Iterator[View]:
    return (view for _, view in _commits(objects, commit, path))


def _commits(objects: History, commit: Oid, path: str) -> Iterator[tuple[Oid, View]]:
    """Yield the first-parent commits, newest first, at which what stands at a path is another."""
    before: levels.Entry | None = None
    for one in objects.first_parents(commit):
        view = View(objects, objects.tree_of(one))
        try:
            entry = view.find(path)
        except Refused:
            continue
        if entry is not None and entry != before:
            yield one, view
        before = entry
