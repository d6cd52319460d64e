"""Serials were pushed ahead with stolen keys: a root takes them away and serials start again."""

import pytest

from controller.kernel.canonical import Digest
from tests.support.owners import Owners
from tests.support.world import NEW_RANGE, OTHER_RANGE

THIEVES = ("dora", "erin")
BRANCHES = "in-imps-neft/branches"


@pytest.fixture
def robbed(owners: Owners) -> Owners:
    """Return owners who let dora and erin release, too; their keys were stolen today."""
    words = [word for name in THIEVES for word in owners.adds("release/production", name)]
    owners.rotate(*words)
    assert owners.reconcile() == 1
    return owners


def steal(owners: Owners, releases: int) -> None:
    """Push serials ahead: each release drops or brings back what is live."""
    for number in range(releases):
        words = ["--drop", BRANCHES] if number % 2 == 0 else [f"{BRANCHES}@1"]
        owners.promote(*words, by=THIEVES)


def good(owners: Owners) -> Digest:
    """Return the digest of release 1 as `history` tells it."""
    revisions = owners.asks("history")["revisions"]
    found: Digest = next(one["release_sha256"] for one in revisions if one["serial"] == 1)
    return found


def start_again(owners: Owners) -> None:
    """Take the stolen keys away, and let serials start again from release 1."""
    gone = [word for name in THIEVES for word in owners.revokes(name, "stolen")]
    owners.rotate("--reset", f"production=1:{good(owners)}", *gone)


def applied(owners: Owners) -> tuple[int, int, int | None]:
    found = owners.shop.applied()
    assert found is not None
    return found.serial_current, found.serial_high, found.reset_serial


@pytest.mark.allows("fast-forward.serial", "fast-forward.recovery")
def test_stolen_serials_are_undone_by_a_root_and_an_ordinary_release(robbed: Owners) -> None:
    steal(robbed, 3)
    assert robbed.reconcile() == 4
    start_again(robbed)

    # Nobody believes what the thieves released any more, and nothing else is there yet.
    assert robbed.refused() in {"trust.threshold_not_met", "trust.signer_not_in_role"}
    said = robbed.promote(f"{BRANCHES}@1")
    assert "serials start again" in said.err
    assert "Release 2 of production" in said.out
    robbed.host("validate", str(robbed.desk.folder))
    assert robbed.reconcile() == 2

    assert applied(robbed) == (2, 2, 1)
    live = {one["bundle"] for one in robbed.asks("status")["bundles"]}
    assert BRANCHES in live
    robbed.host("audit", "verify")
    robbed.improve(NEW_RANGE)
    assert robbed.reconcile() == 3


@pytest.mark.stops("rollback.serial-reused")
def test_without_a_reset_the_stolen_serials_stay_used(robbed: Owners) -> None:
    steal(robbed, 3)
    robbed.reconcile()
    gone = [word for name in THIEVES for word in robbed.revokes(name, "stolen")]
    robbed.rotate(*gone)

    robbed.promote(f"{BRANCHES}@1")

    assert robbed.reconcile() == 5


def test_a_controller_that_slept_through_all_of_it_finds_its_way(robbed: Owners) -> None:
    steal(robbed, 2)
    start_again(robbed)
    robbed.improve(NEW_RANGE)
    robbed.improve(OTHER_RANGE)

    assert robbed.reconcile() == 3

    assert applied(robbed) == (3, 3, 1)
    assert {"990600", "990601"} < robbed.shop.ranges()


def test_a_controller_that_slept_since_the_theft_finds_its_way(robbed: Owners) -> None:
    steal(robbed, 3)
    assert robbed.reconcile() == 4
    start_again(robbed)
    robbed.improve(NEW_RANGE)
    robbed.improve(OTHER_RANGE)

    assert robbed.reconcile() == 3

    assert applied(robbed) == (3, 3, 1)
    robbed.host("audit", "verify")
    robbed.promote("--drop", BRANCHES)
    assert robbed.reconcile() == 4


def test_the_stolen_release_itself_is_not_the_new_beginning(owners: Owners) -> None:
    """Its owners regret it: it follows the good one, still stands there, and is signed well."""
    owners.promote("--drop", BRANCHES)
    assert owners.reconcile() == 2
    owners.rotate("--reset", f"production=1:{good(owners)}")
    assert owners.reconcile() == 2
    assert applied(owners) == (2, 2, None)

    owners.promote(f"{BRANCHES}@1")

    assert owners.reconcile() == 2
    assert applied(owners) == (2, 2, 1)


def test_a_reset_is_no_way_back_for_whoever_holds_no_rollback_key(robbed: Owners) -> None:
    first = robbed.shop.statement()
    steal(robbed, 2)
    robbed.reconcile()
    start_again(robbed)
    robbed.improve(NEW_RANGE)
    robbed.improve(OTHER_RANGE)
    robbed.reconcile()

    robbed.shop.revert_release(first, by=None)
    assert robbed.refused() == "trust.rollback_refused"
    robbed.shop.sync()
    robbed.git("reset", "--hard", "--quiet", "HEAD~1")
    robbed.types("rollback", "--to", "1", "--key", robbed.key("rollback"))
    assert robbed.reconcile() == 1


def test_the_second_owner_signs_the_release_after_a_reset(robbed: Owners) -> None:
    steal(robbed, 2)
    robbed.reconcile()
    start_again(robbed)

    robbed.promote(f"{BRANCHES}@1", "--partial", by=("alice",))
    robbed.types("sign", "release:production", "--key", robbed.key("bob"))
    robbed.commit("Release 2 again")

    assert robbed.reconcile() == 2


# Floors


def test_a_floor_keeps_an_environment_from_going_back_below_it(owners: Owners) -> None:
    first = owners.shop.statement()
    for line in (NEW_RANGE, OTHER_RANGE):
        owners.publish(line)
        owners.reconcile()
    owners.rotate("--floor", "production=2")
    owners.reconcile()

    owners.types("rollback", "--to", "1", "--key", owners.key("rollback"), ends=3)
    owners.shop.revert_release(first)
    assert owners.refused() == "trust.rollback_refused"
    owners.shop.sync()
    owners.git("reset", "--hard", "--quiet", "HEAD~1")
    owners.types("rollback", "--to", "2", "--key", owners.key("rollback"))
    assert owners.reconcile() == 2


def test_a_floor_keeps_an_old_version_of_a_bundle_out(owners: Owners) -> None:
    owners.publish(NEW_RANGE)
    owners.reconcile()
    owners.rotate("--floor", "card-bin/house-cards=2")
    assert owners.reconcile() == 2

    owners.promote("card-bin/house-cards@1", ends=3)
    owners.types("rollback", "--to", "1", "--key", owners.key("rollback"), ends=3)
    owners.publish(OTHER_RANGE)
    assert owners.reconcile() == 3
