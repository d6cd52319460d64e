"""The client over plain values: what it believes, what it refuses, and by which word."""

from collections.abc import Sequence
from typing import Any

import pytest

from controller.kernel.errors import ControllerError
from controller.kernel.instants import parse_instant
from tests.conformance.__main__ import Heap
from tests.conformance.plain import Client
from tests.conformance.values import (
    LATER,
    NOW,
    delegation,
    key,
    role,
    root,
    signed,
    snapshot,
    targets,
    timestamp,
)

FIRST = (timestamp(), snapshot(), targets())
TWO_OF_THREE = role("a", "b", "c", threshold=2)


def refresh(client: Client, *documents: Any, now: str = NOW) -> dict[str, int]:
    """Refresh from documents and return the versions that are believed."""
    client.refresh(Heap(documents), parse_instant(now))
    return {name: one["version"] for name, one in client.known.items()}


def refused(client: Client, *documents: Any, now: str = NOW) -> str:
    """Return the word by which a refresh is refused."""
    with pytest.raises(ControllerError) as refusal:
        refresh(client, *documents, now=now)
    return refusal.value.code


def started(first: Any = None, *documents: Any) -> Client:
    """Return a client that has refreshed once."""
    client = Client()
    client.init(first or root())
    refresh(client, *(documents or FIRST))
    return client


def get(client: Client, target: str, *documents: Any) -> str:
    """Return the digest that is said of a target."""
    return client.get(target, Heap(documents), parse_instant(NOW)).digests["sha256"]


def test_a_client_believes_what_its_root_leads_to() -> None:
    client = Client()
    client.init(root())

    assert refresh(client, *FIRST) == {"root": 1, "timestamp": 1, "snapshot": 1, "targets": 1}
    assert get(client, "file") == "targets-1"


# Roots


@pytest.mark.parametrize(
    ("before", "after", "by", "holds"),
    [
        (TWO_OF_THREE, TWO_OF_THREE, "ab", True),
        (TWO_OF_THREE, TWO_OF_THREE, "abc", True),
        (TWO_OF_THREE, TWO_OF_THREE, "a", False),
        (TWO_OF_THREE, role("d", "e", threshold=2), "abde", True),
        (TWO_OF_THREE, role("d", "e", threshold=2), "ab", False),
        (TWO_OF_THREE, role("d", "e", threshold=2), "de", False),
        (TWO_OF_THREE, role("d", "e", threshold=2), "ade", False),
        (TWO_OF_THREE, role("d", "e", threshold=2), "abd", False),
        (TWO_OF_THREE, role("b", "c", "d", threshold=2), "bc", True),
        (TWO_OF_THREE, role("b", "c", "d", threshold=2), "ab", False),
        (TWO_OF_THREE, role("a", threshold=1), "ab", True),
        (TWO_OF_THREE, role("a", threshold=1), "a", False),
        (role("a"), TWO_OF_THREE, "a", False),
        (role("a"), TWO_OF_THREE, "ac", True),
        (role("a"), role("b"), "a", False),
        (role("a"), role("b"), "b", False),
        (role("a"), role("b"), "ab", True),
    ],
)
def test_a_root_follows_when_the_thresholds_before_and_after_signed_it(
    before: Any, after: Any, by: str, *, holds: bool
) -> None:
    client = started(root(root=before, by="abc"))
    following = root(2, root=after, by=by)

    if holds:
        assert refresh(client, following, *FIRST)["root"] == 2
    else:
        assert refused(client, following, *FIRST) == "trust.threshold_not_met"
        assert client.known["root"]["version"] == 1


def test_several_roots_are_followed_one_after_the_other() -> None:
    client = started()
    steps = [
        root(2, root=role("x"), by="rx"),
        root(3, root=role("y"), by="xy"),
        root(4, root=role("z"), by="yz"),
    ]

    assert refresh(client, *steps, *FIRST)["root"] == 4
    assert refused(started(), *steps[:1], *steps[2:], *FIRST[1:]) == "conformance.not_offered"


def test_a_root_that_calls_itself_another_version_than_the_next_is_refused() -> None:
    class Liar(Heap):
        def offer(self, role: str, version: int | None) -> Any:
            return super().offer(role, 3 if (role, version) == ("root", 2) else version)

    client = started()

    with pytest.raises(ControllerError) as refusal:
        client.refresh(Liar([root(3), *FIRST]), parse_instant(NOW))

    assert refusal.value.code == "trust.root_version_not_next"
    assert refresh(client, root(2), *FIRST)["root"] == 2


def test_only_the_last_root_has_to_be_in_time() -> None:
    old = {**root(), "expires": NOW}
    client = Client()
    client.init(old)

    assert refresh(client, root(2), *FIRST)["root"] == 2


