"""Real TUF repositories before our core: the attacks of the specification, each beside its twin."""

from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from controller.kernel.errors import ControllerError
from controller.kernel.instants import parse_instant
from tests.conformance import tuf
from tests.conformance.plain import Client
from tests.conformance.tufclient import Metadata
from tests.conformance.tufrepository import (
    TufRepository,
    envelope,
    grant,
    key,
    key_id,
    signature,
)

NOW = parse_instant("2026-11-20T12:00:00Z")
LATER = parse_instant("2027-11-20T12:00:00Z")
TOO_FEW = "trust.threshold_not_met"


@pytest.fixture(params=[True, False], ids=["listed with hashes", "listed by version"])
def repository(request: pytest.FixtureRequest) -> TufRepository:
    """Return a repository that lists metadata in one of the two ways."""
    return TufRepository(listed_with_hashes=request.param)


def started(repository: TufRepository) -> Client:
    """Return a client that starts from root 1 and has asked for nothing."""
    client = Client(tuf.accepts)
    client.init(tuf.read("root", repository.files["1.root.json"]))
    return client


def metadata(repository: TufRepository, client: Client) -> Metadata:
    """Return the repository's files as the client asks for them."""
    return Metadata(lambda name, _most: repository.files.get(name), client)


def refresh(client: Client, repository: TufRepository, now: datetime = NOW) -> dict[str, int]:
    """Refresh and return the versions that are believed."""
    client.refresh(metadata(repository, client), now)
    return {role: document["version"] for role, document in client.known.items()}


def refused(client: Client, repository: TufRepository, now: datetime = NOW) -> str:
    """Return the word by which a refresh is refused."""
    with pytest.raises(ControllerError) as refusal:
        refresh(client, repository, now)
    return refusal.value.code


def ask(repository: TufRepository, target: str) -> str:
    """Return the SHA-256 said of a target, or the word by which it is refused."""
    client = started(repository)
    try:
        refresh(client, repository)
        found = client.get(tuf.name_of(target), metadata(repository, client), NOW)
    except ControllerError as error:
        return error.code
    return found.digests["sha256"]


def sha256(data: bytes) -> str:
    return tuf.digests(data)["sha256"]


def test_a_repository_as_it_should_be_is_believed(repository: TufRepository) -> None:
    repository.add("a/file.txt", b"content")
    repository.publish("targets")

    found = refresh(started(repository), repository)

    assert found == {"root": 1, "timestamp": 2, "snapshot": 2, "targets": 2}
    assert ask(repository, "a/file.txt") == sha256(b"content")
    assert ask(repository, "a/other.txt") == "conformance.no_target"


def test_canonical_json_is_that_of_the_specification() -> None:
    value = {"b": [1, None, True], "a": 'say "é\n" \\', "": {}}

    assert tuf.canonical(value) == '{"":{},"a":"say \\"é\n\\" \\\\","b":[1,null,true]}'.encode()


# Roots: every pair of thresholds

CASES: list[tuple[str, int, str, int, str]] = [
    (old, need_old, new, need_new, by)
    for old, need_old, new, need_new in [
        ("r", 1, "r", 1),
        ("r", 1, "abc", 2),
        ("r", 1, "a", 1),
        ("abc", 2, "abc", 3),
        ("abc", 2, "abc", 1),
        ("abc", 2, "cd", 2),
        ("abc", 2, "de", 1),
        ("abc", 3, "abd", 2),
    ]
    for by in ("r", "a", "ab", "ac", "bc", "cd", "abc", "abd", "acd", "ade", "abcd", "rac", "ra")
]


