"""The loop finds drift by itself, says it, waits for the owners' word, or heals within limits."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pytest

from controller.authoring.starting import ENVIRONMENT
from controller.kernel.canonical import Digest
from controller.reconcile import drift as looks
from controller.reconcile.drifting import Mode, Rules, Tender
from controller.reconcile.turn import Eyes
from controller.roles.controller import Cadence
from controller.roles.doorbell import Cause
from controller.stores.control import drift as stored
from controller.stores.control import holds
from controller.stores.control.conditions import Condition, ConditionStatus, ConditionType
from controller.stores.control.holds import HoldKind, Wanted
from tests.reconcile.test_drift import run
from tests.roles.test_controller import state, written
from tests.support.running import QUICK, Running, running
from tests.support.world import NEW_RANGE, TWO, Shop

EDIT = "UPDATE directory.participant SET name = 'Mallory' WHERE id = 'harbour-bank'"
UNDO = "UPDATE directory.participant SET name = 'Harbour Bank' WHERE id = 'harbour-bank'"
REPORT = Rules()
TRUE, FALSE = ConditionStatus.TRUE, ConditionStatus.FALSE
OFTEN = replace(QUICK, drift_seconds=0.3)


@contextmanager
def tended(
    shop: Shop, url: str, rules: Rules = REPORT, cadence: Cadence = OFTEN
) -> Iterator[Running]:
    with running(shop, url, cadence=cadence, eyes=Eyes(tend=Tender(rules).tend)) as loop:
        loop.until(lambda: state(shop).get("Ready") == TRUE)
        yield loop


def condition(loop: Running) -> Condition:
    return loop.condition(loop.shop.world().connection, ConditionType.DRIFTED)


def drifted(loop: Running) -> bool:
    return condition(loop).status is TRUE


def open_digest(shop: Shop) -> Digest:
    found = stored.read(shop.world().connection, ENVIRONMENT)
    assert found is not None
    return found.digest


def names(loop: Running) -> list[str]:
    told = loop.names(loop.shop.world().connection)
    return [name for name in told if name.startswith(("drift.", "revision."))]


@pytest.mark.stops("insider.unwatched")
def test_drift_is_told_once_while_it_lasts_and_when_it_is_over(shop: Shop, shop_url: str) -> None:
    with tended(shop, shop_url) as loop:
        assert condition(loop).status is FALSE
        run(shop, EDIT)
        loop.until(lambda: drifted(loop))
        seen = len(loop.turns)
        loop.until(lambda: len(loop.turns) > seen + 5)
        assert names(loop) == ["drift.found"]
        assert state(shop)["Ready"] is TRUE
        run(shop, UNDO)
        loop.until(lambda: not drifted(loop))

    assert names(loop) == ["drift.found", "drift.ended"]
    assert shop.revision == 1
    rows = shop.world().connection.execute("SELECT ended_by FROM controller.drift").fetchall()
    assert [tuple(row) for row in rows] == [("gone",)]


@pytest.mark.allows("insider.unwatched")
def test_a_look_that_finds_everything_as_declared_writes_nothing(shop: Shop, shop_url: str) -> None:
    with tended(shop, shop_url) as loop:
        before = written(shop)
        seen = len(loop.turns)
        loop.until(lambda: len(loop.turns) > seen + 8)
        after = written(shop)

    assert {name for name in after if after[name] != before[name]} <= {"controller.lease"}


def test_somebody_who_asks_for_a_look_is_told_at_once(shop: Shop, shop_url: str) -> None:
    slow = Cadence(poll_seconds=3_600, poll_jitter=0, renew_seconds=20, drift_seconds=3_600)
    with tended(shop, shop_url, cadence=slow) as loop:
        run(shop, EDIT)
        loop.ask(shop.world().connection)
        loop.until(lambda: drifted(loop))


def test_a_drift_timer_looks_though_nothing_else_is_due(shop: Shop, shop_url: str) -> None:
    slow = Cadence(poll_seconds=3_600, poll_jitter=0, renew_seconds=20, drift_seconds=0.3)
    with tended(shop, shop_url, cadence=slow) as loop:
        run(shop, EDIT)
        loop.until(lambda: drifted(loop))


def test_a_restart_tells_no_drift_twice(shop: Shop, shop_url: str) -> None:
    run(shop, EDIT)
    for _ in range(2):
        with tended(shop, shop_url) as loop:
            loop.until(lambda: drifted(loop))

    assert names(loop) == ["drift.found"]


def test_a_revision_of_a_table_that_drifted_waits_and_others_go_on(
    shop: Shop, shop_url: str
) -> None:
    with tended(shop, shop_url) as loop:
        run(shop, EDIT)
        loop.until(lambda: drifted(loop))
        shop.publish(add=[NEW_RANGE])
        loop.settles()
        assert shop.revision == 2

        run(shop, "UPDATE directory.range SET brand = 'Else' WHERE iin_start = '990105'")
        loop.ask(shop.world().connection)
        loop.until(lambda: "ranges" in condition(loop).message)
        shop.publish(drop=[NEW_RANGE])
        loop.until(lambda: state(shop)["Stalled"] is TRUE)
        said = loop.condition(shop.world().connection, ConditionType.STALLED)
        assert said.reason == "drift.in_the_way"
        assert shop.revision == 2

        run(shop, UNDO)
        run(shop, "UPDATE directory.range SET brand = 'Harbour Gold' WHERE iin_start = '990105'")
        loop.settles()

    assert shop.revision == 3
    assert looks.look(shop.world(), every_row=True) is None


def test_owners_who_sign_for_a_drift_let_it_be_put_right(shop: Shop, shop_url: str) -> None:
    with tended(shop, shop_url, Rules(Mode.ACK)) as loop:
        run(shop, EDIT)
        loop.until(lambda: drifted(loop))
        shop.ack(open_digest(shop), by=TWO[:1])
        loop.settles()
        assert drifted(loop)
        shop.ack(open_digest(shop))
        loop.until(lambda: not drifted(loop))
        loop.until(lambda: len(shop.audit_commits()) == 2)

    assert names(loop) == ["drift.found", "revision.applied", "drift.ended"]
    rows = shop.world().connection.execute("SELECT ended_by FROM controller.drift").fetchall()
    assert [tuple(row) for row in rows] == [("ack",)]
    record = (
        shop.world()
        .connection.execute(
            "SELECT record::jsonb -> 'acks' -> 0 -> 'signers' FROM controller.journal WHERE seq = 2"
        )
        .fetchone()
    )
    assert record is not None
    assert len(record[0]) == 2


def test_an_acknowledgement_of_another_drift_heals_nothing(shop: Shop, shop_url: str) -> None:
    with tended(shop, shop_url, Rules(Mode.ACK)) as loop:
        run(shop, EDIT)
        loop.until(lambda: drifted(loop))
        first = open_digest(shop)
        run(shop, "DELETE FROM directory.range WHERE iin_start = '990105'")
        loop.until(lambda: open_digest(shop) != first)
        shop.ack(first)
        loop.settles()
        seen = len(loop.turns)
        loop.until(lambda: len(loop.turns) > seen + 3)

    assert drifted(loop)
    assert shop.revision == 1


def test_a_controller_that_may_heals_at_once(shop: Shop, shop_url: str) -> None:
    with tended(shop, shop_url, Rules(Mode.HEAL)) as loop:
        run(shop, EDIT)
        loop.until(lambda: shop.revision == 2)
        loop.until(lambda: condition(loop).status is FALSE)

    assert looks.look(shop.world(), every_row=True) is None
    assert names(loop)[0] == "revision.applied"


def test_who_writes_again_and_again_opens_the_breaker(shop: Shop, shop_url: str) -> None:
    with tended(shop, shop_url, Rules(Mode.HEAL, heal_per_hour=2)) as loop:
        for healed in (2, 3):
            run(shop, EDIT)
            loop.until(partial(lambda wanted: shop.revision == wanted, healed))
        run(shop, EDIT)
        loop.until(lambda: state(shop)["Stalled"] is TRUE)
        assert condition(loop).reason == "drift.breaker_open"
        seen = len(loop.turns)
        loop.until(lambda: len(loop.turns) > seen + 3)
        assert shop.revision == 3

        shop.ack(open_digest(shop))
        loop.until(lambda: state(shop)["Ready"] is TRUE)

    assert shop.revision == 4
    assert looks.look(shop.world(), every_row=True) is None


def test_more_rows_than_may_be_healed_open_the_breaker(shop: Shop, shop_url: str) -> None:
    with tended(shop, shop_url, Rules(Mode.HEAL, heal_max_rows=1)) as loop:
        run(shop, "UPDATE directory.range SET brand = 'Else'")
        loop.until(lambda: state(shop)["Stalled"] is TRUE)

    assert condition(loop).reason == "drift.breaker_open"
    assert shop.revision == 1


def test_nothing_is_healed_in_a_freeze(shop: Shop, shop_url: str) -> None:
    connection, now = shop.world().connection, shop.clock.now()
    holds.place(connection, ENVIRONMENT, Wanted(HoldKind.FREEZE, "eve", "incident", now))
    with running(
        shop, shop_url, cadence=OFTEN, eyes=Eyes(tend=Tender(Rules(Mode.HEAL)).tend)
    ) as loop:
        run(shop, EDIT)
        loop.until(lambda: "Drifted" in state(shop) and drifted(loop))
        seen = len(loop.turns)
        loop.until(lambda: len(loop.turns) > seen + 3)
        assert shop.revision == 1
        holds.lift(connection, ENVIRONMENT, HoldKind.FREEZE, by="eve", reason="over", now=now)
        loop.bell.ring(Cause.DRIFT)
        loop.until(lambda: shop.revision == 2)
