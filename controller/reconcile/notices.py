"""What is said to whom: of a thing that is wrong once, again while it lasts, and when it is over.

Pure but for `owe`. A thing is told apart by its subject, its reason and its revision, never by its
words: those hold times and counts. What could not be looked at is neither wrong nor right: nothing
is said of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, StrEnum, auto
from typing import Any

from controller.adapters.postgres import Connection
from controller.kernel.events import Severity
from controller.kernel.notices import Notice, NoticeKind
from controller.kernel.objects import Oid
from controller.stores.control import notices as stored
from controller.stores.control import store as control
from controller.stores.control.conditions import Condition, ConditionStatus, ConditionType
from controller.stores.control.model import AppliedRevision
from controller.stores.control.notices import Said, Saying

UNAVAILABLE, APPLIED, COMMIT = "Unavailable", "Applied", "Commit"
"""Subjects beside the types of conditions: the passes fail, a revision, a commit's status."""

ROUNDS_MAX = 10
REVISIONS_MAX = 100
_GRAVITY = {Severity.INFO: 0, Severity.WARNING: 1, Severity.ERROR: 2}
_PASSES = {ConditionType.READY, ConditionType.RECONCILING}


class Topic(StrEnum):
    """What a target wants to hear of; recoveries belong to failures."""

    FAILURE = "failure"
    SUCCESS = "success"


@dataclass(frozen=True, slots=True)
class Target:
    """Somebody who is told. `repeat` is how long a thing lasts before it is said again, if ever."""

    name: str
    topics: frozenset[Topic] = frozenset({Topic.FAILURE})
    severity_min: Severity = Severity.ERROR
    repeat: timedelta | None = None
    is_forge: bool = False
    """Whether it takes the status of commits, and nothing else."""