@pytest.mark.parametrize(("old", "need_old", "new", "need_new", "by"), CASES)
def test_a_root_follows_exactly_when_both_thresholds_signed_it(
    old: str, need_old: int, new: str, need_new: int, by: str
) -> None:
    repository = TufRepository()
    repository.role("root", *old, threshold=need_old)
    repository.publish_root(by=sorted({"r", *old}))
    client = started(repository)
    refresh(client, repository)
    repository.role("root", *new, threshold=need_new)
    repository.knows(*by)
    repository.publish_root(by=by)
    follows = len(set(old) & set(by)) >= need_old and len(set(new) & set(by)) >= need_new

    if follows:
        assert refresh(client, repository)["root"] == 3
    else:
        assert refused(client, repository) == TOO_FEW
        assert client.known["root"]["version"] == 2


def test_several_rotations_are_followed_in_one_refresh(repository: TufRepository) -> None:
    client = started(repository)
    for before, after in ("ra", "ab", "bc"):
        repository.role("root", after)
        repository.publish_root(by=(before, after))

    assert refresh(client, repository)["root"] == 4


def test_a_chain_of_roots_with_a_gap_is_followed_up_to_it(repository: TufRepository) -> None:
    client = started(repository)
    for before, after in ("ra", "ab", "bc"):
        repository.role("root", after)
        repository.publish_root(by=(before, after))
    del repository.files["3.root.json"]

    assert refresh(client, repository)["root"] == 2


@pytest.mark.parametrize("says", [1, 3, 2**31])
def test_a_root_whose_number_is_not_the_next_is_refused(
    repository: TufRepository, says: int
) -> None:
    client = started(repository)
    repository.bodies["root"]["version"] = says - 1
    repository.publish_root()
    repository.files["2.root.json"] = repository.files[f"{says}.root.json"]

    assert refused(client, repository) == "trust.root_version_not_next"


def test_an_old_root_may_have_expired_the_last_may_not(repository: TufRepository) -> None:
    client = started(repository)
    repository.bodies["root"]["expires"] = "2026-11-20T12:00:00Z"
    repository.publish_root()

    assert refused(client, repository) == "trust.expired"
    assert client.known["root"]["version"] == 2
    repository.bodies["root"]["expires"] = "2026-11-20T12:00:01Z"
    repository.publish_root()
    assert refresh(client, repository)["root"] == 3


# Keys and signatures


def test_one_key_under_two_ids_counts_once(repository: TufRepository) -> None:
    repository.knows("u")
    twin = "f" * 64
    repository.bodies["root"]["keys"][twin] = key("t")
    repository.bodies["root"]["roles"]["timestamp"] = {
        "keyids": [key_id("t"), twin, key_id("u")],
        "threshold": 2,
    }
    repository.publish_root()
    body = repository.bodies["timestamp"]

    repository.resign("timestamp", signature("t", body), signature("t", body, keyid=twin))
    assert refused(started(repository), repository) == TOO_FEW
    repository.resign("timestamp", signature("t", body, keyid=twin), signature("u", body))
    assert refresh(started(repository), repository)["timestamp"] == 1


def test_a_signature_twice_makes_no_metadata(repository: TufRepository) -> None:
    body = repository.bodies["timestamp"]

    repository.resign("timestamp", signature("t", body), signature("t", body))
    assert refused(started(repository), repository) == "tuf.malformed"
    repository.resign("timestamp", signature("t", body))
    assert refresh(started(repository), repository)["timestamp"] == 1


def test_signatures_of_unknown_keys_neither_help_nor_harm(repository: TufRepository) -> None:
    body = repository.bodies["timestamp"]

    repository.resign("timestamp", signature("x", body))
    assert refused(started(repository), repository) == TOO_FEW
    repository.resign("timestamp", signature("t", body, keyid="0" * 64))
    assert refused(started(repository), repository) == TOO_FEW
    repository.resign("timestamp", signature("x", body), signature("t", body))
    assert refresh(started(repository), repository)["timestamp"] == 1


def test_a_key_of_another_role_does_not_count(repository: TufRepository) -> None:
    repository.resign("timestamp", signature("s", repository.bodies["timestamp"]))

    assert refused(started(repository), repository) == TOO_FEW


