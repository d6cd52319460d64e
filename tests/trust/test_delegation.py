"""Rights over paths: whose patterns match, who is asked, in which order, and who is not."""

from collections.abc import Iterator
from itertools import pairwise

import pytest

from controller.trust.delegation import (
    VISITS_MAX,
    Delegation,
    TooManyDelegations,
    explore,
    matches,
    search,
)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("a/b", "a/b"),
        ("a/*", "a/b"),
        ("a/?", "a/b"),
        ("a/b*", "a/bcd"),
        ("**", "a/b/c"),
        ("a/**", "a/b"),
        ("a/**", "a/b/c"),
        ("a/**", "a"),
        ("a/**/c", "a/c"),
        ("a/**/c", "a/b/b/c"),
    ],
)
def test_a_glob_matches(pattern: str, path: str) -> None:
    assert matches(pattern, path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("a/*", "a/b/c"),
        ("a/*", "a"),
        ("*", "a/b"),
        ("a/b", "a/B"),
        ("a/?", "a/bc"),
        ("a/**/c", "a/b"),
        ("a/b**", "a/b/c"),
        ("a", "ab"),
    ],
)
def test_a_glob_stops_at_a_slash(pattern: str, path: str) -> None:
    assert not matches(pattern, path)


def test_a_long_hostile_glob_costs_little() -> None:
    assert not matches("/".join(["**", "a"] * 500), "/".join(["a"] * 499))


def test_a_terminating_delegation_ends_the_search() -> None:
    def found(*, terminating: bool) -> list[str]:
        first = Delegation(("a/*",), terminating, "first")
        second, other = Delegation(("a/**",), False, "second"), Delegation(("b/*",), True, "other")
        return [one.grant for one in search([other, first, second], "a/b")]

    assert found(terminating=False) == ["first", "second"]
    assert found(terminating=True) == ["first"]


Graph = dict[str, list[Delegation[str]]]


def to(name: str, *paths: str, terminating: bool = False) -> Delegation[str]:
    """A right for the document `name`; for every path where none is given."""
    return Delegation(paths or ("**",), terminating, name)


def asked(graph: Graph, path: str = "a/b") -> Iterator[str]:
    """Yield whose documents are asked about a path, from `top` on."""
    found = explore(graph["top"], path, name=str, below=lambda name: graph.get(name, []))
    for delegation in found:
        yield delegation.grant


def test_whoever_is_asked_first_comes_with_all_below_before_the_next() -> None:
    graph = {"top": [to("a"), to("b")], "a": [to("c"), to("d")], "c": [to("e")]}

    assert list(asked(graph)) == ["a", "c", "e", "d", "b"]


def test_below_a_path_that_does_not_match_nobody_is_asked() -> None:
    graph = {"top": [to("a", "z/*"), to("b", "a/*")], "a": [to("c")], "b": [to("d", "a/x")]}

    assert list(asked(graph)) == ["b"]
    assert list(asked(graph, "z/z")) == ["a", "c"]


def test_after_a_terminating_right_and_those_below_it_nobody_is_asked() -> None:
    def graph(*, terminating: bool) -> Graph:
        return {
            "top": [to("a"), to("b")],
            "a": [to("c", terminating=terminating), to("d")],
            "c": [to("e")],
        }

    assert list(asked(graph(terminating=True))) == ["a", "c", "e"]
    assert list(asked(graph(terminating=False))) == ["a", "c", "e", "d", "b"]


def test_a_terminating_right_ends_the_search_though_its_document_was_asked_before() -> None:
    graph = {"top": [to("a"), to("a", terminating=True), to("b")]}

    assert list(asked(graph)) == ["a"]


def test_rights_that_lead_in_a_circle_are_asked_once_each() -> None:
    graph = {"top": [to("a")], "a": [to("b")], "b": [to("a"), to("c")]}

    assert list(asked(graph)) == ["a", "b", "c"]


@pytest.mark.parametrize(("length", "is_too_long"), [(VISITS_MAX, False), (VISITS_MAX + 1, True)])
def test_a_chain_of_rights_is_followed_so_far_and_no_farther(
    length: int, *, is_too_long: bool
) -> None:
    names = ["top", *map(str, range(length))]
    graph = {one: [to(after)] for one, after in pairwise(names)}

    if is_too_long:
        with pytest.raises(TooManyDelegations) as refusal:
            list(asked(graph))
        assert refusal.value.path
    else:
        assert list(asked(graph)) == names[1:]


def test_whoever_finds_what_it_looks_for_asks_no_further() -> None:
    graph = {"top": [to("a")]}

    found = explore(graph["top"], "a/b", name=str, below=lambda name: graph[name])

    assert next(found).grant == "a"
