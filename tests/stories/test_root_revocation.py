"""A key is stolen: what it signed is served on, and counts for nothing new until others sign it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.kernel.canonical import sha256
from controller.kernel.instants import format_instant
from tests.support.owners import Owners
from tests.support.world import NEW_RANGE, OTHER_RANGE

TOO_FEW = {"trust.threshold_not_met", "trust.signer_not_in_role"}
DAY = timedelta(days=1)


def revoke_bob(owners: Owners, *more: str) -> None:
    owners.rotate(*owners.revokes("bob", "stolen laptop"), *more, by=("alice", "carol"))


@pytest.mark.stops("key.gone")
def test_what_a_revoked_key_signed_before_is_served_and_nothing_new_of_it_is(
    owners: Owners,
) -> None:
    owners.publish(NEW_RANGE)
    assert owners.reconcile() == 2
    revoke_bob(owners)
    owners.publish(OTHER_RANGE, by=("alice", "bob"))

    assert owners.refused() in TOO_FEW
    found = owners.asks("resolve", "iin", "990600")
    status = owners.asks("status")
    assert found["matched"]["brand"] == "Lagoon Debit"
    assert (status["applied"]["serial"], status["condition"]["type"]) == (2, "Stalled")
    assert "990601" not in owners.shop.ranges()


@pytest.mark.allows("key.gone")
def test_after_a_revocation_the_others_sign_what_is_live_and_go_on(owners: Owners) -> None:
    revoke_bob(owners)
    assert owners.refused() in TOO_FEW

    owners.sign_again("carol")

    owners.reconcile()
    assert (owners.shop.revision, owners.shop.held_root_version()) == (1, 2)
    owners.publish(NEW_RANGE, by=("alice", "bob"))
    assert owners.refused() in TOO_FEW


def test_a_revocation_that_was_seen_stays_whatever_is_pushed_afterwards(owners: Owners) -> None:
    start = owners.shop.tip
    revoke_bob(owners)
    assert owners.refused() in TOO_FEW
    assert owners.shop.held_root_version() == 2
    root = owners.status().root
    assert root is not None
    assert root.version == 2

    owners.shop.force(start)
    owners.shop.sync()
    owners.publish(NEW_RANGE, by=("alice", "bob"))
    assert owners.refused() in TOO_FEW
    # The others sign what bob signed: it is the next release, and root 2 still counts.
    owners.sign_again("carol")
    assert owners.reconcile() == 2
    assert owners.shop.held_root_version() == 2


def test_a_revocation_that_too_few_signed_is_not_kept(owners: Owners) -> None:
    owners.rotate(*owners.revokes("bob", "stolen laptop"), by=("alice",))

    assert owners.refused() in TOO_FEW
    assert owners.shop.held_root_version() == 1


def test_a_refused_pass_keeps_a_root_once_and_moves_nothing_else(owners: Owners) -> None:
    revoke_bob(owners)
    before = owners.shop.applied()

    assert owners.refused() in TOO_FEW
    kept = owners.shop.footprint()
    assert owners.refused() in TOO_FEW

    after = owners.shop.applied()
    assert before is not None
    assert after is not None
    assert replace(after, epoch=before.epoch) == before
    assert owners.shop.footprint() == kept
    owners.host("audit", "verify")


def test_a_revoked_key_is_refused_where_it_signs(owners: Owners) -> None:
    revoke_bob(owners)

    owners.types("sign", "card-bin/house-cards", "--key", owners.key("bob"), ends=3)
    owners.types("sign", "card-bin/house-cards", "--key", owners.key("carol"))


def test_a_proposal_says_which_keys_are_revoked_and_why(owners: Owners) -> None:
    revoke_bob(owners)

    shown = owners.desk_run("root", "show", "-C", str(owners.desk.folder))

    assert "revoked: stolen laptop" in shown.out


def two_releases_and_bob_is_revoked(owners: Owners, *more: str) -> None:
    """Apply two releases; bob signed the first and what it lists, carol all that is live now."""
    owners.publish(NEW_RANGE, by=("alice", "bob"))
    owners.reconcile()
    revoke_bob(owners, *more)
    owners.sign_again("carol")
    owners.reconcile()
    assert owners.shop.serial == 2


def test_going_back_to_what_a_revoked_key_signed_needs_signatures_that_count(
    owners: Owners,
) -> None:
    first = owners.shop.statement()
    two_releases_and_bob_is_revoked(owners)

    owners.types("rollback", "--to", "1", "--key", owners.key("rollback"), ends=3)
    owners.release(first, by=("alice", "bob"))

    assert owners.refused() in TOO_FEW
    assert owners.shop.serial == 2


def test_going_back_to_what_the_root_grandfathers_is_allowed(owners: Owners) -> None:
    first = owners.shop.statement()
    old = [
        first.payload(),
        *(owners.shop.read(one.path) for one in first.bundles),
    ]
    words = [word for payload in old for word in ("--grandfather", sha256(payload))]
    two_releases_and_bob_is_revoked(owners, *words)

    owners.types("rollback", "--to", "1", "--key", owners.key("rollback"))

    assert owners.reconcile() == 1
    assert "990600" not in owners.shop.ranges()


def test_what_is_grandfathered_still_needs_its_signatures(owners: Owners) -> None:
    """A digest in the root forgives dates; it does not sign."""
    owners.shop.released[:] = [owners.shop.statement()]
    release = owners.shop.next_release()
    owners.rotate("--grandfather", sha256(release.payload()))
    owners.release(release, by=("alice",))

    assert owners.refused() in TOO_FEW
    owners.release(release, by=("alice", "bob"))
    assert owners.reconcile() == 2


def with_dora(owners: Owners, **window: str) -> None:
    """Let dora release together with alice, in a window."""

    def change(document: dict[str, Any]) -> None:
        line = owners.public("dora").read_text().rsplit(" ", 1)[0]
        entry = {"owner": "dora", "public": line, "scheme": "ed25519", **window}
        document["keys"][owners.id("dora")] = entry
        document["roles"]["release"]["production"]["keys"].append(owners.id("dora"))

    owners.publish_root(owners.sign_root(owners.edit_root(change), "alice", "bob"))


def release_by_dora(owners: Owners) -> None:
    """Release the present versions again, by alice and dora."""
    owners.shop.released[:] = [owners.shop.statement()]
    owners.release(owners.shop.next_release(), by=("alice", "dora"))


def test_a_key_counts_from_its_first_instant_on(owners: Owners) -> None:
    with_dora(owners, not_before=format_instant(owners.shop.clock.now() + DAY))
    release_by_dora(owners)

    owners.shop.clock.advance(DAY - timedelta(seconds=1))
    assert owners.refused() == "trust.threshold_not_met"
    owners.shop.clock.advance(timedelta(seconds=1))
    assert owners.reconcile() == 2


def test_a_key_counts_up_to_its_last_instant_and_what_it_signed_is_served_on(
    owners: Owners,
) -> None:
    with_dora(owners, not_after=format_instant(owners.shop.clock.now() + DAY))
    release_by_dora(owners)

    owners.shop.clock.advance(DAY - timedelta(seconds=1))
    assert owners.reconcile() == 2
    owners.shop.clock.advance(timedelta(seconds=1))
    assert owners.reconcile() == 2
    release_by_dora(owners)
    assert owners.refused() == "trust.threshold_not_met"
    owners.sign("release:production", "bob")
    assert owners.reconcile() == 3
