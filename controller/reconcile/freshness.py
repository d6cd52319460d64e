"""Whether the branch that we are shown is the newest there is: what its heartbeat says.

Staleness is an alarm and never an outage: nothing here raises for what somebody wrote, and what is
applied is served on. The heartbeat is looked for at the branch's newest commit, whether or not that
one is let in, and believed under the root that we hold.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from controller.adapters.git import GitRepository
from controller.artifacts import heartbeat, layout, walk
from controller.artifacts.heartbeat import Heartbeat
from controller.kernel.errors import ControllerError, Unavailable
from controller.kernel.instants import format_instant
from controller.kernel.objects import Oid
from controller.reconcile import signed
from controller.trust.envelope import IN_TOTO
from controller.trust.memory import VerifiedMemory, verify_files
from controller.trust.root import Root

_LOOK = "look at the branch on the host that people push to, and at whatever signs heartbeats"


class Reason(StrEnum):
    """Why a branch counts as fresh or as stale."""

    NOT_WATCHED = "NotWatched"
    IN_TIME = "InTime"
    NO_HEARTBEAT = "NoHeartbeat"
    TOO_OLD = "TooOld"
    NOT_BELIEVED = "NotBelieved"
    OTHER_HISTORY = "OtherHistory"


_ALARMS = frozenset(Reason) - {Reason.NOT_WATCHED, Reason.IN_TIME}


@dataclass(frozen=True, slots=True)
class Freshness:
    """What a branch's heartbeat comes to at one instant.

    `since` is when a heartbeat that is too old became so. `heartbeat` is one that is signed by
    those who may and speaks of this place; else `None`.
    """

    reason: Reason
    message: str
    hint: str = ""
    since: datetime | None = None
    heartbeat: Heartbeat | None = None

    @property
    def is_stale(self) -> bool:
        """Whether somebody has to be alarmed."""
        return self.reason in _ALARMS


def freshness(
    repository: GitRepository,
    tip: Oid,
    environment: str,
    root: Root,
    now: datetime,
    *,
    max_staleness: timedelta,
    memory: VerifiedMemory = signed.NOTHING_REMEMBERED,
) -> Freshness:
    """Return how fresh a branch is whose newest commit is `tip`; raise only what damage raises.

    A heartbeat is too old from its `expires` on, and from `max_staleness` after it was made.
    """
    if root.heartbeat is None:
        return Freshness(Reason.NOT_WATCHED, f"root {root.version} grants nobody a heartbeat")
    path = layout.heartbeat_path(environment)
    try:
        said = _read(repository, tip, path, root, now, memory)
    except Unavailable:
        raise
    except ControllerError as error:
        return Freshness(Reason.NOT_BELIEVED, f"{path}: {error}", error.hint or _LOOK)
    if said is None:
        hint = "run `countersign heartbeat` from a schedule; who removed the last one?"
        return Freshness(Reason.NO_HEARTBEAT, f"commit {tip.hex()[:12]} holds no {path}", hint)
    if (said.repository, said.environment) != (root.repository, environment):
        words = f"{path} is signed for {said.environment} of repository {said.repository}"
        return Freshness(Reason.NOT_BELIEVED, words, "it was copied there")
    return _judged(repository, tip, said, now, max_staleness)


def _read(
    repository: GitRepository,
    tip: Oid,
    path: str,
    root: Root,
    now: datetime,
    memory: VerifiedMemory,
) -> Heartbeat | None:
    assert root.heartbeat is not None
    entry = walk.find(repository, repository.tree_of(tip), path)
    if entry is None or entry.is_tree:
        return None
    verified = verify_files(
        {path: signed.read(repository, entry, path)},
        root.heartbeat,
        root=root.digest,
        payload_type=IN_TOTO,
        now=now,
        memory=memory,
    )
    return heartbeat.parse(verified.payload)


def _judged(
    repository: GitRepository, tip: Oid, said: Heartbeat, now: datetime, max_staleness: timedelta
) -> Freshness:
    commit, at = said.commit.hex()[:12], format_instant(said.created)
    ends = min(said.expires, said.created + max_staleness)
    if now >= ends:
        words = f"the last heartbeat is of {at}; nothing newer has come"
        return Freshness(Reason.TOO_OLD, words, _LOOK, since=ends, heartbeat=said)
    if not _is_behind(repository, said.commit, tip):
        words = f"the heartbeat of {at} saw commit {commit}, which {tip.hex()[:12]} does not hold"
        return Freshness(Reason.OTHER_HISTORY, words, _LOOK, heartbeat=said)
    return Freshness(Reason.IN_TIME, f"commit {commit} was the newest at {at}", heartbeat=said)


def _is_behind(repository: GitRepository, commit: Oid, tip: Oid) -> bool:
    if not repository.has(commit) or repository.header(commit).kind != "commit":
        return False
    return repository.is_ancestor(commit, tip)
