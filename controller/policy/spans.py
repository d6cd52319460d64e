"""Card number ranges against each other: one sorted sweep, also where windows differ."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from controller.kernel.errors import Refused

OPEN_MAX = 20_000

Span = tuple[int, int, str, str, int]
"""First number, last number, window start, window end (`~` is open), and the row's position."""


class Meeting(StrEnum):
    """How two ranges that are in force together meet."""

    PARTIAL = "partial"
    EQUAL = "equal"
    NESTED = "nested"


@dataclass(frozen=True, slots=True)
class Encounter:
    """`inner` meets `outer` (positions of rows); of two equal or partial ones inner is later."""

    kind: Meeting
    inner: int
    outer: int


class TooDeep(Refused):
    """More ranges cover one number than anybody would write by hand."""

    code = "policy.too_deep"


def meet(spans: Sequence[Span]) -> Iterator[Encounter]:
    """Yield, for each range, the nearest range around it and every one it collides with.

    Sorted by start, longer first, every range that can meet the next one is still open. A range
    inside of several is reported against the smallest whose window it shares.
    """
    still_open: list[Span] = []
    for span in sorted(spans, key=lambda one: (one[0], -one[1], one[2], one[4])):
        low, high, start, end, position = span
        if still_open and still_open[-1][1] < low:
            still_open = [one for one in still_open if one[1] >= low]
        parent: Span | None = None
        for other in still_open:
            if other[1] < low or not (start < other[3] and other[2] < end):
                continue
            if other[0] == low and other[1] == high:
                pair = sorted((position, other[4]))
                yield Encounter(Meeting.EQUAL, pair[1], pair[0])
                parent = None
                break
            if other[1] < high:
                yield Encounter(Meeting.PARTIAL, position, other[4])
            elif parent is None or other[1] - other[0] <= parent[1] - parent[0]:
                parent = other
        if parent is not None:
            yield Encounter(Meeting.NESTED, position, parent[4])
        still_open.append(span)
        if len(still_open) > OPEN_MAX:
            raise TooDeep(f"more than {OPEN_MAX} ranges around {str(low)[:6]}…")
