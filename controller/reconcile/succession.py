"""Which release a commit declares, and whether it may follow the one that is applied.

The newest release is verified by its signatures. Those between it and the last one we know were
replaced before we looked: each is believed because its successor names its digest, and none of
them is applied. So a controller that slept finds its way without skipping a serial.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TypeAlias

from controller.adapters.git import GitRepository
from controller.artifacts import layout, release, rollback, walk
from controller.artifacts.levels import TooLarge
from controller.artifacts.release import ReleaseStatement
from controller.kernel.canonical import Digest
from controller.kernel.errors import Refused, Untrusted
from controller.kernel.instants import format_instant
from controller.kernel.objects import History, Oid
from controller.reconcile import resets, signed
from controller.reconcile.earlier import Earlier, EarlierReleases
from controller.reconcile.resets import Brought
from controller.reconcile.roots import roots_after
from controller.source import history as facts
from controller.source.budget import TOO_COSTLY
from controller.trust import history, root
from controller.trust.core import Role, ThresholdNotMet
from controller.trust.history import Accepted, Candidate, Judgement, ReleaseId
from controller.trust.keys import PublicKey
from controller.trust.rollback import RollbackAuthority, by_commit, by_statement
from controller.trust.root import NoRole, Root, TrustedRoot
from controller.trust.verify import Verified

_Link: TypeAlias = tuple[Oid, Digest, ReleaseStatement]
_BESIDE = ("acks", "rollback.dsse.json", "heartbeat.dsse.json")


class NoRelease(Refused):
    """A commit declares nothing for the environment; that is not the same as "nothing is live"."""

    code = "succession.no_release"

    def __init__(self, environment: str, commit: Oid) -> None:
        super().__init__(
            f"commit {commit.hex()[:12]} holds no release of {environment}",
            hint="promote a release; to take everything down, promote an empty one",
        )
        self.environment, self.commit = environment, commit


class RollbackLapsed(Untrusted):
    """The signed permission to go back has ended."""

    code = "succession.rollback_lapsed"

    def __init__(self, path: str, serial: int, expires: datetime) -> None:
        super().__init__(
            f"{path}: the permission to go back to release {serial} ended at "
            f"{format_instant(expires)}",
            hint="sign a new one, or sign the revert with a rollback key",
        )
        self.path, self.serial, self.expires = path, serial, expires


class RollbackSpent(Untrusted):
    """The signed permission to go back was used before."""

    code = "succession.rollback_spent"

    def __init__(self, path: str, serial: int) -> None:
        super().__init__(
            f"{path}: this permission to go back to release {serial} was used before",
            hint="each is good for one return: sign a new one, or sign the revert itself",
        )
        self.path, self.serial = path, serial


@dataclass(frozen=True, slots=True)
class SignedRelease:
    """A release whose signatures hold, at the commit that declares it."""

    commit: Oid
    tree: Oid
    root: TrustedRoot
    followed: tuple[bytes, ...]
    """The envelopes of the roots that were followed to `root`, in order."""
    statement: ReleaseStatement
    verified: Verified


@dataclass(frozen=True, slots=True)
class Succession:
    """How a signed release follows what is applied.

    `seen` are all releases that are known from now on and were not before, by serial, with the
    commit each was found at.
    """

    release: SignedRelease
    judgement: Judgement
    seen: Mapping[int, tuple[Digest, Oid]]


def signed_release(
    repository: History,
    commit: Oid,
    environment: str,
    start: TrustedRoot,
    now: datetime,
    *,
    since: Oid | None = None,
) -> SignedRelease:
    """Return the release of a commit, verified under that commit's newest root.

    `since` is the commit accepted before; no root of the history after it may be gone.
    """
    tree = repository.tree_of(commit)
    followed = roots_after(repository, commit, start.root.version, since=since)
    trusted = root.extend(start, followed, now)
    path = layout.release_dir(environment)
    entry = walk.find(repository, tree, path)
    if entry is None or not entry.is_tree:
        raise NoRelease(environment, commit)
    role = trusted.root.release_role(environment)
    against = signed.HeldAgainst(role, trusted.root.digest)
    verified = signed.read_signed(
        repository, entry.oid, path, layout.RELEASE_STEM, against, now=now, beside=_BESIDE
    )
    statement = release.parse(verified.payload)
    said = (statement.repository, statement.environment)
    if said != (trusted.root.repository, environment):
        raise signed.WrongPlace(
            path, said="/".join(said), place=f"{trusted.root.repository}/{environment}"
        )
    return SignedRelease(commit, tree, trusted, followed, statement, verified)


def succession(
    repository: GitRepository,
    accepted: Accepted,
    offered: SignedRelease,
    baseline: Oid,
    now: datetime,
    *,
    spent: Collection[Digest] = (),
) -> Succession:
    """Judge how a release follows what this controller accepted (rules G1, G3 and G4).

    `spent` are the digests of the rollback statements that were used before.
    """
    anchor = accepted.accepted_commit or baseline
    found = facts.ancestry(repository, anchor, offered.commit)
    history.check_ancestry(
        accepted.accepted_commit, baseline, offered.commit, descends=found.descends
    )
    environment = offered.statement.environment
    trusted = offered.root.root
    reset = resets.brought(repository, offered.tree, trusted, environment)
    if reset is not None and accepted.serial_high is None:
        accepted = _newcomer(repository, accepted, offered, reset)
    if reset is not None and reset.release == accepted.rebased:
        reset = None  # It is obeyed once.
    between = _between(repository, accepted, offered, reset)
    known = accepted
    for commit, digest, statement in between:
        after = reset.at(repository, commit) if reset is not None else None
        known = history.advance(known, candidate(commit, digest, statement), reset=after)
    judgement = history.judge(
        known,
        _offered(repository, accepted, offered, baseline, now, spent),
        floor=trusted.serial_floor(environment),
        reset=_reset(repository, offered, reset),
        max_age=_max_age(trusted, environment),
        now=now,
    )
    seen = {statement.serial: (digest, commit) for commit, digest, statement in between}
    seen[offered.statement.serial] = (offered.verified.digest, offered.commit)
    return Succession(offered, judgement, seen)


def _reset(
    repository: GitRepository, offered: SignedRelease, reset: Brought | None
) -> ReleaseId | None:
    """Return the reset that the offered release may be after: it stood there when that came."""
    if reset is None:
        return None
    path = layout.release_path(offered.statement.environment)
    changes = facts.path_changes(repository, path, None, offered.commit)
    return reset.at(repository, changes[-1].commit) if changes else None


def _newcomer(
    repository: GitRepository, accepted: Accepted, offered: SignedRelease, reset: Brought
) -> Accepted:
    """Return what a host knows that starts at a release: whether its serials started again.

    They did where the first release behind the reset's own, or that one itself, came when the reset
    stood there. Without this a host that is new would obey the reset after everybody else has.
    """
    path = layout.release_path(offered.statement.environment)
    changes = facts.path_changes(repository, path, None, offered.commit)
    chain = _back(repository, offered, reset.release[0])
    if changes:
        chain.append((changes[-1].commit, offered.verified.digest, offered.statement))
    if not chain:
        return accepted
    found_at, digest, first = chain[0]
    before = first.previous
    ids = {(first.serial, digest), (before.serial, before.sha256) if before else None}
    started = reset.release in ids and reset.at(repository, found_at) is not None
    return replace(accepted, rebased=reset.release) if started else accepted


def _between(
    repository: GitRepository, accepted: Accepted, offered: SignedRelease, reset: Brought | None
) -> list[_Link]:
    """Return the releases between the newest known one and the offered, oldest first.

    Each is named by its successor's digest, so its bytes are believed without keys; where the
    history does not hold one, the chain stays open and the judgement says so. Where serials started
    again while this controller slept, it is the chain from there, if it came after the reset.
    """
    high = accepted.serial_high
    if high is None:
        return []
    if reset is not None:
        again = _back(repository, offered, reset.release[0], known=accepted.seen)
        oldest = again[0][2].previous if again else None
        follows = oldest is not None and (oldest.serial, oldest.sha256) == reset.release
        if follows and reset.at(repository, again[0][0]) is not None:
            return again
    return _back(repository, offered, high)


def _back(
    repository: GitRepository,
    offered: SignedRelease,
    serial: int,
    *,
    known: Mapping[int, Digest] = MappingProxyType({}),
) -> list[_Link]:
    """Return the releases before the offered one, down to a serial or to one that is known."""
    wanted = offered.statement.previous
    found: list[_Link] = []
    earlier = _earlier(repository, offered)
    while wanted is not None and wanted.serial > serial:
        if known.get(wanted.serial) == wanted.sha256:
            break
        match = next((one for one in earlier if one.digest == wanted.sha256), None)
        if match is None:
            break
        found.append((match.commit, wanted.sha256, match.statement))
        wanted = match.statement.previous
    return found[::-1]


def _earlier(repository: GitRepository, offered: SignedRelease) -> Iterator[Earlier]:
    """Yield every release before the offered one, the newest first."""
    environment = offered.statement.environment
    changes = facts.release_changes(repository, environment, None, offered.commit)
    look = earlier_releases(repository, offered)
    for change in reversed(changes):
        try:
            entry = look.back.find(change.commit)
        except TooLarge:
            continue  # Whatever stood there, it was no release of anybody's.
        if entry is None or not entry.is_tree:
            continue
        try:
            found = look.at(change.commit, entry.oid)
        except TOO_COSTLY:
            raise
        except (Refused, Untrusted):
            continue  # Whatever stood there was no release, then it is nobody's predecessor.
        if found is not None:
            yield found


def earlier_releases(
    history: History, offered: SignedRelease, *, former: Sequence[Role[PublicKey]] = ()
) -> EarlierReleases:
    """Return a look at the releases before one whose signatures hold."""
    environment = offered.statement.environment
    role = offered.root.root.release_role(environment)
    statement, digest = offered.statement, offered.verified.digest
    return EarlierReleases(history, environment, role, statement, digest, former=former)


def candidate(
    commit: Oid,
    digest: Digest,
    statement: ReleaseStatement,
    *,
    authority: RollbackAuthority | None = None,
    at_baseline: bool = False,
) -> Candidate:
    """Return a release as the rules of history know it."""
    previous, undone = statement.previous, statement.rollback_of
    return Candidate(
        commit,
        statement.serial,
        digest,
        previous=(previous.serial, previous.sha256) if previous else None,
        rollback_of=(undone.serial, undone.sha256) if undone else None,
        expires=statement.expires,
        rollback_authority=authority,
        at_baseline=at_baseline,
    )


def _offered(
    repository: GitRepository,
    accepted: Accepted,
    offered: SignedRelease,
    baseline: Oid,
    now: datetime,
    spent: Collection[Digest],
) -> Candidate:
    statement = offered.statement
    high = accepted.serial_high
    at = accepted.serial_current
    goes_back = high is not None and statement.serial <= high and statement.serial != at
    return candidate(
        offered.commit,
        offered.verified.digest,
        statement,
        authority=rollback_authority(
            repository, offered, since=accepted.accepted_commit, now=now, spent=spent
        )
        if goes_back
        else None,
        at_baseline=offered.commit == baseline,
    )


def rollback_authority(
    repository: GitRepository,
    offered: SignedRelease,
    *,
    since: Oid | None,
    now: datetime,
    spent: Collection[Digest] = (),
) -> RollbackAuthority | None:
    """Return who asked to go back: by signing the commit that did it, or in a statement.

    `since` is the commit that was accepted before; the commit that did it comes after.
    """
    # The release itself, not its folder: an acknowledgement that came later changes nothing here.
    path = layout.release_path(offered.statement.environment)
    changes = facts.path_changes(repository, path, since, offered.commit)
    changed = changes[-1].commit if changes else None
    return _authority(repository, offered, changed, offered.tree, now, spent)


def authority_at(
    repository: GitRepository,
    offered: SignedRelease,
    commit: Oid,
    now: datetime,
    *,
    spent: Collection[Digest],
) -> RollbackAuthority | None:
    """Return who asked to go back in an earlier commit, under the roles of the offered release."""
    return _authority(repository, offered, commit, repository.tree_of(commit), now, spent)


def _authority(
    repository: GitRepository,
    offered: SignedRelease,
    changed: Oid | None,
    tree: Oid,
    now: datetime,
    spent: Collection[Digest],
) -> RollbackAuthority | None:
    environment = offered.statement.environment
    try:
        role = offered.root.root.rollback_role(environment).role
    except NoRole:
        return None
    if changed is not None:
        try:
            return by_commit(repository.raw_commit(changed), role, now)
        except Untrusted:
            pass  # A merge of a pull request is signed by nobody of ours; a statement may be.
    path = layout.rollback_path(environment)
    entry = walk.find(repository, tree, path)
    if entry is None or entry.is_tree:
        return None

    def read(payload: bytes) -> tuple[int, Digest]:
        said = rollback.parse(payload)
        place = (offered.root.root.repository, environment)
        if (said.repository, said.environment) != place:
            raise signed.WrongPlace(path, said=said.environment, place=environment)
        if said.expires <= now:
            raise RollbackLapsed(path, said.to_serial, said.expires)
        return said.to_serial, said.to_sha256

    envelope = signed.open_envelope(repository, entry, path)
    try:
        authority = by_statement([envelope], role, read=read, now=now)
    except ThresholdNotMet:
        return None
    if authority.evidence in spent:
        raise RollbackSpent(path, offered.statement.serial)
    return authority


def _max_age(trusted: Root, environment: str) -> timedelta | None:
    role = trusted.rollback.get(environment)
    return role.max_age if role is not None else None
