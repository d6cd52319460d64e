"""The profile of patterns."""

import pytest

from controller.policy.patterns import BadPattern, compile_pattern


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
