"""The root changes hands: by old and new owners, step by step, and never by fewer than it takes."""

import json
import shutil
from typing import Any

import pytest

from controller.artifacts.layout import ROOT_DIR
from controller.authoring.rootfiles import read_root
from tests.support.owners import Owners
from tests.support.world import NEW_RANGE


def root_code(owners: Owners) -> str:
    """Return why `status` says that nothing goes on."""
    condition: dict[str, Any] = owners.asks("status")["condition"]
    assert condition["type"] == "Stalled"
    return str(condition["reason"])


@pytest.mark.allows("root.rotation")
def test_a_root_of_old_and_new_owners_is_followed(owners: Owners) -> None:
    owners.rotate(*owners.joins("dora"), *owners.revokes("carol", "left"))

    owners.reconcile()

    newest = owners.desk.folder / ROOT_DIR / "2.root.json"
    status = owners.asks("status")["root"]
    assert owners.shop.held_root_version() == 2
    assert (status["version"], status["sha256"]) == (2, read_root(newest).digest)
    owners.types("root", "verify")


def test_several_roots_that_came_at_once_are_followed_in_one_pass(owners: Owners) -> None:
    owners.rotate(*owners.joins("dora"), by=("alice", "bob"))
    owners.rotate(*owners.joins("erin"), *owners.revokes("carol", "left"), by=("bob", "dora"))
    owners.rotate("--set-threshold", "root=3", by=("dora", "erin", "alice"))

    owners.reconcile()

    assert owners.shop.held_root_version() == 4
    assert len(json.loads(owners.types("root", "verify", "-o", "json").out)["roots"]) == 4


@pytest.mark.stops("root.chain")
def test_a_root_that_skips_a_number_is_refused_until_the_missing_one_comes(owners: Owners) -> None:
    second = owners.sign_root(owners.propose("--floor", "production=1"), "alice", "bob")
    shutil.copy(second, owners.desk.folder / ROOT_DIR)
    third = owners.sign_root(owners.propose("--expires", "2031-01-01"), "alice", "bob")
    (owners.desk.folder / ROOT_DIR / second.name).unlink()
    owners.publish_root(third)

    assert owners.refused() == "roots.not_whole"
    assert root_code(owners) == "roots.not_whole"
    owners.types("root", "verify", ends=2)
    owners.publish_root(second)
    owners.reconcile()
    assert owners.shop.held_root_version() == 3


def test_a_root_that_one_of_two_signed_waits_for_the_other(owners: Owners) -> None:
    proposal = owners.propose(*owners.adds("root", "dora"))
    owners.publish_root(owners.sign_root(proposal, "alice"))

    assert owners.refused() == "trust.threshold_not_met"
    assert root_code(owners) == "trust.threshold_not_met"
    owners.types("root", "verify", ends=3)
    owners.publish_root(owners.sign_root(proposal, "bob"))
    owners.reconcile()
    assert owners.shop.held_root_version() == 2
    assert owners.asks("status")["condition"]["type"] == "Ready"


def test_a_root_that_only_its_new_owners_signed_is_refused(owners: Owners) -> None:
    words = [*owners.adds("root", "dora"), *owners.adds("root", "erin")]
    proposal = owners.propose(*words)
    owners.publish_root(owners.sign_root(proposal, "dora", "erin"))

    assert owners.refused() in {"trust.threshold_not_met", "trust.signer_not_in_role"}
    owners.publish_root(owners.sign_root(proposal, "alice", "bob"))
    owners.reconcile()
    assert owners.shop.held_root_version() == 2


@pytest.mark.stops("root.rotation")
def test_a_root_that_replaces_all_owners_needs_two_of_each(owners: Owners) -> None:
    gone = [word for name in ("alice", "bob", "carol") for word in owners.revokes(name, "left")]
    proposal = owners.propose(*owners.joins("dora"), *owners.joins("erin"), *gone)
    owners.publish_root(owners.sign_root(proposal, "alice", "bob", "dora"))

    assert owners.refused() == "trust.threshold_not_met"
    owners.publish_root(owners.sign_root(proposal, "erin"))
    owners.types("root", "verify")
    # What is live was signed by those who left: the new owners look at it and sign it again.
    assert owners.refused() in {"trust.threshold_not_met", "trust.signer_not_in_role"}
    owners.sign_again("dora", "erin")
    owners.reconcile()
    assert (owners.shop.revision, owners.shop.held_root_version()) == (1, 2)


