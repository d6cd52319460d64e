"""A host that has no repository of its own: it reconciles from a remote, forward only."""

import json

import pytest

from controller.adapters.git import GitRepository
from tests.support.commands import Desk
from tests.support.trees import git


@pytest.fixture
def away(desk: Desk) -> Desk:
    """Return a deploy host that follows the people's repository as a remote one."""
    text = desk.config.read_text()
    lines = text.split("\n")
    at = next(number for number, line in enumerate(lines) if line.startswith("path = "))
    del lines[at]
    url = json.dumps(f"file://{desk.folder}")
    lines += ["[remote]", f"url = {url}", "[remote.audit]"]
    desk.config.write_text("\n".join(lines))
    return desk


def test_a_remote_is_fetched_before_a_pass_and_its_audit_commits_stay_in_the_mirror(
    away: Desk,
) -> None:
    said = away.run("plan")
    assert said.exit_code == 2
    assert "no mirror" in said.err

    first = away.run("reconcile", "--once", "-o", "json")
    again = away.run("reconcile", "--once", "-o", "json")

    assert first.exit_code == 0, first.err
    assert first.json["outcomes"][0]["applied"]
    assert not again.json["outcomes"][0]["applied"]
    assert away.run("plan").exit_code == 0
    mirror = GitRepository.open(away.home / "keys" / "state" / "mirror.git")
    assert mirror.references("refs/heads/audit/")
    assert git(away.folder, "branch", "--list", "audit/*") == ""


def test_a_remote_that_was_rewritten_is_refused_and_production_stays(away: Desk) -> None:
    assert away.run("reconcile", "--once").exit_code == 0
    before = away.run("history", "-o", "json").json
    git(away.folder, "commit", "-q", "--amend", "-m", "another history")

    said = away.run("reconcile", "--once")

    assert said.exit_code == 3
    assert "does not descend from the accepted commit" in said.err
    assert away.run("history", "-o", "json").json == before
    git(away.folder, "reset", "-q", "--hard", "HEAD@{1}")
    assert away.run("reconcile", "--once").exit_code == 0
