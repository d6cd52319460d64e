"""Time runs out for a root or a release: production is served on, `status` says so, and renewal
brings it back.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from controller.adapters.clock import SystemClock
from controller.app.signers import new_key
from controller.authoring.starting import TRIAL_DAYS, start_demo
from controller.kernel.instants import format_instant
from controller.reconcile.status import State, Sync
from tests.support.commands import Desk
from tests.support.owners import Owners, owners_of
from tests.support.world import NEW_RANGE, OTHER_RANGE

TRIAL = timedelta(days=TRIAL_DAYS)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


@pytest.mark.stops("freeze.expired-root")
def test_a_root_judges_up_to_its_last_second_and_no_longer(owners: Owners) -> None:
    expires = owners.shop.root.expires
    owners.publish(NEW_RANGE)

    owners.shop.clock.instant = expires
    assert owners.refused() == "trust.expired"
    owners.shop.clock.instant = expires - SECOND
    assert owners.reconcile() == 2


def test_under_an_expired_root_production_is_served_and_status_says_so(owners: Owners) -> None:
    owners.publish(NEW_RANGE)
    owners.reconcile()
    owners.shop.clock.instant = owners.shop.root.expires
    quiet = owners.status()
    owners.publish(OTHER_RANGE)
    waiting = owners.status()

    assert quiet.root is not None
    assert waiting.root is not None
    assert (quiet.sync, quiet.root.expired) == (Sync.SYNCED, True)
    assert (waiting.sync, waiting.root.expired) == (Sync.OUT_OF_SYNC, True)
    assert (waiting.condition.state, waiting.condition.reason) == (State.STALLED, "trust.expired")
    assert waiting.applied is not None
    assert waiting.applied.serial_current == 2
    assert owners.refused() == "trust.expired"
    assert owners.asks("resolve", "iin", "990600")["matched"]["brand"] == "Lagoon Debit"


@pytest.fixture
def late(tmp_path: Path, database_url: str) -> Iterator[Owners]:
    """Return owners whose root expired an hour ago; their release was applied long before."""
    start = SystemClock().now().replace(microsecond=0) - TRIAL - HOUR
    (tmp_path / "first").mkdir()
    start_demo(tmp_path / "first" / "shop", tmp_path / "first" / "keys", new_key, start)
    home = tmp_path / "host"
    home.mkdir()
    with owners_of(Desk(tmp_path / "first").copy(home, database_url), database_url) as found:
        now = found.shop.clock.instant
        found.shop.clock.instant = start
        assert found.reconcile() == 1
        found.shop.clock.instant = now
        yield found


@pytest.mark.allows("freeze.expired-root")
def test_an_expired_root_is_renewed_by_the_commands_that_made_it(late: Owners) -> None:
    status = late.asks("status")
    late.types("root", "verify", ends=3)

    expires = late.shop.clock.now() + timedelta(days=365)
    late.rotate("--expires", format_instant(expires))

    assert (status["root"]["expired"], status["applied"]["serial"]) == (True, 1)
    late.types("root", "verify")
    late.host("reconcile", "--once")
    after = late.asks("status")
    assert after["root"]["version"] == 2
    assert (after["root"]["expired"], after["condition"]["type"]) == (False, "Ready")
    late.promote("--drop", "in-imps-neft/branches")
    late.host("reconcile", "--once")
    assert late.asks("status")["applied"]["serial"] == 2


def test_an_expired_root_is_not_renewed_by_one_owner_alone(late: Owners) -> None:
    proposal = late.propose("--expires", "2031-01-01")
    late.publish_root(late.sign_root(proposal, "alice"))

    assert late.refused() == "trust.threshold_not_met"
    late.publish_root(late.sign_root(proposal, "carol"))
    late.reconcile()
    assert late.shop.held_root_version() == 2


def test_a_release_that_expired_before_it_was_applied_is_promoted_again(owners: Owners) -> None:
    expires = owners.shop.clock.now() + HOUR
    owners.promote("--drop", "in-imps-neft/branches", "--expires", format_instant(expires))

    owners.shop.clock.instant = expires
    assert owners.refused() == "trust.release_expired"
    stalled = owners.status()
    assert (stalled.condition.state, stalled.condition.reason) == (
        State.STALLED,
        "trust.release_expired",
    )
    assert stalled.applied is not None
    assert stalled.applied.serial_current == 1
    owners.promote("in-imps-neft/branches@1")
    assert owners.reconcile() == 3


def test_a_release_that_expires_while_it_is_live_is_served_on(owners: Owners) -> None:
    expires = owners.shop.clock.now() + HOUR
    owners.promote("--drop", "in-imps-neft/branches", "--expires", format_instant(expires))
    owners.shop.clock.instant = expires - SECOND
    assert owners.reconcile() == 2

    owners.shop.clock.instant = expires + HOUR
    owners.reconcile()

    assert (owners.shop.serial, owners.status().condition.state) == (2, State.READY)
    assert owners.asks("resolve", "iin", "990105")["matched"]["scheme"] == "house"
