"""The benchmarks' long audit trail is one that the controller itself would have written."""

from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from benchmarks import trail
from benchmarks.publish import CONTROLLER, key
from controller.adapters.git import GitRepository
from controller.adapters.postgres import Connection, transaction
from controller.audit import journal
from controller.audit.branch import published
from controller.audit.journal import Link
from controller.audit.publish import AuditForked, publish
from controller.kernel.objects import Oid
from controller.trust.commit import verify_commit
from controller.trust.keys import PublicKey
from tests.support.audit import NOON
from tests.support.trees import git

SOURCE = Oid(b"\1" * 20)
LINKS = tuple(islice(trail.links(SOURCE), 30))


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    """A trail of thirty commits, twenty of them in two packs."""
    made = GitRepository.init(tmp_path / "repository.git", bare=True)
    trail.write_pack(made, LINKS[:10])
    trail.write_pack(made, LINKS[10:20])
    trail.write_loose(made, LINKS[20:])
    return made


def append_and_publish(connection: Connection[Any], repository: GitRepository) -> tuple[Oid, ...]:
    with transaction(connection):
        journal.append(
            connection,
            CONTROLLER,
            lambda link: trail.record(link.seq + 1, link.sha256, SOURCE),
        )
    return publish(connection, repository, key("audit"), CONTROLLER).commits


def test_git_and_the_controller_read_a_long_trail(repository: GitRepository) -> None:
    keys = [PublicKey.of(key("audit").public, CONTROLLER)]

    found = list(published(repository, CONTROLLER))

    assert [one.record for one in found] == [link.record for link in reversed(LINKS)]
    assert git(repository.path, "fsck", "--strict", "--full", "--no-dangling") == ""
    for one in found:
        assert verify_commit(repository.raw_commit(one.commit), keys, NOON) == keys[0].id


def test_the_controller_goes_on_from_a_long_trail(
    repository: GitRepository, database: Connection[Any]
) -> None:
    trail.write_journal(database, LINKS[:25])
    trail.write_journal(database, LINKS[25:])
    assert journal.verify_chain(database, CONTROLLER) == Link(30, LINKS[-1].record.sha256)

    commits = append_and_publish(database, repository)

    assert len(commits) == 1
    assert repository.parents_of(commits[0]) == (LINKS[-1].commit,)


def test_the_controller_goes_on_from_no_trail_that_its_journal_does_not_know(
    repository: GitRepository, database: Connection[Any]
) -> None:
    trail.write_journal(database, LINKS[:25])

    with pytest.raises(AuditForked):
        append_and_publish(database, repository)


def test_a_pack_holds_commits_of_any_size(tmp_path: Path) -> None:
    head = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor A <a@b> 0 +0000\n"
    raws = [
        head + b"committer A <a@b> 0 +0000\n\n" + b"x" * size for size in (1, 15, 2_000, 70_000)
    ]
    repository = GitRepository.init(tmp_path / "repository.git", bare=True)
    (tmp_path / "some.pack").write_bytes(trail.pack(raws))

    git(repository.path, "index-pack", "--strict", str(tmp_path / "some.pack"))

    said = git(repository.path, "verify-pack", "-v", str(tmp_path / "some.pack"))
    sizes = [int(line.split()[2]) for line in said.splitlines() if " commit " in line]
    assert sorted(sizes) == sorted(map(len, raws))