@pytest.mark.parametrize(
    "changes",
    [
        {"keytype": "rsa", "scheme": "rsassa-pss-sha256"},
        {"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256"},
        {"scheme": "ed448"},
        {"keyval": {"public": "01" + "00" * 31}},
        {"keyval": {"public": "00" * 32}},
        {"keyval": {"public": "not hex"}},
        {"keyval": {}},
    ],
)
def test_a_key_of_a_wrong_type_counts_for_nothing(
    repository: TufRepository, changes: dict[str, Any]
) -> None:
    keys = repository.bodies["root"]["keys"]
    keys[key_id("t")] = {**key("t"), **changes}
    repository.publish_root()

    assert refused(started(repository), repository) == TOO_FEW
    keys[key_id("t")] = key("t")
    repository.publish_root()
    assert refresh(started(repository), repository)["root"] == 3


@pytest.mark.parametrize("sig", ["", "00" * 64, "zz", "00" * 63])
def test_a_signature_that_is_none_counts_for_nothing(repository: TufRepository, sig: str) -> None:
    repository.resign("timestamp", {"keyid": key_id("t"), "sig": sig})

    assert refused(started(repository), repository) == TOO_FEW


def test_metadata_changed_under_its_signature_is_refused(repository: TufRepository) -> None:
    body = repository.bodies["timestamp"]
    signed = [signature("t", body)]

    repository.files["timestamp.json"] = envelope({**body, "version": 2}, signed)
    assert refused(started(repository), repository) == TOO_FEW
    repository.files["timestamp.json"] = envelope({**body}, signed)
    assert refresh(started(repository), repository)["timestamp"] == 1


def test_a_role_that_cannot_be_met_is_refused_and_its_root_is_kept(
    repository: TufRepository,
) -> None:
    client = started(repository)
    refresh(client, repository)
    repository.role("snapshot", "s", "s2", threshold=3)
    repository.publish_root()
    repository.publish_snapshot()

    assert refused(client, repository) == "trust.bad_role"
    assert (client.known["root"]["version"], client.known["snapshot"]["version"]) == (2, 1)


# Rollback


def replay(repository: TufRepository, role: str, version: int) -> None:
    """Let a role's next file carry an older version than its newest."""
    repository.bodies[role]["version"] = version - 1


def ahead(repository: TufRepository) -> Client:
    """Return a client that has seen version 5 of everything."""
    for _ in range(4):
        repository.publish("targets")
    client = started(repository)
    assert refresh(client, repository)["targets"] == 5
    return client


def test_a_timestamp_does_not_go_back(repository: TufRepository) -> None:
    client = ahead(repository)
    replay(repository, "timestamp", 4)
    repository.publish_timestamp()

    assert refused(client, repository) == "trust.version_went_back"
    replay(repository, "timestamp", 6)
    repository.publish_timestamp()
    assert refresh(client, repository)["timestamp"] == 6


def test_a_snapshot_does_not_go_back(repository: TufRepository) -> None:
    client = ahead(repository)
    replay(repository, "snapshot", 4)
    repository.publish_snapshot()

    assert refused(client, repository) == "trust.version_went_back"
    assert client.known["timestamp"]["version"] == 5
    replay(repository, "snapshot", 6)
    repository.publish_snapshot()
    assert refresh(client, repository)["snapshot"] == 6


def test_targets_do_not_go_back(repository: TufRepository) -> None:
    client = ahead(repository)
    replay(repository, "targets", 4)
    repository.publish("targets")

    assert refused(client, repository) == "trust.version_went_back"
    replay(repository, "targets", 6)
    repository.publish("targets")
    assert refresh(client, repository)["targets"] == 6


def test_a_delegated_role_does_not_go_back_nor_away(repository: TufRepository) -> None:
    repository.delegate("targets", "x", "kx")
    repository.publish("x")
    repository.publish("x", "targets")
    client = started(repository)
    refresh(client, repository)

    replay(repository, "x", 1)
    repository.publish("x")
    assert refused(client, repository) == "trust.version_went_back"
    del repository.bodies["x"]
    repository.publish_snapshot()
    assert refused(client, repository) == "trust.no_longer_listed"


