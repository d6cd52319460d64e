"""What every story of a running controller has in common: wait, look, and hold it to the branch."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from controller.reconcile.standing import APPLIED, PENDING
from controller.roles.doorbell import Cause
from controller.stores.control.conditions import ConditionType
from tests.faults.test_pass_crashes import assert_proven, assert_whole
from tests.support.asking import asking
from tests.support.chronicle import Stopwatch
from tests.support.followed import Followed
from tests.support.running import Running
from tests.support.world import RANGES, Shop

READY, STALLED = ConditionType.READY, ConditionType.STALLED
RECOVERY_SECONDS_MAX = 60.0


def assert_as_declared(people: Shop, host: Shop) -> None:
    """The tables hold what the newest commit declares, and everything proves it."""
    lines = people.read(RANGES).decode().splitlines()[1:]
    assert people.ranges() == {line.partition(",")[0] for line in lines}
    assert_whole(host, {})
    assert_proven(host)


def seen(loop: Running, kind: ConditionType = READY) -> str:
    """Return a condition as the page writes it."""
    one = loop.condition(loop.shop.world().connection, kind)
    return f"`{kind.value}` {one.status.value}: `{one.reason}`"


@dataclass
class Living:
    """A controller in the middle of a story, and what was seen of it."""

    loop: Running
    people: Shop
    seen: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    def waits_for(self, reason: str, kind: ConditionType = READY) -> None:
        """Wait until turns end with a reason, and take note of what is said then."""
        connection = self.people.world().connection

        def said() -> str:
            return self.loop.condition(connection, READY).reason

        self.loop.until(lambda: said() not in {APPLIED, PENDING, *self.reasons}, reason)
        assert said() == reason, said()
        self.reasons.append(reason)
        self.seen.append(seen(self.loop, kind))

    def stalls(self, reason: str) -> None:
        """Wait until turns end with a reason; production stays, and a few more change nothing."""
        revision = self.people.revision
        self.waits_for(reason, STALLED)
        self.turns_by()
        assert self.people.revision == revision

    def turns_by(self, count: int = 2) -> None:
        """Wait for a few turns more; whoever rings need not wait for a pause to be over."""
        for _ in range(count):
            turns = len(self.loop.turns)
            self.loop.bell.ring(Cause.REPOSITORY)
            self.loop.until(lambda: len(self.loop.turns) > turns, "a turn more")  # noqa: B023


def is_done(loop: Running) -> bool:
    """Whether the last turn found production at the branch, and has written that down."""
    last = loop.turns[-1]
    return last.settled and last.head == loop.shop.tip


@contextmanager
def living(
    followed: Followed, url: str, watch: Stopwatch, *, may_be_away: bool = False, **changes: Any
) -> Iterator[Living]:
    """Run a controller beside somebody who asks; the block breaks something, waits, and mends it.

    After the block it has to come to the branch by itself, and be as it should.
    """
    with followed.running(url, **changes) as loop, asking(url) as asked:
        loop.until(lambda: loop.turns and loop.turns[-1].settled)
        connection = followed.people.world().connection
        before = len(loop.names(connection))
        found = Living(loop, followed.people)
        yield found
        with watch.runs():
            loop.settles()
        loop.until(lambda: is_done(loop), "the turn that came there is over")
        names = sorted(set(loop.names(followed.people.world().connection)[before:]))
        found.seen.append(", ".join(f"`{one}`" for one in names))
        assert_as_declared(followed.people, followed.host)
        assert watch.seconds < RECOVERY_SECONDS_MAX
    asked.assert_good(may_be_away=may_be_away)
