"""Where the contents of one file differ, in whole lines: nearly always a few in the middle.

Ever smaller halves are compared, so what is equal is never split or parsed.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Middle(NamedTuple):
    """What lies between the lines all contents begin with and those all of them end with.

    `first` is how many lines come before it, `start` how many bytes; `parts` is the middle of each
    content. It may hold a line at its end that is the same in all.
    """

    first: int
    start: int
    parts: tuple[bytes, ...]

    def around(self, content: bytes) -> bytes:
        """Return what is the same in all, taken from the first of the contents."""
        return content[: self.start] + content[self.start + len(self.parts[0]) :]


def middle(contents: Sequence[bytes]) -> Middle:
    """Return where contents differ; the middle of equal contents is empty."""
    one, others = contents[0], contents[1:]
    same = min([same_start(one, other) for other in others], default=len(one))
    start = one.rfind(b"\n", 0, same) + 1
    most = min(map(len, contents)) - start
    same = min([same_end(one, other, most) for other in others], default=0)
    # Where the same bytes begin a line need not begin; behind their first LF one does.
    end = len(one) - same
    first_line = one.find(b"\n", end) + 1
    same = len(one) - first_line if first_line else 0
    parts = tuple([content[start : len(content) - same] for content in contents])
    return Middle(one.count(b"\n", 0, start), start, parts)


def same_start(one: bytes, other: bytes) -> int:
    """Return how many bytes two contents begin alike."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        half = (low + high + 1) // 2
        if one[low:half] == other[low:half]:
            low = half
        else:
            high = half - 1
    return low


def same_end(one: bytes, other: bytes, most: int) -> int:
    """Return how many bytes two contents end alike, `most` at most."""
    end, other_end = len(one), len(other)
    low, high = 0, most
    while low < high:
        half = (low + high + 1) // 2
        if one[end - half : end - low] == other[other_end - half : other_end - low]:
            low = half
        else:
            high = half - 1
    return low
