"""What a process remembers from pass to pass is what a new one would read."""

from collections.abc import Callable

import pytest

from controller.authoring.starting import ENVIRONMENT
from controller.reconcile.cycle import converge, run_pass
from controller.stores.control import store as control
from controller.stores.control.model import RootRecord, StaleWriter
from controller.trust.envelope import parse
from tests.support.world import Shop

RANGES = [
    f"99061{digit},,16,true,house,Lagoon,debit,false,NL,EUR,harbour-bank,," for digit in range(5)
]


def go_forward(shop: Shop) -> None:
    shop.publish(add=[RANGES[len(shop.released)]])


def go_back(shop: Shop) -> None:
    shop.revert_release(shop.released[0])


def say_more(shop: Shop) -> None:
    shop.commit({"README.md": b"New.\n" * len(shop.released)})


@pytest.mark.parametrize(
    "steps",
    [
        (go_forward, go_forward),
        (go_forward, go_back, go_forward),
        (go_forward, go_forward, go_back, go_forward),
        (go_forward, say_more, go_forward),
    ],
)
def test_it_is_what_the_database_holds_after_each_pass(
    shop: Shop, steps: tuple[Callable[[Shop], None], ...]
) -> None:
    world = shop.world()

    for step in steps:
        step(shop)
        list(converge(world))

        before = shop.applied()
        assert before is not None
        fresh = shop.world().recall
        assert world.recall.known(ENVIRONMENT, before) == fresh.known(ENVIRONMENT, before)
        for since in range(before.serial_high + 1, 0, -1):
            remembered = world.recall.releases(ENVIRONMENT, before, since=since)
            assert remembered == control.releases(world.connection, ENVIRONMENT, since=since)


def test_what_did_not_let_a_pass_through_is_asked_for_again(shop: Shop) -> None:
    world = shop.world()
    go_forward(shop)
    list(converge(world))
    _, envelope = shop.next_root(lambda document: document.update(expires="2031-01-01T00:00:00Z"))
    control.record_root(world.connection, RootRecord(2, parse(envelope).digest, envelope))
    go_forward(shop)

    with pytest.raises(StaleWriter):
        run_pass(world)

    before = shop.applied()
    assert before is not None
    assert [one.version for one in world.recall.known(ENVIRONMENT, before).roots] == [1, 2]
