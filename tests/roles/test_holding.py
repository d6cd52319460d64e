"""The loop under a hold: nothing new comes in, and how things stand is told as ever."""

from datetime import timedelta
from pathlib import Path

from controller.adapters.calendar import Schedule
from controller.authoring.starting import ENVIRONMENT
from controller.reconcile.hostfreeze import PLAIN
from controller.reconcile.windows import ChangeWindow, WindowKind, Windows
from controller.roles.controller import Cadence
from controller.roles.doorbell import Cause
from controller.stores.control import holds
from controller.stores.control.conditions import ConditionStatus, ConditionType
from controller.stores.control.holds import HoldKind, Wanted
from tests.roles.test_controller import state, written
from tests.support.running import Running, running
from tests.support.world import NEW_RANGE, Shop

SLOW = Cadence(poll_seconds=3_600, poll_jitter=0, renew_seconds=20)
TRUE, FALSE = ConditionStatus.TRUE, ConditionStatus.FALSE


def put(shop: Shop, kind: HoldKind, *, lasts: timedelta | None = None) -> None:
    """Place a hold as a command does."""
    now = shop.clock.now()
    until = now + lasts if lasts is not None else None
    holds.place(shop.world().connection, ENVIRONMENT, Wanted(kind, "ann", "INC-17", now, until))


def lift(shop: Shop, kind: HoldKind) -> None:
    """Lift it as a command does."""
    holds.lift(
        shop.world().connection, ENVIRONMENT, kind, by="bob", reason="", now=shop.clock.now()
    )


def told(loop: Running, shop: Shop) -> list[str]:
    """Return the events of holds and of what was applied, in order."""
    wanted = ("hold.", "revision.")
    return [one for one in loop.names(shop.world().connection) if one.startswith(wanted)]


def test_a_suspended_controller_goes_on_telling_and_applies_when_it_is_resumed(
    shop: Shop, shop_url: str
) -> None:
    with running(shop, shop_url) as loop:
        loop.until(lambda: state(shop).get("Held") == FALSE)
        put(shop, HoldKind.SUSPEND)
        # Nothing waits yet: it is ready, and held.
        loop.until(lambda: state(shop).get("Held") == TRUE)
        assert state(shop)["Ready"] == TRUE

        shop.publish(add=[NEW_RANGE])
        loop.until(lambda: state(shop).get("Ready") == FALSE)
        held = loop.condition(shop.world().connection, ConditionType.HELD)
        assert (held.reason, held.message) == ("suspend", "suspend by ann: INC-17")
        ready = loop.condition(shop.world().connection, ConditionType.READY)
        assert (ready.reason, ready.observed_commit) == ("holds.held_back", shop.tip)
        assert state(shop)["Stalled"] == FALSE
        assert shop.revision == 1

        lift(shop, HoldKind.SUSPEND)
        loop.settles()
        loop.until(lambda: state(shop).get("Held") == FALSE)
        loop.until(lambda: state(shop).get("Ready") == TRUE)

    assert told(loop, shop) == ["hold.placed", "revision.held", "hold.lifted", "revision.applied"]


def test_an_unchanged_world_under_a_hold_writes_nothing_but_the_lease(
    shop: Shop, shop_url: str
) -> None:
    shop.publish(add=[NEW_RANGE])
    put(shop, HoldKind.FREEZE, lasts=timedelta(days=1))
    with running(shop, shop_url) as loop:
        loop.until(lambda: state(shop).get("Held") == TRUE)
        loop.until(lambda: len(loop.turns) > 2)
        before = written(shop)
        seen = len(loop.turns)
        loop.until(lambda: len(loop.turns) > seen + 5)
        after = written(shop)

    assert {name for name in after if after[name] != before[name]} <= {"controller.lease"}


def test_what_a_hold_kept_out_comes_in_when_it_expires_without_a_poll(
    shop: Shop, shop_url: str
) -> None:
    put(shop, HoldKind.SUSPEND, lasts=timedelta(seconds=2))
    shop.publish(add=[NEW_RANGE])
    with running(shop, shop_url, cadence=SLOW) as loop:
        loop.until(lambda: state(shop).get("Held") == TRUE)
        shop.clock.advance(timedelta(seconds=2))
        loop.settles()

    assert told(loop, shop) == ["hold.placed", "revision.held", "hold.lifted", "revision.applied"]


def test_a_window_that_opens_lets_in_what_waited(shop: Shop, shop_url: str) -> None:
    now = shop.clock.now()
    opens = now + timedelta(hours=1)
    schedule = Schedule.parse(f"{opens:%M %H} * * *", 60, "UTC")
    windows = Windows((ChangeWindow(WindowKind.ALLOW, schedule, "evenings"),))
    shop.publish(add=[NEW_RANGE])
    with running(shop, shop_url, facts={"windows": windows}) as loop:
        loop.until(lambda: state(shop).get("Held") == TRUE)
        assert loop.condition(shop.world().connection, ConditionType.HELD).reason == "window"
        shop.clock.advance(timedelta(hours=1, seconds=-1))
        seen = len(loop.turns)
        loop.until(lambda: len(loop.turns) > seen + 2)
        assert shop.revision == 1

        shop.clock.advance(timedelta(seconds=1))
        loop.settles()


def test_a_file_freezes_a_running_host_through_a_lost_database_and_a_restart(
    shop: Shop, shop_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    facts = {"host_folder": folder}
    with running(shop, shop_url, facts=facts) as loop:
        loop.until(lambda: loop.turns)
        (folder / PLAIN).touch()
        shop.world().connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        shop.publish(add=[NEW_RANGE])
        loop.until(lambda: state(shop).get("Held") == TRUE)
    with running(shop, shop_url, facts=facts) as loop:
        loop.until(lambda: len(loop.turns) > 3)
        assert shop.revision == 1
        (folder / PLAIN).unlink()
        loop.settles()
        loop.until(lambda: state(shop).get("Held") == FALSE)

    assert told(loop, shop) == ["hold.placed", "revision.held", "hold.lifted", "revision.applied"]


def test_a_hold_is_told_while_a_refused_commit_waits_for_another_one(
    shop: Shop, shop_url: str
) -> None:
    with running(shop, shop_url) as loop:
        shop.edit(add=[NEW_RANGE])
        shop.release(shop.next_release(shop.sign(shop.next_version())), by=["alice"])
        loop.until(lambda: state(shop).get("Stalled") == TRUE)

        put(shop, HoldKind.FREEZE)

        loop.until(lambda: state(shop).get("Held") == TRUE)
        assert state(shop)["Stalled"] == TRUE


def test_an_override_lets_in_what_a_suspension_keeps_out(shop: Shop, shop_url: str) -> None:
    put(shop, HoldKind.SUSPEND)
    shop.publish(add=[NEW_RANGE])
    with running(shop, shop_url) as loop:
        loop.until(lambda: state(shop).get("Held") == TRUE)

        put(shop, HoldKind.OVERRIDE, lasts=timedelta(minutes=15))
        loop.bell.ring(Cause.REQUEST)
        loop.settles()
        loop.until(lambda: state(shop).get("Held") == FALSE)
        held = loop.condition(shop.world().connection, ConditionType.HELD)
        assert held.reason == "override"

        shop.clock.advance(timedelta(minutes=15))
        loop.until(lambda: state(shop).get("Held") == TRUE)
