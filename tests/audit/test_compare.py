"""Two proven trails are of one history, or the first thing that says otherwise is named."""

import shutil
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from controller.adapters.git import GitRepository
from controller.artifacts import walk
from controller.audit.compare import Agreement, Difference, HistoriesDiffer, Side, compare
from controller.audit.record import AuditRecord
from controller.kernel.canonical import sha256
from controller.kernel.objects import Oid
from controller.trust.root import Reset, Root
from tests.support.trail import OWNERS, Trail, released, renumbered, rooted
from tests.support.trust import sealed

RELEASE = "environments/production/release.json"
ENVELOPE = "environments/production/release.dsse.json"


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    """Return a repository in which `one` applied three releases."""
    return Trail.at(tmp_path).build(3, "one")


def side(
    trail: Trail, controller: str, *, root: Root | None = None, head: Oid | None = None
) -> Side:
    """Return a controller's proven trail."""
    return Side(trail.prove(controller, root, head), trail.repository)


def at_release(trail: Trail, record: AuditRecord, payload: bytes) -> AuditRecord:
    """Commit a release on top of what there is; return the record as one of applying that."""
    path = f"environments/{record.environment}/release.json"
    source = trail.commit_files("refs/heads/main", {path: payload})
    return replace(record, commit=source, release_sha256=sha256(payload))


def followed(
    trail: Trail, length: int, change: Callable[[AuditRecord], AuditRecord] = lambda last: last
) -> None:
    """Let `two` apply the first releases of `one`, the last of them perhaps changed."""
    records = [replace(one, controller="two") for one in trail.records[:length]]
    records[-1] = change(records[-1])
    trail.rewrite(renumbered(records), controller="two")


@pytest.mark.allows("fork.two-histories")
@pytest.mark.parametrize("length", [1, 2, 3])
def test_trails_of_one_history_share_what_both_applied(trail: Trail, length: int) -> None:
    followed(trail, length)

    found = compare(side(trail, "one"), side(trail, "two"))

    assert found == Agreement(length, trail.records[-1].commit)
    assert compare(side(trail, "two"), side(trail, "one")) == found


def test_one_serial_that_means_two_releases_is_named(trail: Trail) -> None:
    other = released(2, rules="other")
    followed(trail, 2, lambda last: at_release(trail, last, other))

    with pytest.raises(HistoriesDiffer) as refusal:
        compare(side(trail, "one"), side(trail, "two"))

    assert refusal.value.difference is Difference.SERIAL
    assert "production 2" in refusal.value.detail


def test_the_same_serial_of_another_environment_means_something_else(trail: Trail) -> None:
    other = released(2, "staging")
    followed(trail, 2, lambda last: at_release(trail, replace(last, environment="staging"), other))

    assert compare(side(trail, "one"), side(trail, "two")).shared == 1


def test_a_serial_that_a_reset_gave_out_again_is_shared_when_both_applied_the_same(
    trail: Trail,
) -> None:
    first, second, third = trail.records
    again = at_release(trail, replace(third, serial=2), released(2, rules="other"))
    trail.rewrite(renumbered([first, second, again]))
    followed(trail, 2)
    root = rooted(reset={"production": Reset(first.serial, first.release_sha256)})

    assert compare(side(trail, "one", root=root), side(trail, "two", root=root)).shared == 2


def test_newest_commits_that_do_not_stand_on_one_line_are_named(trail: Trail) -> None:
    before = trail.records[-1]
    trail.repository.move(
        "refs/heads/main", trail.repository.target("refs/heads/main"), trail.records[1].commit
    )
    trail.commit_files("refs/heads/main", {"README.md": b"apart"})
    apart = trail.commit_files("refs/heads/main", {RELEASE: released(3)})
    followed(trail, 3, lambda last: replace(last, commit=apart))

    with pytest.raises(HistoriesDiffer) as refusal:
        compare(side(trail, "one", head=before.commit), side(trail, "two"))

    assert refusal.value.difference is Difference.LINE
    assert before.commit.hex() in refusal.value.detail
    assert apart.hex() in refusal.value.detail


@pytest.mark.stops("fork.two-histories", "sha1.collision")
def test_one_commit_that_holds_two_releases_is_named(trail: Trail, tmp_path: Path) -> None:
    shutil.copytree(trail.repository.path, tmp_path / "b.git")
    beside = Trail(GitRepository.open(tmp_path / "b.git"))
    forged = released(7)
    collide(beside.repository, trail.records[-1], forged)
    beside.records = trail.records
    followed(beside, 3, lambda last: replace(last, serial=7, release_sha256=sha256(forged)))

    with pytest.raises(HistoriesDiffer) as refusal:
        compare(side(trail, "one"), side(beside, "two"))

    assert refusal.value.difference is Difference.COMMIT
    assert trail.records[-1].commit.hex() in refusal.value.detail


def collide(repository: GitRepository, record: AuditRecord, forged: bytes) -> None:
    """Put other bytes behind the id of a release: what a collision of SHA-1 would do."""
    for path, data in (
        (RELEASE, forged),
        (ENVELOPE, sealed(forged, by=OWNERS).to_bytes()),
    ):
        entry = walk.find(repository, repository.tree_of(record.commit), path)
        assert entry is not None
        name = entry.oid.hex()
        file = repository.git_dir / "objects" / name[:2] / name[2:]
        file.chmod(0o644)
        file.write_bytes(zlib.compress(b"blob %d\0" % len(data) + data))
