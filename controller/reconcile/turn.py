"""One turn of a controller that goes on running: look, check, converge, and say how it stands.

A commit that was refused is not judged again until the branch moves or somebody asks: whoever wrote
it has to act. Neither is anything applied while something stored is not what was written. What
nobody has to act on is tried again, when is the caller's business.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from controller.adapters import gitpack
from controller.adapters.postgres import transaction
from controller.kernel.errors import ControllerError, Corrupt, Unavailable
from controller.kernel.objects import Oid
from controller.kernel.stages import Stage
from controller.reconcile.cycle import converge
from controller.reconcile.drifting import Tended
from controller.reconcile.holds import HeldBack, all_of
from controller.reconcile.standing import Facts, Teller, conditions, event_of
from controller.reconcile.world import World
from controller.stores.control import conditions as stored
from controller.stores.control import events, holds
from controller.stores.control.conditions import Condition
from controller.stores.control.events import Happened
from controller.stores.control.model import AppliedRevision

Check = Callable[[World, datetime], Sequence[Condition]]
"""Looks at the world before anything is decided; raises where nothing may be, and may say more."""

Owe = Callable[[World, datetime, Sequence[Happened], Sequence[Condition]], None]
"""Owes people what they are to be told, in the transaction that writes it down."""


Look = Callable[[World, bool], None]
"""Brings the repository to where its remotes are; raises where it cannot, or must not.

