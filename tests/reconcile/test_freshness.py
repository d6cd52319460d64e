"""A heartbeat says that the branch is the newest there is; without one that counts it is stale."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.adapters.git import Author
from controller.artifacts import layout
from controller.kernel.objects import Oid
from controller.reconcile.cycle import converge
from controller.reconcile.freshness import Freshness, Reason, freshness
from controller.reconcile.vigil import clock_is_right, is_fresh
from controller.stores.control.conditions import ConditionStatus, ConditionType
from controller.trust import root as roots
from controller.trust.history import ClockBehind
from controller.trust.root import Root
from tests.attacks.passes import attempt, stopped
from tests.support.watched import HOUR, beat, granted
from tests.support.world import NEW_RANGE, NOON, TWO, Shop

SECOND = timedelta(seconds=1)
PATH = layout.heartbeat_path("production")


def watching(drawer: Shop) -> Root:
    """Let `ci` sign heartbeats and return the root that says so."""
    granted(drawer, "heartbeat", "ci")
    pinned = roots.pin(drawer.pin.envelope, drawer.pin.sha256)
    return roots.follow(pinned, [drawer.read("trust/root/2.root.json")]).root


def judged(drawer: Shop, root: Root, tip: Oid | None = None) -> Freshness:
    return freshness(
        drawer.repository,
        tip or drawer.tip,
        "production",
        root,
        drawer.clock.now(),
        max_staleness=2 * HOUR,
    )


@pytest.mark.allows("freeze.heartbeat")
def test_a_branch_with_a_heartbeat_in_time_is_fresh(drawer: Shop) -> None:
    root = watching(drawer)
    seen = drawer.tip
    beat(drawer)

    found = judged(drawer, root)

    assert (found.reason, found.is_stale) == (Reason.IN_TIME, False)
    assert found.heartbeat is not None
    assert (found.heartbeat.commit, found.heartbeat.created) == (seen, NOON)


def test_commits_that_come_after_a_heartbeat_stay_fresh(drawer: Shop) -> None:
    root = watching(drawer)
    beat(drawer)
    drawer.edit(add=[NEW_RANGE])

    assert judged(drawer, root).reason is Reason.IN_TIME


@pytest.mark.stops("freeze.heartbeat")
@pytest.mark.parametrize(("lasts", "ends"), [(HOUR, HOUR), (24 * HOUR, 2 * HOUR)], ids=str)
def test_a_heartbeat_is_too_old_from_the_second_on_in_which_either_limit_ends(
    drawer: Shop, lasts: timedelta, ends: timedelta
) -> None:
    root = watching(drawer)
    beat(drawer, lasts=lasts)

    drawer.clock.instant = NOON + ends - SECOND
    assert not judged(drawer, root).is_stale
    drawer.clock.instant = NOON + ends
    found = judged(drawer, root)

    assert (found.reason, found.since) == (Reason.TOO_OLD, NOON + ends)


@pytest.mark.stops("freeze.heartbeat")
def test_an_old_head_with_an_old_heartbeat_is_stale_and_the_newest_one_is_not(
    drawer: Shop,
) -> None:
    root = watching(drawer)
    old = beat(drawer)
    drawer.clock.advance(2 * HOUR)
    beat(drawer)

    assert judged(drawer, root, old).reason is Reason.TOO_OLD
    assert judged(drawer, root).reason is Reason.IN_TIME


@pytest.mark.stops("freeze.heartbeat")
def test_a_heartbeat_of_a_commit_that_is_withheld_is_stale(drawer: Shop) -> None:
    root = watching(drawer)
    beat(drawer, commit=Oid(b"\1" * 20))

    assert judged(drawer, root).reason is Reason.OTHER_HISTORY


def test_a_heartbeat_of_another_history_or_of_no_commit_is_stale(drawer: Shop) -> None:
    root = watching(drawer)
    before = drawer.tip
    aside = drawer.commit({"aside": b"1"})
    drawer.force(before)
    beat(drawer, commit=aside)
    assert judged(drawer, root).reason is Reason.OTHER_HISTORY

    beat(drawer, commit=drawer.tree)

    assert judged(drawer, root).reason is Reason.OTHER_HISTORY


def test_a_root_that_grants_nobody_a_heartbeat_watches_nothing(drawer: Shop) -> None:
    drawer.new_person("ci")
    beat(drawer)

    found = judged(drawer, drawer.root)

    assert (found.reason, found.is_stale) == (Reason.NOT_WATCHED, False)


def test_where_a_heartbeat_is_owed_none_is_stale(drawer: Shop) -> None:
    root = watching(drawer)

    assert judged(drawer, root).reason is Reason.NO_HEARTBEAT


@pytest.mark.parametrize(
    "said",
    [
        {"by": "alice"},
        {"environment": "staging"},
        {"repository": "00000000-0000-4000-8000-000000000000"},
    ],
    ids=str,
)
def test_a_heartbeat_of_others_or_for_elsewhere_is_not_believed(
    drawer: Shop, said: dict[str, Any]
) -> None:
    root = watching(drawer)
    beat(drawer, **said)

    found = judged(drawer, root)

    assert (found.reason, found.heartbeat) == (Reason.NOT_BELIEVED, None)


@pytest.mark.parametrize("data", [b"?", b"{}", b"\xff" * 100])
def test_rubbish_in_a_heartbeats_place_is_an_alarm_and_no_outage(drawer: Shop, data: bytes) -> None:
    root = watching(drawer)
    drawer.commit({PATH: data})

    assert judged(drawer, root).reason is Reason.NOT_BELIEVED


def test_a_signed_statement_of_another_kind_is_no_heartbeat(drawer: Shop) -> None:
    root = watching(drawer)
    drawer.commit(
        {PATH: drawer.sealed(drawer.read("environments/production/release.json"), ("ci",))}
    )

    assert judged(drawer, root).reason is Reason.NOT_BELIEVED


# Whole passes


def test_a_heartbeat_is_accepted_and_changes_nothing_of_production(shop: Shop) -> None:
    granted(shop, "heartbeat", "ci")
    shop.reconcile()
    before = shop.footprint()
    records = len(shop.audit_commits())
    seen = beat(shop)

    list(converge(shop.world()))

    after, applied = shop.footprint(), shop.applied()
    changed = {name for name in after if after[name] != before[name]}
    assert applied is not None
    assert (applied.commit, applied.revision) == (seen, 1)
    assert changed == {"controller.applied", "controller.lease", "refs", "objects"}
    assert len(shop.audit_commits()) == records


@pytest.mark.stops("freeze.heartbeat")
def test_a_frozen_branch_is_said_to_be_stale_and_served_on(shop: Shop) -> None:
    granted(shop, "heartbeat", "ci")
    beat(shop)
    shop.reconcile()
    shop.clock.advance(2 * HOUR)
    before = shop.footprint()

    (said,) = is_fresh(shop.world(), shop.clock.now())
    shop.reconcile()

    assert (said.type, said.status) == (ConditionType.STALE, ConditionStatus.TRUE)
    assert (said.reason, shop.footprint()) == ("TooOld", before)


def test_a_stale_branch_is_followed_on_and_fresh_again_with_the_next_heartbeat(
    shop: Shop,
) -> None:
    granted(shop, "heartbeat", "ci")
    beat(shop)
    shop.reconcile()
    shop.clock.advance(3 * HOUR)
    shop.publish(add=[NEW_RANGE])
    shop.reconcile()
    assert shop.serial == 2

    beat(shop)

    (said,) = is_fresh(shop.world(), shop.clock.now())
    assert (said.status, said.reason) == (ConditionStatus.FALSE, "InTime")


def test_before_anything_is_applied_the_pinned_root_says_who_watches(new_shop: Shop) -> None:
    (said,) = is_fresh(new_shop.world(), new_shop.clock.now())

    assert (said.status, said.reason) == (ConditionStatus.FALSE, "NotWatched")


@pytest.mark.stops("ci.heartbeat-key")
def test_a_stolen_heartbeat_key_delays_an_alarm_and_lets_nothing_in(shop: Shop) -> None:
    granted(shop, "heartbeat", "ci")
    shop.reconcile()
    release = shop.next_release()
    shop.release(release, by=("ci", "alice"))
    beat(shop)

    assert attempt(shop) == stopped("trust.signer_not_in_role")
    (said,) = is_fresh(shop.world(), shop.clock.now())
    assert said.status is ConditionStatus.FALSE


@pytest.mark.allows("ci.heartbeat-key")
def test_a_heartbeat_beside_a_release_of_its_owners_lets_it_through(shop: Shop) -> None:
    granted(shop, "heartbeat", "ci")
    shop.reconcile()
    shop.release(shop.next_release(), by=TWO)
    beat(shop)

    shop.reconcile()

    assert shop.serial == 2


@pytest.mark.stops("clock.heartbeat")
def test_a_clock_that_a_heartbeat_contradicts_judges_nothing(shop: Shop) -> None:
    granted(shop, "heartbeat", "ci")
    shop.reconcile()
    beat(shop, created=shop.clock.now() + timedelta(days=90))
    shop.publish(add=[NEW_RANGE])

    with pytest.raises(ClockBehind, match="by the heartbeat"):
        list(converge(shop.world()))
    with pytest.raises(ClockBehind, match="by the heartbeat"):
        clock_is_right(shop.world(), shop.clock.now())
    assert shop.serial == 1


@pytest.mark.allows("clock.heartbeat")
def test_a_heartbeat_from_the_future_is_undone_by_a_commit(shop: Shop) -> None:
    granted(shop, "heartbeat", "ci")
    shop.reconcile()
    beat(shop, created=shop.clock.now() + timedelta(days=90))
    shop.publish(add=[NEW_RANGE])
    beat(shop, created=shop.clock.now() + timedelta(seconds=300))

    shop.reconcile()

    assert shop.serial == 2


def test_a_history_of_many_heartbeats_is_passed_over_to_find_a_release(shop: Shop) -> None:
    granted(shop, "heartbeat", "ci")
    shop.reconcile()
    shop.release(shop.next_release())
    author = Author("ci", "ci@example.test", shop.clock.now())
    for number in range(200):
        changes: dict[str, bytes | None] = {PATH: str(number).encode()}
        shop.repository.commit_files("refs/heads/main", changes, message="beat", author=author)
    shop.release(replace(shop.next_release()))

    shop.reconcile()

    assert shop.serial == 3
