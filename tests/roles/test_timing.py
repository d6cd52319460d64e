"""Pauses spread out, stay within bounds and begin again."""

from secrets import SystemRandom
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from controller.roles.timing import RETRY_MAX_SECONDS, Backoff, jittered

if TYPE_CHECKING:
    from random import Random  # noqa: TID251  its type: chance is handed in


class Most:
    """Chance that always takes the most."""

    def uniform(self, a: float, b: float) -> float:
        del a
        return b


def test_pauses_grow_to_the_most_and_stay_there() -> None:
    backoff = Backoff(Most())

    assert [backoff.next() for _ in range(8)] == [1, 3, 9, 27, 81, 243, 300, 300]


def test_pauses_begin_again() -> None:
    backoff = Backoff(Most())
    backoff.next()
    backoff.next()

    backoff.reset()

    assert backoff.next() == 1


@given(st.randoms(use_true_random=False))
def test_every_pause_is_within_bounds(chance: "Random") -> None:
    backoff = Backoff(chance)

    assert all(1 <= backoff.next() <= RETRY_MAX_SECONDS for _ in range(50))


@given(st.randoms(use_true_random=False))
def test_polls_lie_around_their_time(chance: "Random") -> None:
    assert all(13.5 <= jittered(15, 0.1, chance) <= 16.5 for _ in range(20))


def test_two_hosts_do_not_poll_in_the_same_second() -> None:
    chance = SystemRandom()

    assert len({jittered(15, 0.1, chance) for _ in range(20)}) > 10
