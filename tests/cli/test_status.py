"""`countersign status`, `history` and `reconcile`, as an operator runs them."""

import pytest

from tests.support.commands import Desk
from tests.support.world import NEW_RANGE


def test_before_anything_is_applied_status_says_so_and_is_not_ready(desk: Desk) -> None:
    said = desk.run("status", "-o", "json")

    assert said.exit_code == 1
    assert said.json["applied"] is None
    assert said.json["sync"] == "OutOfSync"
    assert said.json["condition"]["type"] == "Reconciling"
    assert said.json["condition"]["reason"] == "NothingApplied"


def test_once_applied_status_is_ready_and_synced(desk: Desk) -> None:
    assert desk.run("reconcile", "--once").exit_code == 0

    said = desk.run("status", "-o", "json")

    assert said.exit_code == 0
    found = said.json
    assert found["sync"] == "Synced"
    assert found["condition"]["type"] == "Ready"
    assert found["applied"]["commit"] == found["observed_commit"]
    assert (found["applied"]["revision"], found["applied"]["serial"]) == (1, 1)
    assert found["rows"]["ranges"] > 0
    assert found["audit_waiting"] == 0
    assert {one["version"] for one in found["bundles"]} == {1}
    assert desk.run("status").out.startswith("production: Ready, Synced\n")


def test_a_release_that_nobody_may_sign_alone_stalls(desk: Desk) -> None:
    desk.run("reconcile", "--once")
    shop = desk.shop()
    shop.release(shop.next_release(), by=["alice"])

    said = desk.run("status", "-o", "json")

    assert said.exit_code == 1
    assert said.json["sync"] == "OutOfSync"
    assert said.json["condition"]["type"] == "Stalled"
    assert said.json["condition"]["reason"] == "trust.threshold_not_met"


def test_a_release_that_enough_signed_waits_to_be_applied(desk: Desk) -> None:
    desk.run("reconcile", "--once")
    desk.shop().publish(add=[NEW_RANGE])

    said = desk.run("status", "-o", "json")

    assert said.exit_code == 1
    assert said.json["condition"]["type"] == "Reconciling"
    assert said.json["condition"]["reason"] == "Pending"


@pytest.mark.stops("incident.1-failed-read")
def test_a_branch_that_is_gone_is_unknown_and_never_empty(desk: Desk) -> None:
    desk.run("reconcile", "--once")
    desk.shop().git("branch", "-m", "main", "elsewhere")

    said = desk.run("status", "-o", "json")

    assert said.exit_code == 1
    assert said.json["sync"] == "Unknown"
    assert said.json["observed_commit"] is None
    assert said.json["condition"]["reason"] == "source.no_branch"
    assert said.json["rows"]["ranges"] > 0


def test_history_lists_revisions_with_their_audit_commits_newest_first(desk: Desk) -> None:
    desk.run("reconcile", "--once")
    desk.shop().publish(add=[NEW_RANGE])
    desk.run("reconcile", "--once")

    revisions = desk.run("history", "-o", "json").json["revisions"]
    newest = desk.run("history", "--limit", "1", "-o", "json").json["revisions"]

    assert [one["revision"] for one in revisions] == [2, 1]
    assert [one["kind"] for one in revisions] == ["forward", "baseline"]
    assert revisions[0]["counts"]["ranges"]["added"] == 1
    assert all(len(one["audit_commit"]) == 40 for one in revisions)
    assert newest == revisions[:1]


def test_history_of_nothing_is_empty_and_no_error(desk: Desk) -> None:
    said = desk.run("history")

    assert (said.exit_code, said.out) == (0, "Nothing has been applied yet.\n")


def test_a_plan_has_the_same_members_whether_something_changes_or_not(desk: Desk) -> None:
    desk.run("reconcile", "--once")
    settled = desk.run("plan", "-o", "json")
    desk.shop().publish(add=[NEW_RANGE])
    waiting = desk.run("plan", "-o", "json")

    assert (settled.exit_code, waiting.exit_code) == (0, 1)
    assert (settled.json["changes"], waiting.json["changes"]) == (False, True)
    assert settled.json.keys() == waiting.json.keys()
    assert settled.json["base"] == settled.json["target"] == waiting.json["base"]
    assert (settled.json["digest"], settled.json["tables"], settled.json["guards"]) == (
        None,
        {},
        [],
    )
