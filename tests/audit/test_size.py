"""Whatever record may be written is proven; a larger one is refused before it is, by name."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.adapters.git import CommitTooLarge
from controller.adapters.postgres import Connection, transaction
from controller.audit import branch, journal
from controller.audit import trail as breaks
from controller.audit.commit import COMMIT_SIZE_MAX_BYTES, content
from controller.audit.publish import AuditForked
from controller.audit.record import AuditRecord, MalformedRecord
from controller.audit.size import (
    SIGNERS_MAX_BYTES,
    SIZE_MAX_BYTES,
    RecordTooLarge,
    check_signers,
)
from controller.kernel.canonical import canonical
from controller.kernel.objects import Oid
from controller.stores.control.statements import every
from controller.trust.sign import sign_commit
from tests.support.trail import AUDITOR, Trail


def filled(record: AuditRecord, size_bytes: int) -> AuditRecord:
    """Return the record with exactly so many bytes: a table has a long name."""
    missing = size_bytes - len(replace(record, tables={"": "1"}).to_bytes())
    return replace(record, tables={"t" * missing: "1"})


def oversized(trail: Trail, parent: Oid | None, record: AuditRecord) -> Oid:
    """Write a signed commit of the record that is larger than any we read."""
    made = content(filled(record, COMMIT_SIZE_MAX_BYTES), parent)
    return trail.repository.write_commit(made, sign_commit(made, AUDITOR))


def test_the_largest_record_is_published_proven_and_listed(
    database: Connection[Any], tmp_path: Path
) -> None:
    trail = Trail.at(tmp_path)
    make: Callable[[journal.Link], AuditRecord] = lambda link: filled(  # noqa: E731
        trail.next_record(link), SIZE_MAX_BYTES
    )
    for _ in range(2):
        with transaction(database):
            journal.append(database, "one", make)
        trail.publish(database)

    assert len(trail.prove().links) == 2
    assert [one.record.seq for one in branch.published(trail.repository, "one")] == [2, 1]
    assert len(trail.repository.read(trail.tip())) > SIZE_MAX_BYTES


def test_a_larger_record_is_not_written_down(database: Connection[Any], tmp_path: Path) -> None:
    trail = Trail.at(tmp_path)

    with pytest.raises(RecordTooLarge) as refusal, transaction(database):
        journal.append(
            database, "one", lambda link: filled(trail.next_record(link), SIZE_MAX_BYTES + 1)
        )

    assert (refusal.value.size_bytes, refusal.value.code) == (
        SIZE_MAX_BYTES + 1,
        "audit.record_too_large",
    )
    assert every(database, "SELECT seq FROM controller.journal", {}) == []


def test_a_larger_record_is_not_read(tmp_path: Path) -> None:
    record = Trail.at(tmp_path).build(1).records[0]
    largest, larger = (filled(record, SIZE_MAX_BYTES + more) for more in (0, 1))

    assert AuditRecord.parse(largest.to_bytes()) == largest
    with pytest.raises(MalformedRecord):
        AuditRecord.parse(larger.to_bytes())


def test_so_many_signers_that_no_record_holds_them_are_refused() -> None:
    around = len(canonical({"": ["k"]})) - 1
    most = {"": ("k" * (SIGNERS_MAX_BYTES - around),)}

    check_signers(most)
    with pytest.raises(RecordTooLarge):
        check_signers({"+": most[""]})


@pytest.mark.parametrize(("at", "link"), [(1, "link 1"), (3, "link 3"), (4, "newest link")])
def test_a_commit_that_is_too_large_is_blamed_on_its_link(
    tmp_path: Path, at: int, link: str
) -> None:
    trail = Trail.at(tmp_path).build(4)
    before = trail.commits()
    tip = oversized(trail, before[at - 2] if at > 1 else None, trail.records[at - 1])
    bad = tip
    for record in trail.records[at:]:
        made = content(record, tip)
        tip = trail.repository.write_commit(made, sign_commit(made, AUDITOR))
    trail.point_at(tip)

    with pytest.raises(breaks.LinkMalformed) as broken:
        trail.prove()

    assert (broken.value.commit, broken.value.seq) == (bad, at if at < 4 else None)
    assert f"audit trail of one, {link}, commit {bad.hex()}: not an audit commit" in str(
        broken.value
    )


def test_nothing_is_published_on_top_of_a_commit_that_is_too_large(
    database: Connection[Any], tmp_path: Path
) -> None:
    trail = Trail.at(tmp_path)
    first = trail.apply(database)
    trail.publish(database)
    trail.apply(database)
    trail.point_at(oversized(trail, None, first))

    with pytest.raises(AuditForked, match="bytes, more than the"):
        trail.publish(database)


def test_a_commit_of_people_stays_small_though_the_trail_was_read(tmp_path: Path) -> None:
    trail = Trail.at(tmp_path).build(1)
    trail.rewrite([filled(trail.records[0], SIZE_MAX_BYTES)])
    trail.prove()

    with pytest.raises(CommitTooLarge):
        list(trail.repository.first_parents(trail.tip()))
