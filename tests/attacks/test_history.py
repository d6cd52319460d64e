"""A branch that goes back or comes from elsewhere: production stays where it is."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.artifacts import layout
from controller.artifacts.release import ReleaseRef, ReleaseStatement
from controller.authoring.starting import ENVIRONMENT
from controller.kernel.canonical import sha256
from controller.kernel.objects import Oid
from tests.attacks.passes import attempt, stopped
from tests.support.world import NEW_RANGE, OTHER_RANGE, TWO, Shop

DAY = timedelta(days=1)
SERIAL_MAX = 2**31 - 1
OTHERS = ("alice", "carol")


def two_releases(shop: Shop) -> Oid:
    """Apply a second release a day after the first; return where the branch stood before."""
    before = shop.tip
    shop.clock.advance(DAY)
    shop.publish(add=[NEW_RANGE])
    shop.reconcile()
    return before


def ref(statement: ReleaseStatement) -> ReleaseRef:
    """Return how another release names one."""
    return ReleaseRef(statement.serial, sha256(statement.payload()))


def with_root(shop: Shop, by: tuple[str, ...] = TWO, **members: Any) -> None:
    """Commit a root with other members."""
    path, envelope = shop.next_root(lambda document: document.update(members), by=by)
    shop.commit({path: envelope})


# Rollback. The pair: one and the same tree, once by force and once by `git revert`.


@pytest.mark.stops("rollback.force-push", "incident.3-not-descendant")
def test_a_branch_forced_back_to_an_earlier_commit_is_refused(shop: Shop) -> None:
    shop.force(two_releases(shop))

    assert attempt(shop) == stopped("trust.history_rewritten")


@pytest.mark.stops("rollback.force-push", "incident.3-not-descendant")
def test_the_tree_and_signature_of_an_earlier_commit_on_a_new_one_are_refused(shop: Shop) -> None:
    before = two_releases(shop)
    shop.commit({"README.md": b"New.\n"}, by="rollback", onto=before)

    assert attempt(shop) == stopped("trust.history_rewritten")


@pytest.mark.allows(
    "rollback.force-push",
    "rollback.unsigned-revert",
    "rollback.below-floor",
    "rollback.never-applied",
    "incident.3-not-descendant",
)
def test_the_same_tree_by_a_signed_revert_is_applied(shop: Shop) -> None:
    tree = shop.repository.tree_of(two_releases(shop))
    shop.sync()
    shop.git("revert", "--no-edit", "HEAD")

    shop.reconcile()

    assert (shop.serial, "990600" in shop.ranges()) == (1, False)
    assert shop.repository.entry(shop.tree, "environments") == shop.repository.entry(
        tree, "environments"
    )


@pytest.mark.stops("rollback.unsigned-revert")
@pytest.mark.parametrize("by", [None, "alice", "countersign-audit"])
def test_a_revert_by_nobody_who_may_roll_back_is_refused(shop: Shop, by: str | None) -> None:
    two_releases(shop)
    shop.revert_release(shop.released[0], by=by)

    assert attempt(shop) == stopped("trust.rollback_refused")


@pytest.mark.stops("rollback.below-floor")
def test_a_revert_below_the_floor_is_refused(shop: Shop) -> None:
    two_releases(shop)
    with_root(shop, floors={ENVIRONMENT: {"serial": 2}})
    shop.revert_release(shop.released[0])

    assert attempt(shop) == stopped("trust.rollback_refused")


@pytest.mark.stops("rollback.never-applied")
def test_a_revert_to_a_release_that_was_never_applied_is_refused(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.publish(add=[OTHER_RANGE])
    shop.reconcile()
    shop.revert_release(shop.released[1])

    assert attempt(shop) == stopped("trust.rollback_refused")


@pytest.mark.stops("rollback.serial-reused")
def test_other_bytes_under_an_applied_serial_are_refused(shop: Shop) -> None:
    two_releases(shop)
    shop.publish(add=[OTHER_RANGE], serial=2, previous=ref(shop.released[0]))

    assert attempt(shop) == stopped("trust.equivocation")


@pytest.mark.stops("rollback.version-reused")
def test_other_bytes_under_an_accepted_version_are_refused(shop: Shop) -> None:
    two_releases(shop)
    shop.edit(add=[OTHER_RANGE])
    made = shop.next_version()
    shop.release(shop.next_release(shop.sign(replace(made, version=2, previous=None))))

    assert attempt(shop) == stopped("trust.bundle_equivocation")


@pytest.mark.allows("rollback.serial-reused", "rollback.version-reused")
def test_the_next_serial_with_the_next_version_is_applied(shop: Shop) -> None:
    two_releases(shop)
    shop.publish(add=[OTHER_RANGE])

    shop.reconcile()

    assert shop.serial == 3


# Incident 26: what goes back stays back


@pytest.mark.stops("incident.26-undone-rollback")
def test_a_rollback_is_not_undone_by_the_passes_after_it(shop: Shop) -> None:
    two_releases(shop)
    shop.revert_release(shop.released[0])
    shop.reconcile()
    before = shop.footprint()

    for _ in range(3):
        shop.clock.advance(DAY)
        shop.reconcile()

    assert shop.footprint() == before
    assert (shop.serial, "990600" in shop.ranges()) == (1, False)


@pytest.mark.allows("incident.26-undone-rollback")
def test_what_was_rolled_back_comes_again_by_a_new_release(shop: Shop) -> None:
    two_releases(shop)
    shop.revert_release(shop.released[0])
    shop.reconcile()
    shop.publish(add=[OTHER_RANGE], rollback_of=ref(shop.released[1]))

    shop.reconcile()

    assert (shop.serial, "990600" in shop.ranges()) == (3, True)


# Teleport


def orphan(shop: Shop) -> Oid:
    """Return a commit without parents that holds the newest tree, signed by nobody new."""
    raw = shop.repository.raw_commit(shop.tip)
    head, _, message = raw.partition(b"\n\n")
    kept = [
        line for line in head.split(b"\n") if not line.startswith((b"parent ", b"gpgsig", b" "))
    ]
    return shop.repository.write_commit(b"\n".join(kept) + b"\n\n" + message)


@pytest.mark.stops("teleport.history")
def test_the_same_tree_from_a_history_of_its_own_is_refused(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.force(orphan(shop))

    assert attempt(shop) == stopped("trust.history_rewritten")


@pytest.mark.stops("teleport.history")
def test_a_new_host_refuses_a_history_without_its_baseline(new_shop: Shop) -> None:
    baseline = new_shop.commit({layout.release_path(ENVIRONMENT): None})
    new_shop.release(new_shop.released[0])
    new_shop.force(orphan(new_shop))
    new_shop.baseline = baseline

    assert attempt(new_shop) == stopped("trust.not_from_baseline")


@pytest.mark.allows("teleport.history")
def test_a_new_host_goes_on_from_its_baseline(new_shop: Shop) -> None:
    new_shop.publish(add=[NEW_RANGE])

    new_shop.reconcile()

    assert new_shop.serial == 2


def elsewhere(shop: Shop) -> ReleaseStatement:
    """Return a release that the same people signed for another repository of theirs."""
    other = "0d6b6e2e-4f0a-4c1c-9b6e-6a6f0d0c7a11"
    return shop.next_release(repository=other)


@pytest.mark.stops("teleport.repository")
def test_a_release_of_another_repository_of_the_same_people_is_refused(shop: Shop) -> None:
    shop.release(elsewhere(shop))

    assert attempt(shop) == stopped("signed.wrong_place")


@pytest.mark.stops("teleport.repository")
def test_a_root_of_another_repository_of_the_same_people_is_refused(shop: Shop) -> None:
    with_root(shop, repository="0d6b6e2e-4f0a-4c1c-9b6e-6a6f0d0c7a11")

    assert attempt(shop) == stopped("trust.repository_differs")


@pytest.mark.allows("teleport.repository")
def test_the_same_release_for_this_repository_is_applied(shop: Shop) -> None:
    shop.release(replace(elsewhere(shop), repository=shop.root.repository))

    shop.reconcile()

    assert shop.serial == 2
