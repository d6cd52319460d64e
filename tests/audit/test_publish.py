"""Every record becomes one commit, in order, whatever the branch held before."""

import subprocess
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.adapters.git import GitRepository, RefMoved
from controller.adapters.postgres import Connection, DatabaseUnavailable, Limits, connect
from controller.audit import commit
from controller.audit.commit import record_in
from controller.audit.journal import JournalBroken
from controller.audit.prove import verify_database
from controller.audit.publish import AuditForked, LastWritten, publish
from controller.kernel.objects import Oid
from controller.stores.control import outbox
from controller.stores.control.model import OutboxKind
from controller.trust.commit import parse_commit
from tests.support.trail import AUDITOR, STRANGER, Trail, rewrapped


def test_every_record_becomes_one_commit_in_order(
    database: Connection[Any], tmp_path: Path
) -> None:
    trail = Trail.at(tmp_path)
    applied = [trail.apply(database) for _ in range(3)]

    published = trail.publish(database)

    assert trail.commits() == list(published.commits)
    assert published.waiting == 0
    messages = [parse_commit(trail.repository.raw_commit(one)).message for one in trail.commits()]
    assert [record_in(message) for message in messages] == [one.to_bytes() for one in applied]


def test_publishing_again_writes_nothing(database: Connection[Any], tmp_path: Path) -> None:
    trail = Trail.at(tmp_path)
    trail.apply(database)
    trail.publish(database)
    tip = trail.tip()

    published = trail.publish(database)

    assert (published.commits, published.waiting) == ((), 0)
    assert trail.tip() == tip


def test_a_limit_leaves_the_rest_waiting(database: Connection[Any], tmp_path: Path) -> None:
    trail = Trail.at(tmp_path)
    for _ in range(3):
        trail.apply(database)

    published = publish(database, trail.repository, AUDITOR, "one", limit=2)

    assert (len(published.commits), published.waiting) == (2, 1)


class Interrupted:
    """Branches that do something right after so many moves."""

    def __init__(self, trail: Trail, moves: int, then: Callable[[], object]) -> None:
        self._trail, self._left, self._then = trail, moves, then

    def __getattr__(self, name: str) -> Any:
        return getattr(self._trail.repository, name)

    def move(self, ref: str, old: Oid | None, new: Oid) -> None:
        self._trail.repository.move(ref, old, new)
        self._left -= 1
        if self._left == 0:
            self._then()


def assert_published_once(trail: Trail, database: Connection[Any], records: int) -> None:
    """Every record has one commit, in order, and nobody owes or doubts any of them."""
    proof = trail.prove()
    assert [link.seq for link in proof.links] == list(range(1, records + 1))
    assert verify_database(database, proof).lag == 0
    assert outbox.queued(database, OutboxKind.AUDIT_COMMIT) == 0


@pytest.mark.parametrize("moves", [1, 6, 11, 12])
def test_a_publisher_that_stops_within_many_owed_records_is_finished_by_the_next(
    database: Connection[Any], tmp_path: Path, moves: int
) -> None:
    """All marks of a batch are one transaction: what it wrote before it stopped is unmarked."""

    class PowerCut(BaseException):
        """The host is gone."""

    def cut() -> None:
        raise PowerCut

    records = 12
    trail = Trail.at(tmp_path)
    for _ in range(records):
        trail.apply(database)
    database.commit()

    with pytest.raises(PowerCut):
        publish(database, Interrupted(trail, moves, cut), AUDITOR, "one")
    written = trail.commits()
    waiting = outbox.queued(database, OutboxKind.AUDIT_COMMIT)
    database.rollback()
    published = trail.publish(database)

    assert (len(written), waiting) == (moves, records)
    assert [*written, *published.commits] == trail.commits()
    assert published.waiting == 0
    assert_published_once(trail, database, records)


def test_a_publisher_whose_session_ends_before_it_marks_many_records_doubles_none(
    database: Connection[Any], database_url: str, tmp_path: Path
) -> None:
    """Writing many commits takes long, and the server ends a transaction that lies still."""
    records = 12
    trail = Trail.at(tmp_path)
    for _ in range(records):
        trail.apply(database)
    database.commit()
    limits = Limits(idle_in_transaction_ms=100)
    slow = Interrupted(trail, 5, lambda: time.sleep(1))

    with connect(database_url, application_name="slow", limits=limits) as ours:
        with pytest.raises(DatabaseUnavailable):
            publish(ours, slow, AUDITOR, "one")
        ours.close()
    written = trail.commits()
    published = trail.publish(database)

    assert len(written) == records
    assert (published.commits, published.waiting) == ((), 0)
    assert_published_once(trail, database, records)


