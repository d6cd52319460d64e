"""Laws of the kernel: canonical JSON, strict JSON and windows, for inputs nobody thought of."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from controller.kernel.canonical import INTEGER_MAX, Json, canonical, readable
from controller.kernel.instants import Window, union
from controller.kernel.strictjson import MalformedJson, parse

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers(-INTEGER_MAX, INTEGER_MAX) | TEXT,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(max_codepoint=127)), inner, max_size=4)
    ),
    max_leaves=20,
)
FIRST = datetime(2027, 1, 1, tzinfo=UTC)
HOURS = st.integers(0, 12)


@st.composite
def windows(draw: st.DrawFn) -> Window:
    start, end = draw(st.none() | HOURS), draw(st.none() | HOURS)
    if start is not None and end is not None and end <= start:
        end = start + 1
    at = [None if hour is None else FIRST + timedelta(hours=hour) for hour in (start, end)]
    return Window(at[0], at[1])


@given(VALUES)
def test_canonical_bytes_are_those_of_rfc_8785(value: Json) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@given(VALUES)
def test_what_we_write_we_read_back(value: Json) -> None:
    assert parse(canonical(value), depth_max=100) == value
    assert parse(readable(value), depth_max=100) == value


@given(
    st.binary(max_size=200)
    | st.text(alphabet='{}[]:,"\\ 0123e.-ntu\n', max_size=60).map(str.encode)
)
def test_bytes_from_a_stranger_are_a_value_or_a_refusal(data: bytes) -> None:
    with suppress(MalformedJson):
        parse(data)


@given(st.lists(windows(), max_size=6))
def test_a_union_holds_the_same_instants_in_fewer_words(some: list[Window]) -> None:
    merged = union(some)

    for half in range(-2, 30):
        instant = FIRST + timedelta(minutes=30 * half)
        assert any(one.contains(instant) for one in some) == any(
            one.contains(instant) for one in merged
        )
    ends = [one.end for one in merged[:-1]]
    starts = [one.start for one in merged[1:]]
    assert all(
        end is not None and start is not None and end < start
        for end, start in zip(ends, starts, strict=True)
    )


@given(windows(), windows())
def test_an_intersection_holds_what_both_hold(left: Window, right: Window) -> None:
    both = left.intersect(right)

    assert left.overlaps(right) == (both is not None)
    for half in range(-2, 30):
        instant = FIRST + timedelta(minutes=30 * half)
        inside = both is not None and both.contains(instant)
        assert inside == (left.contains(instant) and right.contains(instant))
