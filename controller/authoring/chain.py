"""Whether a history holds together: each release follows those before it, and none goes missing.

The controller asks the same of what it has accepted; an author asks it of the history alone. What a
controller has applied, and when, is not in the repository, so that part of a rollback stays open.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

from controller.adapters.git import GitRepository
from controller.artifacts import layout, levels
from controller.artifacts.release import ReleaseStatement
from controller.authoring.view import View
from controller.kernel.canonical import Digest
from controller.kernel.errors import Refused, Untrusted
from controller.kernel.objects import History, Oid
from controller.reconcile import resets
from controller.reconcile.earlier import Earlier
from controller.reconcile.lookback import Lookback
from controller.reconcile.succession import (
    RollbackLapsed,
    SignedRelease,
    authority_at,
    candidate,
    earlier_releases,
    rollback_authority,
)
from controller.source.budget import TOO_COSTLY
from controller.trust import history
from controller.trust.core import Role
from controller.trust.envelope import parse
from controller.trust.history import Accepted, RollbackReason, RollbackRefused
from controller.trust.keys import PublicKey
from controller.trust.root import parse_root

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
    stood = _stood_before(objects, offered)
    for found in _different(stood):
        one = candidate(
            found.commit, found.digest, found.statement, at_baseline=known.serial_high is None
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
    _check_return(objects, known, stood, offered, now)


def environments_before(objects: History, commit: Oid) -> frozenset[str]:
    """Return the environments that have had a release on the way to a commit."""
    found: set[str] = set()
    holding: dict[Oid, bool] = {}
    back = Lookback(objects, "environments")
    for _, folder, _ in _folders_of(objects, commit, back):
        if folder is None:
            continue
        with _passing_over():
            for entry in _folders(back.level(folder, "environments").entries):
                if entry.name not in found and _holds_release(back, entry, holding):
                    found.add(entry.name)
    return frozenset(found)


def _holds_release(back: Lookback, folder: levels.Entry, known: dict[Oid, bool]) -> bool:
    if folder.oid not in known:
        path = layout.release_path(folder.name)
        below, _, name = path.rpartition("/")
        known[folder.oid] = False
        with _passing_over():
            entries = back.level(folder.oid, below).entries
            known[folder.oid] = any(entry.name == name for entry in entries)
    return known[folder.oid]


def environments_in(view: View) -> set[str]:
    """Return the environments that have a folder."""
    return {entry.name for entry in _folders(view.children("environments"))}


def _folders(entries: Iterable[levels.Entry]) -> list[levels.Entry]:
    found = [entry for entry in entries if entry.is_tree]
    if len(found) > ENVIRONMENTS_MAX:
        raise TooManyEnvironments(len(found))
    return found


@dataclass(slots=True)
class _Stood:
    """A release that stood in the folder for a while, from one commit on."""

    release: Earlier
    since: Oid


def _check_return(
    objects: History, known: Accepted, stood: list[_Stood], offered: SignedRelease, now: datetime
) -> None:
    serial, high = offered.statement.serial, known.serial_high
    if high is None or serial > high or not isinstance(objects, GitRepository):
        return
    if serial == _current(objects, known, stood, offered, now):
        return
    authority = rollback_authority(objects, offered, since=None, now=now)
    if authority is None or not authority.covers(serial, offered.verified.digest):
        raise RollbackRefused(serial, high, RollbackReason.UNSIGNED)


def _current(
    objects: GitRepository,
    known: Accepted,
    stood: list[_Stood],
    offered: SignedRelease,
    now: datetime,
) -> int | None:
    """Return the serial of a host that looked at every commit before the offered release came."""
    high: int | None = None
    current: int | None = None
    spent: set[Digest] = set()
    for one in stood:
        serial, digest = one.release.statement.serial, one.release.digest
        if known.seen.get(serial) != digest:
            continue
        if high is None or serial > high:
            current = high = serial
        elif serial != current:
            try:
                authority = authority_at(objects, offered, one.since, now, spent=spent)
            except RollbackLapsed:
                current = serial  # It held when a host that was awake looked.
                continue
            except (Refused, Untrusted):
                continue
            if authority is not None and authority.covers(serial, digest):
                spent.add(authority.evidence)
                current = serial
    return current


def _stood_before(objects: History, offered: SignedRelease) -> list[_Stood]:
    """Return what stood in the folder before the offered release came, one after the other.

    What its owners never signed is left out: no controller has accepted it.
    """
    found: list[_Stood] = []
    last: _Stood | None = None
    look = earlier_releases(objects, offered, former=list(_former_roles(objects, offered)))
    for commit, folder, newer in _folders_of(objects, offered.commit, look.back):
        if last is not None and newer is not None:
            last.since = newer
        before, last = last, None
        with _passing_over():
            one = look.at(commit, folder) if folder is not None else None
            if one is None or not one.counts or not isinstance(one.said, ReleaseStatement):
                continue
            if before is not None and before.release.digest == one.digest:
                last = before
            elif found or one.digest != offered.verified.digest:
                last = _Stood(one, commit)
                found.append(last)
    return found[::-1]


def _different(stood: list[_Stood]) -> Iterable[Earlier]:
    """Return the different releases, by when they first stood there."""
    first: dict[Digest, Earlier] = {}
    for one in stood:
        first.setdefault(one.release.digest, one.release)
    return first.values()


def _former_roles(objects: History, offered: SignedRelease) -> Iterator[Role[PublicKey]]:
    """Yield the different roles that signed the environment's releases under earlier roots."""
    view, environment = View(objects, offered.tree), offered.statement.environment
    seen = [offered.root.root.release_role(environment)]
    for version in range(1, offered.root.root.version):
        with suppress(Refused, Untrusted):
            envelope = view.read(layout.root_path(version))
            document = parse_root(parse(envelope).payload) if envelope is not None else None
            role = document.release.get(environment) if document is not None else None
            if role is not None and role not in seen:
                seen.append(role)
                yield role


def _folders_of(
    objects: History, commit: Oid, back: Lookback
) -> Iterator[tuple[Oid, Oid | None, Oid | None]]:
    """Yield the first-parent commits, newest first, at which another folder stands at a path.

    With each comes that folder, `None` for none, and the commit after it.
    """
    before: Oid | None = None
    newer: Oid | None = None
    for one in objects.first_parents(commit):
        with _passing_over():
            entry, last = back.find(one), before
            before = entry.oid if entry is not None and entry.is_tree else None
            if before != last:
                yield one, before, newer
        newer = one


@contextmanager
def _passing_over() -> Iterator[None]:
    """Pass over what is refused in one commit, but not over a refusal of the whole history."""
    try:
        yield
    except TOO_COSTLY:
        raise
    except Refused:
        pass
