"""A pass under a hold applies nothing, whoever makes it; what is strongest speaks."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controller.adapters.calendar import Schedule
from controller.adapters.postgres import DatabaseUnavailable, transaction
from controller.authoring.starting import ENVIRONMENT
from controller.reconcile import hostfreeze
from controller.reconcile.apply import apply
from controller.reconcile.cycle import Outcome, converge, run_pass
from controller.reconcile.decide import decide
from controller.reconcile.holds import HeldBack, holding, look
from controller.reconcile.status import State, read_status
from controller.reconcile.windows import ChangeWindow, Opening, WindowKind, Windows
from controller.reconcile.world import World
from controller.stores.control import holds
from controller.stores.control.holds import HoldKind, Wanted
from controller.stores.control.refusals import HeldMeanwhile
from tests.support.world import NEW_RANGE, OTHER_RANGE, Shop

ALWAYS = Windows((ChangeWindow(WindowKind.DENY, Schedule.parse("* * * * *", 1, "UTC"), "never"),))
HOUR = timedelta(hours=1)


def put(shop: Shop, kind: HoldKind, *, lasts: timedelta = HOUR) -> None:
    now = shop.clock.now()
    wanted = Wanted(kind, "ann", "INC-17", now, now + lasts)
    holds.place(shop.world().connection, ENVIRONMENT, wanted)


def passed(world: World) -> list[Outcome]:
    return list(converge(world))


def held_kind(world: World) -> str:
    with pytest.raises(HeldBack) as caught:
        passed(world)
    assert caught.value.exit_code == 4
    return caught.value.holding.kind


@pytest.fixture
def waiting(shop: Shop) -> Iterator[Shop]:
    """Return a shop in which a good release waits."""
    shop.publish(add=[NEW_RANGE])
    yield shop
    assert shop.connection is not None


@pytest.mark.parametrize("kind", [HoldKind.SUSPEND, HoldKind.FREEZE])
def test_a_good_release_is_held_back_until_the_hold_is_lifted(
    kind: HoldKind, waiting: Shop
) -> None:
    put(waiting, kind)
    before = waiting.footprint()

    assert held_kind(waiting.world()) == kind

    assert waiting.footprint() == before
    holds.lift(
        waiting.world().connection, ENVIRONMENT, kind, by="bob", reason="", now=waiting.clock.now()
    )
    waiting.reconcile()
    assert waiting.revision == 2


def test_a_hold_ends_to_the_second_for_passes_too(waiting: Shop) -> None:
    put(waiting, HoldKind.FREEZE)
    waiting.clock.advance(HOUR - timedelta(seconds=1))
    assert held_kind(waiting.world()) == "freeze"

    waiting.clock.advance(timedelta(seconds=1))
    waiting.reconcile()

    assert waiting.revision == 2


def test_a_closed_window_holds_back_and_an_override_passes_it(waiting: Shop) -> None:
    closed = waiting.world(windows=ALWAYS)
    assert held_kind(closed) == "window"

    put(waiting, HoldKind.OVERRIDE, lasts=timedelta(minutes=15))
    passed(closed)

    assert waiting.revision == 2
    waiting.publish(add=[OTHER_RANGE])
    waiting.clock.advance(timedelta(minutes=15))
    assert held_kind(closed) == "window"


def test_an_override_passes_a_suspension_and_no_freeze(waiting: Shop, tmp_path: Path) -> None:
    put(waiting, HoldKind.SUSPEND)
    put(waiting, HoldKind.OVERRIDE)
    world = waiting.world(host_folder=tmp_path)
    (tmp_path / hostfreeze.PLAIN).touch()
    assert held_kind(world) == "host-freeze"
    hostfreeze.lift(tmp_path)
    put(waiting, HoldKind.FREEZE)
    assert held_kind(world) == "freeze"
    now = waiting.clock.now()
    holds.lift(world.connection, ENVIRONMENT, HoldKind.FREEZE, by="bob", reason="", now=now)

    passed(world)

    assert waiting.revision == 2


def test_a_freeze_speaks_before_a_suspension_and_that_before_a_window(
    shop: Shop, tmp_path: Path
) -> None:
    put(shop, HoldKind.SUSPEND)
    put(shop, HoldKind.FREEZE)
    hostfreeze.place(tmp_path, Wanted(HoldKind.FREEZE, "ann", "here", shop.clock.now()))

    found = look(shop.world().connection, ENVIRONMENT, ALWAYS, tmp_path, shop.clock.now())

    assert [one.kind for one in found.all] == ["host-freeze", "freeze", "suspend", "window"]
    assert found.holding == found.all[0]
    override = replace(found.all[0], kind="override")
    assert replace(found, all=found.all[2:]).holding == found.all[2]
    assert replace(found, all=found.all[2:], override=override).holding is None
    assert replace(found, all=found.all[1:], override=override).holding == found.all[1]


def test_where_a_file_decides_a_dead_database_is_not_asked(
    shop: Shop, shop_url: str, tmp_path: Path
) -> None:
    dead = shop.world().connection
    dead.close()
    now = shop.clock.now()
    with pytest.raises(DatabaseUnavailable):
        holding(dead, ENVIRONMENT, Windows(), tmp_path, now)

    (tmp_path / hostfreeze.PLAIN).touch()

    found = holding(dead, ENVIRONMENT, Windows(), tmp_path, now)
    assert found is not None
    assert found.kind == "host-freeze"
    assert holding(None, ENVIRONMENT, ALWAYS, None, now) is not None
    assert holding(None, ENVIRONMENT, Windows(), None, now) is None
    del shop_url


@pytest.mark.parametrize("kind", [HoldKind.SUSPEND, HoldKind.FREEZE])
@pytest.mark.parametrize("rows", [1, 40])
def test_a_hold_placed_after_the_decision_keeps_it_out_all_the_same(
    kind: HoldKind, rows: int, shop: Shop
) -> None:
    lines = [NEW_RANGE.replace("990600", f"{990_600 + number}") for number in range(rows)]
    shop.publish(add=lines)
    world = shop.world()
    decision = decide(world, shop.applied(), world.head(), shop.clock.now())
    put(shop, kind)
    before = shop.footprint()

    with pytest.raises(HeldMeanwhile):
        apply(world, decision)

    assert shop.footprint() == before


def test_a_pass_that_a_hold_overtakes_looks_again_and_says_who_holds(waiting: Shop) -> None:
    placed: list[bool] = []

    class Late(Windows):
        """Asked last before a pass applies: somebody places a hold just then."""

        def at(self, now: datetime) -> Opening:
            if not placed:
                placed.append(True)
                put(waiting, HoldKind.SUSPEND)
            return Opening(is_open=True, until=now)

    assert held_kind(waiting.world(windows=Late())) == "suspend"

    assert placed
    assert waiting.revision == 1


def test_a_settled_pass_under_a_hold_is_no_error(shop: Shop) -> None:
    put(shop, HoldKind.FREEZE)

    assert [one.revision for one in passed(shop.world())] == [None]


def test_a_release_that_changes_nothing_is_held_back_too(shop: Shop) -> None:
    put(shop, HoldKind.SUSPEND)
    shop.commit({"README.md": b"more"})

    before = shop.applied()
    assert held_kind(shop.world()) == "suspend"
    assert shop.applied() == before


def test_a_suspended_pass_keeps_new_roots_and_a_frozen_one_nothing(shop: Shop) -> None:
    path, root = shop.next_root(lambda _document: None)
    shop.publish(add=[NEW_RANGE])
    shop.commit({path: root})
    put(shop, HoldKind.FREEZE)
    assert held_kind(shop.world()) == "freeze"
    assert shop.held_root_version() == 1

    put(shop, HoldKind.SUSPEND)
    now = shop.clock.now()
    holds.lift(shop.world().connection, ENVIRONMENT, HoldKind.FREEZE, by="bob", reason="", now=now)
    assert held_kind(shop.world()) == "suspend"

    assert shop.held_root_version() == 2
    assert shop.revision == 1


def test_status_says_what_holds_and_what_waits(waiting: Shop, tmp_path: Path) -> None:
    world = waiting.world(host_folder=tmp_path, windows=ALWAYS)
    found = read_status(world, waiting.clock.now())
    assert (found.condition.state, found.condition.reason) == (
        State.RECONCILING,
        "holds.held_back",
    )

    put(waiting, HoldKind.SUSPEND)
    found = read_status(world, waiting.clock.now())

    assert [one.kind for one in found.holds.all] == ["suspend", "window"]
    assert (found.condition.state, found.condition.reason) == (State.STALLED, "holds.held_back")
    assert "resume" in found.condition.hint
    put(waiting, HoldKind.OVERRIDE)
    found = read_status(world, waiting.clock.now())
    assert found.condition.reason == "Pending"
    assert found.holds.override is not None


def test_a_refused_release_is_refused_under_a_hold_as_ever(shop: Shop) -> None:
    put(shop, HoldKind.SUSPEND)
    shop.edit(add=[NEW_RANGE])
    shop.release(shop.next_release(shop.sign(shop.next_version())), by=["alice"])

    with pytest.raises(Exception, match="signed") as caught:
        run_pass(shop.world())

    assert not isinstance(caught.value, HeldBack)


def test_an_instant_reads_as_people_write_it(shop: Shop) -> None:
    put(shop, HoldKind.SUSPEND)
    found = holding(
        shop.world().connection, ENVIRONMENT, Windows(), None, datetime(2026, 11, 1, tzinfo=UTC)
    )

    assert str(found).startswith("suspend by ann until ")
    with transaction(shop.world().connection):
        assert holds.active(shop.world().connection, "elsewhere", shop.clock.now()) == ()
