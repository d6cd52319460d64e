"""Whoever is killed under watch takes the whole family along, also who is just being born."""

import fcntl
from pathlib import Path

import pytest

from tests.support.mortal import Mortals
from tests.support.tracer import Doom, When

CHILDREN = 12


def family(deadly: Mortals, home: Path, doom: Doom | None = None) -> tuple[list[str], bool]:
    """Let a family live; return what it tried and whether it died."""
    home.mkdir()
    watched = deadly.run("family", home, doom, children=CHILDREN)
    return watched.tried, watched.died


def is_free(home: Path) -> bool:
    """Whether nobody of a family is left to hold its lock."""
    with (home / "held").open() as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def test_every_effect_of_a_family_is_seen(deadly: Mortals, tmp_path: Path) -> None:
    tried, died = family(deadly, tmp_path / "all")

    assert sorted(tried[2:]) == sorted(
        words for number in range(CHILDREN) for words in (f"create {number}", f"touch {number}")
    )
    assert tried[:2] == ["create held", "lock held"]
    assert not died


@pytest.mark.parametrize("when", When)
def test_nobody_outlives_a_family_that_is_killed(
    deadly: Mortals, tmp_path: Path, when: When
) -> None:
    for effect in range(2, 2 + 2 * CHILDREN):
        home = tmp_path / str(effect)

        _, died = family(deadly, home, Doom(effect, when))

        assert died
        assert is_free(home), effect
