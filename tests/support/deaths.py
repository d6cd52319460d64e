"""Where an act dies: everywhere in the campaign, at its turning points in the slice."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from tests.support.tracer import Doom, When

TURNING_POINTS = ("COMMIT", "COPY data", "link ", "rename ", "start ")
"""Beginnings of effects behind which the world is another one than before."""


def everywhere(tried: Sequence[str]) -> Iterator[Doom]:
    """Yield a death on either side of each effect; a long run of the same one is thinned out."""
    at = 0
    for _, some in groupby(tried):
        count = len(list(some))
        chosen = {1, 2, (count + 1) // 2, count}
        for number in sorted(one for one in chosen if one <= count):
            yield from (Doom(at + number, when) for when in When)
        at += count


MORE = 3
"""How many effects more than the first run a later one may have: git tries again in new folders."""


def before_each(tried: Sequence[str]) -> Iterator[Doom]:
    """Yield a death before each effect; the last ones may come when everything is done.

    That is everywhere for an act whose whole family dies: where nobody is left to finish what was
    asked of them, right after one effect is right before the next.
    """
    yield from (Doom(number) for number in range(1, len(tried) + MORE + 1))


def once(tried: Sequence[str]) -> Iterator[Doom]:
    """Yield a death before the first effect of each kind."""
    for number, words in enumerate(tried, start=1):
        if words not in tried[: number - 1]:
            yield Doom(number)


def turning_points(tried: Sequence[str]) -> Iterator[Doom]:
    """Yield a death on either side of the first effects that turn the world, one of each kind."""
    for doom in once(tried):
        words = tried[doom.effect - 1].split("; ")
        if any(one.startswith(TURNING_POINTS) for one in words):
            yield from (Doom(doom.effect, when) for when in When)


def of_slice(tried: Sequence[str], step: int) -> list[Doom]:
    """Return one of `step` turning points, from the first on: what a run of all tests can wait for.

    With a step of four a pass dies before its transaction commits, and in the middle of its trail.
    Where nothing turns, it dies once, before the first effect.
    """
    return [*turning_points(tried)][::step] or [Doom(1)]