def test_a_batch_that_stopped_within_its_limit_leaves_the_records_behind_it_waiting(
    database: Connection[Any], tmp_path: Path
) -> None:
    class PowerCut(BaseException):
        """The host is gone."""

    def cut() -> None:
        raise PowerCut

    trail = Trail.at(tmp_path)
    for _ in range(7):
        trail.apply(database)
    database.commit()

    with pytest.raises(PowerCut):
        publish(database, Interrupted(trail, 2, cut), AUDITOR, "one", limit=3)
    database.rollback()
    first = publish(database, trail.repository, AUDITOR, "one", limit=3)
    rest = publish(database, trail.repository, AUDITOR, "one", limit=9)

    assert (len(first.commits), first.waiting, len(rest.commits)) == (1, 4, 4)
    assert_published_once(trail, database, 7)


def test_two_controllers_publish_to_two_branches(database: Connection[Any], tmp_path: Path) -> None:
    trail = Trail.at(tmp_path)
    for controller in ("one", "two", "one"):
        trail.apply(database, controller)
        trail.publish(database, controller)

    assert len(trail.commits("one")) == 2
    assert len(trail.commits("two")) == 1
    assert trail.tip("one") != trail.tip("two")


def test_a_branch_that_was_restored_from_an_older_copy_gets_back_the_same_commits(
    database: Connection[Any], tmp_path: Path
) -> None:
    trail = Trail.at(tmp_path)
    for _ in range(3):
        trail.apply(database)
    trail.publish(database)
    before = trail.commits()
    trail.point_at(before[0])

    trail.apply(database)
    trail.publish(database)

    assert trail.commits()[:3] == before
    assert len(trail.commits()) == 4


def test_a_branch_that_holds_another_record_is_never_written_over(
    database: Connection[Any], tmp_path: Path
) -> None:
    trail = Trail.at(tmp_path)
    trail.apply(database)
    trail.build(1)

    with pytest.raises(AuditForked, match="not the journal's"):
        trail.publish(database)

    assert outbox.queued(database, OutboxKind.AUDIT_COMMIT) == 1


def test_a_branch_that_is_ahead_of_the_journal_is_never_written_over(
    database: Connection[Any], tmp_path: Path
) -> None:
    trail = Trail.at(tmp_path)
    trail.apply(database)
    trail.build(2)

    with pytest.raises(AuditForked, match="the journal does not"):
        trail.publish(database)


def test_a_branch_that_ends_with_somebody_elses_commit_is_never_written_over(
    database: Connection[Any], tmp_path: Path
) -> None:
    trail = Trail.at(tmp_path)
    trail.apply(database)
    trail.commit_files(commit.reference("one"), {"readme": b"hi"})

    with pytest.raises(AuditForked):
        trail.publish(database)


@pytest.mark.parametrize("records_behind", [0, 1])
@pytest.mark.parametrize(
    "bend",
    [
        rewrapped,
        lambda raw: raw[: raw.index(b"\ngpgsig")] + b"\n\n" + raw.partition(b"\n\n")[2],
    ],
    ids=["wrapped again", "unsigned"],
)
def test_a_tip_that_is_not_as_we_wrote_it_is_not_built_upon(
    database: Connection[Any],
    tmp_path: Path,
    bend: Callable[[bytes], bytes],
    records_behind: int,
) -> None:
    trail = Trail.at(tmp_path)
    for _ in range(2):
        trail.apply(database)
    trail.publish(database)
    honest = trail.commits()[records_behind]
    trail.point_at(trail.repository.write_commit(bend(trail.repository.raw_commit(honest)), None))
    bent = trail.tip()
    trail.apply(database)

    with pytest.raises(AuditForked, match="byte for byte"):
        trail.publish(database)
    assert trail.tip() == bent

    trail.point_at(honest)
    trail.publish(database)
    assert_published_once(trail, database, 3)


def test_a_process_that_remembers_what_it_wrote_goes_on_from_there(
    database: Connection[Any], tmp_path: Path
) -> None:
    trail, last = Trail.at(tmp_path), LastWritten()

    for _ in range(3):
        last.record = trail.apply(database)
        publish(database, trail.repository, AUDITOR, "one", last=last)

    assert_published_once(trail, database, 3)


