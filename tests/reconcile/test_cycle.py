"""A pass goes forward by one revision, or leaves no trace at all."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.audit.publish import AuditForked
from controller.kernel.instants import Window
from controller.reconcile.cycle import converge, is_settled, next_target, run_pass
from controller.reconcile.world import NoBaseline
from controller.stores.control.model import RevisionKind
from controller.stores.directory import resolve
from controller.stores.directory import store as directory
from controller.trust.history import HistoryRewritten, RollbackRefused, SerialSkipped
from tests.support.world import CARDS, NEW_RANGE, OLD_RANGE, OTHER_RANGE, Shop

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


# The first pass


def test_the_first_pass_applies_the_baseline(new_shop: Shop) -> None:
    (outcome,) = new_shop.reconcile()

    assert outcome.revision is not None
    assert (outcome.revision.kind, outcome.commit) == (RevisionKind.BASELINE, new_shop.baseline)
    assert outcome.revision.from_revision is None
    assert len(outcome.published.commits) == 1
    assert len(new_shop.ranges()) == 11


def test_the_first_pass_goes_on_to_the_branch_from_its_baseline(new_shop: Shop) -> None:
    new_shop.publish(add=[NEW_RANGE])

    first, second = new_shop.reconcile()

    assert first.revision is not None
    assert second.revision is not None
    kinds = (first.revision.kind, second.revision.kind)
    assert kinds == (RevisionKind.BASELINE, RevisionKind.FORWARD)
    assert "990600" in new_shop.ranges()


def test_a_baseline_without_a_release_waits_for_the_branches_first(new_shop: Shop) -> None:
    new_shop.publish(add=[NEW_RANGE])
    parents = list(new_shop.repository.first_parents(new_shop.tip))
    new_shop.baseline = parents[-1]

    assert next_target(new_shop.world(), None) == new_shop.tip


def test_without_a_baseline_nothing_is_done(new_shop: Shop) -> None:
    with pytest.raises(NoBaseline):
        run_pass(new_shop.world(baseline=None))

    assert new_shop.revision == 0


# Nothing to do


def test_an_unchanged_world_costs_nothing_and_leaves_no_trace(shop: Shop) -> None:
    before = shop.footprint()

    (outcome,) = shop.reconcile()

    assert (outcome.revision, outcome.decision) == (None, None)
    assert outcome.published.commits == ()
    assert shop.footprint() == before


def test_an_unchanged_world_leaves_no_trace_however_often_and_late_it_is_looked_at(
    shop: Shop,
) -> None:
    before = shop.footprint()

    for _ in range(5):
        shop.clock.advance(DAY)
        shop.reconcile()

    assert shop.footprint() == before


def test_a_refused_release_leaves_no_trace(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE], serial=7)
    before = shop.footprint()

    with pytest.raises(SerialSkipped):
        shop.reconcile()

    assert shop.footprint() == before


def test_a_changed_world_leaves_a_trace(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    before = shop.footprint()

    shop.reconcile()

    assert shop.footprint() != before


def test_a_commit_without_another_release_moves_the_accepted_commit_alone(shop: Shop) -> None:
    before = shop.footprint()
    head = shop.commit({"README.md": b"New.\n"})

    (outcome,) = shop.reconcile()

    applied = shop.applied()
    assert outcome.revision is None
    assert outcome.decision is not None
    assert outcome.decision.kind is None
    assert applied is not None
    assert (applied.commit, applied.revision) == (head, 1)
    after = shop.footprint()
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"controller.applied", "controller.lease", "refs", "objects"}
    assert len(shop.audit_commits()) == 1


def test_an_accepted_commit_is_what_history_has_to_descend_from(shop: Shop) -> None:
    shop.commit({"README.md": b"New.\n"})
    shop.reconcile()
    shop.force(shop.baseline)

    with pytest.raises(HistoryRewritten):
        shop.reconcile()


def test_a_world_at_its_commit_is_settled_and_one_behind_is_not(shop: Shop) -> None:
    applied = shop.applied()
    assert applied is not None

    assert is_settled(shop.world(), applied, shop.tip)
    assert not is_settled(shop.world(), applied, shop.publish(add=[NEW_RANGE]))


# Time


def scheduled(shop: Shop, at: timedelta) -> None:
    """Release version 2 of the cards from an instant on, and version 1 until then."""
    change = shop.clock.now() + at
    shop.edit(add=[NEW_RANGE], drop=[OLD_RANGE])
    live = shop.sign(shop.next_version(window=Window(change)))
    old = next(one for one in shop.released[0].bundles if one.bundle == CARDS)
    release = shop.next_release(live)
    first = replace(old, window=Window(None, change))
    shop.release(replace(release, bundles=(*release.bundles, first)))


def brand(shop: Shop, digits: str, at: timedelta) -> str | None:
    """Return what a card number's leading digits say some time from now."""
    found = resolve.resolve_iin(shop.world().connection, digits, shop.clock.now() + at)
    return found.range.brand if found is not None else None


