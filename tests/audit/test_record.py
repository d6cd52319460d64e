"""One record, one form."""

import json

import pytest

from controller.audit.record import GENESIS, AuditRecord, MalformedRecord
from controller.kernel.canonical import canonical, sha256
from tests.support.audit import chain, record, rolled_back

FROZEN = "ded5070f41a1e52383c8c5106473ba1b1cc7374d8d418d779e8fa44b5f9bba0c"


def test_a_record_says_again_what_was_put_into_it() -> None:
    for one in (record(1), record(2), rolled_back(record(2))):
        assert AuditRecord.parse(one.to_bytes()) == one


def test_the_digest_of_a_record_is_the_sha256_of_its_bytes() -> None:
    assert record().sha256 == sha256(record().to_bytes())


def test_the_first_record_names_the_genesis_and_every_other_the_one_before() -> None:
    first, second, third = chain(3)

    assert (first.prev, second.prev, third.prev) == (GENESIS, first.sha256, second.sha256)


def test_the_bytes_of_a_record_are_the_same_as_ever() -> None:
    assert record().sha256 == FROZEN


def test_signers_are_written_in_order_whatever_order_they_come_in() -> None:
    members = json.loads(record().to_bytes())

    assert members["signers"]["release"] == ["SHA256:alice", "SHA256:bob"]


@pytest.mark.parametrize("name", sorted(json.loads(record().to_bytes())))
def test_a_record_without_one_of_its_members_is_refused(name: str) -> None:
    members = json.loads(record().to_bytes())
    del members[name]

    with pytest.raises(MalformedRecord, match=name):
        AuditRecord.parse(canonical(members))


def test_a_record_with_a_member_nobody_knows_is_refused() -> None:
    members = json.loads(record().to_bytes()) | {"zeal": 1}

    with pytest.raises(MalformedRecord, match="zeal"):
        AuditRecord.parse(canonical(members))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seq", 0),
        ("seq", True),
        ("seq", "1"),
        ("prev", "0" * 63),
        ("commit", "01" * 21),
        ("commit", "AB" * 20),
        ("kind", "sideways"),
        ("repository", "not a uuid"),
        ("repository", "0D6B6E2E-4F0A-4C1C-9B6E-6A6F0D0C7A11"),
        ("repository", "0d6b6e2e-4f0a-4c1c-9b6e-6a6f0d0c7a11\n"),
        ("format", "urn:countersign:audit:v2"),
        ("signers", {"release": ["a", 1]}),
        ("counts", {"ranges": {"added": "1"}}),
        ("counts", {"ranges": 1}),
        ("tables", {"ranges": 1}),
        ("acks", [{"sha256": "0" * 64, "signers": [], "more": 1}]),
        ("rollback", {"from_serial": 2}),
        ("applied_at", "2026-11-20 12:00:00"),
        ("controller", "one\n\nResult: applied"),
        ("controller", "../heads/main"),
        ("result", "two words"),
    ],
)
def test_a_record_with_a_member_of_the_wrong_kind_is_refused(name: str, value: object) -> None:
    members = json.loads(record().to_bytes()) | {name: value}

    with pytest.raises(MalformedRecord):
        AuditRecord.parse(canonical(members))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data + b"\n",
        lambda data: b" " + data,
        lambda data: data.replace(b",", b", ", 1),
        lambda data: data.replace(b"alice", b"\\u0061lice"),
        lambda data: data[:-1],
        lambda _: b"",
        lambda _: b"[]",
        lambda _: b'{"a":1,"a":2}',
    ],
)
def test_the_same_record_in_any_other_form_is_refused(spoil: object) -> None:
    assert callable(spoil)

    with pytest.raises(MalformedRecord):
        AuditRecord.parse(spoil(record().to_bytes()))
