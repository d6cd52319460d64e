"""A publisher that dies between any two effects neither loses nor doubles a commit."""

import itertools
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from controller.adapters.postgres import Connection, transaction
from controller.audit import journal
from controller.audit.commit import reference
from controller.audit.prove import verify_database
from controller.stores.control import outbox
from controller.stores.control.model import OutboxKind
from tests.support.trail import Trail

HOUSE = Path(__file__).parents[2]
RECORDS_EACH = 2


def publish_dying_at(deadly_effect: int, trail: Trail, url: str) -> bool:
    """Run a publisher that is killed before its n-th effect; return whether it survived."""
    child = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.support.publisher",
            url,
            str(trail.repository.path),
            str(deadly_effect),
        ],
        cwd=HOUSE,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert child.returncode in (0, -signal.SIGKILL), child.stderr
    return child.returncode == 0


def test_a_crash_at_any_effect_leaves_exactly_one_commit_for_each_record(
    database: Connection[Any], database_url: str, tmp_path: Path
) -> None:
    for deadly_effect in itertools.count(1):
        controller = "one"
        trail = Trail.at(tmp_path)
        applied = [trail.apply(database, controller) for _ in range(RECORDS_EACH)]
        total = applied[-1].seq

        survived = publish_dying_at(deadly_effect, trail, database_url)

        if trail.repository.target(reference(controller)) is not None:
            assert len(trail.prove().links) in range(total - RECORDS_EACH, total + 1)
        trail.publish(database)
        proof = trail.prove()
        assert [link.seq for link in proof.links] == list(range(1, total + 1))
        assert verify_database(database, proof).lag == 0
        assert outbox.queued(database, OutboxKind.AUDIT_COMMIT) == 0
        database.rollback()
        if survived:
            # Each record is written and pointed at; one transaction marks them all.
            assert deadly_effect > RECORDS_EACH * 2 + 1
            return


def test_a_crash_before_the_revision_commits_leaves_no_record_and_owes_no_commit(
    database: Connection[Any], tmp_path: Path
) -> None:
    class PowerCut(BaseException):
        """The host is gone."""

    def apply_and_die() -> None:
        with transaction(database):
            trail.apply(database)
            raise PowerCut

    trail = Trail.at(tmp_path)
    with pytest.raises(PowerCut):
        apply_and_die()

    assert journal.last_link(database, "one").seq == 0
    database.rollback()
    assert trail.publish(database).commits == ()


def test_a_commit_that_was_written_but_never_pointed_at_is_written_again_as_the_same_object(
    database: Connection[Any], database_url: str, tmp_path: Path
) -> None:
    trail = Trail.at(tmp_path)
    trail.apply(database)
    before_move = 3  # the empty tree, the commit, and then the branch

    assert not publish_dying_at(before_move, trail, database_url)

    assert trail.repository.target(reference("one")) is None
    counted = ["git", "-C", str(trail.repository.path), "count-objects"]
    objects = subprocess.run(counted, capture_output=True, check=True).stdout
    trail.publish(database)
    assert subprocess.run(counted, capture_output=True, check=True).stdout == objects
