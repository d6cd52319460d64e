"""A clock that is wrong: nothing is judged by a clock that went back, and a second is a second."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from controller.kernel.instants import Window
from controller.reconcile.status import State
from controller.stores.directory import resolve
from tests.attacks.passes import attempt, stopped
from tests.support.world import CARDS, NEW_RANGE, OLD_RANGE, Shop

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


def scheduled(shop: Shop) -> datetime:
    """Apply version 2 of the cards from tomorrow on, and version 1 until then; return when."""
    change = shop.clock.now() + DAY
    shop.edit(add=[NEW_RANGE], drop=[OLD_RANGE])
    live = shop.sign(shop.next_version(window=Window(change)))
    old = next(one for one in shop.released[0].bundles if one.bundle == CARDS)
    release = shop.next_release(live)
    first = replace(old, window=Window(None, change))
    shop.release(replace(release, bundles=(*release.bundles, first)))
    shop.reconcile()
    return change


def known(shop: Shop, digits: str, at: datetime) -> bool:
    """Return whether the leading digits of a card number are known at an instant."""
    return resolve.resolve_iin(shop.world().connection, digits, at) is not None


@pytest.mark.stops("clock.behind")
@pytest.mark.parametrize("back", [DAY, timedelta(seconds=301)], ids=str)
def test_a_clock_that_went_back_applies_nothing_and_status_says_so(
    shop: Shop, back: timedelta
) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.clock.advance(-back)

    assert attempt(shop) == stopped("trust.clock_behind", state=State.RECONCILING)


@pytest.mark.allows("clock.behind", "clock.ahead")
def test_a_clock_that_is_a_little_slow_is_forgiven(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.clock.advance(timedelta(seconds=-300))

    shop.reconcile()

    assert shop.serial == 2


@pytest.mark.stops("clock.ahead")
def test_a_clock_that_was_a_day_ahead_stops_the_passes_once_it_is_put_right(shop: Shop) -> None:
    shop.clock.advance(DAY)
    shop.publish(add=[NEW_RANGE])
    shop.reconcile()
    shop.clock.advance(-DAY)
    shop.publish(drop=[NEW_RANGE])

    assert attempt(shop) == stopped("trust.clock_behind", state=State.RECONCILING)
    assert "990600" in shop.ranges()


@pytest.mark.stops("clock.boundary")
def test_a_window_ends_in_the_second_in_which_the_next_begins(shop: Shop) -> None:
    change = scheduled(shop)
    before, after = change - SECOND, change

    assert [known(shop, "990600", at) for at in (before, after)] == [False, True]
    assert [known(shop, "990105", at) for at in (before, after)] == [True, False]


@pytest.mark.stops("clock.boundary")
@pytest.mark.parametrize("by", [-DAY, DAY], ids=["behind", "ahead"])
def test_a_pass_across_a_boundary_by_a_wrong_clock_writes_nothing(
    shop: Shop, by: timedelta
) -> None:
    change = scheduled(shop)
    shop.clock.instant = change
    before = shop.footprint()
    shop.clock.advance(by)

    shop.reconcile()

    assert shop.footprint() == before
    assert known(shop, "990600", change)


@pytest.mark.allows("clock.boundary")
def test_rows_without_dates_are_known_on_both_sides_of_a_boundary(shop: Shop) -> None:
    change = scheduled(shop)

    assert [known(shop, "990106", at) for at in (change - SECOND, change)] == [True, True]
