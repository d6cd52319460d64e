"""Canonical JSON: the profile, and RFC 8785's bytes on it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from controller.kernel.canonical import Json, NotCanonical, canonical, readable, sha256


def test_members_are_sorted_and_nothing_is_escaped_without_need() -> None:
    assert canonical({"b": [1, True, None], "a": 'é"\n\u007f'}) == (
        '{"a":"é\\"\\n\u007f","b":[1,true,null]}'.encode()
    )


@pytest.mark.parametrize(
    "value",
    [1.0, float("nan"), 2**53, -(2**53), "\ud800", {"é": 1}, {1: 2}, b"x", [{"a": [0.5]}]],
)
def test_what_is_outside_the_profile_has_no_form(value: object) -> None:
    with pytest.raises(NotCanonical):
        canonical(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("written", [canonical, readable])
@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1.0, "/: float has no canonical form"),
        ([0, {"a": [0.5]}], "/1/a/0: float has no canonical form"),
        ({"a": {"b": 2**53}}, "/a/b: an integer beyond 2^53 - 1"),
        ([2**53], "/0: an integer beyond 2^53 - 1"),
        (2**53, "/: an integer beyond 2^53 - 1"),
        (["", "\ud800"], "/1: a lone surrogate"),
        ("a\udfff", "/: a lone surrogate"),
        ({"a": {"é": 1}}, "/a: a key that is not ASCII text"),
        ({1: 1}, "/: a key that is not ASCII text"),
    ],
)
def test_neither_form_is_written_of_what_is_outside_and_a_refusal_says_where(
    written: Callable[[Json], bytes], value: Any, said: str
) -> None:
    with pytest.raises(NotCanonical) as refusal:
        written(value)

    assert str(refusal.value) == said


@pytest.mark.parametrize("written", [canonical, readable])
def test_the_characters_on_either_side_of_the_surrogates_are_text(
    written: Callable[[Json], bytes],
) -> None:
    assert json.loads(written(["\ud7ff", "\ue000"])) == ["\ud7ff", "\ue000"]


def test_the_edge_of_the_profile_is_inside() -> None:
    assert (
        canonical([2**53 - 1, 1 - 2**53, "", {}]) == b'[9007199254740991,-9007199254740991,"",{}]'
    )


def test_the_readable_form_holds_the_same_value_and_ends_with_a_newline() -> None:
    value: Json = {"b": [1, {"d": "é"}], "a": None}

    assert json.loads(readable(value)) == value
    assert (
        readable(value)
        == b'{\n  "a": null,\n  "b": [\n    1,\n    {\n      "d": "\xc3\xa9"\n    }\n  ]\n}\n'
    )


def test_a_digest_is_lower_case_hex() -> None:
    assert sha256(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_rfc_8785_vectors_inside_the_profile_give_their_bytes(shared_dir: Path) -> None:
    folder = shared_dir / "vectors" / "jcs" / "input"
    inside = []
    for file in sorted(folder.glob("*.json")):
        value = json.loads(file.read_text(encoding="utf-8"))
        try:
            mine = canonical(value)
        except NotCanonical:
            continue
        inside.append(file.stem)
        assert mine == (folder.parent / "output" / file.name).read_bytes()
        assert mine == rfc8785.dumps(value)

    # Keys beyond ASCII, and floats, put the other four outside: see docs/decisions/0011.
    assert inside == ["arrays", "unicode"]
