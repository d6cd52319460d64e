"""Scenes that notices are decided on, and targets that keep in memory what they were told."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from controller.kernel.errors import ControllerError, Corrupt, Held, Refused, Unavailable
from controller.kernel.events import Severity
from controller.kernel.notices import Notice
from controller.reconcile.holds import HeldBack, Holding
from controller.reconcile.notices import Scene, Target, Topic, decide
from controller.reconcile.standing import Facts, conditions
from controller.stores.control.conditions import Condition, ConditionStatus, ConditionType
from controller.stores.control.notices import Said
from tests.support.control import MINUTE, NOON, revision, some_oid

HOUR = 60 * MINUTE
EVERYTHING = Target("everybody", frozenset(Topic), Severity.WARNING, HOUR)
GRAVE = Target("on-call", repeat=HOUR)
FORGE = Target("forge", is_forge=True)

REFUSED = Refused("a key is missing")
AWAY = Unavailable("the remote does not answer")
ERRORS: tuple[ControllerError | None, ...] = (
    None,
    REFUSED,
    Held("a guard stops it"),
    AWAY,
    Corrupt("damaged"),
    HeldBack(Holding("freeze", "an incident", "alice")),
)
DRIFTED = Condition(ConditionType.DRIFTED, ConditionStatus.TRUE, "Drifted", "3 rows differ")


@dataclass(frozen=True)
class Found:
    """What one turn found: `commit` and `newest` are numbers, `extra` is a condition of its own."""

    commit: int = 1
    error: ControllerError | None = None
    newest: int = 0
    drifted: bool | None = None
    words: str = ""

    def conditions(self, now: datetime) -> tuple[Condition, ...]:
        """Return what the loop says of it."""
        facts = Facts(
            now,
            "production",
            head=some_oid(self.commit),
            error=self.error,
            settled=self.error is None,
        )
        extra: tuple[Condition, ...] = ()
        if self.drifted is not None:
            status = ConditionStatus.TRUE if self.drifted else ConditionStatus.FALSE
            extra = (replace(DRIFTED, status=status),)
        said = (*conditions(facts), *extra)
        return tuple(replace(one, message=one.message + self.words) for one in said)

    def scene(self, now: datetime) -> Scene:
        """Return it as notices are decided on."""
        applied = tuple(revision(number) for number in range(1, self.newest + 1))
        return Scene("production", self.conditions(now), applied, now)


@dataclass
class Listener:
    """A target that keeps what it is told."""

    target: Target
    now: datetime = NOON
    said: dict[str, Said] = field(default_factory=dict)
    heard: list[Notice] = field(default_factory=list)

    def hear(self, found: Found, *, after: timedelta = MINUTE) -> list[Notice]:
        """Let time pass and decide; return what is new."""
        self.now += after
        fresh = []
        for one in decide(self.target, self.said, found.scene(self.now)):
            assert self.said.get(one.after.subject) == one.before, "decided on what was said"
            self.said[one.after.subject] = one.after
            if one.notice is not None:
                fresh.append(one.notice)
        self.heard += fresh
        return fresh