# Freeze


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_nothing_is_believed_past_its_date_at_one_fixed_time(
    repository: TufRepository, role: str
) -> None:
    repository.bodies[role]["expires"] = "2026-11-20T12:00:00Z"
    repository.publish("targets")

    assert refused(started(repository), repository) == "trust.expired"
    repository.bodies[role]["expires"] = "2026-11-20T12:00:01Z"
    repository.publish("targets")
    assert refresh(started(repository), repository)[role] == 3


def test_what_stopped_being_renewed_ends(repository: TufRepository) -> None:
    client = started(repository)
    refresh(client, repository)

    assert refused(client, repository, LATER) == "trust.expired"


# Mix and match


def test_a_snapshot_of_another_day_is_refused(repository: TufRepository) -> None:
    repository.publish("targets")
    old, new = repository.files["1.snapshot.json"], repository.files["2.snapshot.json"]

    repository.files["2.snapshot.json"] = old
    assert refused(started(repository), repository) == "trust.not_as_listed"
    repository.files["2.snapshot.json"] = new
    assert refresh(started(repository), repository)["snapshot"] == 2


def test_targets_of_another_day_are_refused(repository: TufRepository) -> None:
    repository.publish("targets")
    old, new = repository.files["1.targets.json"], repository.files["2.targets.json"]

    repository.files["2.targets.json"] = old
    assert refused(started(repository), repository) == "trust.not_as_listed"
    repository.files["2.targets.json"] = new
    assert refresh(started(repository), repository)["targets"] == 2


@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_other_bytes_of_the_same_version_are_refused_where_hashes_are_listed(role: str) -> None:
    repository = TufRepository(listed_with_hashes=True)
    name = repository.file(role)
    good = repository.files[name]

    repository.files[name] = good + b" "
    assert refused(started(repository), repository) == "trust.not_as_listed"
    repository.files[name] = good
    assert refresh(started(repository), repository)[role] == 1


def test_metadata_of_another_role_is_refused(repository: TufRepository) -> None:
    good = repository.files["1.targets.json"]

    repository.files["1.targets.json"] = repository.files["1.snapshot.json"]
    assert refused(started(repository), repository) == "tuf.malformed"
    repository.files["1.targets.json"] = good
    assert refresh(started(repository), repository)["targets"] == 1


# Fast-forward


def test_a_timestamp_pushed_far_ahead_is_undone_by_other_keys(repository: TufRepository) -> None:
    replay(repository, "timestamp", 99_999)
    repository.publish_timestamp()
    client = started(repository)
    refresh(client, repository)
    replay(repository, "timestamp", 2)
    repository.publish_root()
    repository.publish_timestamp()

    assert refused(client, repository) == "trust.version_went_back"
    repository.role("timestamp", "t2")
    repository.publish_root()
    replay(repository, "timestamp", 2)
    repository.publish_timestamp()
    assert refresh(client, repository)["timestamp"] == 2


def test_a_snapshot_pushed_far_ahead_is_undone_by_other_keys(repository: TufRepository) -> None:
    replay(repository, "snapshot", 99_999)
    repository.publish_snapshot()
    client = started(repository)
    refresh(client, repository)
    repository.role("timestamp", "t2")
    repository.publish_root()
    replay(repository, "snapshot", 2)
    repository.publish_snapshot()

    # The timestamp's old lists are forgotten with its keys, those of the snapshot are not yet.
    repository.role("snapshot", "s2")
    repository.publish_root()
    replay(repository, "snapshot", 2)
    repository.publish_snapshot()
    assert refresh(client, repository)["snapshot"] == 2


