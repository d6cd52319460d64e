"""A decision is applied in one transaction, by whoever holds the lease, on what it has seen."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import pytest

from controller.adapters.postgres import Connection, IntegrityRefused, transaction
from controller.audit import journal
from controller.audit.prove import verify_database
from controller.audit.record import AuditRecord
from controller.kernel.canonical import Digest
from controller.kernel.errors import ControllerError, Unavailable
from controller.plan.guards import Limits
from controller.reconcile.apply import apply, digest_texts
from controller.reconcile.cycle import Outcome, converge, run_pass
from controller.reconcile.decide import Decision, decide
from controller.reconcile.leading import LEASE_DURATION
from controller.reconcile.proof import prove_git
from controller.reconcile.world import World
from controller.stores.control import lease as leases
from controller.stores.control import store as control
from controller.stores.control.model import LeaseHeld, RevisionKind, StaleWriter
from controller.stores.directory import store as directory
from tests.support.world import CARDS, NEW_RANGE, OLD_RANGE, OTHER_RANGE, Shop, open_connection


class Overtaken:
    """A connection whose owner is overtaken before its n-th transaction."""

    def __init__(
        self, connection: Connection[Any], *, before: int, overtake: Callable[[], object]
    ) -> None:
        self._connection, self._left, self._overtake = connection, before, overtake

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Let the other one go first when it is time."""
        self._left -= 1
        if self._left == 0:
            self._overtake()
        with self._connection.transaction():
            yield


@pytest.fixture
def other(shop: Shop, shop_url: str) -> Iterator[World]:
    """Return another process of the same controller, with a connection of its own."""
    with open_connection(shop_url) as connection:
        yield shop.world(connection)


def decided(world: World) -> Decision:
    """Work out what a pass would do."""
    before = control.read_applied(world.connection, world.environment)
    return decide(world, before, world.head(), world.clock.now())


def newest_record(shop: Shop) -> AuditRecord:
    """Return the journal's last record."""
    world = shop.world()
    last = journal.last_link(world.connection, shop.controller)
    found = journal.row(world.connection, shop.controller, last.seq)
    assert found is not None
    return AuditRecord.parse(found.data)


# One transaction


def test_a_revision_carries_what_was_decided(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE], drop=[OLD_RANGE])
    decision = shop.decide()

    revision = apply(shop.world(), decision)

    assert revision is not None
    assert (revision.revision, revision.from_revision, revision.serial) == (2, 1, 2)
    assert (revision.commit, revision.plan_digest) == (shop.tip, decision.plan.digest)
    counts = revision.counts["ranges"]
    assert (counts["added"], counts["modified"], counts["removed"]) == (1, 0, 1)


def test_the_record_of_a_revision_names_signers_tables_and_plan(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.reconcile()

    record = newest_record(shop)

    keys = tuple(sorted(shop.signer(name).public.id for name in ("alice", "bob")))
    assert record.signers["release"] == record.signers["card-bin/house-cards@2"] == keys
    assert record.kind is RevisionKind.FORWARD
    assert record.tables == digest_texts(directory.kept(shop.world().connection))
    assert (record.acks, record.rollback) == ((), None)


def test_the_tables_of_a_record_are_those_that_a_count_finds(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE], drop=[OLD_RANGE])
    shop.reconcile()

    recomputed = directory.recompute(shop.world().connection)

    assert newest_record(shop).tables == digest_texts(recomputed)


def test_the_record_of_an_acknowledged_revision_names_the_acknowledgement(shop: Shop) -> None:
    shop.limits = Limits(small_rows=0)
    shop.publish(drop=[OLD_RANGE])
    decision = shop.decide()
    shop.ack(decision.plan.digest)
    shop.reconcile()

    (ack,) = newest_record(shop).acks

    assert set(ack.signers) == {shop.signer(name).public.id for name in ("alice", "bob")}


