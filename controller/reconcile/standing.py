"""What a turn says of the controller: conditions as they stand, events as they change.

Pure: facts in, words out. An event is told when what it says is new: the same error of the same
commit, met a thousand times, is one event.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from controller.kernel.errors import ControllerError, Corrupt, Held, Unavailable
from controller.kernel.events import Event
from controller.kernel.objects import Oid
from controller.reconcile.holds import HOST_FREEZE, HeldBack, Holds
from controller.stores.control.conditions import Condition, ConditionStatus, ConditionType
from controller.stores.control.events import Happened
from controller.stores.control.model import AppliedRevision

APPLIED, PENDING = "Applied", "Pending"


@dataclass(frozen=True, slots=True)
class Facts:
    """What one turn found. `error` is what ended it; `settled` says production is at `head`."""

    now: datetime
    environment: str
    head: Oid | None = None
    revisions: tuple[AppliedRevision, ...] = ()
    settled: bool = False
    error: ControllerError | None = None
    holds: Holds = field(default_factory=Holds)
    """What keeps new revisions out, whether or not there is one."""
    extra: tuple[Condition, ...] = field(default=())
    """Conditions of their own: staleness, drift."""


def conditions(facts: Facts) -> tuple[Condition, ...]:
    """Return every condition as it stands after a turn."""
    return (*_progress(facts), _held(facts), *facts.extra)


def _progress(facts: Facts) -> Iterable[Condition]:
    ready, reconciling, stalled = _statuses(facts)
    reason, message, hint = _words(facts)
    for kind, status in (
        (ConditionType.READY, ready),
        (ConditionType.RECONCILING, reconciling),
        (ConditionType.STALLED, stalled),
    ):
        yield Condition(kind, status, reason, message, hint, observed_commit=facts.head)


def _statuses(facts: Facts) -> tuple[ConditionStatus, ConditionStatus, ConditionStatus]:
    """Return whether the controller is ready, reconciling and stalled."""
    true, false, unknown = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN
    match facts.error:
        case None:
            return (true, false, false) if facts.settled else (false, true, false)
        case HeldBack():  # nobody has to act for the controller's sake: `Held` says who does
            return false, false, false
        case Unavailable():
            return unknown, true, false
        case _:
            return false, false, true


def _words(facts: Facts) -> tuple[str, str, str]:
    if facts.error is not None:
        return facts.error.code, str(facts.error), facts.error.hint
    where = facts.head.hex()[:12] if facts.head is not None else "nothing"
    if facts.settled:
        return APPLIED, f"{facts.environment} is at commit {where}", ""
    return PENDING, f"{facts.environment} is on its way to commit {where}", ""


def _held(facts: Facts) -> Condition:
    holding = facts.error.holding if isinstance(facts.error, HeldBack) else facts.holds.holding
    if holding is not None:
        return Condition(
            ConditionType.HELD,
            ConditionStatus.TRUE,
            holding.kind,
            str(holding),
            HeldBack(holding).hint,
        )
    override = facts.holds.override
    if override is not None:
        words = f"new revisions are let in, {override}"
        return Condition(ConditionType.HELD, ConditionStatus.FALSE, override.kind, words)
    return Condition(ConditionType.HELD, ConditionStatus.FALSE, "NotHeld", "nothing is held")


class Teller:
    """Tells of each thing once: what was told last is remembered by code and commit.

    `before` is what was said by whoever ran last, so that a restart repeats nothing.
    """

    def __init__(self, before: Iterable[Condition] = ()) -> None:
        said = {one.type: one for one in before}
        ready = said.get(ConditionType.READY)
        self._wrong: tuple[str, Oid | None] | None = None
        if ready is not None and ready.reason not in {APPLIED, PENDING}:
            self._wrong = (ready.reason, ready.observed_commit)
        held = said.get(ConditionType.HELD)
        self._frozen_here = held is not None and held.reason == HOST_FREEZE
        self._drifted = said.get(ConditionType.DRIFTED)
        stale = said.get(ConditionType.STALE)
        self._stale = stale is not None and stale.status is ConditionStatus.TRUE

    def tell(self, facts: Facts) -> tuple[Happened, ...]:
        """Return the events of a turn that say something new."""
        applied = (self._applied(facts, one) for one in facts.revisions)
        beside = (*self._host_freeze(facts), *self._freshness(facts))
        return (*beside, *applied, *self._drift(facts), *self._error(facts))

    def _host_freeze(self, facts: Facts) -> Iterable[Happened]:
        """Tell of a file that freezes this host; other holds are told by whoever places them."""
        found = next((one for one in facts.holds.all if one.kind == HOST_FREEZE), None)
        if (found is not None) is self._frozen_here:
            return
        self._frozen_here = found is not None
        if found is None:
            yield Happened(Event.RESUMED, facts.now, "the freeze file of this host is gone or over")
        else:
            told = {"kind": found.kind, "reason": found.reason}
            yield Happened(Event.SUSPENDED, facts.now, str(found), actor=found.actor, facts=told)

    def _freshness(self, facts: Facts) -> Iterable[Happened]:
        """Tell when the branch counts as stale, and when it is fresh again."""
        found = next((one for one in facts.extra if one.type is ConditionType.STALE), None)
        if found is None or (found.status is ConditionStatus.TRUE) is self._stale:
            return
        self._stale = not self._stale
        event = Event.STALE if self._stale else Event.FRESH
        told = {"code": found.reason, "hint": found.hint}
        yield Happened(event, facts.now, found.message, commit=facts.head, facts=told)

    def _drift(self, facts: Facts) -> Iterable[Happened]:
        """Tell of drift that is new or another one, and of its end."""
        found = next((one for one in facts.extra if one.type is ConditionType.DRIFTED), None)
        if found is None:
            return
        before, self._drifted = self._drifted, found
        if found.status is ConditionStatus.TRUE:
            if before is None or (before.reason, before.message) != (found.reason, found.message):
                told = {"code": found.reason, "hint": found.hint}
                yield Happened(Event.DRIFTED, facts.now, found.message, facts=told)
        elif before is not None and before.status is ConditionStatus.TRUE:
            yield Happened(Event.DRIFT_ENDED, facts.now, found.message)

    def _applied(self, facts: Facts, revision: AppliedRevision) -> Happened:
        return Happened(
            Event.APPLIED,
            facts.now,
            f"revision {revision.revision} ({revision.kind}): release {revision.serial} of "
            f"commit {revision.commit.hex()[:12]}",
            revision=revision.revision,
            commit=revision.commit,
            facts={
                "kind": revision.kind.value,
                "serial": revision.serial,
                "counts": {table: dict(counts) for table, counts in revision.counts.items()},
            },
        )

    def _error(self, facts: Facts) -> Iterable[Happened]:
        error, wrong = facts.error, self._wrong
        if error is not None:
            self._wrong = (error.code, facts.head)
            if wrong != self._wrong:
                told = {"code": error.code, "hint": error.hint}
                yield Happened(
                    event_of(error), facts.now, str(error), commit=facts.head, facts=told
                )
        elif facts.settled and wrong is not None:
            self._wrong = None
            yield Happened(Event.RECOVERED, facts.now, f"after {wrong[0]}", commit=facts.head)


def event_of(error: ControllerError) -> Event:
    """Return the event that an error which ended a turn is told as."""
    match error:
        case Held():
            return Event.HELD
        case Unavailable():
            return Event.UNAVAILABLE
        case Corrupt():
            return Event.CORRUPT
        case _:
            return Event.REFUSED