def test_targets_pushed_far_ahead_are_undone_by_other_keys_of_the_snapshot(
    repository: TufRepository,
) -> None:
    replay(repository, "targets", 99_999)
    repository.publish("targets")
    client = started(repository)
    refresh(client, repository)
    replay(repository, "targets", 2)
    repository.publish("targets")

    assert refused(client, repository) == "trust.version_went_back"
    repository.role("snapshot", "s2")
    repository.publish_root()
    replay(repository, "targets", 2)
    repository.publish("targets")
    assert refresh(client, repository)["targets"] == 2


# Delegations


def test_the_first_delegation_in_order_decides(repository: TufRepository) -> None:
    repository.delegate("targets", "x", "kx")
    repository.delegate("targets", "y", "ky")
    repository.add("file", b"by x", role="x")
    repository.add("file", b"by y", role="y")
    repository.publish("x", "y", "targets")

    assert ask(repository, "file") == sha256(b"by x")
    repository.bodies["targets"]["delegations"]["roles"].reverse()
    repository.publish("targets")
    assert ask(repository, "file") == sha256(b"by y")


def test_what_a_role_says_itself_comes_before_its_delegations(repository: TufRepository) -> None:
    repository.delegate("targets", "x", "kx")
    repository.add("file", b"by x", role="x")
    repository.add("file", b"by the top", role="targets")
    repository.publish("x", "targets")

    assert ask(repository, "file") == sha256(b"by the top")


def test_all_below_a_delegation_come_before_the_next(repository: TufRepository) -> None:
    repository.delegate("targets", "x", "kx")
    repository.delegate("targets", "y", "ky")
    repository.delegate("x", "z", "kz")
    repository.add("file", b"by y", role="y")
    repository.add("file", b"by z", role="z")
    repository.publish("x", "y", "z", "targets")

    assert ask(repository, "file") == sha256(b"by z")


def test_a_terminating_delegation_ends_the_search_everywhere(repository: TufRepository) -> None:
    repository.delegate("targets", "x", "kx")
    repository.delegate("targets", "y", "ky")
    repository.delegate("x", "z", "kz", terminating=True)
    repository.add("file", b"by y", role="y")
    repository.publish("x", "y", "z", "targets")

    assert ask(repository, "file") == "conformance.no_target"
    repository.bodies["x"]["delegations"]["roles"][0]["terminating"] = False
    repository.publish("x")
    assert ask(repository, "file") == sha256(b"by y")


@pytest.mark.parametrize(
    ("patterns", "target", "matches"),
    [
        (["*"], "file", True),
        (["*"], "a/file", False),
        (["a/*"], "a/file", True),
        (["a/*"], "a/b/file", False),
        (["*/*"], "a/file", True),
        (["a/**"], "a/b/file", False),
        (["**"], "a/file", False),
        (["*.tgz"], "foo.tgz", True),
        (["*.tgz"], "a/foo.tgz", False),
        (["foo-version-?.tgz"], "foo-version-2.tgz", True),
        (["foo-version-?.tgz"], "foo-version-22.tgz", False),
        (["FILE"], "file", False),
        (["other", "file"], "file", True),
        ([], "file", False),
    ],
)
def test_a_delegation_speaks_for_the_paths_of_its_globs(
    patterns: list[str], target: str, *, matches: bool
) -> None:
    repository = TufRepository()
    repository.delegate("targets", "x", "kx", paths=patterns)
    repository.add(target, b"by x", role="x")
    repository.publish("x", "targets")

    assert ask(repository, target) == (sha256(b"by x") if matches else "conformance.no_target")


def test_a_delegation_by_hash_prefix_speaks_for_its_targets() -> None:
    first = sha256(b"file")[0]

    def found(prefixes: list[str]) -> str:
        repository = TufRepository()
        repository.delegate("targets", "x", "kx", path_hash_prefixes=prefixes)
        repository.add("file", b"by x", role="x")
        repository.publish("x", "targets")
        return ask(repository, "file")

    assert found([first]) == sha256(b"by x")
    assert found([sha256(b"file")[:6]]) == sha256(b"by x")
    assert found([f"{(int(first, 16) + 1) % 16:x}"]) == "conformance.no_target"


