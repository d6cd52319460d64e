"""What holds for every audit record."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from controller.audit import commit
from controller.audit.record import AckUsed, AuditRecord, MalformedRecord, RollbackUsed
from controller.kernel.canonical import Digest
from controller.kernel.objects import Oid
from controller.stores.control.model import RevisionKind

DIGESTS = st.binary(min_size=32, max_size=32).map(lambda raw: Digest(raw.hex()))
OIDS = st.binary(min_size=20, max_size=20).map(Oid)
NAMES = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)
NUMBERS = st.integers(min_value=1, max_value=2**53 - 1)
KEYS = st.lists(st.text(max_size=20), max_size=3).map(lambda keys: tuple(sorted(keys)))
ASCII = st.text(st.characters(max_codepoint=126, min_codepoint=32), max_size=20)
INSTANTS = st.integers(min_value=0, max_value=5_000_000_000).map(
    lambda seconds: datetime(2001, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)
RECORDS = st.builds(
    AuditRecord,
    seq=NUMBERS,
    prev=DIGESTS,
    controller=NAMES,
    environment=NAMES,
    repository=st.uuids().map(str),
    revision=NUMBERS,
    kind=st.sampled_from(RevisionKind),
    commit=OIDS,
    parent_commit=st.none() | OIDS,
    release_sha256=DIGESTS,
    serial=NUMBERS,
    root_version=NUMBERS,
    policies_digest=DIGESTS,
    plan_digest=DIGESTS,
    signers=st.dictionaries(ASCII, KEYS, max_size=3),
    counts=st.dictionaries(
        ASCII, st.dictionaries(ASCII, st.integers(0, 2**53 - 1), max_size=3), max_size=3
    ),
    applied_at=INSTANTS,
    tables=st.dictionaries(ASCII, st.text(max_size=70), max_size=3),
    acks=st.lists(st.builds(AckUsed, DIGESTS, KEYS), max_size=2).map(tuple),
    rollback=st.none() | st.builds(RollbackUsed, NUMBERS, st.none() | DIGESTS, KEYS),
    result=NAMES,
)


@given(record=RECORDS)
def test_a_record_survives_its_bytes(record: AuditRecord) -> None:
    assert AuditRecord.parse(record.to_bytes()) == record


@given(record=RECORDS, parent=st.none() | OIDS)
def test_a_commit_gives_back_the_record_and_nothing_of_it_leaks_into_the_trailers(
    record: AuditRecord, parent: Oid | None
) -> None:
    _, message = commit.content(record, parent).split(b"\n\n", 1)

    assert commit.record_in(message) == record.to_bytes()
    assert commit.trailers_in(message) == commit.trailers(record)


@given(record=RECORDS, other=DIGESTS)
def test_a_record_after_another_history_has_another_digest(
    record: AuditRecord, other: Digest
) -> None:
    elsewhere = replace(record, prev=other)

    assert (elsewhere.sha256 == record.sha256) == (record.prev == other)


@given(record=RECORDS, data=st.data())
def test_no_single_byte_of_a_record_can_be_changed_unseen(
    record: AuditRecord, data: st.DataObject
) -> None:
    original = record.to_bytes()
    at = data.draw(st.integers(0, len(original) - 1))
    bent = bytearray(original)
    bent[at] ^= data.draw(st.integers(1, 255))

    try:
        changed = AuditRecord.parse(bytes(bent))
    except MalformedRecord:
        return
    assert changed != record
    assert changed.sha256 != record.sha256
