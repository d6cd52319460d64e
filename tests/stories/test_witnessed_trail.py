"""Somebody keeps a checkpoint, somebody else cuts the end of the trail off: with real git."""

from pathlib import Path

import pytest

from controller.trust.checkpoint import Checkpoint
from controller.trust.note import VerifierKey, verify
from tests.support.commands import Desk
from tests.support.world import NEW_RANGE, OTHER_RANGE

BRANCH = "refs/heads/audit/countersign"


@pytest.fixture
def desk(tmp_path: Path, database_url: str) -> Desk:
    """Return a deploy host that has applied three releases."""
    (tmp_path / "host").mkdir()
    desk = Desk.make(tmp_path / "first").copy(tmp_path / "host", database_url)
    assert desk.run("reconcile", "--once").exit_code == 0
    for line in (NEW_RANGE, OTHER_RANGE):
        desk.shop().publish(add=[line])
        assert desk.run("reconcile", "--once").exit_code == 0
    return desk


def keep(desk: Desk, name: str) -> str:
    """Hand a checkpoint to somebody else; return where they keep it."""
    said = desk.run("audit", "checkpoint")
    assert said.exit_code == 0, said.err
    kept = desk.home / name
    kept.write_text(said.out)
    return str(kept)


@pytest.mark.stops("deploy-key.audit-branch", "audit-key.forged")
def test_a_cut_tail_passes_git_and_not_the_checkpoint_that_somebody_kept(desk: Desk) -> None:
    kept = keep(desk, "checkpoint.txt")

    desk.shop().git("update-ref", BRANCH, f"{BRANCH}~1")

    alone = desk.run("audit", "verify", "--git-only")
    witnessed = desk.run("audit", "verify", "--git-only", "--checkpoint", kept)
    assert alone.exit_code == 0, alone.err
    assert "git: 2 links" in alone.out
    assert witnessed.exit_code == 3
    assert "link 3, the branch" in witnessed.err
    assert "knows of 3 records, the branch has 2" in witnessed.err


def test_a_whole_trail_passes_both_and_goes_on_passing_as_it_grows(desk: Desk) -> None:
    first = keep(desk, "first.txt")
    desk.shop().publish(drop=[NEW_RANGE])
    assert desk.run("reconcile", "--once").exit_code == 0
    second = keep(desk, "second.txt")

    said = desk.run("audit", "verify", "--checkpoint", first, "--checkpoint", second)
    found = desk.run(
        "audit", "verify", "--git-only", "--checkpoint", second, "--checkpoint", first, "-o", "json"
    )

    assert said.exit_code == 0, said.err
    assert "the 4 links begin with the 3 of" in said.out
    assert [(one["file"], one["size"]) for one in found.json["checkpoints"]] == [
        (first, 3),
        (second, 4),
    ]


def test_a_trail_that_was_cut_off_gets_no_new_checkpoint(desk: Desk) -> None:
    desk.shop().git("update-ref", BRANCH, f"{BRANCH}~1")

    said = desk.run("audit", "checkpoint")

    assert said.exit_code == 3
    assert said.out == ""
    assert "the branch ends before a record that was published" in said.err
    assert desk.run("audit", "checkpoint", "--git-only").exit_code == 0


def test_a_witness_needs_nothing_of_ours_to_check_it(desk: Desk) -> None:
    made = desk.run("audit", "checkpoint", "-o", "json").json

    verified = verify(made["note"].encode(), [VerifierKey.parse(made["verifier_key"])])

    checkpoint = Checkpoint.parse(verified.text)
    assert (checkpoint.origin, checkpoint.size) == (made["origin"], 3)
    assert made["size"] == 3
    assert checkpoint.root_text == made["root"]
    assert desk.run("audit", "checkpoint").out == made["note"]


def test_a_host_without_the_audit_key_makes_no_checkpoint(desk: Desk) -> None:
    settings = desk.config.read_text()
    desk.config.write_text(settings.replace('key = "countersign-audit"\n', ""))

    said = desk.run("audit", "checkpoint")

    assert said.exit_code == 2
    assert "no audit key" in said.err


def test_a_checkpoint_that_is_no_file_is_a_wrong_command(desk: Desk) -> None:
    assert desk.run("audit", "verify", "--checkpoint", "nowhere.txt").exit_code == 2