@pytest.mark.parametrize("bits", [1, 3, 4, 6])
def test_a_target_is_found_in_the_bin_of_its_hash(bits: int) -> None:
    number = int(sha256(b"file"), 16) >> (256 - bits)
    digits = (bits + 3) // 4

    def found(bin_number: int) -> str:
        repository = TufRepository()
        name = f"bin-{bin_number % (1 << bits):0{digits}x}"
        repository.bodies["targets"]["delegations"] = {
            "keys": {key_id("kb"): key("kb")},
            "succinct_roles": {"bit_length": bits, "name_prefix": "bin", **grant("kb")},
        }
        repository.delegated(name, "kb")
        repository.add("file", b"in a bin", role=name)
        repository.publish(name, "targets")
        return ask(repository, "file")

    assert found(number) == sha256(b"in a bin")
    assert found(number + 1) == "trust.not_listed"


def test_a_delegation_needs_its_threshold_of_its_own_keys(repository: TufRepository) -> None:
    repository.delegate("targets", "x", "k1", "k2", threshold=2)
    repository.add("file", b"by x", role="x")
    repository.publish("x", "targets")
    body = repository.bodies["x"]

    assert ask(repository, "file") == sha256(b"by x")
    repository.resign("x", signature("k1", body), signature("g", body))
    repository.publish_snapshot()
    assert ask(repository, "file") == TOO_FEW


def test_a_role_is_judged_anew_by_each_who_delegates_to_it(repository: TufRepository) -> None:
    repository.delegate("targets", "a", "ka", paths=["one"])
    repository.delegate("targets", "b", "kb", paths=["two"])
    repository.delegate("a", "x", "kx")
    repository.delegate("b", "x", "other")
    for path in ("one", "two"):
        repository.add(path, b"by x", role="x")
    repository.publish("a", "b", "x", "targets")
    client = started(repository)
    refresh(client, repository)
    files = metadata(repository, client)

    assert client.get(tuf.name_of("one"), files, NOW).digests["sha256"] == sha256(b"by x")
    with pytest.raises(ControllerError) as refusal:
        client.get(tuf.name_of("two"), files, NOW)
    assert refusal.value.code == TOO_FEW


def test_delegations_in_a_circle_end(repository: TufRepository) -> None:
    repository.delegate("targets", "x", "kx")
    repository.delegate("x", "y", "ky")
    repository.delegate("y", "x", "kx")
    repository.publish("x", "y", "targets")

    assert ask(repository, "file") == "conformance.no_target"


def test_a_delegation_chain_without_end_is_refused() -> None:
    repository = TufRepository()
    names = ["targets", *(f"x{number}" for number in range(40))]
    for above, below in pairwise(names):
        repository.delegate(above, below, "kx")
    repository.publish(*names[1:], "targets")

    assert ask(repository, "file") == "trust.too_many_delegations"


# What is no metadata


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"signed": 1, "signatures": []}',
        b'{"signed": {"_type": "timestamp"}, "signatures": []}',
        b'{"signed": {"_type": "timestamp", "spec_version": "2.0"}, "signatures": []}',
        b'{"signed": {}, "signed": {}, "signatures": []}',
        b"{" * 500,
        b"\xff",
    ],
)
def test_what_is_no_metadata_is_refused_by_a_word(repository: TufRepository, data: bytes) -> None:
    good = repository.files["timestamp.json"]

    repository.files["timestamp.json"] = data
    assert refused(started(repository), repository) == "tuf.malformed"
    repository.files["timestamp.json"] = good
    assert refresh(started(repository), repository)["timestamp"] == 1


def test_what_is_not_there_is_refused_by_a_word(repository: TufRepository) -> None:
    del repository.files["1.snapshot.json"]

    assert refused(started(repository), repository) == "conformance.not_offered"
