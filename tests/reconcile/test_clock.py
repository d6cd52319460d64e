"""The clock guard: by what was seen, by the database, by a heartbeat, and across a restart."""

from collections.abc import Callable
from datetime import UTC, timedelta

import pytest

from controller.adapters.clock import SystemClock
from controller.kernel.instants import Window
from controller.reconcile.clock import ClockAhead, check_clock
from controller.reconcile.cycle import converge
from controller.reconcile.status import State
from controller.reconcile.vigil import clock_is_right
from controller.stores.control.clock import DatabaseClock
from controller.trust.history import ClockBehind
from tests.attacks.passes import attempt, stopped
from tests.support.world import NEW_RANGE, NOON, SetClock, Shop

DAY, LIMIT, SECOND = timedelta(days=1), timedelta(seconds=300), timedelta(seconds=1)


@pytest.mark.parametrize("witness", ["seen", "heartbeat", "database"])
def test_a_clock_is_behind_from_301_seconds_before_any_witness(witness: str) -> None:
    check_clock(NOON - LIMIT, **{witness: NOON})

    with pytest.raises(ClockBehind) as refusal:
        check_clock(NOON - LIMIT - SECOND, **{witness: NOON})

    assert refusal.value.max_time_seen == NOON


def test_a_clock_is_ahead_from_301_seconds_after_the_databases() -> None:
    check_clock(NOON + LIMIT, database=NOON)

    with pytest.raises(ClockAhead) as refusal:
        check_clock(NOON + LIMIT + SECOND, database=NOON)

    assert (refusal.value.now, refusal.value.database) == (NOON + LIMIT + SECOND, NOON)


@pytest.mark.parametrize("witness", ["seen", "heartbeat"])
def test_what_was_seen_may_be_any_time_ago(witness: str) -> None:
    check_clock(NOON + 365 * DAY, **{witness: NOON})


def test_nobody_to_ask_is_nobody_who_contradicts() -> None:
    check_clock(NOON)


def test_the_databases_clock_tells_its_own_time_also_inside_a_transaction(
    shop: Shop,
) -> None:
    connection = shop.world().connection
    clock = DatabaseClock(connection)
    with connection.transaction():
        first, later = clock.now(), clock.now()

    assert first < later
    assert first.tzinfo is UTC
    assert abs(SystemClock().now() - later) < timedelta(minutes=1)


@pytest.mark.stops("clock.behind", "clock.ahead")
@pytest.mark.parametrize(
    ("off", "code"), [(-DAY, "trust.clock_behind"), (DAY, "trust.clock_ahead")], ids=str
)
def test_a_pass_by_a_clock_that_is_a_day_off_the_databases_applies_nothing(
    shop: Shop, off: timedelta, code: str
) -> None:
    shop.clock.advance(2 * DAY)
    shop.publish(add=[NEW_RANGE])
    right = SetClock(shop.clock.now())
    shop.clock.advance(off)

    assert attempt(shop, witness=right) == stopped(code, state=State.RECONCILING)
    with pytest.raises((ClockBehind, ClockAhead)):
        clock_is_right(shop.world(witness=right), shop.clock.now())
    assert shop.serial == 1


@pytest.mark.allows("clock.behind", "clock.ahead")
@pytest.mark.parametrize("off", [-LIMIT, LIMIT], ids=str)
def test_a_pass_by_a_clock_that_is_nearly_the_databases_goes_on(shop: Shop, off: timedelta) -> None:
    shop.clock.advance(2 * DAY)
    right = SetClock(shop.clock.now())
    shop.publish(add=[NEW_RANGE])
    shop.clock.advance(off)

    list(converge(shop.world(witness=right)))

    assert shop.serial == 2


def put_right(shop: Shop) -> None:
    shop.clock.advance(2 * DAY)


@pytest.mark.stops("clock.boundary")
@pytest.mark.parametrize("off", [-DAY, DAY], ids=["behind", "ahead"])
def test_a_window_neither_begins_nor_ends_by_a_wrong_clock_also_after_a_restart(
    shop: Shop, off: timedelta
) -> None:
    start = shop.clock.now() + DAY
    shop.edit(add=[NEW_RANGE])
    live = shop.sign(shop.next_version(window=Window(start)))
    shop.release(shop.next_release(live))
    shop.clock.advance(DAY / 2)
    right: Callable[[], SetClock] = lambda: SetClock(start - DAY / 2)  # noqa: E731
    shop.clock.advance(off)
    for _process in range(2):
        # A new world remembers nothing: all it knows stands in the database and the repository.
        assert attempt(shop, witness=right()).code in {"trust.clock_behind", "trust.clock_ahead"}
        assert shop.serial == 1
    shop.clock.advance(-off)

    list(converge(shop.world(witness=right())))

    assert shop.serial == 2


def test_a_clock_that_went_back_is_noticed_while_nothing_is_to_be_done(shop: Shop) -> None:
    shop.reconcile()
    clock_is_right(shop.world(), shop.clock.now() - LIMIT)

    with pytest.raises(ClockBehind, match="by a pass"):
        clock_is_right(shop.world(), shop.clock.now() - LIMIT - SECOND)