def test_the_record_of_a_rollback_names_what_was_undone_and_by_whom(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.reconcile()
    shop.revert_release(shop.released[0])
    shop.reconcile()

    rollback = newest_record(shop).rollback

    assert rollback is not None
    assert rollback.signers == (shop.signer("rollback").public.id,)
    assert rollback.from_serial == 2


def test_git_and_database_prove_what_was_applied(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.reconcile()
    shop.revert_release(shop.released[0])
    shop.reconcile()
    world = shop.world()

    now = shop.clock.now()
    _, proof = prove_git(
        shop.repository, shop.pin, branch="main", controller=shop.controller, now=now
    )
    with transaction(world.connection):
        found = verify_database(
            world.connection,
            proof,
            table_digests=lambda: digest_texts(directory.recompute(world.connection)),
        )

    assert (found.rows, found.lag) == (3, 0)
    assert len(proof.links) == 3


def test_the_lease_is_given_back(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.reconcile()

    lease = leases.read(shop.world().connection, "production")

    assert lease is not None
    assert lease.holder == ""


def test_the_lease_is_given_back_after_a_refusal_too(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE.replace("harbour-bank", "harbour-bunk")])
    with pytest.raises(ControllerError):
        shop.reconcile()

    lease = leases.read(shop.world().connection, "production")

    assert lease is not None
    assert lease.holder == ""


# Two controllers


def test_of_two_decisions_on_one_state_the_first_is_applied(shop: Shop, other: World) -> None:
    shop.publish(add=[NEW_RANGE])
    mine, theirs = decided(shop.world()), decided(other)
    apply(other, theirs)

    with pytest.raises(StaleWriter) as refusal:
        apply(shop.world(), mine)

    assert (refusal.value.expected, refusal.value.found) == (1, 2)
    assert shop.revision == 2


def test_a_pass_that_is_overtaken_before_it_writes_is_stale(shop: Shop, other: World) -> None:
    shop.publish(add=[NEW_RANGE])
    overtaken: Any = Overtaken(shop.world().connection, before=1, overtake=lambda: run_pass(other))
    mine = decided(shop.world())

    with pytest.raises(StaleWriter) as refusal:
        apply(shop.world(overtaken), mine)

    assert (refusal.value.expected, refusal.value.found) == (1, 2)
    assert shop.revision == 2
    assert len(shop.audit_commits()) == 2


def test_a_pass_that_is_overtaken_starts_again_from_what_it_finds(shop: Shop, other: World) -> None:
    shop.publish(add=[NEW_RANGE])
    overtaken: Any = Overtaken(shop.world().connection, before=1, overtake=lambda: run_pass(other))
    with pytest.raises(StaleWriter):
        run_pass(shop.world(overtaken))
    shop.publish(add=[OTHER_RANGE])

    shop.reconcile()

    assert (shop.serial, shop.revision) == (3, 3)


def test_who_is_overtaken_looks_again_and_finds_it_done(shop: Shop, other: World) -> None:
    shop.publish(add=[NEW_RANGE])
    overtaken: Any = Overtaken(other.connection, before=1, overtake=shop.reconcile)

    outcome = list(converge(replace(other, connection=overtaken)))[-1]

    assert (outcome.commit, outcome.revision) == (shop.tip, None)
    assert (shop.revision, len(shop.audit_commits())) == (2, 2)


def test_a_lease_that_is_given_back_soon_is_waited_for(shop: Shop, other: World) -> None:
    shop.publish(add=[NEW_RANGE])
    with transaction(other.connection):
        lease = leases.acquire(
            other.connection, "production", holder="blue", duration=LEASE_DURATION
        )

    def give_back() -> None:
        with transaction(other.connection):
            leases.release(other.connection, lease)

    timer = threading.Timer(0.3, give_back)
    timer.start()
    shop.reconcile()
    timer.join()

    assert shop.revision == 2


def test_all_who_reconcile_at_once_end_where_the_branch_is(shop: Shop, shop_url: str) -> None:
    shop.publish(add=[NEW_RANGE])
    racers = 4
    start, ends = threading.Barrier(racers), list[Outcome]()

    def race(connection: Connection[Any]) -> None:
        world = shop.world(connection)
        start.wait()
        ends.append(list(converge(world))[-1])

    with ExitStack() as stack:
        threads = [
            threading.Thread(target=race, args=[stack.enter_context(open_connection(shop_url))])
            for _ in range(racers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert [outcome.commit for outcome in ends] == [shop.tip] * racers
    assert [outcome.revision.revision for outcome in ends if outcome.revision] == [2]
    assert (shop.revision, len(shop.audit_commits())) == (2, 2)


def test_the_accepted_commit_never_goes_back_to_an_older_one(shop: Shop, other: World) -> None:
    shop.commit({"README.md": b"New.\n"})
    mine = decided(shop.world())
    newer = shop.commit({"README.md": b"Newer.\n"})
    run_pass(other)

    with pytest.raises(StaleWriter) as refusal:
        apply(shop.world(), mine)

    assert "accepted another commit" in str(refusal.value)
    applied = shop.applied()
    assert applied is not None
    assert (applied.revision, applied.commit) == (1, newer)


def test_a_pass_that_dies_holds_no_lease(shop: Shop, other: World) -> None:
    shop.publish(add=[NEW_RANGE])
    mine = decided(shop.world())
    broken = replace(mine, admitted=replace(mine.admitted, policies_digest=Digest("none")))

    with pytest.raises(IntegrityRefused):
        apply(shop.world(), broken)

    held = leases.read(other.connection, "production")
    assert held is None or held.holder == ""


def test_a_lease_that_another_controller_holds_is_waited_for(shop: Shop, other: World) -> None:
    shop.publish(add=[NEW_RANGE])
    with transaction(other.connection):
        leases.acquire(other.connection, "production", holder="blue", duration=LEASE_DURATION)

    with pytest.raises(LeaseHeld) as refusal:
        shop.reconcile()

    assert refusal.value.holder == "blue"
    assert shop.revision == 1


def test_a_lease_that_another_controller_gave_back_is_taken(shop: Shop, other: World) -> None:
    shop.publish(add=[NEW_RANGE])
    with transaction(other.connection):
        lease = leases.acquire(
            other.connection, "production", holder="blue", duration=LEASE_DURATION
        )
        leases.release(other.connection, lease)

    shop.reconcile()

    assert shop.revision == 2


def test_of_many_passes_at_once_exactly_one_applies(shop: Shop, shop_url: str) -> None:
    shop.publish(add=[NEW_RANGE])
    racers = 4
    start, applied, lost = threading.Barrier(racers), list[int](), list[Unavailable]()

    def race(connection: Connection[Any]) -> None:
        world = shop.world(connection)
        start.wait()
        try:
            outcome = run_pass(world)
        except Unavailable as error:
            lost.append(error)
        else:
            applied.append(outcome.revision.revision if outcome.revision else 0)

    with ExitStack() as stack:
        threads = [
            threading.Thread(target=race, args=[stack.enter_context(open_connection(shop_url))])
            for _ in range(racers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(applied) + len(lost) == racers
    assert [number for number in applied if number] == [2]
    assert shop.revision == 2
    shop.reconcile()
    assert len(shop.audit_commits()) == 2
    assert shop.bundle(CARDS, 2).version == 2
