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
from controller.reconcile.holds import Holding
from controller.stores.control.conditions import Condition, ConditionStatus, ConditionType
from controller.stores.control.events import Happened
from controller.stores.control.model import AppliedRevision

SETTLED = "Settled"
APPLIED = "Applied"


@dataclass(frozen=True, slots=True)
class Facts:
    """What one turn found. `error` is what ended it; `settled` says production is at `head`."""

    now: datetime
    environment: str
    head: Oid | None = None
    revisions: tuple[AppliedRevision, ...] = ()
    settled: bool = False
    error: ControllerError | None = None
    holding: Holding | None = None
    extra: tuple[Condition, ...] = field(default=())
    """Conditions of their own: staleness, drift."""


def conditions(facts: Facts) -> tuple[Condition, ...]:
    """Return every condition as it stands after a turn."""
    return (*_progress(facts), _held(facts), *facts.extra)


def _progress(facts: Facts) -> Iterable[Condition]:
    true, false, unknown = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN
    error = facts.error
    if error is None:
        status = (true, false, false) if facts.settled else (false, true, false)
        reason, words, hint = _words(facts)
    else:
        waits = isinstance(error, Unavailable)
        status = (unknown, true, false) if waits else (false, false, true)
        reason, words, hint = error.code, str(error), error.hint
    types = (ConditionType.READY, ConditionType.RECONCILING, ConditionType.STALLED)
    for type_, one in zip(types, status, strict=True):
        said = (reason, words, hint) if one is not false else (SETTLED, words, "")
        if error is not None and one is false:
            said = (reason, words, hint)
        yield Condition(type_, one, *said, observed_commit=facts.head)


def _words(facts: Facts) -> tuple[str, str, str]:
    where = facts.head.hex()[:12] if facts.head is not None else "nothing"
    if facts.settled:
        return APPLIED, f"{facts.environment} is at commit {where}", ""
    return "Pending", f"{facts.environment} is on its way to commit {where}", ""


def _held(facts: Facts) -> Condition:
    if facts.holding is None:
        return Condition(ConditionType.HELD, ConditionStatus.FALSE, "NotHeld", "nothing is held")
    return Condition(
        ConditionType.HELD,
        ConditionStatus.TRUE,
        facts.holding.kind,
        str(facts.holding),
        "what is applied is served; `countersign resume` or `unfreeze` lets new revisions in",
    )


_Said = tuple[object, ...]


class Teller:
    """Tells of each thing once: what was told last is remembered by what it was about."""

    def __init__(self) -> None:
        self._last: dict[str, _Said] = {}

    def tell(self, facts: Facts) -> tuple[Happened, ...]:
        """Return the events of a turn that say something new."""
        told = [self._applied(facts, one) for one in facts.revisions]
        told += self._error(facts)
        return tuple(told)

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

    def _error(self, facts: Facts) -> list[Happened]:
        error = facts.error
        if error is None:
            failed = self._last.pop("error", None)
            if failed is None or not facts.settled:
                return []
            return [Happened(Event.RECOVERED, facts.now, f"after {failed[0]}", commit=facts.head)]
        said: _Said = (error.code, facts.head)
        if self._last.get("error") == said:
            return []
        self._last["error"] = said
        return [
            Happened(
                event_of(error),
                facts.now,
                str(error),
                commit=facts.head,
                facts={"code": error.code, "hint": error.hint},
            )
        ]


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
