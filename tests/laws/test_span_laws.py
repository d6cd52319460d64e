"""The sweep over card ranges finds what comparing every pair finds."""

from itertools import combinations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from controller.policy.spans import OPEN_MAX, Meetings, Span, TooDeep, meet

INSTANTS = ["", "2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z", "~"]


@st.composite
def spans(draw: st.DrawFn) -> list[Span]:
    made = []
    for position in range(draw(st.integers(0, 9))):
        low, high = sorted(draw(st.tuples(st.integers(0, 12), st.integers(0, 12))))
        start, end = sorted(
            draw(st.lists(st.sampled_from(INSTANTS), min_size=2, max_size=2, unique=True))
        )
        made.append((low, high, start, end, position))
    return made


def together(one: Span, other: Span) -> bool:
    return one[2] < other[3] and other[2] < one[3]


@st.composite
def families(draw: st.DrawFn) -> list[Span]:
    """Ranges in ranges, as card ranges most often are, and at times one that is none of them."""
    made: list[Span] = []

    def grow(low: int, high: int) -> None:
        window = draw(st.sampled_from([("", "~"), ("", INSTANTS[1]), (INSTANTS[1], "~")]))
        made.append((low, high, *window, len(made)))
        while low < high and len(made) < 12 and draw(st.booleans()):
            middle = draw(st.integers(low, high - 1))
            grow(low, middle)
            low = middle + 1

    grow(0, 40)
    stray = draw(spans())[:1]
    return made + [(low, high, start, end, len(made)) for low, high, start, end, _ in stray]


def closely(made: list[Span]) -> Meetings:
    """Hold every range against every one that is sorted before it, with no shortcut."""
    found = Meetings()
    before: list[Span] = []
    for span in sorted(made, key=lambda one: (one[0], -one[1], one[2], one[4])):
        others = [one for one in before if one[1] >= span[0] and together(one, span)]
        before.append(span)
        equal = [one for one in others if one[:2] == span[:2]]
        first = others.index(equal[0]) if equal else len(others)
        for other in others[:first]:
            if other[1] < span[1]:
                found.partial.append((span[4], other[4]))
        around = [one for one in others if one[1] >= span[1]]
        if equal:
            found.equal.append((max(span[4], equal[0][4]), min(span[4], equal[0][4])))
        elif around:
            nearest = min(reversed(around), key=lambda one: one[1] - one[0])
            found.nested.append((span[4], nearest[4]))
    return found


# Two ranges that cross stay open when a third one has ended: what lies inside the later of the two
# may still cross the other.
CROSSED: list[Span] = [
    (low, high, "", "~", at) for at, (low, high) in enumerate([(0, 10), (5, 20), (6, 7), (9, 15)])
]


@settings(max_examples=500)
@given(st.one_of(spans(), families()))
@example(CROSSED)
def test_the_sweep_finds_what_a_close_look_at_all_finds(made: list[Span]) -> None:
    assert meet(made) == closely(made)


@given(spans())
def test_partial_and_equal_ranges_are_those_of_all_pairs(made: list[Span]) -> None:
    met = meet(made)
    found = {("partial", *sorted(pair)) for pair in met.partial}
    found |= {("equal", *sorted(pair)) for pair in met.equal}

    expected = set()
    equal_rows = set()
    for one, other in combinations(made, 2):
        if not together(one, other):
            continue
        pair = sorted((one[4], other[4]))
        if one[:2] == other[:2]:
            expected.add(("equal", *pair))
            equal_rows |= set(pair)
        elif one[0] < other[0] <= one[1] < other[1] or other[0] < one[0] <= other[1] < one[1]:
            expected.add(("partial", *pair))
    # Of ranges that are equal to others it is enough to say so once each.
    clean = {one for one in expected if not set(one[1:]) & equal_rows}
    assert clean <= found <= expected
    assert equal_rows == {row for kind, *pair in expected if kind == "equal" for row in pair}
    assert bool(met.equal) == bool(equal_rows)


@given(st.one_of(spans(), families()))
def test_a_nested_range_is_held_against_the_smallest_around_it(made: list[Span]) -> None:
    by_position = {one[4]: one for one in made}

    for positions in meet(made).nested:
        inner, outer = (by_position[one] for one in positions)
        around = [
            other[1] - other[0]
            for other in made
            if other[4] != inner[4]
            and together(inner, other)
            and other[0] <= inner[0]
            and inner[1] <= other[1]
            and other[:2] != inner[:2]
        ]
        assert outer[1] - outer[0] == min(around)


def test_ranges_whose_windows_do_not_meet_do_not_meet() -> None:
    june = "2026-06-01T00:00:00Z"

    assert meet([(1, 5, "", june, 0), (3, 9, june, "~", 1)]) == Meetings()
    assert meet([(1, 5, "", "~", 0), (3, 9, june, "~", 1)]) == Meetings(partial=[(1, 0)])


def test_ranges_as_deep_as_nobody_nests_them_are_refused() -> None:
    deep: list[Span] = [(at, 3 * OPEN_MAX - at, "", "~", at) for at in range(OPEN_MAX + 1)]

    assert len(meet(deep[:-1]).nested) == OPEN_MAX - 1
    with pytest.raises(TooDeep):
        meet(deep)
