"""Reading an audit branch: newest first, and nothing where there is none."""

from pathlib import Path

from controller.audit.branch import published
from tests.support.trail import Trail


def test_records_come_newest_first_with_their_commits(tmp_path: Path) -> None:
    trail = Trail.at(tmp_path).build(3)

    found = list(published(trail.repository, "one"))

    assert [one.record for one in found] == trail.records[::-1]
    assert [one.commit for one in found] == trail.commits()[::-1]


def test_without_a_branch_nothing_was_published(tmp_path: Path) -> None:
    assert list(published(Trail.at(tmp_path).repository, "one")) == []
    assert list(published(Trail.at(tmp_path).build(1).repository, "two")) == []
