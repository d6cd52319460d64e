"""Somebody else moves between a pass's looks, or its look and its act: it lets go, and looks again.

And a host whose audit trail nobody could believe records nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast

import pytest

from controller.adapters.postgres import Connection
from controller.authoring.starting import ENVIRONMENT
from controller.reconcile.again import insist
from controller.reconcile.apply import apply
from controller.reconcile.cycle import TrailNotGranted, converge, run_pass
from controller.reconcile.decide import Decision, decide
from controller.reconcile.preview import preview
from controller.reconcile.status import Sync, read_status
from controller.reconcile.world import World
from controller.stores.control.model import Applied, StaleWriter
from controller.trust.core import ThresholdNotMet
from tests.reconcile.test_apply import Overtaken
from tests.reconcile.test_decide import rotate
from tests.support.world import NEW_RANGE, OTHER_RANGE, Shop, open_connection


@pytest.fixture
def other(shop: Shop, shop_url: str) -> Iterator[World]:
    """Return another process of the same controller, with a connection of its own."""
    with open_connection(shop_url) as connection:
        yield shop.world(connection)


def without_bob(shop: Shop) -> None:
    """Commit a root under which bob signs no release any more; the newest release needs him."""
    bob = shop.signer("bob").public.id

    def change(document: dict[str, Any]) -> None:
        document["roles"]["release"][ENVIRONMENT]["keys"].remove(bob)

    rotate(shop, change, by=("alice", "carol"))


def test_what_is_remembered_belongs_to_the_state_that_it_was_asked_for(shop: Shop) -> None:
    slow = shop.world()
    before = shop.applied()
    shop.publish(add=[NEW_RANGE])
    run_pass(shop.world())

    with pytest.raises(StaleWriter):
        slow.recall.known(ENVIRONMENT, before)

    now = shop.applied()
    assert now is not None
    assert {one.version for one in slow.recall.live(ENVIRONMENT, now)} == {
        one.version for one in shop.world().recall.live(ENVIRONMENT, now)
    }


@pytest.mark.stops("incident.11-root-rollback")
def test_a_root_that_another_pass_kept_meanwhile_stops_what_was_decided_before(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    slow = shop.world()
    decision = decide(slow, shop.applied(), shop.tip, shop.clock.now())
    without_bob(shop)
    with pytest.raises(ThresholdNotMet):
        run_pass(shop.world())
    assert shop.held_root_version() == 2

    with pytest.raises(StaleWriter):
        apply(slow, decision)

    assert (shop.revision, NEW_RANGE.split(",")[0][:6] in shop.ranges()) == (1, False)


@pytest.mark.stops("incident.11-root-rollback")
def test_a_root_kept_meanwhile_stops_a_first_revision(new_shop: Shop) -> None:
    (parent,) = new_shop.repository.parents_of(new_shop.baseline)
    slow = new_shop.world()
    decision = decide(slow, None, new_shop.baseline, new_shop.clock.now())
    new_shop.baseline = parent
    without_bob(new_shop)
    with pytest.raises(ThresholdNotMet):
        run_pass(new_shop.world())
    assert new_shop.held_root_version() == 2

    with pytest.raises(StaleWriter):
        apply(slow, decision)

    assert new_shop.revision == 0


@pytest.mark.allows("incident.11-root-rollback")
def test_what_was_decided_under_the_newest_root_is_applied(shop: Shop) -> None:
    without_bob(shop)
    with pytest.raises(ThresholdNotMet):
        run_pass(shop.world())
    shop.release(shop.statement(), by=("alice", "carol"))
    world = shop.world()

    apply(world, decide(world, shop.applied(), shop.tip, shop.clock.now()))

    applied = shop.applied()
    assert applied is not None
    assert (applied.commit, applied.root_version) == (shop.tip, 2)


def test_a_key_that_the_root_does_not_name_signs_no_trail(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])

    with pytest.raises(TrailNotGranted):
        run_pass(shop.world(signer=shop.signer("alice")))

    assert shop.revision == 1
    run_pass(shop.world())
    assert shop.revision == 2


def test_a_controller_that_the_root_does_not_name_signs_no_trail(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])

    with pytest.raises(TrailNotGranted, match="other"):
        run_pass(shop.world(controller="other"))

    assert shop.revision == 1
    assert not list(shop.repository.references("refs/heads/audit/other"))


def test_owed_records_are_not_signed_by_another_key_either(
    shop: Shop,
) -> None:
    shop.publish(add=[OTHER_RANGE])
    run_pass(shop.world(signer=None))
    trail = shop.repository.references("refs/heads/audit/")

    with pytest.raises(TrailNotGranted):
        run_pass(shop.world(signer=shop.signer("alice")))

    assert shop.repository.references("refs/heads/audit/") == trail
    assert len(run_pass(shop.world()).published.commits) == 1


# Who only looks


def overtaken(looking: World, *, by: World, before: int) -> World:
    """Return a world that another one overtakes before its n-th transaction."""
    connection: Any = Overtaken(
        looking.connection, before=before, overtake=lambda: list(converge(by))
    )
    return replace(looking, connection=connection)


class Asked:
    """A connection that counts what it is asked, and whose owner is overtaken before one of it."""

    def __init__(
        self, connection: Connection[Any], *, before: int, overtake: Callable[[], object]
    ) -> None:
        self._connection, self._before, self._overtake = connection, before, overtake
        self.count = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def cursor(self, *arguments: Any, **options: Any) -> Any:
        """Open a cursor for one question."""
        self._ask()
        return self._connection.cursor(*arguments, **options)

    def execute(self, *arguments: Any, **options: Any) -> Any:
        """Ask without a cursor."""
        self._ask()
        return self._connection.execute(*arguments, **options)

    def _ask(self) -> None:
        self.count += 1
        if self.count == self._before:
            self._overtake()


def asking(
    looking: World, *, before: int = 0, overtake: Callable[[], object] = list
) -> tuple[World, Asked]:
    """Return a world whose owner is overtaken before it asks the n-th time."""
    asked = Asked(looking.connection, before=before, overtake=overtake)
    return replace(looking, connection=cast("Connection[Any]", asked)), asked


def test_a_plan_that_is_overtaken_looks_again_and_finds_it_done(shop: Shop, other: World) -> None:
    shop.publish(add=[NEW_RANGE])

    found = preview(overtaken(shop.world(), by=other, before=1))

    assert isinstance(found, Applied)
    assert (found.commit, found.revision) == (shop.tip, 2)


def test_a_plan_that_nobody_overtakes_is_what_the_pass_would_do(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])

    found = preview(shop.world())

    assert isinstance(found, Decision)
    assert found.plan.digest == shop.decide().plan.digest


def test_a_status_that_is_overtaken_looks_again(shop: Shop, other: World) -> None:
    shop.publish(add=[NEW_RANGE])

    # The first transaction asks about the schema.
    found = read_status(overtaken(shop.world(), by=other, before=2), shop.clock.now())

    assert found.applied is not None
    assert (found.sync, found.condition.reason) == (Sync.SYNCED, "Applied")
    assert (found.applied.revision, found.applied.commit) == (2, shop.tip)


def test_a_status_tells_of_one_moment_wherever_it_is_overtaken(shop: Shop, other: World) -> None:
    shop.publish(add=[NEW_RANGE])
    world, once = asking(shop.world())
    read_status(world, shop.clock.now())
    assert once.count > 10

    for at in range(1, once.count + 1):
        world, asked = asking(shop.world(), before=at, overtake=lambda: list(converge(other)))
        found = read_status(world, shop.clock.now())

        assert asked.count >= at
        assert found.applied is not None
        assert (found.sync, found.applied.commit) == (Sync.SYNCED, shop.tip)
        assert found.rows["ranges"] == len(shop.ranges())
        is_there = NEW_RANGE[:6] in shop.ranges()
        shop.publish(add=[NEW_RANGE][is_there:], drop=[NEW_RANGE][: int(is_there)])


def test_who_is_overtaken_each_time_says_so_in_the_end() -> None:
    tries = []

    def always_late() -> None:
        tries.append(1)
        raise StaleWriter(ENVIRONMENT, expected=len(tries), found=len(tries) + 1)

    with pytest.raises(StaleWriter) as refusal:
        insist(always_late, pauses_seconds=(0, 0, 0))

    assert (len(tries), refusal.value.found) == (4, 5)
