"""One leader at a time, and everybody else is fenced off."""

import time
from dataclasses import replace
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest

from controller.adapters.postgres import Connection, DatabaseBusy, connect, transaction
from controller.stores.control import lease as leases
from controller.stores.control import store
from controller.stores.control.model import Fenced, Lease, LeaseHeld, RootRecord
from tests.support.control import MINUTE, NOON, at_revision, leader, some_digest

OVER = timedelta(seconds=-1)


def test_a_free_lease_is_taken(database: Connection[Any]) -> None:
    lease = leader(database)

    assert (lease.holder, lease.epoch) == ("one", 1)


def test_a_lease_that_somebody_holds_is_not_taken(database: Connection[Any]) -> None:
    leader(database, "one")

    with pytest.raises(LeaseHeld) as refusal:
        leader(database, "two")

    assert refusal.value.holder == "one"


def test_an_expired_lease_is_taken_over_with_a_later_epoch(database: Connection[Any]) -> None:
    leases.acquire(database, "production", holder="one", duration=OVER)

    taken = leases.acquire(database, "production", holder="two", duration=MINUTE)

    assert (taken.holder, taken.epoch) == ("two", 2)


def test_a_released_lease_is_free_and_its_epoch_is_not_used_again(
    database: Connection[Any],
) -> None:
    leases.release(database, leader(database, "one"))

    assert leases.acquire(database, "production", holder="two", duration=MINUTE).epoch == 2


def test_a_restarted_controller_takes_over_from_itself_and_fences_what_it_was(
    database: Connection[Any],
) -> None:
    before = leader(database, "one")

    after = leader(database, "one")

    assert after.epoch == before.epoch + 1
    with pytest.raises(Fenced):
        leases.renew(database, before, MINUTE)
    leases.renew(database, after, MINUTE)


def test_a_renewed_lease_lasts_longer_and_keeps_its_epoch(database: Connection[Any]) -> None:
    lease = leader(database)

    longer = leases.renew(database, lease, 60 * MINUTE)

    assert longer.epoch == lease.epoch
    assert longer.expires_at > lease.expires_at


def test_giving_back_a_lease_that_was_taken_over_changes_nothing(
    database: Connection[Any],
) -> None:
    old = leases.acquire(database, "production", holder="one", duration=OVER)
    new = leases.acquire(database, "production", holder="two", duration=MINUTE)

    leases.release(database, old)

    assert leases.read(database, "production") == new


def test_a_lease_nobody_ever_took_fences(database: Connection[Any]) -> None:
    never = Lease("production", "one", 1, at_revision(1).applied_at)

    with pytest.raises(Fenced) as refusal:
        leases.fence(database, never)

    assert (refusal.value.epoch, refusal.value.holder) == (0, "")


def test_an_expired_lease_still_writes_while_nobody_took_over(database: Connection[Any]) -> None:
    late = leases.acquire(database, "production", holder="one", duration=OVER)

    store.compare_and_set(database, late, expected=None, new=at_revision(1))

    assert store.read_applied(database, "production") is not None


def test_nobody_takes_over_while_a_writer_is_in_its_transaction(
    database: Connection[Any], database_url: str
) -> None:
    with transaction(database):
        late = leases.acquire(database, "production", holder="one", duration=OVER)
    with connect(database_url, application_name="other") as other, transaction(database):
        other.execute("SET lock_timeout = '200ms'")
        leases.fence(database, late)

        with pytest.raises(DatabaseBusy):
            leases.acquire(other, "production", holder="two", duration=MINUTE)

        other.rollback()


def test_a_leader_says_where_it_runs_and_when_it_last_compared(database: Connection[Any]) -> None:
    held = leader(database, "one")

    renewed = leases.lead(database, held, MINUTE, process="host 7", compared_at=NOON)
    leases.lead(database, renewed, MINUTE, process="host 7")

    found = leases.leader(database, "production")
    assert found is not None
    assert (found.holder, found.process, found.compared_at, found.is_held) == (
        "one",
        "host 7",
        NOON,
        True,
    )


def test_nobody_takes_over_from_a_writer_that_has_moved_production(
    database: Connection[Any], database_url: str
) -> None:
    with transaction(database):
        lease = leases.acquire(database, "production", holder="one", duration=OVER)
        store.compare_and_set(database, lease, expected=None, new=at_revision(1))
    with connect(database_url, application_name="other") as other, transaction(database):
        other.execute("SET lock_timeout = '200ms'")
        store.compare_and_set(database, lease, expected=at_revision(1), new=at_revision(2))

        with pytest.raises(DatabaseBusy):
            leases.acquire(other, "production", holder="two", duration=MINUTE)

        other.rollback()


def test_a_writer_that_waits_for_a_takeover_is_fenced_by_it(
    database: Connection[Any], database_url: str
) -> None:
    with transaction(database):
        old = leases.acquire(database, "production", holder="one", duration=OVER)
        first = store.compare_and_set(database, old, expected=None, new=at_revision(1))
    found: list[BaseException] = []

    def write() -> None:
        try:
            with transaction(database):
                store.compare_and_set(
                    database, old, expected=first, new=at_revision(2), newest_root=1
                )
        except Fenced as error:
            found.append(error)

    with connect(database_url, application_name="other") as other:
        with transaction(other):
            taken = leases.acquire(other, "production", holder="two", duration=MINUTE)
            waiting = Thread(target=write)
            waiting.start()
            until_it_waits(other)
            store.record_root(other, RootRecord(2, some_digest("root"), b"{}"))
            store.compare_and_set(other, taken, expected=first, new=first)
        waiting.join(timeout=10)

    assert [type(error) for error in found] == [Fenced]
    assert store.read_applied(database, "production") == replace(first, epoch=taken.epoch)


def until_it_waits(watch: Connection[Any]) -> None:
    """Return as soon as another session of the database waits for a lock."""
    query = """SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND wait_event_type = 'Lock'"""
    deadline = time.monotonic() + 10
    while watch.execute(query).fetchone() != (1,):
        assert time.monotonic() < deadline, "nobody waits"
        # What a transaction has seen of the server's activity it sees again until told otherwise.
        watch.execute("SELECT pg_stat_clear_snapshot()")
        time.sleep(0.01)


def test_a_leader_that_was_overtaken_cannot_go_on_leading(database: Connection[Any]) -> None:
    held = leader(database, "one")
    leader(database, "one")

    with pytest.raises(Fenced):
        leases.lead(database, held, MINUTE, process="host 7")


def test_nobody_leads_what_nobody_ever_led(database: Connection[Any]) -> None:
    assert leases.leader(database, "production") is None
