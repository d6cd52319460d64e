"""The examples of docs/api.md, asked of a server."""

import json
import re
from typing import Any, NamedTuple

import pytest

from tests.support.api import Api
from tests.support.house import ROOT

PAGE = (ROOT / "docs/api.md").read_text()
EXAMPLE = re.compile(r"^```http\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Example(NamedTuple):
    """A request and what it is said to be answered with."""

    method: str
    target: str
    headers: dict[str, str]
    body: str
    status: int
    answered: dict[str, str]
    members: dict[str, Any]


def part(text: str) -> tuple[str, dict[str, str], str]:
    """Return the first line, the headers, and what begins with a brace."""
    first, _, rest = text.partition("\n")
    head, brace, body = rest.partition("{")
    pairs = (line.partition(": ") for line in head.splitlines())
    return first, {name: value for name, _, value in pairs}, brace + body


def example(text: str) -> Example:
    request, _, answer = text.partition("\n\n")
    first, headers, body = part(request)
    status, answered, members = part(answer)
    method, target = first.split()
    return Example(method, target, headers, body, int(status), answered, json.loads(members))


EXAMPLES = [example(found) for found in EXAMPLE.findall(PAGE)]


def missing(wanted: Any, found: Any, place: str = "") -> list[str]:
    """Return where something that is promised is not there; lists have to be as long."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return [
            one
            for name, value in wanted.items()
            for one in missing(value, found.get(name, "absent"), f"{place}/{name}")
        ]
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        return [
            one
            for number, (left, right) in enumerate(zip(wanted, found, strict=True))
            for one in missing(left, right, f"{place}/{number}")
        ]
    return [] if wanted == found and type(wanted) is type(found) else [f"{place}: {found!r}"]


@pytest.mark.parametrize("one", EXAMPLES, ids=lambda one: f"{one.method} {one.target}")
def test_an_example_is_answered_as_the_page_says(hearing: Api, one: Example) -> None:
    got = hearing.ask(one.method, one.target, one.body.encode() or None, one.headers)

    assert got.status == one.status, got.body
    assert {name: got.headers.get(name) for name in one.answered} == one.answered
    assert missing(one.members, json.loads(got.body)) == []


def test_every_route_has_an_example_or_a_word(hearing: Api) -> None:
    routes = json.loads(hearing.get("/openapi.json").body)["paths"]
    words = PAGE.replace("{github|gitlab|gitea|generic}", "{provider}")

    assert len(EXAMPLES) >= 12
    assert [path for path in routes if path not in words] == []


def test_a_member_that_is_not_there_is_missed() -> None:
    assert missing({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]}) == []
    assert missing({"a": [{"b": 1}]}, {"a": [{"b": 2}]}) == ["/a/0/b: 2"]
    assert missing({"a": []}, {"a": [1]}) == ["/a: [1]"]
    assert missing({"a": None}, {}) == ["/a: 'absent'"]
