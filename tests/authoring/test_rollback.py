"""Roll back: an earlier release again, signed by those who may."""

import pytest

from controller.app.signers import load_public
from controller.artifacts.rollback import parse as parse_rollback
from controller.authoring.promote import tag_release
from controller.authoring.releases import NoRelease, current
from controller.authoring.rollback import (
    AlreadyThere,
    BelowFloor,
    CommitKey,
    NeedsStatement,
    RolledBack,
    find_target,
    roll_back,
    roll_back_by_statement,
)
from controller.authoring.rootdoc import Changes, KeyOf
from controller.authoring.trusted import KeyNotInRole
from controller.trust.core import ThresholdNotMet
from controller.trust.envelope import parse as parse_envelope
from controller.trust.rollback import by_commit
from tests.support.authoring import CARDS, GIT, NOW, PRODUCTION, Shop

FOLDER = "environments/production"


def key(shop: Shop, name: str) -> CommitKey:
    return CommitKey(load_public(shop.keys / f"{name}.pub"), str(shop.keys / name))


def back_to(shop: Shop, to: str, by: str = "rollback") -> RolledBack:
    target = find_target(shop.workspace, PRODUCTION, to)
    return roll_back(shop.workspace, shop.root, PRODUCTION, target, key(shop, by), now=NOW, git=GIT)


def second_release(shop: Shop) -> None:
    shop.second_version()
    shop.promote(f"{CARDS}@2", by=["alice", "carol"])


def test_the_files_of_the_earlier_release_come_back_unchanged(shop: Shop) -> None:
    before = {name: shop.read(f"{FOLDER}/{name}") for name in ("release.json", "release.dsse.json")}
    second_release(shop)

    done = back_to(shop, "1")

    assert {name: shop.read(f"{FOLDER}/{name}") for name in before} == before
    assert done.commit == shop.head
    assert shop.status() == ""


def test_the_commit_is_signed_by_the_rollback_key(shop: Shop) -> None:
    second_release(shop)

    back_to(shop, "1")

    shop.git("verify-commit", "HEAD")
    raw = shop.workspace.repository.raw_commit(shop.head)
    role = shop.root.rollback_role(PRODUCTION).role
    assert by_commit(raw, role, NOW).owners == {"rollback"}


def test_the_key_that_is_named_wins_over_gits_settings(shop: Shop) -> None:
    shop.git("config", "user.signingkey", str(shop.keys / "alice"))
    second_release(shop)

    assert back_to(shop, "1").owners == {"rollback"}


def test_a_key_that_may_not_roll_back_is_refused_before_anything_is_written(shop: Shop) -> None:
    second_release(shop)
    head = shop.head

    with pytest.raises(KeyNotInRole):
        back_to(shop, "1", by="alice")

    assert (shop.head, shop.status()) == (head, "")


def test_a_tag_leads_back_as_well(shop: Shop) -> None:
    shop.second_version()
    released = shop.promote(f"{CARDS}@2")
    tag_release(shop.workspace, released, git=GIT)
    shop.promote(drop=["caip/chains"])

    done = back_to(shop, "production-2")

    assert done.release.statement.serial == 2


def test_forward_again_to_a_release_that_was_taken_back(shop: Shop) -> None:
    second_release(shop)
    back_to(shop, "1")

    back_to(shop, "2")

    found = current(shop.workspace, PRODUCTION)
    assert found is not None
    assert found.statement.serial == 2


def test_the_release_in_force_is_no_target(shop: Shop) -> None:
    with pytest.raises(AlreadyThere):
        back_to(shop, "1")


@pytest.mark.parametrize("to", ["9", "no-such-tag"])
def test_what_is_not_in_history_is_no_target(shop: Shop, to: str) -> None:
    with pytest.raises(NoRelease):
        back_to(shop, to)


def test_a_commit_of_another_branch_is_no_target(shop: Shop) -> None:
    shop.git("checkout", "--quiet", "-b", "side")
    second_release(shop)
    shop.git("checkout", "--quiet", "main")

    with pytest.raises(NoRelease):
        back_to(shop, "side")


def test_a_release_whose_signatures_no_longer_count_is_no_target(shop: Shop) -> None:
    second_release(shop)
    shop.rotate(Changes(revoke={shop.signer("bob").public.id: "lost"}), by=["alice", "carol"])
    shop.commit("root 2")

    with pytest.raises(ThresholdNotMet):
        back_to(shop, "1")


def test_a_release_below_the_roots_floor_is_no_target(shop: Shop) -> None:
    second_release(shop)
    shop.rotate(Changes(floors={PRODUCTION: 2}))
    shop.commit("root 2")

    with pytest.raises(BelowFloor):
        back_to(shop, "1")


def test_a_role_of_two_owners_needs_a_statement(shop: Shop) -> None:
    second_release(shop)
    carol = KeyOf.usual("carol", shop.signer("carol").public)
    role = "rollback/production"
    shop.rotate(Changes(add={role: [carol]}, thresholds={role: 2}))
    shop.commit("root 2")
    target = find_target(shop.workspace, PRODUCTION, "1")

    with pytest.raises(NeedsStatement):
        back_to(shop, "1")
    done = roll_back_by_statement(
        shop.workspace,
        shop.root,
        PRODUCTION,
        target,
        shop.signers("carol", "rollback"),
        "wrong ranges",
        now=NOW,
        git=GIT,
    )

    assert done.owners == {"carol", "rollback"}


def test_a_statement_stands_for_the_signature_of_a_commit(shop: Shop) -> None:
    second_release(shop)
    target = find_target(shop.workspace, PRODUCTION, "1")

    roll_back_by_statement(
        shop.workspace,
        shop.root,
        PRODUCTION,
        target,
        shop.signers("rollback"),
        "wrong ranges",
        now=NOW,
        git=GIT,
    )

    envelope = parse_envelope(shop.read(f"{FOLDER}/rollback.dsse.json"))
    statement = parse_rollback(envelope.payload)
    assert (statement.to_serial, statement.reason) == (1, "wrong ranges")


def test_a_statement_by_other_keys_is_refused(shop: Shop) -> None:
    second_release(shop)
    target = find_target(shop.workspace, PRODUCTION, "1")

    with pytest.raises((KeyNotInRole, ThresholdNotMet)):
        roll_back_by_statement(
            shop.workspace,
            shop.root,
            PRODUCTION,
            target,
            shop.signers("alice"),
            "wrong ranges",
            now=NOW,
            git=GIT,
        )

    assert shop.status() == ""
