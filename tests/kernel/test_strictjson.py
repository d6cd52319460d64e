"""Strict JSON: what is refused, where it is refused, and other people's verdicts."""

from decimal import Decimal
from pathlib import Path

import pytest

from controller.kernel.strictjson import MalformedJson, Place, locate, locate_all, parse

IMPLEMENTATION_DEFINED_ACCEPTED = {
    "i_number_double_huge_neg_exp.json",
    "i_number_neg_int_huge_exp.json",
    "i_number_pos_double_huge_exp.json",
    "i_number_real_neg_overflow.json",
    "i_number_real_pos_overflow.json",
    "i_number_real_underflow.json",
}
"""Numbers that a `Decimal` holds exactly; every other `i_` file of the suite is refused."""


def refusal(data: bytes, **options: int | bool) -> MalformedJson:
    with pytest.raises(MalformedJson) as caught:
        parse(data, **options)  # type: ignore[arg-type]
    return caught.value


@pytest.mark.parametrize(
    ("data", "line", "column", "reason"),
    [
        (b'{"a":1,\n "b":2,\n "a":3}', 3, 2, "a key that stands twice in one object"),
        (b'{"a":{"k":1},"b":{"k":1,"k":2}}', 1, 25, "a key that stands twice in one object"),
        (b"[1,\n 1.5]", 2, 2, "a number with a fraction or an exponent"),
        (b'[1.5x,{"\\x":2}]', 1, 1, "a number with a fraction or an exponent"),
        (b"[1e3]", 1, 2, "a number with a fraction or an exponent"),
        (b"[9007199254740992]", 1, 2, "an integer beyond 2^53 - 1"),
        (b"[" + b"9" * 5000 + b"]", 1, 2, "an integer beyond 2^53 - 1"),
        (b'{"a":NaN}', 1, 6, "NaN is not JSON"),
        (b'["\\ud800"]', 1, 2, "a lone surrogate is not text"),
        (b'{"a":"\\ud800"}', 1, 6, "a lone surrogate is not text"),
        (b'{"a":{"\\udfff":1}}', 1, 7, "a lone surrogate is not text"),
        (b'[1,\n\n "\\ud800"]', 3, 2, "a lone surrogate is not text"),
        (b'["a", "\xff"]', 1, 8, "not UTF-8"),
        (b'["a",\n\n "\xff"]', 3, 3, "not UTF-8"),
        (b'{"a":\n  }', 2, 3, "Expecting value"),
        (b"\xef\xbb\xbf{}", 1, 1, "a byte order mark"),
    ],
)
def test_a_refusal_says_where_and_why(data: bytes, line: int, column: int, reason: str) -> None:
    error = refusal(data)

    assert (error.line, error.column, error.reason) == (line, column, reason)


@pytest.mark.allows("json.odd")
@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a":1,\n "b":2,\n "c":3}', {"a": 1, "b": 2, "c": 3}),
        (b'{"a":{"k":1},"b":{"k":1}}', {"a": {"k": 1}, "b": {"k": 1}}),
        (b"[9007199254740991, -9007199254740991]", [2**53 - 1, 1 - 2**53]),
        (b'["\\ud83d\\ude00", "\\u00e9"]', ["😀", "é"]),
    ],
)
def test_the_nearest_good_document_is_read(data: bytes, value: object) -> None:
    assert parse(data) == value


def test_depth_is_counted_outside_of_strings_only() -> None:
    assert parse(b'["[[[[[["]', depth_max=1) == ["[[[[[["]
    assert refusal(b"[\n[]]", depth_max=1).line == 2
    assert refusal(b"[" * 200_000).reason == "nested deeper than 32"


def test_a_document_over_the_size_limit_is_not_read_at_all() -> None:
    assert "more than the 3 we read" in str(refusal(b"[1,2", size_max_bytes=3))


def test_decimals_are_exact_where_a_caller_asks_for_them() -> None:
    assert parse(b"[12345678901234.123456]", decimals=True) == [Decimal("12345678901234.123456")]
    assert parse(b'["\\u00e9", 1.50]', decimals=True) == ["é", Decimal("1.50")]


def test_a_decimal_has_a_longest_form_and_a_refusal_says_where() -> None:
    longest = b"1." + b"3" * 126

    assert parse(b"[" + longest + b"]", decimals=True) == [Decimal(longest.decode())]
    too_long = refusal(b"[\n 1,\n " + longest + b"3]", decimals=True)
    out_of_range = refusal(b"[\n 1,\n 1e9999999999999999999]", decimals=True)

    assert (too_long.line, too_long.column) == (3, 2)
    assert (out_of_range.line, out_of_range.column) == (3, 2)


def test_a_pointer_finds_its_line_and_column() -> None:
    data = b'{\n  "a/b": [\n    1,\n    {"~": true}\n  ]\n}'

    assert locate(data, "/a~1b") == Place(2, 3)
    assert locate(data, "/a~1b/1/~0") == Place(4, 6)
    assert locate(data, "/nothing") == Place(1, 1)


@pytest.mark.stops("json.odd")
def test_json_test_suite_in_production_mode_takes_nothing_more(shared_dir: Path) -> None:
    folder = shared_dir / "vectors" / "jsontestsuite" / "test_parsing"
    refused = {}
    for file in sorted(folder.glob("*.json")):
        try:
            parse(file.read_bytes())
        except MalformedJson as error:
            refused[file.name] = error.reason

    taken = [file.name for file in folder.glob("*.json") if file.name not in refused]
    assert [name for name in taken if name[0] != "y"] == []
    assert {reason for name, reason in refused.items() if name[0] == "y"} == {
        "a key that stands twice in one object",
        "a number with a fraction or an exponent",
    }