def test_a_scheduled_version_shows_at_its_instant_without_a_write(shop: Shop) -> None:
    scheduled(shop, DAY)
    shop.reconcile()
    before = shop.footprint()

    seen = [brand(shop, "990600", at) for at in (DAY - SECOND, DAY)]
    gone = [brand(shop, "990105", at) for at in (DAY - SECOND, DAY)]
    kept = [brand(shop, "990106", at) for at in (DAY - SECOND, DAY)]
    shop.clock.advance(DAY)
    (outcome,) = shop.reconcile()

    assert seen == [None, "Lagoon Debit"]
    assert gone == ["Harbour Gold", None]
    assert kept == ["Harbour Gift", "Harbour Gift"]
    assert outcome.revision is None
    assert shop.footprint() == before


def test_a_line_of_two_adjoining_versions_is_stored_once(shop: Shop) -> None:
    before = len(shop.ranges())
    scheduled(shop, DAY)

    (outcome,) = shop.reconcile()

    assert outcome.revision is not None
    assert outcome.revision.counts["ranges"]["rows_put"] == 2
    assert len(shop.ranges()) == before + 1


# Everything down, and up again


def test_an_empty_release_that_people_acknowledged_takes_everything_down(shop: Shop) -> None:
    shop.release(shop.next_release(bundles=()))
    shop.ack(shop.decide().plan.digest)

    shop.reconcile()

    assert shop.serial == 2
    kept = directory.kept(shop.world().connection)
    assert {(one.rows, one.digest) for one in kept.values()} == {(0, 0)}
    assert shop.reconcile()[0].revision is None


def test_what_was_taken_down_comes_back_by_a_revert(shop: Shop) -> None:
    before = directory.kept(shop.world().connection)
    shop.release(shop.next_release(bundles=()))
    shop.ack(shop.decide().plan.digest)
    shop.reconcile()
    shop.revert_release(shop.released[0])

    shop.reconcile()

    assert directory.kept(shop.world().connection) == before


# Several revisions, and the audit trail behind them


def test_each_revision_has_one_audit_commit(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.reconcile()
    shop.commit({"README.md": b"New.\n"})
    shop.reconcile()
    shop.revert_release(shop.released[0])
    shop.reconcile()

    assert shop.revision == 3
    assert len(shop.audit_commits()) == 3


def test_git_accepts_the_signature_of_an_audit_commit(shop: Shop) -> None:
    for commit in shop.audit_commits():
        shop.git("verify-commit", commit.hex())

    assert shop.git("log", "--format=%G?", f"audit/{shop.controller}") == "G"


def test_a_host_without_an_audit_key_leaves_its_records_waiting(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])

    (outcome,) = list(converge(shop.world(signer=None)))

    assert outcome.revision is not None
    assert (outcome.published.commits, outcome.published.waiting) == ((), 1)
    assert len(shop.audit_commits()) == 1


def test_records_that_waited_are_published_by_the_next_pass_with_a_key(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    list(converge(shop.world(signer=None)))

    (outcome,) = shop.reconcile()

    assert outcome.revision is None
    assert (len(outcome.published.commits), outcome.published.waiting) == (1, 0)


@pytest.mark.stops("deploy-key.audit-branch")
def test_an_audit_branch_that_somebody_else_wrote_is_not_continued(shop: Shop) -> None:
    audit = f"refs/heads/audit/{shop.controller}"
    (old,) = shop.audit_commits()
    shop.repository.move(audit, old, shop.tip)
    shop.publish(add=[NEW_RANGE])

    with pytest.raises(AuditForked):
        shop.reconcile()

    assert shop.revision == 2


def test_an_audit_branch_that_was_lost_is_written_again(shop: Shop) -> None:
    (old,) = shop.audit_commits()
    shop.git("branch", "--quiet", "--delete", "--force", f"audit/{shop.controller}")
    shop.publish(add=[NEW_RANGE])

    shop.reconcile()

    assert shop.audit_commits()[0] == old
    assert len(shop.audit_commits()) == 2


def test_a_pass_after_a_refusal_applies_what_is_mended(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.reconcile()
    shop.revert_release(shop.released[0], by=None)
    with pytest.raises(RollbackRefused):
        shop.reconcile()
    shop.revert_release(shop.released[1], by=None)
    shop.publish(add=[OTHER_RANGE])

    shop.reconcile()

    assert (shop.serial, shop.revision) == (3, 3)
