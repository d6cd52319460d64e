"""A plan that removes too much waits for people who sign for exactly this plan."""

from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest

from controller.artifacts import layout
from controller.authoring.starting import ENVIRONMENT
from controller.kernel.canonical import Digest
from controller.kernel.instants import Window
from controller.plan.guards import GuardTripped, Limits
from controller.reconcile.acks import MalformedAck
from controller.reconcile.signed import WrongPlace
from controller.stores.control.model import RevisionKind
from controller.trust.envelope import MalformedEnvelope, parse
from tests.support.world import CARDS, NEW_RANGE, OLD_RANGE, OTHER_RANGE, RANGES, TWO, Shop

ACKS = layout.acks_dir(ENVIRONMENT)
SOON = datetime(2026, 12, 24, tzinfo=UTC)
BY_SHARE = Limits(removed_share=Fraction(5, 100), small_rows=0)
BY_NUMBER = Limits(removed_share=Fraction(1), removed_rows=0, small_rows=0)


def held(shop: Shop, limits: Limits = BY_SHARE) -> Digest:
    """Publish a release that a guard stops; return the plan's digest."""
    shop.limits = limits
    shop.publish(drop=[OLD_RANGE])
    decision = shop.decide()
    assert decision.held
    return decision.plan.digest


def test_a_plan_over_the_share_of_a_table_is_held(shop: Shop) -> None:
    plan = held(shop, BY_SHARE)

    with pytest.raises(GuardTripped) as refusal:
        shop.reconcile()

    assert (refusal.value.table, refusal.value.removed, refusal.value.of) == ("ranges", 1, 11)
    assert refusal.value.plan == plan
    assert "%" in refusal.value.limit
    assert (shop.serial, shop.revision) == (1, 1)
    assert "990105" in shop.ranges()


def test_a_plan_at_the_share_of_a_table_is_applied(shop: Shop) -> None:
    shop.limits = Limits(removed_share=Fraction(1, 11), small_rows=0)
    shop.publish(drop=[OLD_RANGE])

    shop.reconcile()

    assert shop.serial == 2


def test_a_plan_over_the_number_of_rows_is_held(shop: Shop) -> None:
    held(shop, BY_NUMBER)

    with pytest.raises(GuardTripped) as refusal:
        shop.reconcile()

    assert refusal.value.limit == "more than 0 rows"


def test_a_plan_that_removes_few_rows_is_applied(shop: Shop) -> None:
    shop.limits = Limits(removed_share=Fraction(0), removed_rows=0, small_rows=1)
    shop.publish(drop=[OLD_RANGE])

    shop.reconcile()

    assert shop.serial == 2


def emptied(shop: Shop) -> None:
    """Release everything but the cards, so that no range is left."""
    kept = tuple(one for one in shop.released[0].bundles if one.bundle != CARDS)
    shop.release(shop.next_release(bundles=kept))


def test_a_plan_that_empties_a_table_is_held_however_few_rows_it_has(shop: Shop) -> None:
    emptied(shop)

    with pytest.raises(GuardTripped) as refusal:
        shop.reconcile()

    assert (refusal.value.table, refusal.value.limit) == ("ranges", "the table would be empty")
    assert len(shop.ranges()) == 11


def test_a_plan_that_empties_a_table_is_applied_when_people_signed_for_it(shop: Shop) -> None:
    emptied(shop)
    shop.ack(shop.decide().plan.digest)

    shop.reconcile()

    assert shop.ranges() == set()


def scheduled(shop: Shop, window: Window) -> None:
    """Release the cards again, in a window of their own."""
    later = shop.sign(shop.next_version(window=window))
    shop.release(shop.next_release(later))


@pytest.mark.stops("incident.2-mass-removal")
@pytest.mark.parametrize("cut", [Window(None, SOON), Window(SOON, None)])
def test_a_plan_that_takes_rows_away_by_dates_is_held(shop: Shop, cut: Window) -> None:
    shop.limits = Limits(small_rows=0)
    scheduled(shop, cut)

    with pytest.raises(GuardTripped, match=r"ranges: \d of 11 rows go and \d+ end"):
        shop.reconcile()

    assert (shop.serial, shop.revision) == (1, 1)


def test_a_plan_after_which_every_row_will_have_ended_is_held_however_few_they_are(
    shop: Shop,
) -> None:
    scheduled(shop, Window(None, SOON))

    with pytest.raises(GuardTripped, match="would be empty once all ends have passed"):
        shop.reconcile()


def test_a_version_that_hands_over_to_the_next_at_a_date_is_applied(shop: Shop) -> None:
    shop.limits = Limits(small_rows=0)
    (now,) = (one for one in shop.released[-1].bundles if one.bundle == CARDS)
    then = shop.sign(shop.next_version(window=Window(SOON, None)))
    until = replace(now, window=Window(None, SOON))
    others = tuple(one for one in shop.released[-1].bundles if one.bundle != CARDS)
    shop.release(shop.next_release(bundles=(*others, until, then)))

    shop.reconcile()

    assert shop.serial == 2


