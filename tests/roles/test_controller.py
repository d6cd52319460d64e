"""The loop converges, stands by, backs off, waits for people, and is fenced off."""

from datetime import timedelta

from controller.authoring.starting import ENVIRONMENT
from controller.kernel.errors import Corrupt, Unavailable
from controller.kernel.objects import Oid
from controller.reconcile.turn import Eyes
from controller.reconcile.world import World
from controller.roles.controller import Cadence
from controller.roles.doorbell import Cause
from controller.stores.control import conditions
from controller.stores.control import lease as leases
from controller.stores.control.conditions import Condition, ConditionStatus, ConditionType
from tests.support.running import running
from tests.support.world import NEW_RANGE, OLD_RANGE, OTHER_RANGE, Shop

SLOW = Cadence(poll_seconds=3_600, poll_jitter=0, renew_seconds=20)
TRUE, FALSE, UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN


def state(shop: Shop) -> dict[str, ConditionStatus]:
    """Return which of Ready, Reconciling and Stalled holds."""
    said = conditions.read(shop.world().connection, ENVIRONMENT)
    return {one.condition.type.value: one.condition.status for one in said}


def test_a_new_host_comes_to_the_branch_by_itself(new_shop: Shop, database_url: str) -> None:
    with running(new_shop, database_url) as loop:
        loop.settles()
        loop.until(lambda: state(new_shop).get("Ready") == TRUE)

    assert loop.names(new_shop.world().connection) == ["lease.taken", "revision.applied"]


def test_a_push_is_applied_at_once_when_the_repository_rings(shop: Shop, shop_url: str) -> None:
    with running(shop, shop_url, cadence=SLOW) as loop:
        loop.until(lambda: loop.turns)
        shop.publish(add=[NEW_RANGE])
        loop.bell.ring(Cause.REPOSITORY)
        loop.settles()


def test_a_push_that_nobody_rings_for_is_found_by_the_poll(shop: Shop, shop_url: str) -> None:
    with running(shop, shop_url) as loop:
        loop.until(lambda: loop.turns)
        shop.publish(add=[NEW_RANGE])
        loop.settles()


def written(shop: Shop) -> dict[str, str]:
    """Return each table with which transactions wrote its rows, and where."""
    connection = shop.world().connection
    tables = connection.execute(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
        "WHERE schemaname IN ('controller', 'directory')"
    )
    return {
        name: str(
            connection.execute(
                f"SELECT array_agg((xmin, ctid)::text ORDER BY ctid) FROM {name}".encode()
            ).fetchone()
        )
        for (name,) in tables.fetchall()
    }


def test_an_unchanged_world_writes_nothing_but_the_lease(shop: Shop, shop_url: str) -> None:
    with running(shop, shop_url) as loop:
        loop.until(lambda: len(loop.turns) > 2)
        before = written(shop)
        loop.until(lambda: len(loop.turns) > 12)
        after = written(shop)

    assert {name for name in after if after[name] != before[name]} == {"controller.lease"}


def test_a_refused_commit_waits_for_a_new_one(shop: Shop, shop_url: str) -> None:
    with running(shop, shop_url) as loop:
        loop.until(lambda: loop.turns)
        before = shop.revision
        shop.edit(add=[NEW_RANGE])
        shop.release(shop.next_release(shop.sign(shop.next_version())), by=["alice"])
        loop.until(lambda: state(shop).get("Stalled") == TRUE)
        seen = len(loop.turns)
        loop.until(lambda: len(loop.turns) > seen + 3)
        assert loop.names(shop.world().connection).count("revision.refused") == 1
        assert shop.revision == before

        shop.released.pop()
        shop.release(shop.next_release(shop.sign(shop.next_version())))
        loop.settles()
        loop.until(
            lambda: (
                state(shop) | {"Held": FALSE}
                == {"Ready": TRUE, "Reconciling": FALSE, "Stalled": FALSE, "Held": FALSE}
            )
        )


def test_what_was_refused_is_judged_again_when_somebody_asks(shop: Shop, shop_url: str) -> None:
    with running(shop, shop_url) as loop:
        shop.clock.advance(timedelta(days=4_000))  # everything has expired
        shop.publish(add=[NEW_RANGE])
        loop.until(lambda: loop.turns and loop.turns[-1].head == shop.tip)
        assert state(shop)["Stalled"] == TRUE
        shop.clock.advance(timedelta(days=-4_000))
        seen = len(loop.turns)
        loop.until(lambda: len(loop.turns) > seen + 2)
        assert state(shop)["Stalled"] == TRUE

        loop.ask(shop.world().connection)
        loop.settles()


class Away(Unavailable):
    code = "test.away"


class Broken(Corrupt):
    code = "test.broken"


def test_what_nobody_has_to_act_on_is_tried_again(shop: Shop, shop_url: str) -> None:
    tries: list[int] = []

    def look(_world: object, _expects_news: object) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise Away("the remote does not answer")

    with running(shop, shop_url, cadence=SLOW, eyes=Eyes(look=look)) as loop:
        loop.until(lambda: tries)
        loop.until(lambda: state(shop).get("Ready") == UNKNOWN)
        loop.until(lambda: state(shop).get("Ready") == TRUE)

    assert loop.names(shop.world().connection) == ["lease.taken", "pass.failed", "pass.recovered"]


