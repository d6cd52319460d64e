"""Which release may follow: forward by one, back only with authority, and never by force."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.artifacts import layout
from controller.artifacts.release import ReleaseRef, ReleaseStatement
from controller.artifacts.rollback import RollbackStatement
from controller.authoring.starting import ENVIRONMENT
from controller.kernel.canonical import Digest, sha256
from controller.reconcile.signed import WrongPlace
from controller.reconcile.succession import NoRelease, RollbackLapsed, RollbackSpent
from controller.source.history import NotOnBranch
from controller.source.repository import NoBranch
from controller.stores.control.model import RevisionKind
from controller.trust.history import (
    ClockBehind,
    Equivocation,
    HistoryRewritten,
    NotFromBaseline,
    PreviousMismatch,
    ReleaseExpired,
    RollbackReason,
    RollbackRefused,
    SerialReplayed,
    SerialSkipped,
)
from tests.support.world import NEW_RANGE, OTHER_RANGE, Shop

THIRD_RANGE = OTHER_RANGE.replace("990601", "990602")
DAY = timedelta(days=1)


def ref(statement: ReleaseStatement) -> ReleaseRef:
    """Return how another release names one."""
    return ReleaseRef(statement.serial, sha256(statement.payload()))


def two_releases(shop: Shop) -> Shop:
    """Apply a second release a day after the first."""
    shop.clock.advance(DAY)
    shop.publish(add=[NEW_RANGE])
    shop.reconcile()
    assert shop.serial == 2
    return shop


# Forward


def test_the_next_release_is_applied(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])

    (outcome,) = shop.reconcile()

    assert outcome.revision is not None
    assert outcome.revision.kind is RevisionKind.FORWARD
    assert (shop.serial, shop.revision) == (2, 2)
    assert "990600" in shop.ranges()


def test_a_serial_that_skips_one_is_refused(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE], serial=3)

    with pytest.raises(SerialSkipped) as refusal:
        shop.reconcile()

    assert (refusal.value.serial, refusal.value.expected) == (3, 2)
    assert (shop.serial, shop.revision) == (1, 1)


def test_other_bytes_under_a_serial_that_was_applied_are_an_equivocation(shop: Shop) -> None:
    two_releases(shop)
    shop.publish(add=[OTHER_RANGE], serial=2, previous=ref(shop.released[0]))

    with pytest.raises(Equivocation) as refusal:
        shop.reconcile()

    assert refusal.value.serial == 2
    assert refusal.value.known == sha256(shop.released[1].payload())
    assert shop.revision == 2


def test_a_release_that_names_another_predecessor_is_refused(shop: Shop) -> None:
    two_releases(shop)
    shop.publish(add=[OTHER_RANGE], previous=ReleaseRef(2, Digest("a" * 64)))

    with pytest.raises(PreviousMismatch) as refusal:
        shop.reconcile()

    assert refusal.value.serial == 3
    assert refusal.value.named == (2, "a" * 64)


def test_a_release_that_names_the_one_before_its_predecessor_is_refused(shop: Shop) -> None:
    two_releases(shop)
    shop.publish(add=[OTHER_RANGE], previous=ref(shop.released[0]))

    with pytest.raises(PreviousMismatch):
        shop.reconcile()

    assert shop.serial == 2


def test_a_release_that_names_its_predecessor_is_applied(shop: Shop) -> None:
    two_releases(shop)
    shop.publish(add=[OTHER_RANGE], previous=ref(shop.released[1]))

    shop.reconcile()

    assert shop.serial == 3


def test_a_release_past_its_date_is_refused(shop: Shop) -> None:
    expires = shop.clock.now() + DAY
    shop.publish(add=[NEW_RANGE], expires=expires)
    shop.clock.advance(DAY)

    with pytest.raises(ReleaseExpired) as refusal:
        shop.reconcile()

    assert (refusal.value.serial, refusal.value.expires) == (2, expires)
    assert shop.serial == 1


def test_a_release_in_its_last_second_is_applied(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE], expires=shop.clock.now() + DAY)
    shop.clock.advance(DAY - timedelta(seconds=1))

    shop.reconcile()

    assert shop.serial == 2


def test_a_release_that_expires_later_goes_on_being_served(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE], expires=shop.clock.now() + DAY)
    shop.reconcile()
    shop.clock.advance(2 * DAY)

    (outcome,) = shop.reconcile()

    assert outcome.revision is None
    assert shop.serial == 2


def test_a_clock_that_went_back_judges_nothing(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.clock.advance(timedelta(seconds=-301))

    with pytest.raises(ClockBehind):
        shop.reconcile()

    assert shop.serial == 1


def test_a_clock_that_went_back_a_little_is_forgiven(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.clock.advance(timedelta(seconds=-300))

    shop.reconcile()

    assert shop.serial == 2


# A controller that slept


def test_a_controller_that_slept_applies_the_newest_release_alone(shop: Shop) -> None:
    for line in (NEW_RANGE, OTHER_RANGE, THIRD_RANGE):
        shop.publish(add=[line])

    (outcome,) = shop.reconcile()

    assert outcome.revision is not None
    assert (outcome.revision.serial, outcome.revision.revision) == (4, 2)
    assert outcome.decision is not None
    assert sorted(outcome.decision.succession.seen) == [2, 3, 4]
    assert {"990600", "990601", "990602"} <= shop.ranges()


def test_a_chain_with_a_missing_link_is_refused(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    lost = shop.released[-1]
    shop.force(shop.baseline)
    shop.publish(add=[OTHER_RANGE], serial=3, previous=ref(lost))

    with pytest.raises(SerialSkipped) as refusal:
        shop.reconcile()

    assert (refusal.value.serial, refusal.value.expected) == (3, 2)
    assert shop.serial == 1


def test_a_chain_whose_middle_is_signed_by_nobody_is_believed_for_its_successors_word(
    shop: Shop,
) -> None:
    shop.edit(add=[NEW_RANGE])
    middle = shop.next_release(shop.sign(shop.next_version()))
    shop.release(middle, by=("alice",))
    shop.publish(add=[OTHER_RANGE])

    shop.reconcile()

    assert shop.serial == 3


def test_a_chain_whose_middle_forks_from_what_was_applied_is_refused(shop: Shop) -> None:
    two_releases(shop)
    fork = replace(shop.released[0], serial=2, previous=ref(shop.released[0]))
    shop.release(replace(fork, created=shop.clock.now() + DAY))
    shop.publish(add=[OTHER_RANGE])

    with pytest.raises(PreviousMismatch):
        shop.reconcile()

    assert shop.serial == 2


def test_a_release_and_its_revert_while_the_controller_slept_change_nothing(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.revert_release(shop.released[0], by=None)

    (outcome,) = shop.reconcile()

    assert outcome.revision is None
    assert shop.serial == 1


# Back


def test_a_signed_revert_brings_the_release_before_back(shop: Shop) -> None:
    two_releases(shop)
    shop.revert_release(shop.released[0])

    (outcome,) = shop.reconcile()

    assert outcome.revision is not None
    assert outcome.revision.kind is RevisionKind.ROLLBACK
    assert (shop.serial, shop.revision) == (1, 3)
    assert "990600" not in shop.ranges()
    applied = shop.applied()
    assert applied is not None
    assert applied.serial_high == 2


@pytest.mark.parametrize("by", [None, "alice"], ids=["nobody", "an owner"])
def test_a_revert_without_a_rollback_key_is_refused(shop: Shop, by: str | None) -> None:
    two_releases(shop)
    shop.revert_release(shop.released[0], by=by)

    with pytest.raises(RollbackRefused) as refusal:
        shop.reconcile()

    assert refusal.value.reason is RollbackReason.UNSIGNED
    assert (refusal.value.serial, refusal.value.high) == (1, 2)
    assert shop.serial == 2


def test_a_later_commit_of_a_rollback_key_does_not_sign_the_revert(shop: Shop) -> None:
    two_releases(shop)
    shop.revert_release(shop.released[0], by=None)
    shop.commit({"README.md": b"New.\n"}, by="rollback")

    with pytest.raises(RollbackRefused):
        shop.reconcile()

    assert shop.serial == 2


def test_a_revert_stays_signed_when_other_commits_follow(shop: Shop) -> None:
    two_releases(shop)
    shop.revert_release(shop.released[0])
    shop.commit({"README.md": b"New.\n"})

    shop.reconcile()

    assert shop.serial == 1


def test_a_real_git_revert_brings_the_release_before_back(shop: Shop) -> None:
    two_releases(shop)
    shop.sync()
    shop.git("revert", "--no-edit", "HEAD")

    shop.reconcile()

    assert shop.serial == 1


@pytest.mark.stops("rollback.unsigned-revert")
def test_a_real_git_revert_that_is_not_signed_is_refused(shop: Shop) -> None:
    two_releases(shop)
    shop.sync()
    shop.git("-c", "commit.gpgsign=false", "revert", "--no-edit", "HEAD")

    with pytest.raises(RollbackRefused):
        shop.reconcile()

    assert shop.serial == 2


def test_a_force_push_back_to_the_same_tree_is_refused(shop: Shop) -> None:
    first = shop.tip
    two_releases(shop)
    second = shop.tip
    shop.force(first)

    with pytest.raises(HistoryRewritten) as refusal:
        shop.reconcile()

    assert (refusal.value.accepted, refusal.value.head) == (second, first)
    assert shop.serial == 2


def test_a_force_push_back_with_a_commit_of_the_rollback_key_is_refused(shop: Shop) -> None:
    first = shop.tip
    two_releases(shop)
    shop.commit({"README.md": b"New.\n"}, by="rollback", onto=first)

    with pytest.raises(HistoryRewritten):
        shop.reconcile()

    assert shop.serial == 2


def test_a_revert_of_a_branch_that_went_on_is_a_revert(shop: Shop) -> None:
    two_releases(shop)
    shop.clock.advance(DAY)
    shop.publish(add=[OTHER_RANGE])
    shop.reconcile()
    shop.revert_release(shop.released[0])

    shop.reconcile()

    assert shop.serial == 1
    assert not {"990600", "990601"} & shop.ranges()


def test_a_revert_to_a_release_that_was_seen_but_never_applied_is_refused(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.publish(add=[OTHER_RANGE])
    shop.reconcile()
    shop.revert_release(shop.released[1])

    with pytest.raises(RollbackRefused) as refusal:
        shop.reconcile()

    assert refusal.value.reason is RollbackReason.NEVER_APPLIED
    assert shop.serial == 3


def test_a_revert_to_a_release_before_the_baseline_is_refused(new_shop: Shop) -> None:
    for line in (NEW_RANGE, OTHER_RANGE):
        new_shop.publish(add=[line])
    new_shop.baseline = new_shop.tip
    new_shop.reconcile()
    new_shop.revert_release(new_shop.released[0])

    with pytest.raises(SerialReplayed) as refusal:
        new_shop.reconcile()

    assert (refusal.value.serial, refusal.value.high) == (1, 3)
    assert new_shop.serial == 3


@pytest.mark.stops("rollback.never-applied")
def test_a_revert_to_a_release_that_was_replaced_too_long_ago_is_refused(shop: Shop) -> None:
    two_releases(shop)
    shop.clock.advance(timedelta(days=30, seconds=1))
    shop.revert_release(shop.released[0])

    with pytest.raises(RollbackRefused) as refusal:
        shop.reconcile()

    assert refusal.value.reason is RollbackReason.TOO_OLD
    assert shop.serial == 2


@pytest.mark.allows("rollback.never-applied")
def test_a_revert_to_a_release_that_was_live_a_month_ago_is_applied(shop: Shop) -> None:
    two_releases(shop)
    shop.clock.advance(timedelta(days=30))
    shop.revert_release(shop.released[0])

    shop.reconcile()

    assert shop.serial == 1


def with_floor(shop: Shop, floor: int) -> None:
    """Commit a root that sets the lowest serial of production."""

    def change(document: dict[str, Any]) -> None:
        document["floors"] = {ENVIRONMENT: {"serial": floor}}

    path, envelope = shop.next_root(change)
    shop.commit({path: envelope})


def test_a_revert_below_the_roots_floor_is_refused(shop: Shop) -> None:
    two_releases(shop)
    with_floor(shop, 2)
    shop.revert_release(shop.released[0])

    with pytest.raises(RollbackRefused) as refusal:
        shop.reconcile()

    assert refusal.value.reason is RollbackReason.BELOW_FLOOR
    assert shop.serial == 2


@pytest.mark.allows("rollback.below-floor")
def test_a_revert_at_the_roots_floor_is_applied(shop: Shop) -> None:
    two_releases(shop)
    with_floor(shop, 1)
    shop.revert_release(shop.released[0])

    shop.reconcile()

    assert shop.serial == 1


def test_after_a_revert_the_next_release_follows_the_highest_serial(shop: Shop) -> None:
    two_releases(shop)
    shop.revert_release(shop.released[0])
    shop.reconcile()
    shop.publish(add=[OTHER_RANGE], rollback_of=ref(shop.released[1]))

    shop.reconcile()

    assert shop.serial == 3


def test_after_a_revert_the_undone_serial_is_not_used_again(shop: Shop) -> None:
    two_releases(shop)
    shop.revert_release(shop.released[0])
    shop.reconcile()
    shop.publish(add=[OTHER_RANGE], serial=2, previous=ref(shop.released[0]))

    with pytest.raises(Equivocation):
        shop.reconcile()

    assert shop.serial == 1


def test_a_revert_of_the_revert_is_a_rollback_too(shop: Shop) -> None:
    two_releases(shop)
    shop.revert_release(shop.released[0])
    shop.reconcile()
    shop.revert_release(shop.released[1])

    shop.reconcile()

    assert (shop.serial, shop.revision) == (2, 4)
    assert "990600" in shop.ranges()


# A rollback statement instead of a signed commit


def allow(
    shop: Shop, to: ReleaseStatement, *, by: Sequence[str] = ("rollback",), **changes: Any
) -> None:
    """Commit an unsigned revert together with a signed rollback statement."""
    now = shop.clock.now()
    made = RollbackStatement(
        shop.root.repository, ENVIRONMENT, *_of(to), "meant so", now, now + DAY
    )
    payload = replace(made, **changes).payload()
    path = layout.rollback_path(ENVIRONMENT)
    shop.revert_release(to, by=None)
    shop.commit({path: shop.sealed(payload, by)})


def _of(to: ReleaseStatement) -> tuple[int, Digest]:
    return to.serial, sha256(to.payload())


@pytest.mark.allows("rollback.unsigned-revert")
def test_a_rollback_statement_lets_an_unsigned_revert_pass(shop: Shop) -> None:
    two_releases(shop)
    allow(shop, shop.released[0])

    shop.reconcile()

    assert shop.serial == 1


@pytest.mark.stops("rollback.unsigned-revert")
def test_a_rollback_statement_of_an_owner_is_none(shop: Shop) -> None:
    two_releases(shop)
    allow(shop, shop.released[0], by=["alice"])

    with pytest.raises(RollbackRefused) as refusal:
        shop.reconcile()

    assert refusal.value.reason is RollbackReason.UNSIGNED


@pytest.mark.stops("rollback.unsigned-revert")
def test_a_rollback_statement_of_another_release_does_not_help(shop: Shop) -> None:
    two_releases(shop)
    allow(shop, shop.released[0], to_sha256=sha256(shop.released[1].payload()))

    with pytest.raises(RollbackRefused) as refusal:
        shop.reconcile()

    assert refusal.value.reason is RollbackReason.UNSIGNED


@pytest.mark.stops("rollback.unsigned-revert")
def test_a_rollback_statement_past_its_date_is_refused(shop: Shop) -> None:
    two_releases(shop)
    allow(shop, shop.released[0])
    shop.clock.advance(DAY)

    with pytest.raises(RollbackLapsed) as refusal:
        shop.reconcile()

    assert (refusal.value.serial, refusal.value.expires) == (1, shop.clock.now())
    assert shop.serial == 2


def test_a_rollback_statement_that_lapsed_after_it_was_used_changes_nothing(shop: Shop) -> None:
    two_releases(shop)
    allow(shop, shop.released[0])
    shop.reconcile()
    shop.clock.advance(DAY)
    shop.commit({"README.md": b"New.\n"})

    (outcome,) = shop.reconcile()

    assert outcome.revision is None
    assert shop.serial == 1


@pytest.mark.stops("rollback.unsigned-revert")
def test_a_rollback_statement_is_good_for_one_return(shop: Shop) -> None:
    two_releases(shop)
    first = shop.released[0]
    allow(shop, first)
    shop.reconcile()
    shop.publish(add=[OTHER_RANGE])
    shop.reconcile()
    shop.revert_release(first, by=None)

    with pytest.raises(RollbackSpent):
        shop.reconcile()

    assert shop.serial == 3
    allow(shop, first, reason="once more")
    shop.reconcile()
    assert shop.serial == 1


def test_a_rollback_statement_of_another_repository_is_refused(shop: Shop) -> None:
    two_releases(shop)
    allow(shop, shop.released[0], repository="0d6b6e2e-4f0a-4c1c-9b6e-6a6f0d0c7a11")

    with pytest.raises(WrongPlace):
        shop.reconcile()

    assert shop.serial == 2


# Where the branch stands


def test_a_head_of_another_repository_is_refused(
    shop: Shop, first_day: Path, tmp_path: Path
) -> None:
    other = Shop.copy(first_day, tmp_path / "other")
    stranger = other.repository.write_commit(
        other.repository.raw_commit(other.tip).replace(b"Release 1", b"Release one")
    )
    shop.git("fetch", "--quiet", str(other.folder), stranger.hex())
    shop.force(stranger)

    with pytest.raises(HistoryRewritten) as refusal:
        shop.reconcile()

    assert refusal.value.head == stranger
    assert shop.revision == 1


def test_a_first_head_that_does_not_descend_from_the_baseline_is_refused(new_shop: Shop) -> None:
    start = new_shop.tip
    beside = new_shop.commit({layout.release_path(ENVIRONMENT): None})
    new_shop.publish(add=[NEW_RANGE])
    new_shop.force(start)
    new_shop.baseline = beside

    with pytest.raises(NotFromBaseline) as refusal:
        new_shop.reconcile()

    assert (refusal.value.baseline, refusal.value.head) == (beside, start)
    assert new_shop.revision == 0


def test_a_first_head_that_descends_from_the_baseline_is_applied(new_shop: Shop) -> None:
    new_shop.publish(add=[NEW_RANGE])

    first, second = new_shop.reconcile()

    assert first.revision is not None
    assert second.revision is not None
    assert (first.revision.kind, first.commit) == (RevisionKind.BASELINE, new_shop.baseline)
    assert (second.revision.kind, second.commit) == (RevisionKind.FORWARD, new_shop.tip)


def test_a_head_that_the_repository_has_lost_is_refused(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    with shop.world().connection.transaction():
        shop.world().connection.execute(
            "UPDATE controller.applied SET commit = %s", (b"\x07" * 20,)
        )

    with pytest.raises(HistoryRewritten):
        shop.reconcile()


@pytest.mark.stops("incident.3-not-descendant")
def test_a_branch_that_was_merged_the_wrong_way_round_is_refused(shop: Shop) -> None:
    two_releases(shop)
    shop.sync()
    shop.git("switch", "--quiet", "--create", "side", shop.baseline.hex())
    shop.git("commit", "--quiet", "--allow-empty", "--message", "Beside")
    shop.git("merge", "--quiet", "--no-edit", "main")
    shop.git("branch", "--force", "main", "side")
    shop.revert_release(shop.released[0])

    with pytest.raises(NotOnBranch):
        shop.reconcile()

    assert shop.serial == 2


def test_a_release_that_was_deleted_is_no_release_and_production_stays(shop: Shop) -> None:
    place = layout.release_dir(ENVIRONMENT)
    head = shop.commit({f"{place}/release.json": None, f"{place}/release.dsse.json": None})

    with pytest.raises(NoRelease) as refusal:
        shop.reconcile()

    assert (refusal.value.environment, refusal.value.commit) == (ENVIRONMENT, head)
    assert shop.serial == 1
    assert "990100" in shop.ranges()


def test_a_release_that_came_back_is_a_release(shop: Shop) -> None:
    place = layout.release_dir(ENVIRONMENT)
    shop.commit({f"{place}/release.json": None, f"{place}/release.dsse.json": None})
    shop.release(shop.released[0])

    (outcome,) = shop.reconcile()

    assert outcome.revision is None
    applied = shop.applied()
    assert applied is not None
    assert applied.commit == shop.tip


def test_a_branch_that_was_deleted_is_not_an_empty_one(shop: Shop) -> None:
    shop.git("switch", "--quiet", "--detach")
    shop.git("branch", "--quiet", "--delete", "--force", "main")

    with pytest.raises(NoBranch) as refusal:
        shop.reconcile()

    assert refusal.value.branch == "main"
    assert shop.serial == 1


# Who may sign a revert


def merged_revert(shop: Shop, *, signed: bool) -> None:
    """Revert the newest release on a side branch, signed, and merge it as a forge does."""
    sign = "true" if signed else "false"
    shop.sync()
    shop.git("switch", "--quiet", "--create", "undo")
    shop.git("revert", "--no-edit", "HEAD")
    shop.git("switch", "--quiet", "main")
    merge = ("merge", "--quiet", "--no-ff", "--no-edit", "undo")
    shop.git("-c", f"commit.gpgsign={sign}", *merge)


def test_a_revert_that_was_merged_by_nobody_of_ours_is_refused(shop: Shop) -> None:
    two_releases(shop)
    merged_revert(shop, signed=False)

    with pytest.raises(RollbackRefused) as refusal:
        shop.reconcile()

    assert refusal.value.reason is RollbackReason.UNSIGNED
    assert shop.serial == 2


def test_a_revert_whose_merge_a_rollback_key_signed_is_applied(shop: Shop) -> None:
    two_releases(shop)
    merged_revert(shop, signed=True)

    shop.reconcile()

    assert shop.serial == 1


def test_where_the_root_names_no_rollback_role_nobody_goes_back(shop: Shop) -> None:
    def change(document: dict[str, Any]) -> None:
        del document["roles"]["rollback"]

    two_releases(shop)
    path, envelope = shop.next_root(change)
    shop.commit({path: envelope})
    shop.revert_release(shop.released[0])

    with pytest.raises(RollbackRefused) as refusal:
        shop.reconcile()

    assert refusal.value.reason is RollbackReason.UNSIGNED
    assert shop.serial == 2


def needs_two(shop: Shop) -> None:
    """Commit a root by which two rollback keys have to agree."""
    spare = shop.new_person("spare").public

    def change(document: dict[str, Any]) -> None:
        document["keys"][spare.id] = {"owner": "spare", "public": spare.line, "scheme": "ed25519"}
        role = document["roles"]["rollback"][ENVIRONMENT]
        role["keys"].append(spare.id)
        role["threshold"] = 2

    path, envelope = shop.next_root(change)
    shop.commit({path: envelope})


def test_where_two_have_to_agree_a_signed_commit_is_one_voice(shop: Shop) -> None:
    two_releases(shop)
    needs_two(shop)
    shop.revert_release(shop.released[0])

    with pytest.raises(RollbackRefused):
        shop.reconcile()

    assert shop.serial == 2


def test_where_two_have_to_agree_a_statement_carries_both_voices(shop: Shop) -> None:
    two_releases(shop)
    needs_two(shop)
    allow(shop, shop.released[0], by=("rollback", "spare"))

    shop.reconcile()

    assert shop.serial == 1
