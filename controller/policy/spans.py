"""Card number ranges against each other: one sorted sweep, also where windows differ."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from controller.kernel.errors import Refused

OPEN_MAX = 20_000

Span: TypeAlias = tuple[int, int, str, str, int]
"""First number, last number, window start, window end (`~` is open), and the row's position."""

Pair: TypeAlias = tuple[int, int]
"""The positions of two rows that are in force together."""


@dataclass(frozen=True, slots=True)
class Meetings:
    """How ranges meet that are in force together.

    `nested` pairs are (inner, outer); of a pair in `equal` the later row stands first, of one in
    `partial` the range that starts later.
    """

    partial: list[Pair] = field(default_factory=list)
    equal: list[Pair] = field(default_factory=list)
    nested: list[Pair] = field(default_factory=list)


class TooDeep(Refused):
    """More ranges cover one number than anybody would write by hand."""

    code = "policy.too_deep"


def meet(spans: Iterable[Span]) -> Meetings:
    """Return, for each range, the nearest range around it and every one it collides with.

    Sorted by start, longer first, every range that can meet the next one is still open. A range
    inside of several is held against the smallest whose window it shares.
    """
    found = Meetings()
    nested = found.nested.append
    still_open: list[Span] = []
    # Whether each open range lies inside the one before it. Then the last is the smallest and ends
    # first, and what lies inside the last collides with none of them.
    is_chain = True
    for span in sorted(spans, key=lambda one: (one[0], -one[1], one[2], one[4])):
        low, high, start, end, position = span
        if still_open and still_open[-1][1] < low:
            if is_chain:
                while still_open and still_open[-1][1] < low:
                    still_open.pop()
            else:
                still_open = [one for one in still_open if one[1] >= low]
                is_chain = len(still_open) < 2
        if still_open:
            first, last, begins, ends, around = still_open[-1]
            fits = high < last or (high == last and first < low)
            if is_chain and fits and start < ends and begins < end:
                nested((position, around))
            else:
                _look_closely(span, still_open, found)
                is_chain = is_chain and high <= last
        still_open.append(span)
        if len(still_open) > OPEN_MAX:
            raise TooDeep(f"more than {OPEN_MAX} ranges around {str(low)[:6]}…")
    return found


def _look_closely(span: Span, still_open: Sequence[Span], found: Meetings) -> None:
    """Hold a range against every open one."""
    low, high, start, end, position = span
    parent: Span | None = None
    for other in still_open:
        if other[1] < low or not (start < other[3] and other[2] < end):
            continue
        if other[0] == low and other[1] == high:
            found.equal.append((max(position, other[4]), min(position, other[4])))
            return
        if other[1] < high:
            found.partial.append((position, other[4]))
        elif parent is None or other[1] - other[0] <= parent[1] - parent[0]:
            parent = other
    if parent is not None:
        found.nested.append((position, parent[4]))
