"""Every member of a root document arrives where it belongs, and bounds have a last good value."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.kernel.canonical import Digest, readable, sha256
from controller.trust.root import (
    ENVELOPE_MAX_BYTES,
    STEPS_MAX,
    NoRole,
    PinMismatch,
    Root,
    RootTooLarge,
    WrongRail,
    extend,
    parse_root,
    pin,
    render_root,
)
from controller.trust.rootfile import (
    KEYS_MAX,
    NUMBER_MAX,
    ROLES_MAX,
    TEXTS_MAX,
    MalformedRoot,
    Reset,
    Revocation,
)
from controller.trust.verify import UnknownPayloadType, WrongPayloadType
from tests.support.trust import (
    ALICE,
    BOB,
    CAROL,
    NOW,
    REPOSITORY,
    document,
    granted,
    pinned,
    sealed,
    signed_root,
)

IN_2026, IN_2028 = datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)


def read(made: dict[str, Any]) -> Root:
    return parse_root(readable(made))


def full() -> dict[str, Any]:
    made = document(
        ALICE,
        BOB,
        CAROL,
        roles={
            "heartbeat": granted(ALICE),
            "commit": granted(BOB),
            "ci": granted(CAROL),
            "audit": {"controller-a": granted(BOB)},
            "release": {"production": granted(ALICE)},
            "rollback": {"production": {**granted(CAROL), "max_age": "P2DT3H"}},
        },
        revoked={BOB.id: {"at": "2026-11-19T00:00:00Z", "reason": "lost laptop"}},
        floors={"production": {"serial": 30}, "bundles": {"card-bin/binlist": 17}},
        reset={"production": {"serial": 42, "sha256": "a" * 64}},
        grandfathered=["b" * 64],
    )
    made["keys"][ALICE.id] |= {
        "not_before": "2026-01-01T00:00:00Z",
        "not_after": "2028-01-01T00:00:00Z",
    }
    return made


def test_every_single_member_is_read() -> None:
    root = read(full())

    assert (root.repository, root.version) == (REPOSITORY, 1)
    assert root.created == datetime(2026, 11, 1, tzinfo=UTC)
    assert root.expires == datetime(2027, 11, 1, tzinfo=UTC)
    revoked_at = datetime(2026, 11, 19, tzinfo=UTC)
    assert root.revoked == {BOB.id: Revocation(revoked_at, "lost laptop")}
    assert (root.serial_floors, root.bundle_floors) == (
        {"production": 30},
        {"card-bin/binlist": 17},
    )
    assert root.reset == {"production": Reset(42, Digest("a" * 64))}
    assert root.grandfathered == {"b" * 64}
    assert root.rollback["production"].max_age == timedelta(days=2, hours=3)
    alice, bob = root.keys[ALICE.id], root.keys[BOB.id]
    assert (alice.not_before, alice.not_after, alice.revoked_at) == (IN_2026, IN_2028, None)
    assert (bob.not_before, bob.not_after, bob.revoked_at) == (None, None, revoked_at)


def test_every_role_has_its_own_keys_and_its_own_name() -> None:
    root = read(full())

    optional = (root.heartbeat, root.commit, root.ci)
    assert None not in optional
    roles = [root.root, *(one for one in optional if one is not None), root.audit["controller-a"]]
    roles += [
        root.release["production"],
        root.rollback["production"].role,
        root.bundle[0].grant.role,
    ]
    assert [(one.name, [key.owner for key in one.keys]) for one in roles] == [
        ("root", ["alice", "bob", "carol"]),
        ("heartbeat", ["alice"]),
        ("commit", ["bob"]),
        ("ci", ["carol"]),
        ("audit/controller-a", ["bob"]),
        ("release/production", ["alice"]),
        ("rollback/production", ["carol"]),
        ("bundle/0", ["alice", "bob", "carol"]),
    ]


def test_revoked_keys_count_for_grandfathered_documents_of_every_role_but_the_roots() -> None:
    root = read(full())

    release = root.release["production"]
    assert [key.id for key in release.former] == [BOB.id]
    assert release.grandfathered == {"b" * 64}
    assert (root.root.former, root.root.grandfathered) == ((), frozenset())


def test_without_optional_roles_there_are_none() -> None:
    root = read(document(ALICE))

    assert (root.heartbeat, root.commit, root.ci) == (None, None, None)


def many(count: int) -> dict[str, Any]:
    return {f"e{number}": granted(ALICE) for number in range(count)}


def entry(reason: str) -> dict[str, Any]:
    return {"revoked": {BOB.id: {"at": "2026-11-19T00:00:00Z", "reason": reason}}}


def rails(count: int) -> dict[str, Any]:
    names = [f"r{number}" for number in range(count)]
    return {"roles": {"bundle": [{"paths": ["bundles/**"], "rails": names, **granted(ALICE)}]}}


@pytest.mark.parametrize(
    ("last", "over", "pointer"),
    [
        ({"version": NUMBER_MAX}, {"version": NUMBER_MAX + 1}, "/version"),
        ({"version": 1}, {"version": 0}, "/version"),
        (
            {"roles": {"release": many(ROLES_MAX)}},
            {"roles": {"release": many(ROLES_MAX + 1)}},
            "/roles/release",
        ),
        (
            {"grandfathered": ["b" * 64] * ROLES_MAX},
            {"grandfathered": ["b" * 64] * (ROLES_MAX + 1)},
            "/grandfathered",
        ),
        (rails(TEXTS_MAX), rails(TEXTS_MAX + 1), "/roles/bundle/0/rails"),
        (entry("x" * 200), entry("x" * 201), f"/revoked/{BOB.id.replace('/', '~1')}/reason"),
    ],
)
def test_the_last_good_value_is_read_and_the_next_refused_at_its_place(
    last: dict[str, Any], over: dict[str, Any], pointer: str
) -> None:
    assert read(document(ALICE, BOB, **last))

    with pytest.raises(MalformedRoot) as refusal:
        read(document(ALICE, BOB, **over))

    assert refusal.value.pointer == pointer


def test_the_most_keys_are_counted_before_they_are_read() -> None:
    made = document(ALICE)
    strangers = {f"SHA256:{number}": ALICE.entry for number in range(KEYS_MAX + 1)}

    some = dict(list(strangers.items())[:KEYS_MAX])
    with pytest.raises(MalformedRoot) as one_by_one:
        read({**made, "keys": some})
    with pytest.raises(MalformedRoot) as at_once:
        read({**made, "keys": strangers})

    assert one_by_one.value.pointer.startswith("/keys/SHA256:")
    assert at_once.value.pointer == "/keys"


def test_a_key_whose_time_is_empty_is_refused() -> None:
    made = document(ALICE)
    made["keys"][ALICE.id] |= {
        "not_before": "2026-01-01T00:00:00Z",
        "not_after": "2026-01-01T00:00:00Z",
    }

    with pytest.raises(MalformedRoot) as refusal:
        read(made)

    assert refusal.value.pointer == f"/keys/{ALICE.id.replace('/', '~1')}/not_after"


def test_what_is_no_json_is_refused_at_the_top() -> None:
    with pytest.raises(MalformedRoot) as refusal:
        parse_root(b"{")

    assert refusal.value.pointer == ""
    assert "line 1" in refusal.value.reason


def test_the_largest_envelope_and_the_longest_chain_are_followed() -> None:
    trusted = pinned(document(ALICE), by=[ALICE])
    envelope = signed_root(document(ALICE, version=2), by=[ALICE])
    chain = (
        signed_root(document(ALICE, version=number), by=[ALICE])
        for number in range(2, STEPS_MAX + 2)
    )

    assert extend(trusted, [envelope.ljust(ENVELOPE_MAX_BYTES)], NOW).root.version == 2
    with pytest.raises(RootTooLarge):
        extend(trusted, [envelope.ljust(ENVELOPE_MAX_BYTES + 1)], NOW)
    assert extend(trusted, chain, NOW).root.version == STEPS_MAX + 1


def test_a_pinned_root_keeps_its_envelope_and_a_wrong_pin_says_both() -> None:
    envelope = signed_root(document(ALICE), by=[ALICE])
    wanted, found = Digest("0" * 64), sha256(render_root(document(ALICE)))

    assert pin(envelope, found).envelope == envelope
    with pytest.raises(PinMismatch) as refusal:
        pin(envelope, wanted)

    assert (refusal.value.pinned, refusal.value.found) == (wanted, found)


def test_refusals_of_types_rails_and_roles_carry_their_facts() -> None:
    payload, root = render_root(document(ALICE)), read(document(ALICE))

    with pytest.raises(WrongPayloadType) as wrong:
        pin(sealed(payload, by=[ALICE]).to_bytes(), sha256(payload))
    with pytest.raises(UnknownPayloadType) as unknown:
        pin(sealed(payload, by=[ALICE], payload_type="text/x").to_bytes(), sha256(payload))
    with pytest.raises(WrongRail) as rail:
        root.role_for_bundle("caip", "bundles/card-bin/binlist")
    with pytest.raises(NoRole) as role:
        root.release_role("staging")

    assert "vnd.in-toto" in wrong.value.found
    assert "root" in wrong.value.expected
    assert unknown.value.payload_type == "text/x"
    assert (rail.value.rail, rail.value.path) == ("caip", "bundles/card-bin/binlist")
    assert "staging" in role.value.what


ALICES = f"/keys/{ALICE.id.replace('/', '~1')}"
SERIAL_0, SOME_SHA256 = {"serial": 0}, {"sha256": "a" * 64}
AGED = {**granted(ALICE), "max_age": "P1D"}
DELEGATED = {"paths": ["bundles/**"], "rails": ["card-bin"], **granted(ALICE)}


@pytest.mark.parametrize(
    ("change", "pointer", "reason"),
    [
        ({"extra": 1}, "", "has an unknown member 'extra'"),
        ({"roles": {"audit": []}}, "/roles/audit", "must be an object of at most 1024 members"),
        ({"roles": {"audit": {"A": granted(ALICE)}}}, "/roles/audit", "'A' is not a name"),
        ({"roles": {"release": {"A": granted(ALICE)}}}, "/roles/release", "'A' is not a name"),
        ({"roles": {"rollback": {"A": AGED}}}, "/roles/rollback", "'A' is not a name"),
        (
            {"roles": {"rollback": {"bundles": AGED}}},
            "/roles/rollback",
            "no environment may be called 'bundles'",
        ),
        ({"roles": {"heartbeat": {}}}, "/roles/heartbeat", "lacks 'keys'"),
        ({"roles": {"bundle": [{}]}}, "/roles/bundle/0", "lacks 'keys'"),
        (
            {"roles": {"bundle": [{**DELEGATED, "paths": ["**"]}]}},
            "/roles/bundle/0/paths/0",
            "must be a glob below bundles/",
        ),
        (
            {"roles": {"bundle": [{**DELEGATED, "rails": [""]}]}},
            "/roles/bundle/0/rails/0",
            "must be a rail's name",
        ),
        ({"reset": {"A": {"serial": 1, **SOME_SHA256}}}, "/reset", "'A' is not a name"),
        ({"reset": {"a": SOME_SHA256}}, "/reset/a", "lacks 'serial'"),
        (
            {"reset": {"a": {**SERIAL_0, **SOME_SHA256}}},
            "/reset/a/serial",
            "must be a whole number from 1 to 2147483647",
        ),
        ({"floors": []}, "/floors", "must be an object of at most 1024 members"),
        ({"floors": {"A": {"serial": 1}}}, "/floors", "'A' is not a name"),
        (
            {"floors": {"a": SERIAL_0}},
            "/floors/a/serial",
            "must be a whole number from 1 to 2147483647",
        ),
        (
            {"revoked": {ALICE.id: {"at": 7, "reason": ""}}},
            f"/revoked/{ALICE.id.replace('/', '~1')}/at",
            "'' is not an instant",
        ),
    ],
)
def test_a_refusal_says_what_is_wrong_at_exactly_which_place(
    change: dict[str, Any], pointer: str, reason: str
) -> None:
    with pytest.raises(MalformedRoot) as refusal:
        read(document(ALICE, **change))

    assert (refusal.value.pointer, refusal.value.reason) == (pointer, reason)


@pytest.mark.parametrize("date", ["not_before", "not_after"])
def test_a_date_of_a_key_that_is_none_is_refused_at_its_place(date: str) -> None:
    made = document(ALICE)
    made["keys"][ALICE.id][date] = "soon"

    with pytest.raises(MalformedRoot) as refusal:
        read(made)

    assert refusal.value.pointer == f"{ALICES}/{date}"


@pytest.mark.parametrize("date", ["not_before", "not_after"])
def test_a_date_of_a_key_is_left_out_and_never_null(date: str) -> None:
    made = document(ALICE)
    made["keys"][ALICE.id].pop(date, None)
    read(made)
    made["keys"][ALICE.id][date] = None

    with pytest.raises(MalformedRoot) as refusal:
        read(made)

    assert (refusal.value.pointer, refusal.value.reason) == (f"{ALICES}/{date}", "is null")
    assert refusal.value.hint.startswith("leave it out")
