"""A record becomes the same commit every time."""

import pytest

from controller.audit import commit
from controller.audit.record import AuditRecord, MalformedRecord
from controller.kernel.objects import Oid
from tests.support.audit import record, rolled_back

PARENT = Oid(b"\x07" * 20)


def test_a_message_is_a_line_for_people_then_the_record_then_trailers() -> None:
    subject, body, trailers = commit.message(record(2)).decode().split("\n\n")

    assert subject == "Apply release 2 to production"
    assert AuditRecord.parse(body.encode()) == record(2)
    assert trailers == (
        "Audit-Seq: 2\n"
        f"Audit-Prev: sha256:{record(2).prev}\n"
        f"Source-Commit: sha1:{'01' * 20}\n"
        f"Release: sha256:{record(2).release_sha256}\n"
        "Serial: 2\n"
        "Result: applied\n"
    )


def test_a_rollback_says_so_in_its_first_line() -> None:
    assert commit.message(rolled_back(record(2))).startswith(b"Roll production back to release 1\n")


def test_both_times_of_a_commit_are_when_the_revision_was_applied() -> None:
    lines = commit.content(record(1), None).decode().split("\n")

    assert lines[1:3] == [
        "author one <one@audit.countersign.invalid> 1795176060 +0000",
        "committer one <one@audit.countersign.invalid> 1795176060 +0000",
    ]


def test_the_first_commit_has_no_parent_and_the_others_one() -> None:
    assert b"\nparent " not in commit.content(record(1), None)
    assert commit.content(record(2), PARENT).split(b"\n")[1] == b"parent " + b"07" * 20


def test_the_same_record_on_the_same_parent_gives_the_same_bytes() -> None:
    again = AuditRecord.parse(record(2).to_bytes())

    assert commit.content(record(2), PARENT) == commit.content(again, PARENT)


def test_record_and_trailers_can_be_read_back() -> None:
    message = commit.message(record(3))

    assert commit.record_in(message) == record(3).to_bytes()
    assert commit.trailers_in(message) == commit.trailers(record(3))


@pytest.mark.parametrize(
    "message", [b"", b"subject\n", b"subject\n\nrecord\n", b"a\n\nb\n\nc\n\nd\n", b"a\n\nb\n\nc\n"]
)
def test_a_message_of_another_shape_is_refused(message: bytes) -> None:
    with pytest.raises(MalformedRecord):
        commit.trailers_in(message)
