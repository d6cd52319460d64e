"""The search for cycles rests inside a block, and goes on as it was after it."""

import gc

import pytest

from controller.adapters.collector import resting


def test_the_search_rests_inside_and_goes_on_after() -> None:
    with resting():
        inside = gc.isenabled()

    assert (inside, gc.isenabled()) == (False, True)


def test_the_search_goes_on_after_a_failure_too() -> None:
    with pytest.raises(ZeroDivisionError), resting():
        _ = 1 // 0

    assert gc.isenabled()


def test_a_block_inside_a_block_does_not_wake_the_search() -> None:
    with resting():
        with resting():
            pass

        assert not gc.isenabled()