@pytest.mark.stops("installation.one-owner-two-keys")
def test_an_owner_with_two_keys_is_one_owner(owners: Owners) -> None:
    owners.rotate(*owners.adds("root", "alice-token", owner="alice"))
    owners.reconcile()
    proposal = owners.propose(*owners.adds("root", "dora"))
    owners.publish_root(owners.sign_root(proposal, "alice", "alice-token"))

    assert owners.refused() == "trust.one_owner_counts_once"
    owners.publish_root(owners.sign_root(proposal, "carol"))
    owners.reconcile()
    assert owners.shop.held_root_version() == 3


def test_a_higher_threshold_has_to_be_met_by_the_root_that_asks_for_it(owners: Owners) -> None:
    proposal = owners.propose("--set-threshold", "root=3")
    owners.publish_root(owners.sign_root(proposal, "alice", "bob"))

    assert owners.refused() == "trust.threshold_not_met"
    owners.publish_root(owners.sign_root(proposal, "carol"))
    owners.reconcile()
    assert owners.shop.held_root_version() == 2


def test_a_lower_threshold_has_to_be_granted_by_the_higher_one(owners: Owners) -> None:
    owners.rotate("--set-threshold", "root=3", by=("alice", "bob", "carol"))
    proposal = owners.propose("--set-threshold", "root=1")
    owners.publish_root(owners.sign_root(proposal, "alice", "bob"))

    assert owners.refused() == "trust.threshold_not_met"
    owners.publish_root(owners.sign_root(proposal, "carol"))
    owners.rotate(*owners.adds("root", "dora"), by=("alice",))
    owners.reconcile()
    assert owners.shop.held_root_version() == 4


def test_a_threshold_that_nobody_could_meet_is_not_even_proposed(owners: Owners) -> None:
    owners.types("root", "propose", "--set-threshold", "root=4", ends=3)

    assert owners.propose("--set-threshold", "root=3").exists()


def test_a_lost_minority_is_replaced_and_nothing_that_is_live_is_touched(owners: Owners) -> None:
    owners.rotate(*owners.joins("dora"), *owners.revokes("carol", "lost"))

    assert owners.reconcile() == 1
    assert owners.shop.revision == 1
    owners.publish(NEW_RANGE)
    owners.reconcile()
    assert (owners.shop.serial, owners.shop.held_root_version()) == (2, 2)
    # The new owner counts where the lost one did.
    owners.promote("--drop", "in-imps-neft/branches", by=("alice", "dora"))
    assert owners.reconcile() == 3


@pytest.fixture
def staging(owners: Owners) -> Owners:
    """Return owners whose root lets dora and erin release to staging."""

    def change(document: dict[str, Any]) -> None:
        for name in ("dora", "erin"):
            line = owners.public(name).read_text().rsplit(" ", 1)[0]
            entry = {"owner": name, "public": line, "scheme": "ed25519"}
            document["keys"][owners.id(name)] = entry
        keys = [owners.id("dora"), owners.id("erin")]
        document["roles"]["release"]["staging"] = {"keys": keys, "threshold": 2}

    owners.publish_root(owners.sign_root(owners.edit_root(change), "alice", "bob"))
    owners.reconcile()
    return owners


def test_those_who_release_to_another_environment_do_not_release_to_this_one(
    staging: Owners,
) -> None:
    drop = ("--drop", "in-imps-neft/branches")

    staging.promote(*drop, by=("dora", "erin"), ends=3)
    statement = staging.shop.next_release()
    staging.shop.release(statement, by=("dora", "erin"))
    assert staging.refused() == "trust.signer_not_in_role"
    staging.shop.release(statement, by=("alice", "bob"))
    assert staging.reconcile() == 2