EXACT = {
    "number_1000000000000000.json",
    "object_key_nfc_nfd.json",
    "object_key_nfd_nfc.json",
    "string_with_escaped_NULL.json",
}
FRACTIONS = {
    "number_1.0.json",
    "number_1.000000000000000005.json",
    "number_1e-999.json",
    "number_1e6.json",
}


@pytest.mark.stops("json.odd")
@pytest.mark.parametrize(("decimals", "values"), [(False, EXACT), (True, EXACT | FRACTIONS)])
def test_what_other_parsers_transform_is_an_exact_value_or_a_typed_refusal(
    shared_dir: Path, values: set[str], *, decimals: bool
) -> None:
    folder = shared_dir / "vectors" / "jsontestsuite" / "test_transform"
    taken, refused = set(), set()
    for file in sorted(folder.glob("*.json")):
        try:
            parse(file.read_bytes(), decimals=decimals)
            taken.add(file.name)
        except MalformedJson:
            refused.add(file.name)

    assert taken == values
    assert len(taken | refused) == 22


def test_json_test_suite_agrees_but_for_our_policy(shared_dir: Path) -> None:
    folder = shared_dir / "vectors" / "jsontestsuite" / "test_parsing"
    verdicts = {}
    for file in sorted(folder.glob("*.json")):
        try:
            parse(file.read_bytes(), decimals=True)
            verdicts[file.name] = True
        except MalformedJson:
            verdicts[file.name] = False

    assert len(verdicts) == 318
    assert [name for name, good in verdicts.items() if name[0] == "n" and good] == []
    assert [name for name, good in verdicts.items() if name[0] == "y" and not good] == [
        "y_object_duplicated_key.json",
        "y_object_duplicated_key_and_value.json",
    ]
    accepted = {name for name, good in verdicts.items() if name[0] == "i" and good}
    assert accepted == IMPLEMENTATION_DEFINED_ACCEPTED


@pytest.mark.parametrize("data", [b"[1,1]", b'{"a":"b, c"}', b"[[]]" + b" " * 9])
def test_words_and_signs_are_counted_up_to_a_bound(data: bytes) -> None:
    count = {b"[1,1]": 5, b'{"a":"b, c"}': 5}.get(data, 4)

    assert parse(data, tokens_max=count) is not None
    with pytest.raises(MalformedJson, match="words and signs"):
        parse(data, tokens_max=count - 1)


def test_many_pointers_are_located_as_each_by_itself() -> None:
    data = b'{\n "a": [1,\n  {"b": 2}],\n "c/d": null\n}'
    pointers = ["", "/a", "/a/1/b", "/c~1d", "/nowhere"]

    assert locate_all(data, pointers) == {one: locate(data, one) for one in pointers}


@pytest.mark.parametrize("sign", [b"[", b"]", b"{", b"}", b",", b":"])
def test_every_sign_counts_before_the_document_is_read(sign: bytes) -> None:
    assert refusal(sign * 6, tokens_max=5).reason == "more than the 5 words and signs we read"
    assert refusal(sign * 5, tokens_max=5).reason != "more than the 5 words and signs we read"


def test_a_refusal_of_many_words_says_where_the_first_stands_that_is_too_much() -> None:
    error = refusal(b"[1,\n 1,1]", tokens_max=4)

    assert (error.line, error.column) == (2, 3)
    assert refusal(b"1[1]1", tokens_max=4).reason == "more than the 4 words and signs we read"


@pytest.mark.parametrize(("opened", "closed"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_brackets_of_either_kind_are_levels(opened: bytes, closed: bytes) -> None:
    deepest = opened * 32 + b"1" + closed * 32

    assert parse(deepest)
    assert refusal(opened + deepest + closed).reason == "nested deeper than 32"


def test_levels_that_are_closed_again_do_not_add_up() -> None:
    assert refusal(b"[[[],[[]]]]", depth_max=3).column == 7
    assert parse(b"[[[],[[]]]]", depth_max=4)
    assert parse(b"[" + b"[],{}," * 40 + b"1]", depth_max=2)
    assert refusal(b"[" + b"[],{}," * 40 + b"[[]]]", depth_max=2).column == 243


def test_a_first_line_that_is_empty_is_counted() -> None:
    error = refusal(b"\n1.5")

    assert (error.line, error.column) == (2, 1)
    assert locate(b'\n{"a": 1}', "/a") == Place(2, 2)


@pytest.mark.parametrize("rest", [b"{1:2}", b'{"\n":2}', b'{"a":1,"a":2}', b"]]}}", b'"'])
def test_what_stands_behind_a_refused_value_changes_nothing(rest: bytes) -> None:
    error = refusal(b"[\n 1.5x," + rest)

    assert error.reason == "a number with a fraction or an exponent"
    assert (error.line, error.column) == (1, 1)  # "1.5x" is no word that was refused


def test_every_element_of_a_list_has_a_pointer_of_its_own() -> None:
    data = b'["a", {}, [], "d", {"e": 1}]'

    assert [locate(data, f"/{index}").column for index in range(5)] == [2, 7, 11, 15, 20]
    assert locate(data, "/4/e").column == 21


def test_a_refusal_says_what_to_write_instead() -> None:
    assert refusal(b"[NaN]").hint == "leave the member out, or write null"
    assert refusal(b"[1.5]").hint == "write amounts as decimal strings"
    assert refusal(b"[1e9999999999999999999]", decimals=True).hint == ""