def test_a_held_plan_is_applied_when_enough_people_sign_for_it(shop: Shop) -> None:
    plan = held(shop)
    shop.ack(plan)

    (outcome,) = shop.reconcile()

    assert outcome.decision is not None
    assert outcome.decision.ack is not None
    assert outcome.decision.ack.plan == plan
    assert len(outcome.decision.ack.signers) == 2
    assert "990105" not in shop.ranges()


def test_signatures_for_one_plan_may_come_one_by_one(shop: Shop) -> None:
    plan = held(shop)
    shop.ack(plan, by=["alice"])
    first = next(iter(_acks(shop)))
    shop.commit({f"{ACKS}/bob.dsse.json": shop.sealed(_payload(shop, first), ["bob"])})

    shop.reconcile()

    assert shop.serial == 2


def _acks(shop: Shop) -> list[str]:
    names = shop.git("ls-tree", "--name-only", "main", f"{ACKS}/").split()
    return [str(name) for name in names]


def _payload(shop: Shop, path: str) -> bytes:
    return parse(shop.read(path)).payload


def test_one_signature_for_a_plan_is_too_few(shop: Shop) -> None:
    shop.ack(held(shop), by=["alice"])

    with pytest.raises(GuardTripped):
        shop.reconcile()

    assert shop.serial == 1


def test_a_signature_of_another_role_for_a_plan_does_not_count(shop: Shop) -> None:
    shop.ack(held(shop), by=["alice", "rollback"])

    with pytest.raises(GuardTripped):
        shop.reconcile()

    assert shop.serial == 1


def test_people_who_signed_for_another_plan_did_not_sign_for_this_one(shop: Shop) -> None:
    held(shop)
    shop.ack(Digest("a" * 64))

    with pytest.raises(GuardTripped):
        shop.reconcile()

    assert shop.serial == 1


@pytest.mark.stops("incident.2-mass-removal")
def test_an_acknowledged_plan_that_grew_is_another_plan(shop: Shop) -> None:
    shop.ack(held(shop))
    line = next(line for line in shop.read(RANGES).decode().splitlines() if "990106" in line)
    shop.publish(drop=[line])

    with pytest.raises(GuardTripped) as refusal:
        shop.reconcile()

    assert refusal.value.removed == 2
    assert shop.serial == 1


@pytest.mark.parametrize(
    "changes",
    [{"environment": "staging"}, {"repository": "0d6b6e2e-4f0a-4c1c-9b6e-6a6f0d0c7a11"}],
    ids=["environment", "repository"],
)
def test_an_acknowledgement_from_elsewhere_is_refused(shop: Shop, changes: Any) -> None:
    shop.ack(held(shop), **changes)

    with pytest.raises(WrongPlace):
        shop.reconcile()

    assert shop.serial == 1


def test_rubbish_among_the_acknowledgements_of_a_held_plan_is_refused(shop: Shop) -> None:
    shop.ack(held(shop))
    shop.commit({f"{ACKS}/zzz.dsse.json": b"{"})

    with pytest.raises(MalformedEnvelope) as refusal:
        shop.reconcile()

    assert refusal.value.path == f"{ACKS}/zzz.dsse.json"

    assert shop.serial == 1


def test_a_signed_statement_that_is_no_acknowledgement_is_refused(shop: Shop) -> None:
    shop.ack(held(shop))
    shop.commit({f"{ACKS}/zzz.dsse.json": shop.sealed(b"{}", TWO)})

    with pytest.raises(MalformedAck) as refusal:
        shop.reconcile()

    assert refusal.value.path == f"{ACKS}/zzz.dsse.json"
    assert shop.serial == 1


def test_acknowledgements_are_not_read_when_no_guard_stops(shop: Shop) -> None:
    shop.commit({f"{ACKS}/zzz.dsse.json": b"{"})
    shop.publish(add=[NEW_RANGE])

    shop.reconcile()

    assert shop.serial == 2


def test_a_rollback_needs_no_acknowledgement(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE, OTHER_RANGE])
    shop.reconcile()
    shop.limits = BY_NUMBER
    shop.revert_release(shop.released[0])

    (outcome,) = shop.reconcile()

    assert outcome.revision is not None
    assert outcome.revision.kind is RevisionKind.ROLLBACK
    assert outcome.revision.counts["ranges"]["removed"] == 2
    assert shop.serial == 1


def test_the_same_removal_as_a_new_release_is_held(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE, OTHER_RANGE])
    shop.reconcile()
    shop.limits = BY_NUMBER
    shop.publish(drop=[NEW_RANGE, OTHER_RANGE])

    with pytest.raises(GuardTripped):
        shop.reconcile()

    assert shop.serial == 2