def test_a_tip_is_looked_at_although_its_process_remembers_another(
    database: Connection[Any], tmp_path: Path
) -> None:
    trail, last = Trail.at(tmp_path), LastWritten()
    trail.apply(database)
    publish(database, trail.repository, AUDITOR, "one", last=last)
    trail.commit_files(commit.reference("one"), {"readme": b"hi"})
    trail.apply(database)

    with pytest.raises(AuditForked):
        publish(database, trail.repository, AUDITOR, "one", last=last)


def test_a_commit_that_holds_other_bytes_under_its_name_is_not_the_one_that_is_remembered(
    database: Connection[Any], tmp_path: Path
) -> None:
    trail, last = Trail.at(tmp_path), LastWritten()
    trail.apply(database)
    publish(database, trail.repository, AUDITOR, "one", last=last)
    raw = rewrapped(trail.repository.raw_commit(trail.tip()))
    name = trail.tip().hex()
    place = trail.repository.git_dir / "objects" / name[:2] / name[2:]
    place.chmod(0o644)
    place.write_bytes(zlib.compress(b"commit %d\0%b" % (len(raw), raw)))
    trail.apply(database)

    with pytest.raises(AuditForked, match="byte for byte"):
        publish(database, GitRepository.open(trail.repository.path), AUDITOR, "one", last=last)


def test_a_record_that_is_remembered_vouches_for_no_other_bytes_in_the_journal(
    database: Connection[Any], tmp_path: Path
) -> None:
    trail, last = Trail.at(tmp_path), LastWritten()
    last.record = trail.apply(database)
    other = replace(last.record, signers={"release": ("nobody",)})
    change = "UPDATE controller.journal SET record = %s"
    database.execute("ALTER TABLE controller.journal DISABLE TRIGGER ALL")
    database.execute(change, [other.to_bytes().decode()])

    with pytest.raises(JournalBroken, match="digest differs"):
        publish(database, trail.repository, AUDITOR, "one", last=last)


def test_a_branch_that_moves_while_we_publish_is_looked_at_again(
    database: Connection[Any], tmp_path: Path
) -> None:
    class Racing:
        """Another publisher of the same controller moves the branch between look and move."""

        def __init__(self) -> None:
            self.raced = False

        def __getattr__(self, name: str) -> Any:
            return getattr(trail.repository, name)

        def move(self, ref: str, old: Oid | None, new: Oid) -> None:
            if not self.raced:
                self.raced = True
                trail.repository.move(ref, old, new)
            trail.repository.move(ref, old, new)

    trail = Trail.at(tmp_path)
    trail.apply(database)
    racing = Racing()

    with pytest.raises(RefMoved):
        publish(database, racing, AUDITOR, "one")
    publish(database, racing, AUDITOR, "one")

    assert len(trail.commits()) == 1
    assert outbox.queued(database, OutboxKind.AUDIT_COMMIT) == 0


def verify_commit(trail: Trail, allowed: Path, one: Oid) -> subprocess.CompletedProcess[str]:
    git = ["git", "-c", f"gpg.ssh.allowedSignersFile={allowed}", "-C", str(trail.repository.path)]
    return subprocess.run(
        [*git, "verify-commit", "-v", one.hex()], capture_output=True, text=True, check=False
    )


def test_git_itself_accepts_the_commits_of_a_listed_key_and_no_other(
    database: Connection[Any], tmp_path: Path
) -> None:
    trail = Trail.at(tmp_path)
    trail.apply(database)
    trail.apply(database)
    trail.publish(database)
    allowed, others = tmp_path / "allowed", tmp_path / "others"
    allowed.write_text(f'one namespaces="git" {AUDITOR.public.line}\n')
    others.write_text(f'one namespaces="git" {STRANGER.public.line}\n')

    for one in trail.commits():
        accepted = verify_commit(trail, allowed, one)
        assert accepted.returncode == 0, accepted.stderr
        assert 'Good "git" signature for one' in accepted.stderr
        assert verify_commit(trail, others, one).returncode != 0


def test_git_finds_nothing_wrong_with_the_repository(
    database: Connection[Any], tmp_path: Path
) -> None:
    trail = Trail.at(tmp_path)
    for _ in range(3):
        trail.apply(database)
    trail.publish(database)

    fsck = subprocess.run(
        ["git", "-C", str(trail.repository.path), "fsck", "--strict", "--full"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (fsck.returncode, fsck.stdout) == (0, "")
