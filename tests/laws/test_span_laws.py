"""The sweep over card ranges finds what comparing every pair finds."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from controller.policy.spans import Encounter, Meeting, Span, meet

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


@given(spans())
def test_partial_and_equal_ranges_are_those_of_all_pairs(made: list[Span]) -> None:
    found = {
        (one.kind, *sorted((one.inner, one.outer)))
        for one in meet(made)
        if one.kind is not Meeting.NESTED
    }

    expected = set()
    equal_rows = set()
    for one, other in combinations(made, 2):
        if not together(one, other):
            continue
        pair = sorted((one[4], other[4]))
        if one[:2] == other[:2]:
            expected.add((Meeting.EQUAL, *pair))
            equal_rows |= set(pair)
        elif one[0] < other[0] <= one[1] < other[1] or other[0] < one[0] <= other[1] < one[1]:
            expected.add((Meeting.PARTIAL, *pair))
    # Of ranges that are equal to others it is enough to say so once each.
    clean = {one for one in expected if not set(one[1:]) & equal_rows}
    assert clean <= found <= expected
    assert equal_rows == {row for kind, *pair in expected if kind is Meeting.EQUAL for row in pair}
    assert (Meeting.EQUAL in {one[0] for one in found}) == bool(equal_rows)


@given(spans())
def test_a_nested_range_is_held_against_the_smallest_around_it(made: list[Span]) -> None:
    by_position = {one[4]: one for one in made}

    for one in meet(made):
        if one.kind is not Meeting.NESTED:
            continue
        inner, outer = by_position[one.inner], by_position[one.outer]
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

    assert list(meet([(1, 5, "", june, 0), (3, 9, june, "~", 1)])) == []
    assert list(meet([(1, 5, "", "~", 0), (3, 9, june, "~", 1)])) == [
        Encounter(Meeting.PARTIAL, 1, 0)
    ]