def test_what_is_corrupt_stops_until_a_person_asks(shop: Shop, shop_url: str) -> None:
    broken = [True]

    def check(_world: object, _now: object) -> tuple[()]:
        if broken:
            raise Broken("what is stored is not what was written")
        return ()

    with running(shop, shop_url, eyes=Eyes(checks=(check,))) as loop:
        loop.until(lambda: state(shop).get("Stalled") == TRUE)
        broken.clear()
        shop.publish(add=[NEW_RANGE])
        seen = len(loop.turns)
        loop.until(lambda: len(loop.turns) > seen + 3)
        assert shop.applied() is not None
        assert state(shop)["Stalled"] == TRUE

        loop.ask(shop.world().connection)
        loop.settles()


def test_a_remote_that_is_away_does_not_keep_the_heartbeat_from_being_looked_at(
    shop: Shop, shop_url: str
) -> None:
    def look(_world: object, _expects_news: object) -> None:
        raise Away("the remote does not answer")

    def check(_world: object, _now: object) -> tuple[Condition]:
        return (Condition(ConditionType.STALE, TRUE, "TooOld", "the heartbeat is too old"),)

    with running(shop, shop_url, eyes=Eyes(look=look, checks=(check,))) as loop:
        loop.until(lambda: state(shop).get("Stale") == TRUE)

    assert state(shop)["Ready"] == UNKNOWN


def test_a_commit_that_nobody_expected_stalls_and_the_next_one_is_tried(
    shop: Shop, shop_url: str
) -> None:
    poison: list[Oid] = []

    def check(world: World, _now: object) -> tuple[()]:
        if world.head() in poison:
            raise ZeroDivisionError("with a secret in it")
        return ()

    with running(shop, shop_url, eyes=Eyes(checks=(check,))) as loop:
        loop.until(lambda: loop.turns)
        connection = shop.world().connection
        shop.edit(add=[NEW_RANGE])
        poison.append(shop.tip)
        loop.until(lambda: state(shop).get("Stalled") == TRUE)
        said = loop.condition(connection, ConditionType.STALLED)
        assert said.reason == "turn.unexpected"
        assert "secret" not in said.message + said.hint

        shop.publish(add=[OTHER_RANGE])
        loop.settles()


def test_the_second_of_two_waits_and_takes_over(shop: Shop, shop_url: str) -> None:
    with running(shop, shop_url, holder="one") as first:
        first.until(lambda: first.turns)
        with running(shop, shop_url, holder="two") as second:
            second.until(lambda: second.said)
            assert [str(one.event) for one in second.said] == ["lease.held_elsewhere"]
            assert not second.turns

            first.stop()
            second.until(lambda: second.turns)
            shop.publish(add=[NEW_RANGE])
            second.settles()


def test_a_leader_that_is_overtaken_steps_back_and_comes_again(shop: Shop, shop_url: str) -> None:
    with running(shop, shop_url, holder="one") as loop:
        loop.until(lambda: loop.turns)
        connection = shop.world().connection
        connection.execute("UPDATE controller.lease SET holder = 'other', epoch = epoch + 1")
        loop.until(lambda: "lease.lost" in loop.names(connection))
        leader = leases.leader(connection, ENVIRONMENT)
        assert leader is not None
        connection.execute("UPDATE controller.lease SET expires_at = now() - interval '1 second'")
        shop.publish(add=[NEW_RANGE])
        loop.settles()


def test_a_leader_that_stops_gives_the_lease_back(shop: Shop, shop_url: str) -> None:
    with running(shop, shop_url) as loop:
        loop.until(lambda: loop.turns)

    leader = leases.leader(shop.world().connection, ENVIRONMENT)
    assert leader is not None
    assert leader.holder == ""
    assert leader.compared_at is not None or leader.epoch >= 1


def test_a_lost_connection_is_opened_again(shop: Shop, shop_url: str) -> None:
    with running(shop, shop_url) as loop:
        loop.until(lambda: loop.turns)
        connection = shop.world().connection
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        shop.publish(add=[NEW_RANGE])
        loop.settles()


def test_the_loop_beats_while_it_waits(shop: Shop, shop_url: str) -> None:
    with running(shop, shop_url, cadence=SLOW) as loop:
        loop.until(lambda: loop.turns)
        seen = loop.beats
        loop.until(lambda: loop.beats > seen + 1)


def test_a_window_that_begins_is_seen_without_a_commit(shop: Shop, shop_url: str) -> None:
    start = shop.clock.now() + timedelta(hours=1)
    line = OLD_RANGE.replace("990105", "990602")
    dated = f"{line[:-2]},{start:%Y-%m-%dT%H:%M:%SZ},"
    with running(shop, shop_url, cadence=SLOW) as loop:
        loop.until(lambda: loop.turns)
        shop.publish(add=[dated])
        loop.bell.ring(Cause.REPOSITORY)
        loop.settles()
        loop.until(lambda: loop.turns[-1].settled)
        shop.clock.advance(timedelta(hours=1))
        loop.until(lambda: "boundary.passed" in [str(one.event) for one in loop.said])

    assert "boundary.passed" not in loop.names(shop.world().connection)
