"""The profile of patterns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.policy.patterns import BadPattern, alphabet, compile_pattern, shortest


@pytest.mark.parametrize(
    "pattern",
    [
        "[0-9]+",
        "^a",
        "^a|b$",
        "^(?=a)a$",
        "^(?<!a)b$",
        "^(a)\\1$",
        "^(?:a+)+$",
        "^(?:a+){2,}$",
        "^(?:a*){3}$",
        "^\\d$",
        "^a*+$",
        "^(?P<x>a)$",
        "^[[:alpha:]]$",
        "^(?:a$",
        "^a)$",
    ],
)
def test_what_engines_read_differently_or_slowly_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    "pattern",
    ["^[0-9]{6,11}$", "^(?:|a|b)$", "^(?:a|b)$", "^[!-~]+$", "^(?:x\\|y){0,3}$", "^a\\.b$"],
)
def test_plain_whole_value_patterns_are_taken(pattern: str) -> None:
    compile_pattern(pattern)


def test_a_final_line_feed_is_part_of_the_value() -> None:
    assert compile_pattern("^a$").match("a")
    assert not compile_pattern("^a$").match("a\n")


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("^" + "a" * 998 + "$", "^" + "a" * 999 + "$"),
        ("^" + "(" * 31 + "a" + ")" * 31 + "$", "^" + "(" * 32 + "a" + ")" * 32 + "$"),
        ("^[a-z]{1,999}$", "^[a-z]{1,99999999999999999999}$"),
    ],
    ids=["characters", "groups", "repetition"],
)
def test_a_pattern_has_a_bound_and_its_twin_at_the_bound_is_taken(good: str, bad: str) -> None:
    compile_pattern(good)

    with pytest.raises(BadPattern):
        compile_pattern(bad)


@pytest.mark.parametrize(
    ("body", "length"),
    [
        ("", 0),
        ("[0-9](?:[ -]?[0-9]){11}", 12),
        ("(?:a|bb)c+", 2),
        ("(?:ab){2,3}x?y*", 4),
        ("(?:|ab)c", 1),
        ("(?:ab|(?:c|de){2}){3,}", 6),
        (r"a\.[\]x]{2}", 4),
        ("a+?b", 1),
    ],
)
def test_the_shortest_match_of_a_part_is_known(body: str, length: int) -> None:
    assert shortest(body) == length


@pytest.mark.parametrize("body", ["a{,3}b", r"\x41", r"a\n", "a^b", "ab$", "}", "é"])
def test_of_what_is_read_in_more_than_one_way_no_length_is_claimed(body: str) -> None:
    assert shortest(body) == 0


ITEMS = st.sampled_from(["a", "[bc]", r"\.", "[ -]", "."])
TIMES = st.sampled_from(["", "?", "*", "+", "{2}", "{0,2}", "{1,}", "{3}?"])
BODIES = st.recursive(
    st.builds("{}{}".format, ITEMS, TIMES),
    lambda some: (
        st.builds("(?:{}){}".format, st.lists(some, min_size=1, max_size=3).map("|".join), TIMES)
        | st.lists(some, min_size=1, max_size=3).map("".join)
    ),
    max_leaves=6,
)


@given(st.data())
def test_no_match_is_shorter_than_the_shortest_or_of_other_characters(data: st.DataObject) -> None:
    body = data.draw(BODIES)

    match = data.draw(st.from_regex(body, fullmatch=True))

    assert len(match) >= shortest(body)
    assert {one for one in match if one.isascii()} <= set(alphabet(body))


def test_the_characters_of_a_part_are_known() -> None:
    assert alphabet(r"[0-2](?:[ -]?\.|a{2})+") == " -.012a"
