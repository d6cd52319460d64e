"""What a controller that goes on running does about drift: says it, waits for a word, or heals.

`report` says what drifted and leaves it to people. `ack` puts it right once owners have signed for
exactly this drift. `heal` puts it right at once, but not much and not often: beyond its limits it
stops and waits for the owners' word, because something goes on writing that nobody declared.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from controller.kernel.errors import ControllerError, Held, Refused
from controller.kernel.objects import Oid
from controller.reconcile.acks import Acknowledged, acknowledged
from controller.reconcile.cycle import publish_owed
from controller.reconcile.decide import held_root
from controller.reconcile.drift import look
from controller.reconcile.drifted import Drift
from controller.reconcile.heal import heal
from controller.reconcile.holds import held_by
from controller.reconcile.succession import signed_release
from controller.reconcile.world import World
from controller.source.history import ancestry
from controller.stores.control import drift as stored
from controller.stores.control import store as control
from controller.stores.control.conditions import Condition, ConditionStatus, ConditionType
from controller.stores.control.drift import Ended
from controller.stores.control.model import Applied, AppliedRevision

_HOUR = timedelta(hours=1)
DECLARED, DRIFTED = "AsDeclared", "RowsDiffer"


class Mode(StrEnum):
    """What is done about drift."""

    REPORT = "report"
    ACK = "ack"
    HEAL = "heal"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a host wants done, and how much may be healed unasked."""

    mode: Mode = Mode.REPORT
    heal_max_rows: int = 100
    heal_per_hour: int = 3


class BreakerOpen(Held):
    """More drifted, or more often, than this host lets be healed unasked."""

    code = "drift.breaker_open"

    def __init__(self, found: Drift, why: str) -> None:
        super().__init__(
            f"{found} ({why}); drift {found.digest}",
            hint="find out who writes to the database, then sign for it: "
            f"countersign ack {found.digest}; until then nothing is applied",
        )
        self.digest = found.digest


@dataclass(frozen=True, slots=True)
class Tended:
    """What came of it: how it stands, revisions that healed, whether drift is over by now."""

    conditions: tuple[Condition, ...] = ()
    revisions: tuple[AppliedRevision, ...] = ()
    is_over: bool = False
    error: ControllerError | None = None


@dataclass(slots=True)
class Tender:
    """Tends to drift in every turn; looks when it is told to, or does not know how it stands."""

    rules: Rules = field(default_factory=Rules)
    _knows: bool = field(default=False, init=False)
    _found: Drift | None = field(default=None, init=False)
    _unsigned: tuple[Oid, str] | None = field(default=None, init=False)
    """The branch's commit and the drift that nobody had signed for there."""

    def tend(self, world: World, now: datetime, *, looks: bool) -> Tended:
        """Look if it is time, heal if that is allowed, and say how it stands.

        Raises what keeps it from looking; the next call looks then.
        """
        before = control.read_applied(world.connection, world.environment)
        if before is None:
            return Tended()
        was_open = self._found is not None
        moved = self._found is not None and self._found.revision != before.revision
        if looks or moved or not self._knows:
            was_open = self._look(world, now)
        revisions, error = self._act(world, before, now)
        return Tended(
            (self._condition(error),),
            revisions,
            is_over=was_open and self._found is None,
            error=error,
        )

    def _look(self, world: World, now: datetime) -> bool:
        """Look, and write down what is new; return whether drift was open before."""
        self._knows = False
        found = look(world)
        known = stored.read(world.connection, world.environment)
        if found is not None and (known is None or known.digest != found.digest):
            stored.put(
                world.connection,
                world.environment,
                revision=found.revision,
                digest=found.digest,
                report=found.document(),
                now=now,
            )
        elif found is None and known is not None:
            stored.end(world.connection, world.environment, now, Ended.GONE)
        self._found, self._knows = found, True
        return known is not None

    def _act(
        self, world: World, before: Applied, now: datetime
    ) -> tuple[tuple[AppliedRevision, ...], ControllerError | None]:
        found = self._found
        if found is None or self.rules.mode is Mode.REPORT:
            return (), None
        holding = held_by(world, now)
        if holding is not None and holding.is_freeze:
            return (), None  # Nothing at all is written then: somebody may be looking for traces.
        why = self._too_much(world, found, now) if self.rules.mode is Mode.HEAL else ""
        if self.rules.mode is Mode.HEAL and not why:
            return (self._heal(world, found, Ended.HEAL),), None
        ack = self._ack(world, before, found, now)
        if ack is not None:
            return (self._heal(world, found, Ended.ACK, ack),), None
        return (), BreakerOpen(found, why) if why else None

    def _too_much(self, world: World, found: Drift, now: datetime) -> str:
        """Say why it may not be healed unasked; nothing where it may."""
        if found.rows > self.rules.heal_max_rows:
            return f"{found.rows} rows, at most {self.rules.heal_max_rows} are healed unasked"
        healed = stored.count_ended(world.connection, world.environment, Ended.HEAL, now - _HOUR)
        if healed >= self.rules.heal_per_hour:
            return f"healed {healed} times within an hour"
        return ""

    def _heal(
        self, world: World, found: Drift, by: Ended, ack: Acknowledged | None = None
    ) -> AppliedRevision:
        self._knows = False  # Whatever becomes of it, what was found is not how it stands then.
        revision = heal(world, found, by=by, ack=ack)
        self._found, self._knows = None, True
        publish_owed(world)
        return revision

    def _ack(
        self, world: World, before: Applied, found: Drift, now: datetime
    ) -> Acknowledged | None:
        """Return the owners' word for exactly this drift, if it stands in the branch."""
        head = world.head()
        if self._unsigned == (head, found.digest):
            return None
        for commit in dict.fromkeys((head, before.commit)):
            ack = _acks_at(world, before, commit, now).get(found.digest)
            if ack is not None:
                return ack
        self._unsigned = (head, found.digest)
        return None

    def _condition(self, error: ControllerError | None) -> Condition:
        found = self._found
        if found is None:
            words = "live rows are what was applied"
            return Condition(ConditionType.DRIFTED, ConditionStatus.FALSE, DECLARED, words)
        if error is not None:
            reason, message, hint = error.code, str(error), error.hint
        else:
            reason, message = DRIFTED, f"{found}; drift {found.digest}"
            hint = _HINTS[self.rules.mode].format(digest=found.digest)
        return Condition(ConditionType.DRIFTED, ConditionStatus.TRUE, reason, message, hint)


_HINTS = {
    Mode.REPORT: "read `countersign drift`, then put it right with `countersign drift --heal "
    "{digest}`; revisions that touch these tables wait",
    Mode.ACK: "read `countersign drift`, then sign for it: countersign ack {digest}",
    Mode.HEAL: "",
}


def _acks_at(world: World, before: Applied, commit: Oid, now: datetime) -> dict[str, Acknowledged]:
    """Return the acknowledgements that count at a commit; none at one that is not let in."""
    if not ancestry(world.repository, before.commit, commit).descends:
        return {}
    held = held_root(world, world.recall.known(world.environment, before))
    try:
        release = signed_release(
            world.repository, commit, world.environment, held, now, since=before.commit
        )
        found = acknowledged(world.repository, release, now)
    except Refused:
        # Why this commit is not let in is said by the pass that tries it.
        return {}
    return {str(digest): ack for digest, ack in found.items()}
