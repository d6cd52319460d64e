"""A release admits only bundles that stand where they were signed for, byte for byte."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.adapters.git import GitRepository
from controller.artifacts import layout
from controller.artifacts.layout import BundleId
from controller.artifacts.merkle import Counts
from controller.artifacts.pinned import FilesNotFound
from controller.artifacts.release import LiveBundle, WidensWindow
from controller.kernel.canonical import Digest, sha256
from controller.kernel.instants import EmptyWindow, Window
from controller.reconcile import admit, signed
from controller.trust.core import ThresholdNotMet
from controller.trust.history import BundleBelowFloor, BundleEquivocation, BundleSkipped
from controller.trust.root import NoRole
from tests.support.world import (
    BRANCHES,
    CARDS,
    NEW_RANGE,
    OTHER_RANGE,
    RANGES,
    Shop,
    with_lines,
)

DAY = timedelta(days=1)


def test_admitted_bundles_say_who_signed_them(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])

    (outcome,) = shop.reconcile()

    assert outcome.decision is not None
    names = {name: len(keys) for name, keys in outcome.decision.admitted.signers.items()}
    assert names["card-bin/house-cards@2"] == names["release"] == 2


def test_a_bundle_that_one_owner_signed_is_refused(shop: Shop) -> None:
    shop.edit(add=[NEW_RANGE])
    shop.release(shop.next_release(shop.sign(shop.next_version(), by=["alice"])))

    with pytest.raises(ThresholdNotMet) as refusal:
        shop.reconcile()

    assert (refusal.value.have, refusal.value.need) == (1, 2)
    assert shop.serial == 1


def test_a_version_that_is_not_in_the_repository_is_refused(shop: Shop) -> None:
    live = LiveBundle(CARDS, 2, Digest("a" * 64))
    shop.release(shop.next_release(live))

    with pytest.raises(admit.BundleMissing) as refusal:
        shop.reconcile()

    assert refusal.value.path == layout.version_dir(CARDS, 2)


def test_a_release_that_pins_other_bytes_than_the_version_has_is_refused(shop: Shop) -> None:
    shop.edit(add=[NEW_RANGE])
    live = shop.sign(shop.next_version())
    shop.release(shop.next_release(replace(live, payload_sha256=Digest("a" * 64))))

    with pytest.raises(admit.BundleDiffers) as refusal:
        shop.reconcile()

    assert (refusal.value.pinned, refusal.value.found) == ("a" * 64, live.payload_sha256)
    assert shop.serial == 1


def test_a_version_that_was_signed_again_after_the_release_is_refused(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.sign(replace(shop.bundle(CARDS, 2), environments=("production", "staging")))

    with pytest.raises(admit.BundleDiffers):
        shop.reconcile()

    assert shop.serial == 1


def moved(shop: Shop, statement: Any, **changes: Any) -> None:
    """Release the statement of a version from the place of another."""
    payload = replace(statement, **changes).payload()
    place = layout.version_dir(CARDS, 2)
    shop.commit(
        {
            f"{place}/bundle.json": payload,
            f"{place}/bundle.dsse.json": shop.sealed(payload, ("alice", "bob")),
        }
    )
    shop.release(shop.next_release(LiveBundle(CARDS, 2, sha256(payload))))


def test_a_bundle_signed_for_another_rail_is_refused(shop: Shop) -> None:
    moved(shop, shop.next_version(), bundle=BundleId("in-imps-neft", "house-cards"))

    with pytest.raises(signed.WrongPlace) as refusal:
        shop.reconcile()

    assert "in-imps-neft/house-cards" in refusal.value.said
    assert "card-bin/house-cards" in refusal.value.place


def test_a_bundle_moved_to_another_name_is_refused(shop: Shop) -> None:
    moved(shop, shop.next_version(), bundle=BundleId("card-bin", "other-cards"))

    with pytest.raises(signed.WrongPlace):
        shop.reconcile()


def test_a_version_moved_to_another_number_is_refused(shop: Shop) -> None:
    moved(shop, shop.bundle(CARDS, 1))

    with pytest.raises(signed.WrongPlace) as refusal:
        shop.reconcile()

    assert refusal.value.said.endswith("/1")


def test_a_bundle_of_another_repository_is_refused(shop: Shop) -> None:
    moved(shop, shop.next_version(), repository="0d6b6e2e-4f0a-4c1c-9b6e-6a6f0d0c7a11")

    with pytest.raises(signed.WrongPlace):
        shop.reconcile()

    assert shop.serial == 1


def test_the_same_bundle_signed_for_its_place_is_admitted(shop: Shop) -> None:
    moved(shop, shop.next_version())

    shop.reconcile()

    assert shop.serial == 2


def test_a_bundle_signed_for_another_environment_is_refused(shop: Shop) -> None:
    shop.edit(add=[NEW_RANGE])
    statement = shop.next_version(environments=("staging",))
    shop.release(shop.next_release(shop.sign(statement)))

    with pytest.raises(admit.NotForEnvironment) as refusal:
        shop.reconcile()

    assert refusal.value.environment == "production"


def test_a_bundle_signed_for_this_environment_among_others_is_admitted(shop: Shop) -> None:
    shop.edit(add=[NEW_RANGE])
    statement = shop.next_version(environments=("production", "staging"))
    shop.release(shop.next_release(shop.sign(statement)))

    shop.reconcile()

    assert shop.serial == 2


# Files


def test_files_that_changed_after_signing_are_not_what_is_applied(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.edit(add=[OTHER_RANGE])

    shop.reconcile()

    assert "990600" in shop.ranges()
    assert "990601" not in shop.ranges()


def test_files_that_no_commit_holds_are_not_found(shop: Shop) -> None:
    shop.edit(add=[NEW_RANGE])
    statement = shop.next_version(files_root=Digest("a" * 64))
    shop.release(shop.next_release(shop.sign(statement)))

    with pytest.raises(FilesNotFound) as refusal:
        shop.reconcile()

    assert (refusal.value.bundle, refusal.value.version) == (CARDS, 2)
    assert shop.serial == 1


def pushed(shop: Shop) -> None:
    """Leave only the objects that the branch reaches, as a fresh clone has them."""
    shop.git("reflog", "expire", "--expire=now", "--all")
    shop.git("gc", "--quiet", "--prune=now")
    shop.repository = GitRepository.open(shop.folder)  # forgets what it has read


def squashed(shop: Shop, *, keep: bool) -> None:
    """Release a version whose files only a squashed commit held, with or without those files."""
    before = shop.tip
    shop.edit(add=[NEW_RANGE])
    statement = shop.next_version()
    held = shop.read(RANGES)
    shop.force(before)
    if keep:
        shop.commit({RANGES: held})
    live = shop.sign(statement)
    shop.commit({RANGES: with_lines(shop.read(RANGES), add=[OTHER_RANGE])})
    shop.release(shop.next_release(live))
    shop.sync()
    pushed(shop)


def test_files_that_a_squash_dropped_are_not_found(shop: Shop) -> None:
    squashed(shop, keep=False)

    with pytest.raises(FilesNotFound):
        shop.reconcile()

    assert shop.serial == 1


def test_files_that_a_squash_kept_in_history_are_found(shop: Shop) -> None:
    squashed(shop, keep=True)

    shop.reconcile()

    assert shop.serial == 2
    assert "990600" in shop.ranges()
    assert "990601" not in shop.ranges()


def test_a_wrong_hint_of_the_files_tree_costs_time_and_no_trust(shop: Shop) -> None:
    shop.edit(add=[NEW_RANGE])
    statement = shop.next_version(git_tree=shop.bundle(BRANCHES, 1).git_tree)
    shop.release(shop.next_release(shop.sign(statement)))

    shop.reconcile()

    assert "990600" in shop.ranges()


def test_signed_counts_that_are_not_those_of_the_files_are_refused(shop: Shop) -> None:
    shop.edit(add=[NEW_RANGE])
    made = shop.next_version()
    tables = {**made.tables, "ranges": Counts(1, 13, made.tables["ranges"].bytes)}
    shop.release(shop.next_release(shop.sign(replace(made, tables=tables))))

    with pytest.raises(admit.CountsDiffer) as refusal:
        shop.reconcile()

    assert refusal.value.path == layout.statement_path(CARDS, 2)
    assert shop.serial == 1


def test_signed_counts_that_are_those_of_the_files_are_admitted(shop: Shop) -> None:
    shop.edit(add=[NEW_RANGE])
    made = shop.next_version()

    shop.release(shop.next_release(shop.sign(made)))
    shop.reconcile()

    assert made.tables["ranges"].rows == 12
    assert shop.serial == 2


# Versions


def test_a_version_that_was_accepted_with_other_bytes_is_an_equivocation(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.reconcile()
    other = replace(shop.bundle(CARDS, 2), environments=("production", "staging"))
    shop.release(shop.next_release(shop.sign(other)))

    with pytest.raises(BundleEquivocation) as refusal:
        shop.reconcile()

    assert (refusal.value.bundle, refusal.value.version) == (str(CARDS), 2)
    assert shop.serial == 2


def test_a_version_far_ahead_is_refused(shop: Shop) -> None:
    made = shop.next_version(version=1002)
    previous = replace(made.previous, version=1001) if made.previous else None
    shop.release(shop.next_release(shop.sign(replace(made, previous=previous))))

    with pytest.raises(BundleSkipped) as refusal:
        shop.reconcile()

    assert refusal.value.last == 1


def with_floor(shop: Shop, version: int) -> None:
    """Commit a root that lets no version of the cards below one be live."""

    def change(document: dict[str, Any]) -> None:
        document["floors"] = {"bundles": {str(CARDS): version}}

    path, envelope = shop.next_root(change)
    shop.commit({path: envelope})


@pytest.mark.stops("rollback.below-floor")
def test_a_version_below_the_roots_floor_is_refused(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    with_floor(shop, 3)

    with pytest.raises(BundleBelowFloor) as refusal:
        shop.reconcile()

    assert (refusal.value.version, refusal.value.floor) == (2, 3)
    assert shop.serial == 1


def test_a_version_at_the_roots_floor_is_admitted(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    with_floor(shop, 2)

    shop.reconcile()

    assert shop.serial == 2


# Windows


def two_versions(shop: Shop, first: Window | None, second: Window) -> None:
    """Release version 1 narrowed to a window and version 2 signed for another."""
    shop.edit(add=[NEW_RANGE])
    live = shop.sign(shop.next_version(window=second))
    old = next(one for one in shop.released[0].bundles if one.bundle == CARDS)
    release = shop.next_release(live)
    bundles = (*release.bundles, replace(old, window=first))
    shop.release(replace(release, bundles=bundles))


def test_two_versions_whose_windows_overlap_are_refused(shop: Shop) -> None:
    change = shop.clock.now() + DAY
    two_versions(shop, Window(None, change + timedelta(seconds=1)), Window(change))

    with pytest.raises(admit.WindowsOverlap) as refusal:
        shop.reconcile()

    assert (refusal.value.bundle, set(refusal.value.versions)) == (CARDS, {1, 2})
    assert shop.serial == 1


def test_two_versions_whose_windows_adjoin_are_admitted(shop: Shop) -> None:
    change = shop.clock.now() + DAY
    two_versions(shop, Window(None, change), Window(change))

    shop.reconcile()

    assert shop.serial == 2


def test_a_release_that_widens_a_signed_window_is_refused(shop: Shop) -> None:
    start = shop.clock.now() + DAY
    shop.edit(add=[NEW_RANGE])
    live = shop.sign(shop.next_version(window=Window(start)))
    shop.release(shop.next_release(replace(live, window=Window(start - DAY))))

    with pytest.raises(WidensWindow):
        shop.reconcile()

    assert shop.serial == 1


def test_a_release_that_narrows_a_signed_window_is_admitted(shop: Shop) -> None:
    start = shop.clock.now() + DAY
    shop.edit(add=[NEW_RANGE])
    live = shop.sign(shop.next_version(window=Window(start)))
    shop.release(shop.next_release(replace(live, window=Window(start + DAY))))

    shop.reconcile()

    assert shop.serial == 2


def test_a_release_that_leaves_nothing_of_a_signed_window_is_refused(shop: Shop) -> None:
    now = shop.clock.now()
    shop.edit(add=[NEW_RANGE])
    live = shop.sign(shop.next_version(window=Window(now, now + DAY)))
    shop.release(shop.next_release(replace(live, window=Window(now + DAY))))

    with pytest.raises((EmptyWindow, WidensWindow)):
        shop.reconcile()


# Roles


def test_a_rail_whose_bundles_nobody_may_sign_is_refused(shop: Shop) -> None:
    def change(document: dict[str, Any]) -> None:
        (delegation,) = document["roles"]["bundle"]
        delegation["rails"].remove("card-bin")

    path, envelope = shop.next_root(change)
    shop.commit({path: envelope})
    shop.publish(add=[NEW_RANGE])

    with pytest.raises(NoRole):
        shop.reconcile()

    assert shop.serial == 1


def delegate_cards(shop: Shop) -> None:
    """Commit a root in which bob and carol, and nobody else, sign the cards."""
    people = [shop.signer(name).public.id for name in ("bob", "carol")]

    def change(document: dict[str, Any]) -> None:
        (delegation,) = document["roles"]["bundle"]
        cards = {**delegation, "paths": [f"bundles/{CARDS}"], "keys": people}
        document["roles"]["bundle"] = [cards, delegation]

    path, envelope = shop.next_root(change)
    shop.commit({path: envelope})


@pytest.mark.parametrize("people", [("alice", "bob"), ("alice", "carol")])
def test_a_bundle_is_refused_when_its_path_is_delegated_to_others(
    shop: Shop, people: tuple[str, str]
) -> None:
    delegate_cards(shop)
    shop.edit(add=[NEW_RANGE])
    shop.release(shop.next_release(shop.sign(shop.next_version(), by=people)))

    with pytest.raises(ThresholdNotMet) as refusal:
        shop.reconcile()

    assert (refusal.value.have, refusal.value.need) == (1, 2)


def test_a_bundle_is_admitted_when_those_its_path_is_delegated_to_signed(shop: Shop) -> None:
    delegate_cards(shop)
    shop.edit(add=[NEW_RANGE])
    shop.release(shop.next_release(shop.sign(shop.next_version(), by=("bob", "carol"))))

    shop.reconcile()

    assert shop.serial == 2