def test_an_expired_root_is_kept_and_nothing_behind_it_is_believed() -> None:
    client = started()
    expired = signed({**root(2), "expires": NOW}, "r")

    assert refused(client, expired, timestamp(2), *FIRST[1:]) == "trust.expired"
    assert [client.known[name]["version"] for name in ("root", "timestamp")] == [2, 1]


def test_a_root_that_its_own_keys_did_not_sign_starts_nothing() -> None:
    with pytest.raises(ControllerError) as refusal:
        Client().init(root(root=TWO_OF_THREE, by="a"))

    assert refusal.value.code == "trust.threshold_not_met"
    Client().init(root(root=TWO_OF_THREE, by="ab"))


def test_without_a_root_nothing_is_believed() -> None:
    assert refused(Client(), *FIRST) == "conformance.not_started"


# Keys


def signatures(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    """Return signatures as ids and whose key made them."""
    return [{"key": name, "value": f"{whose}'s"} for name, whose in pairs]


def two_of(*keys: Any) -> dict[str, Any]:
    """Return a root whose timestamp needs two of some keys."""
    return root(timestamp={"keys": list(keys), "threshold": 2})


@pytest.mark.parametrize(
    ("pairs", "word"),
    [
        ([("t", "t"), ("u", "u")], ""),
        ([("u", "u"), ("t", "t"), ("u", "u")], ""),
        ([("t", "t")], "trust.threshold_not_met"),
        ([("t", "t"), ("t", "t")], "trust.threshold_not_met"),
        ([("t", "t"), ("u", "t")], "trust.threshold_not_met"),
        ([("t", "t"), ("v", "u")], "trust.threshold_not_met"),
        ([("t", "t"), ("stranger", "stranger")], "trust.threshold_not_met"),
        ([], "trust.threshold_not_met"),
    ],
)
def test_two_different_keys_of_the_role_have_to_sign(
    pairs: Sequence[tuple[str, str]], word: str
) -> None:
    client = Client()
    client.init(two_of(key("t"), key("u")))
    offered = {**timestamp(), "signatures": signatures(*pairs)}

    if word:
        assert refused(client, offered, *FIRST[1:]) == word
    else:
        assert refresh(client, offered, *FIRST[1:])["timestamp"] == 1


def test_one_key_under_two_ids_counts_once() -> None:
    client = Client()
    client.init(two_of(key("t"), key("t again", material="t's"), key("u")))
    both_names = signatures(("t", "t"), ("t again", "t"))

    assert (
        refused(client, {**timestamp(), "signatures": both_names}, *FIRST[1:])
        == "trust.threshold_not_met"
    )
    either_name = signatures(("t again", "t"), ("u", "u"))
    refresh(client, {**timestamp(), "signatures": either_name}, *FIRST[1:])


def test_a_threshold_that_one_key_under_many_ids_would_fill_cannot_be_met() -> None:
    client = Client()
    client.init(two_of(key("t"), key("t again", material="t's")))
    both_names = signatures(("t", "t"), ("t again", "t"))

    assert refused(client, {**timestamp(), "signatures": both_names}) == "trust.bad_role"


def test_two_keys_of_one_owner_count_once_where_owners_are_named() -> None:
    client = Client()
    client.init(two_of(key("t", owner="ann"), key("u", owner="ann"), key("v", owner="bea")))

    same, different = signed(timestamp(), "t", "u"), signed(timestamp(), "t", "v")

    assert refused(client, same, *FIRST[1:]) == "trust.one_owner_counts_once"
    assert refresh(client, different, *FIRST[1:])["timestamp"] == 1


@pytest.mark.parametrize(
    ("window", "counts"),
    [
        ({"not_before": NOW}, True),
        ({"not_before": LATER}, False),
        ({"not_after": LATER}, True),
        ({"not_after": NOW}, False),
        ({"revoked_at": LATER}, True),
        ({"revoked_at": NOW}, False),
    ],
)
def test_a_key_counts_in_its_time(window: dict[str, str], *, counts: bool) -> None:
    client = Client()
    client.init(root(timestamp={"keys": [key("t", **window)], "threshold": 1}))

    if counts:
        assert refresh(client, *FIRST)["timestamp"] == 1
    else:
        assert refused(client, *FIRST) == "trust.threshold_not_met"


# Freezing, going back, mixing


@pytest.mark.parametrize("at", [0, 1, 2])
def test_what_expired_is_refused_whoever_signed_it(at: int) -> None:
    client = started()
    newer = [timestamp(2, 2), snapshot(2, targets=2), targets(2)]
    newer[at] = {**newer[at], "expires": NOW}

    assert refused(client, *newer) == "trust.expired"
    assert client.known[newer[at]["role"]]["version"] == 1


def test_what_is_known_expires_although_nothing_newer_is_offered() -> None:
    client = started()

    assert refused(client, *FIRST, now=LATER) == "trust.expired"


def test_an_expired_list_still_says_what_may_not_be_gone_back_on() -> None:
    client = started(
        None, {**timestamp(5, 3), "expires": "2026-11-20T12:00:01Z"}, snapshot(3), targets()
    )
    day_after = "2026-11-21T12:00:00Z"

    assert refused(client, timestamp(4, 3), snapshot(3), now=day_after) == (
        "trust.version_went_back"
    )
    assert refresh(client, timestamp(6, 3), snapshot(3), now=day_after)["timestamp"] == 6


@pytest.mark.parametrize(
    "offered",
    [
        (timestamp(4, 5), snapshot(5, targets=5), targets(5)),
        (timestamp(6, 4), snapshot(4, targets=5), targets(5)),
        (timestamp(6, 6), snapshot(6, targets=4), targets(4)),
    ],
)
def test_nothing_goes_back(offered: Sequence[Any]) -> None:
    client = started(None, timestamp(5, 5), snapshot(5, targets=5), targets(5))

    assert refused(client, *offered) == "trust.version_went_back"


def test_everything_may_go_forward() -> None:
    client = started(None, timestamp(5, 5), snapshot(5, targets=5), targets(5))

    found = refresh(client, timestamp(6, 7), snapshot(7, targets=8), targets(8))

    assert found == {"root": 1, "timestamp": 6, "snapshot": 7, "targets": 8}


def test_what_was_listed_stays_listed() -> None:
    client = started(None, timestamp(1, 1), snapshot(1, extra=1), targets())

    assert refused(client, timestamp(2, 2), snapshot(2)) == "trust.no_longer_listed"
    assert refresh(client, timestamp(2, 2), snapshot(2, extra=1))["snapshot"] == 2


@pytest.mark.parametrize(
    "offered",
    [
        (timestamp(2, 2), snapshot(1), targets()),
        (timestamp(2, 2), snapshot(3), targets()),
        (timestamp(2, 2), snapshot(2, targets=2), targets(1)),
        (timestamp(2, 2), snapshot(2, targets=2), targets(3)),
    ],
)
def test_parts_of_different_days_do_not_mix(offered: Sequence[Any]) -> None:
    assert refused(started(), *offered) == "trust.not_as_listed"


def test_a_part_with_other_bytes_than_those_listed_is_refused() -> None:
    listed = {"snapshot": {"version": 2, "size": 9, "digests": {"sha256": "good"}}}
    first = timestamp(2, lists=listed)
    good = {**snapshot(2), "size": 9, "digests": {"sha256": "good"}}

    wrongs: list[dict[str, Any]] = [{"size": 10}, {"digests": {"sha256": "bad"}}, {"digests": {}}]

    for wrong in wrongs:
        assert refused(started(), first, {**good, **wrong}, targets()) == "trust.not_as_listed"
    assert refresh(started(), first, good, targets())["snapshot"] == 2


def test_what_is_known_is_not_asked_for_again() -> None:
    client = started()

    assert refresh(client, timestamp(2, 1))["timestamp"] == 2


def test_the_same_timestamp_again_changes_nothing() -> None:
    client = started()

    assert refresh(client, timestamp(1, 7, expires=NOW))["snapshot"] == 1


# Fast-forward


def test_a_version_pushed_far_ahead_binds_until_its_keys_are_taken_away() -> None:
    def ahead() -> Client:
        return started(None, timestamp(9999, 9999), snapshot(9999, targets=9999), targets(9999))

    same_keys = (root(2), *FIRST)
    new_keys = root(2, timestamp=role("t2"), snapshot=role("s2"))
    again = (signed(timestamp(), "t2"), signed(snapshot(), "s2"), targets())

    assert refused(ahead(), *same_keys) == "trust.version_went_back"
    assert refresh(ahead(), new_keys, *again) == {
        "root": 2,
        "timestamp": 1,
        "snapshot": 1,
        "targets": 1,
    }


# Delegations


def with_delegations(*given: Any, **listed: int) -> list[Any]:
    """Return documents in which `targets` delegates, and says nothing itself."""
    top = targets(targets={}, delegations=list(given))
    return [timestamp(), snapshot(**listed), top]


def ask(target: str, documents: Sequence[Any]) -> str:
    """Return whose word is taken for a target, or the word of the refusal."""
    client = Client()
    client.init(root())
    refresh(client, *documents)
    try:
        return get(client, target, *documents)
    except ControllerError as error:
        return error.code


def test_the_first_delegation_that_says_anything_decides() -> None:
    both = with_delegations(delegation("x", "kx"), delegation("y", "ky"), x=1, y=1)
    x, y = targets(name="x", by=["kx"]), targets(name="y", by=["ky"])
    silent = targets(name="x", by=["kx"], targets={})

    assert ask("file", [*both, x, y]) == "x-1"
    assert ask("file", [*both, silent, y]) == "y-1"


def test_a_terminating_delegation_that_says_nothing_ends_the_search() -> None:
    silent, y = targets(name="x", by=["kx"], targets={}), targets(name="y", by=["ky"])

    def found(*, terminating: bool) -> str:
        first = delegation("x", "kx", terminating=terminating)
        both = with_delegations(first, delegation("y", "ky"), x=1, y=1)
        return ask("file", [*both, silent, y])

    assert found(terminating=False) == "y-1"
    assert found(terminating=True) == "conformance.no_target"


@pytest.mark.parametrize(
    ("paths", "word"),
    [
        (["file"], "x-1"),
        (["fi*"], "x-1"),
        (["f?le"], "x-1"),
        (["a/*", "*"], "x-1"),
        (["a/*"], "conformance.no_target"),
        (["*/file"], "conformance.no_target"),
        (["FILE"], "conformance.no_target"),
        ([], "conformance.no_target"),
    ],
)
def test_a_delegation_speaks_for_its_paths_alone(paths: list[str], word: str) -> None:
    documents = with_delegations(delegation("x", "kx", paths=paths), x=1)

    assert ask("file", [*documents, targets(name="x", by=["kx"])]) == word


def test_a_delegation_needs_its_own_threshold_and_its_own_keys() -> None:
    documents = with_delegations(delegation("x", "k1", "k2", threshold=2), x=1)

    assert ask("file", [*documents, targets(name="x", by=["k1", "k2"])]) == "x-1"
    assert ask("file", [*documents, targets(name="x", by=["k1", "g"])]) == (
        "trust.threshold_not_met"
    )


def test_a_document_is_judged_by_whoever_delegates_to_it_now() -> None:
    """It was believed for one delegator; another asks for a key that did not sign."""
    first = delegation("a", "ka", paths=["one/*"])
    second = delegation("b", "kb", paths=["two/*"])
    inner_a = targets(name="a", by=["ka"], targets={}, delegations=[delegation("x", "kx")])
    inner_b = targets(name="b", by=["kb"], targets={}, delegations=[delegation("x", "other")])
    said = {path: {"digests": {"sha256": "x"}} for path in ("one/f", "two/f")}
    x = targets(name="x", by=["kx"], targets=said)
    documents = [*with_delegations(first, second, a=1, b=1, x=1), inner_a, inner_b, x]
    client = Client()
    client.init(root())
    refresh(client, *documents)

    assert get(client, "one/f", *documents) == "x"
    with pytest.raises(ControllerError) as refusal:
        get(client, "two/f", *documents)

    assert refusal.value.code == "trust.threshold_not_met"


def test_a_delegated_document_that_is_not_listed_is_refused() -> None:
    x = targets(name="x", by=["kx"])

    assert ask("file", [*with_delegations(delegation("x", "kx")), x]) == "trust.not_listed"
    assert ask("file", [*with_delegations(delegation("x", "kx"), x=1), x]) == "x-1"


def test_a_delegated_document_of_another_version_than_listed_is_refused() -> None:
    documents = with_delegations(delegation("x", "kx"), x=2)

    assert ask("file", [*documents, targets(1, name="x", by=["kx"])]) == "trust.not_as_listed"


@pytest.mark.parametrize("name", ["root", "timestamp", "snapshot", "targets"])
def test_the_roles_of_the_root_are_nobodys_to_delegate(name: str) -> None:
    assert ask("file", with_delegations(delegation(name, "kx"))) == "conformance.malformed"


def test_delegations_in_a_circle_end() -> None:
    documents = with_delegations(delegation("x", "kx"), x=1)
    x = targets(name="x", by=["kx"], targets={}, delegations=[delegation("x", "kx")])

    assert ask("file", [*documents, x]) == "conformance.no_target"


# Documents that are none


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"version": 0}, "conformance.malformed"),
        ({"version": "2"}, "conformance.malformed"),
        ({"version": True}, "conformance.malformed"),
        ({"signatures": "t"}, "conformance.malformed"),
        ({"expires": "tomorrow"}, "instant.malformed"),
    ],
)
def test_a_document_that_is_none_is_refused_by_a_word(wrong: dict[str, Any], word: str) -> None:
    client = started()

    assert refused(client, {**timestamp(2), **wrong}) == word
    assert refresh(client, timestamp(2))["timestamp"] == 2


@pytest.mark.parametrize("threshold", [0, -1, 2])
def test_a_threshold_that_cannot_be_met_is_refused_where_it_is_needed(threshold: int) -> None:
    client = started()
    impossible = root(2, timestamp=role("t", threshold=threshold))

    assert refused(client, impossible, *FIRST) in {"trust.bad_role", "conformance.malformed"}
    assert client.known["root"]["version"] == 2