The flag says that somebody told of news there."""


def _look_at_nothing(_world: World, _expects_news: bool) -> None:
    """A local repository is looked at where it is."""


def _owe_nobody(
    _world: World, _now: datetime, _told: Sequence[Happened], _said: Sequence[Condition]
) -> None:
    """Nobody asked to be told."""


class Unexpected(Corrupt):
    """A turn ended in something that has no error of its own: a mistake of ours, or damage."""

    code = "turn.unexpected"

    def __init__(self, error: Exception) -> None:
        # Its words may hold what must not be told; its name and where it came from are in the log.
        super().__init__(
            f"this should not have happened: {type(error).__name__}",
            hint="what a transaction had begun is undone; look at the log, and please report it. "
            "Another commit, or `countersign reconcile --request`, is tried again",
        )


class Tend(Protocol):
    """Tends to live rows that nobody declared, before a new commit is tried."""

    def __call__(self, world: World, now: datetime, /, *, looks: bool) -> Tended:
        """Say how they stand; `looks`: it is time to look at them."""
        ...


def _tend_to_nothing(_world: World, _now: datetime, *, looks: bool) -> Tended:
    """Nobody looks at live rows."""
    del looks
    return Tended()


@dataclass(frozen=True, slots=True)
class Eyes:
    """What a turn looks with: the remote, the checks before a decision, and whom to tell."""

    look: Look = _look_at_nothing
    checks: tuple[Check, ...] = ()
    tend: Tend = _tend_to_nothing
    owe: Owe = _owe_nobody


@dataclass(slots=True)
class Turns:
    """Turns of one controller over one connection, and what each remembers of the one before."""

    world: World
    eyes: Eyes = field(default_factory=Eyes)
    _teller: Teller = field(init=False)
    _said: tuple[Condition, ...] = field(init=False)
    _told: tuple[Happened, ...] = field(default=(), init=False)
    _final: Facts | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Go on from what was said by whoever ran last."""
        before = stored.read(self.world.connection, self.world.environment)
        self._said = tuple(one.condition for one in before)
        self._teller = Teller(self._said)

    @property
    def said(self) -> tuple[Condition, ...]:
        """How things stand, as it was written down last."""
        return self._said

    @property
    def told(self) -> tuple[Happened, ...]:
        """The events of the last turn."""
        return self._told

    def take(
        self, *, asked: bool = False, expects_news: bool = False, looks: bool = False
    ) -> Facts:
        """Take a turn. `asked`: somebody wants what was refused judged again; `looks`: live rows
        are looked at.

        Raises only what keeps it from being written down; everything else is a fact.
        """
        self._told = ()
        facts = self._find(asked=asked, expects_news=expects_news, looks=looks)
        self._final = facts if _is_final(facts.error) else None
        self._write_down(facts)
        return facts

    def _find(self, *, asked: bool, expects_news: bool, looks: bool) -> Facts:
        facts = Facts(self.world.clock.now(), self.world.environment)
        try:
            facts = self._look(facts, expects_news=expects_news)
            facts, mended = self._tended(facts, looks=looks)
            if facts.error is not None:
                return facts
            before = self._unasked(facts.head) if not (asked or mended) else None
            if before is not None:
                return replace(facts, error=before.error, settled=before.settled)
            return self._converge(facts)
        except ControllerError as error:
            return replace(facts, error=error)
        except Exception as error:  # noqa: BLE001  one poison commit must not end the controller
            self.world.recall.forget()
            unexpected = Unexpected(error)
            unexpected.__cause__ = error
            return replace(facts, error=unexpected)

    def _look(self, facts: Facts, *, expects_news: bool) -> Facts:
        """Return where the branch stands and what the checks say of it, whatever goes wrong.

        The checks are asked each time: a branch that is held back stands still, and so does a
        remote that does not answer.
        """
        try:
            facts = self._held(facts)
            with self.world.staged(Stage.LOOK):
                self.eyes.look(self.world, expects_news)
        except ControllerError as error:
            facts = replace(facts, error=error)
        try:
            facts = replace(facts, head=self.world.head())
        except ControllerError as error:
            return replace(facts, error=facts.error or error)
        for check in self.eyes.checks:
            try:
                with self.world.staged(Stage.CHECK):
                    facts = replace(facts, extra=(*facts.extra, *check(self.world, facts.now)))
            except ControllerError as error:
                facts = replace(facts, error=facts.error or error)
        return facts

    def _tended(self, facts: Facts, *, looks: bool) -> tuple[Facts, bool]:
        """Return also how live rows stand, and whether drift is over that may have been in the way.

        They are looked at whatever is wrong with the branch.
        """
        try:
            found = self.eyes.tend(self.world, facts.now, looks=looks)
        except ControllerError as error:
            return replace(facts, error=facts.error or error), False
        done = replace(
            facts,
            extra=(*facts.extra, *found.conditions),
            revisions=found.revisions,
            error=facts.error or found.error,
        )
        return done, found.is_over

    def _held(self, facts: Facts) -> Facts:
        """Return what holds, also where nothing waits to be let in; write down what is over."""
        found = all_of(self.world, facts.now)
        if found.expired:
            holds.end_expired(self.world.connection, self.world.environment, facts.now)
        return replace(facts, holds=found)

    def _unasked(self, head: Oid | None) -> Facts | None:
        """Return what was found last, where another look would find the same again."""
        final = self._final
        if final is None:
            return None
        waits = isinstance(final.error, Corrupt) and not isinstance(final.error, Unexpected)
        return final if waits or final.head == head else None

    def _converge(self, facts: Facts) -> Facts:
        revisions: list[AppliedRevision] = []
        published, commit = False, facts.head
        try:
            for outcome in converge(self.world):
                published = published or bool(outcome.published.commits)
                commit = outcome.commit
                if outcome.revision is not None:
                    revisions.append(outcome.revision)
        except ControllerError as error:
            return replace(facts, error=error, revisions=(*facts.revisions, *revisions))
        finally:
            if published:
                gitpack.start(self.world.repository.git_dir)
        done = (*facts.revisions, *revisions)
        return replace(facts, head=commit, settled=True, revisions=done)

    def _write_down(self, facts: Facts) -> None:
        """Write conditions and events where they are new: an unchanged world leaves no trace."""
        said = conditions(facts)
        told = tuple(_with_cause(one, facts.error) for one in self._teller.tell(facts))
        if set(said) == set(self._said) and not told:
            return
        world = self.world
        with transaction(world.connection):
            stored.put(world.connection, world.environment, said, facts.now)
            for one in told:
                events.append(world.connection, world.environment, one)
            self.eyes.owe(world, facts.now, told, said)
        self._said, self._told = said, told


def _with_cause(happened: Happened, error: ControllerError | None) -> Happened:
    """Return an event with what an unexpected end came from, for the log."""
    if isinstance(error, Unexpected) and happened.event is event_of(error):
        return replace(happened, cause=error.__cause__)
    return happened


def _is_final(error: ControllerError | None) -> bool:
    """Whether another look at the same commit is pointless until a person has acted."""
    return error is not None and not isinstance(error, Unavailable | HeldBack)