class Verdict(Enum):
    """How a thing stands."""

    WRONG = auto()
    RIGHT = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Look:
    """How one thing stands, and what to say of it."""

    subject: str
    verdict: Verdict
    reason: str
    revision: str
    severity: Severity
    message: str
    hint: str
    commit: Oid | None


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that decides what is said now. `revisions` are the newest applied, oldest first.

    `revisions` begins where nobody is behind by more than can be said at once.
    """

    environment: str
    conditions: tuple[Condition, ...]
    revisions: tuple[AppliedRevision, ...]
    now: datetime


def looks(conditions: Iterable[Condition]) -> tuple[Look, ...]:
    """Return how each thing stands that a failure can be said of."""
    said = {one.type: one for one in conditions}
    ready = said.get(ConditionType.READY)
    if ready is None:
        return ()
    is_away = ready.status is ConditionStatus.UNKNOWN
    others = (one for one in said.values() if one.type not in _PASSES)
    return (
        _look(UNAVAILABLE, ready, Verdict.WRONG if is_away else Verdict.RIGHT),
        *(_look(one.type.value, one, _verdict(one, is_away=is_away)) for one in others),
    )


def _verdict(condition: Condition, *, is_away: bool) -> Verdict:
    """Return how a condition stands; while the passes fail, nothing is known to be right."""
    match condition.status:
        case ConditionStatus.TRUE:
            return Verdict.WRONG
        case ConditionStatus.FALSE if not is_away:
            return Verdict.RIGHT
        case _:
            return Verdict.UNKNOWN


def _look(subject: str, condition: Condition, verdict: Verdict) -> Look:
    is_stalled = condition.type is ConditionType.STALLED
    commit = condition.observed_commit
    mild = subject in {UNAVAILABLE, ConditionType.HELD}
    return Look(
        subject=subject,
        verdict=verdict,
        reason=condition.reason,
        # Another commit is another refusal; a remote that is away is one thing all the time.
        revision=commit.hex() if is_stalled and commit is not None else "",
        severity=Severity.WARNING if mild else Severity.ERROR,
        message=condition.message,
        hint=condition.hint,
        commit=commit,
    )


def decide(target: Target, before: Mapping[str, Said], scene: Scene) -> tuple[Saying, ...]:
    """Return what is to be said to a target, given what it was told."""
    if target.is_forge:
        return (*_statuses(target, before, scene), *_revisions(target, before, scene))
    found = looks(scene.conditions)
    sayings = (_of_look(target, before.get(one.subject), one, scene) for one in found)
    revisions = _revisions(target, before, scene) if Topic.SUCCESS in target.topics else ()
    return (*(one for one in sayings if one is not None), *revisions)


def _of_look(target: Target, before: Said | None, look: Look, scene: Scene) -> Saying | None:
    is_open = before is not None and before.is_open
    match look.verdict:
        case Verdict.WRONG if _wants(target, look):
            return _failure(target, before, look, scene)
        case Verdict.RIGHT if before is not None and is_open:
            return _recovery(before, look, scene)
        case _:
            return None


def _wants(target: Target, look: Look) -> bool:
    grave = _GRAVITY[look.severity] >= _GRAVITY[target.severity_min]
    return Topic.FAILURE in target.topics and grave


def _failure(target: Target, before: Said | None, look: Look, scene: Scene) -> Saying | None:
    was = before if before is not None and before.is_open else None
    is_same = was is not None and (was.reason, was.revision) == (look.reason, look.revision)
    if was is not None and is_same and not _is_due(target, was, scene.now):
        return None
    since = was.opened_at if was is not None else scene.now
    after = Said(target.name, look.subject, look.reason, look.revision, True, since, scene.now)
    notice = replace(_notice(NoticeKind.FAILURE, look, scene), since=since, repeated=is_same)
    return Saying(before, after, notice)


def _is_due(target: Target, was: Said, now: datetime) -> bool:
    """Whether it is said again; not while the one before has not even been delivered."""
    if target.repeat is None or was.is_waiting:
        return False
    # What was said far in the future was said by a clock that was wrong.
    return abs(now - was.said_at) >= target.repeat


def _recovery(before: Said, look: Look, scene: Scene) -> Saying:
    after = replace(before, is_open=False, said_at=scene.now, is_waiting=False)
    notice = _notice(NoticeKind.RECOVERY, look, scene)
    # The reason is what was said to be wrong: what it is called now that it is right says nothing.
    return Saying(before, after, replace(notice, reason=before.reason, since=before.opened_at))


def _notice(kind: NoticeKind, look: Look, scene: Scene) -> Notice:
    return Notice(
        kind=kind,
        environment=scene.environment,
        subject=look.subject,
        reason=look.reason,
        severity=look.severity if kind is NoticeKind.FAILURE else Severity.INFO,
        at=scene.now,
        message=look.message,
        hint=look.hint,
        commit=look.commit,
    )


def _revisions(target: Target, before: Mapping[str, Said], scene: Scene) -> list[Saying]:
    """Say each revision that is new to the target; at first the newest alone, not all history."""
    last = before.get(APPLIED)
    if last is None:
        fresh = scene.revisions[-1:]
    else:
        fresh = tuple(one for one in scene.revisions if one.revision > int(last.revision))
    sayings = []
    for one in fresh:
        after = Said(target.name, APPLIED, APPLIED, str(one.revision), False, scene.now, scene.now)
        sayings.append(Saying(last, after, _success(target, one, scene)))
        last = after
    return sayings


def _success(target: Target, revision: AppliedRevision, scene: Scene) -> Notice | None:
    if target.is_forge and revision.commit == _observed(scene):
        return None  # its status says the same
    short = revision.commit.hex()[:12]
    return Notice(
        kind=NoticeKind.SUCCESS,
        environment=scene.environment,
        subject=APPLIED,
        reason=APPLIED,
        severity=Severity.INFO,
        at=scene.now,
        message=f"revision {revision.revision} ({revision.kind.value}): release {revision.serial}"
        f" of commit {short}",
        commit=revision.commit,
        revision=revision.revision,
    )


def _observed(scene: Scene) -> Oid | None:
    ready = next((one for one in scene.conditions if one.type is ConditionType.READY), None)
    return ready.observed_commit if ready is not None else None


def _statuses(target: Target, before: Mapping[str, Said], scene: Scene) -> list[Saying]:
    """Say what became of the commit that is observed, where that is new."""
    said = {one.type: one for one in scene.conditions}
    ready, stalled = said.get(ConditionType.READY), said.get(ConditionType.STALLED)
    if ready is None or ready.observed_commit is None:
        return []
    if ready.status is ConditionStatus.TRUE:
        kind = NoticeKind.SUCCESS
    elif stalled is not None and stalled.status is ConditionStatus.TRUE:
        kind = NoticeKind.FAILURE
    else:
        kind = NoticeKind.PENDING
    was, commit = before.get(COMMIT), ready.observed_commit.hex()
    after = Said(
        target.name,
        COMMIT,
        f"{kind.value}: {ready.reason}",
        commit,
        kind is not NoticeKind.SUCCESS,
        scene.now,
        scene.now,
    )
    # What was decided of a commit stays decided while the next look at it cannot be made.
    is_told = kind is NoticeKind.PENDING or (was is not None and was.reason == after.reason)
    if was is not None and was.revision == commit and is_told:
        return []
    look = _look(COMMIT, ready, Verdict.UNKNOWN)
    return [Saying(was, after, _notice(kind, look, scene))]


def owe(
    connection: Connection[Any],
    environment: str,
    targets: Sequence[Target],
    conditions: Iterable[Condition],
    now: datetime,
) -> int:
    """Owe each target what it has to be told; return how many notices that are.

    Inside the transaction that writes the conditions, and beside the loop for what is said again.
    Both may be at it at once: what the other has said is not said twice.
    """
    if not targets:
        return 0
    wanted = any(one.is_forge or Topic.SUCCESS in one.topics for one in targets)
    newest = control.revisions(connection, environment, limit=REVISIONS_MAX) if wanted else ()
    scene = Scene(environment, tuple(conditions), tuple(reversed(newest)), now)
    return sum(_owe_one(connection, target, scene) for target in targets)


def _owe_one(connection: Connection[Any], target: Target, scene: Scene) -> int:
    count = 0
    for _ in range(ROUNDS_MAX):
        sayings = decide(target, stored.said(connection, target.name), scene)
        written = [one for one in sayings if stored.say(connection, one)]
        count += sum(one.notice is not None for one in written)
        if len(written) == len(sayings):
            break  # nobody else was at it
    return count
