"""Somebody who writes to the database, and rows that were damaged: a pass stops or stays right."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import pytest

from controller.artifacts import layout, levels, walk
from controller.artifacts.merkle import DictMemory, files_root
from controller.artifacts.merkle_record import Record
from controller.kernel.errors import ControllerError
from controller.kernel.objects import Oid
from controller.plan.guards import Limits
from controller.reconcile.proof import prove_database, prove_git
from controller.reconcile.status import read_status
from controller.stores.control import store as control
from controller.stores.control.memory import DatabaseMemory
from controller.stores.control.statements import run
from tests.attacks.passes import APPLIED, attempt, stopped
from tests.attacks.test_history import two_releases
from tests.support.world import BRANCHES, CARDS, NEW_RANGE, OTHER_RANGE, PARTICIPANTS, Shop


def tampered(shop: Shop, statement: str) -> None:
    """Change rows with every right there is, past all guards."""
    connection = shop.world().connection
    run(connection, "SET session_replication_role = replica", {})
    assert run(connection, statement, {}) > 0
    run(connection, "SET session_replication_role = origin", {})


def verified(shop: Shop) -> None:
    """Prove git, then the database."""
    now = shop.clock.now()
    _, proof = prove_git(
        shop.repository, shop.pin, branch="main", controller=shop.controller, now=now
    )
    prove_database(shop.world().connection, shop.repository, proof)


FLIPS = {
    "a row that was changed": (
        "UPDATE directory.range SET brand = 'Mine' WHERE iin_start = '990105'"
    ),
    "a row that was removed": "DELETE FROM directory.range WHERE iin_start = '990105'",
    "a window that was moved": (
        "UPDATE directory.range SET effective_to = '2027-01-01Z' WHERE iin_start = '990105'"
    ),
    "a name that was changed": (
        "UPDATE directory.participant SET name = 'Mine' WHERE id = 'orchard-pay'"
    ),
}


@pytest.mark.stops("insider.rows")
@pytest.mark.parametrize("statement", FLIPS.values(), ids=FLIPS.keys())
def test_a_row_that_somebody_changed_is_found_by_an_audit(shop: Shop, statement: str) -> None:
    tampered(shop, statement)

    with pytest.raises(ControllerError) as refusal:
        verified(shop)

    assert refusal.value.code == "audit.table_differs"


@pytest.mark.allows("insider.rows")
def test_rows_that_only_the_controller_wrote_pass_the_audit(shop: Shop) -> None:
    two_releases(shop)

    verified(shop)

    assert shop.serial == 2


# The memory of what was hashed is not believed


def remembered_as(shop: Shop, *, tree: Oid, honest: Oid) -> None:
    """Write into the memory that a tree hashes to what another one hashes to."""
    path, memory = layout.files_path(CARDS), DictMemory()
    files_root(shop.repository, honest, path, memory)
    oids = {one.name: one.oid for one in levels.children(shop.repository, tree, path)}
    record = memory.records[honest]
    forged = Record({name: item._replace(oid=oids[name]) for name, item in record.items()})
    assert shop.connection is not None
    database = DatabaseMemory(shop.connection)
    database.put(tree, forged, None)
    database.flush()


def files_tree(shop: Shop) -> Oid:
    """Return the tree of the cards' committed files."""
    entry = walk.find(shop.repository, shop.tree, layout.files_path(CARDS))
    assert entry is not None
    return entry.oid


def swapped(shop: Shop, *, remembered: bool) -> None:
    """Release what two owners signed, with a hint that leads to files that nobody signed."""
    shop.edit(add=[NEW_RANGE])
    signed = shop.next_version()
    shop.edit(add=[OTHER_RANGE], drop=[NEW_RANGE])
    evil = files_tree(shop)
    live = shop.sign(replace(signed, git_tree=evil))
    if remembered:
        remembered_as(shop, tree=evil, honest=signed.git_tree)
    shop.release(shop.next_release(live))


@pytest.mark.stops("insider.memory")
def test_a_forged_memory_of_a_tree_brings_in_no_row_that_nobody_signed(shop: Shop) -> None:
    swapped(shop, remembered=True)

    assert attempt(shop) == stopped("proven.bytes_differ")
    assert not {"990600", "990601"} & shop.ranges()


@pytest.mark.allows("insider.memory")
def test_without_the_forgery_the_signed_rows_are_found_and_applied(shop: Shop) -> None:
    swapped(shop, remembered=False)

    assert attempt(shop).code == APPLIED
    assert {"990600", "990601"} & shop.ranges() == {"990600"}


# Start-up survives whatever is stored

NO_MATTER = None
"""The row is not believed, or not asked: the pass goes on and stays right."""

POISON: dict[str, tuple[str, str | None]] = {
    "a root that is no envelope": (
        "INSERT INTO controller.root VALUES (2, repeat('a', 64), 'rubbish')",
        "trust.malformed_envelope",
    ),
    "the first root as rubbish": (
        "UPDATE controller.root SET envelope = 'rubbish'",
        NO_MATTER,
    ),
    "a live bundle without a rail": (
        "UPDATE controller.live_bundle SET bundle = 'rubbish' WHERE bundle = 'caip/chains'",
        "layout.bad_name",
    ),
    "a live bundle of a rail nobody has": (
        "UPDATE controller.live_bundle SET bundle = 'moon/x' WHERE bundle = 'caip/chains'",
        NO_MATTER,
    ),
    "a live tree that is nowhere": (
        "UPDATE controller.live_bundle SET files_tree = decode(repeat('ab', 20), 'hex')",
        "objects.missing",
    ),
    "an applied commit that is nowhere": (
        "UPDATE controller.applied SET commit = decode(repeat('ab', 20), 'hex')",
        "trust.history_rewritten",
    ),
    "a remembered tree as rubbish": (
        "UPDATE controller.merkle_memory SET record = 'rubbish'",
        NO_MATTER,
    ),
    "a remembered tree as nothing": (
        "UPDATE controller.merkle_memory SET record = ''",
        NO_MATTER,
    ),
    "a remembered tree cut short": (
        "UPDATE controller.merkle_memory SET record = substr(record, 1, length(record) - 1)",
        "merkle.foreign_record",
    ),
    "a journal row as rubbish": (
        "UPDATE controller.journal SET record = 'rubbish'",
        NO_MATTER,
    ),
    "a release with other bytes": (
        "UPDATE controller.release SET sha256 = repeat('a', 64)",
        "trust.previous_mismatch",
    ),
    "a version with other bytes": (
        "UPDATE controller.bundle_version SET sha256 = repeat('a', 64)",
        "trust.bundle_equivocation",
    ),
    "a time that was never seen": (
        "UPDATE controller.applied SET max_time_seen = '2199-01-01Z'",
        "trust.clock_behind",
    ),
}


@pytest.mark.stops("incident.9-stored-poison")
@pytest.mark.parametrize(("statement", "code"), POISON.values(), ids=POISON.keys())
def test_a_damaged_row_is_a_clear_refusal_or_no_matter_and_never_a_crash(
    shop: Shop, statement: str, code: str | None
) -> None:
    tampered(shop, statement)
    shop.publish(add=[NEW_RANGE])
    before = shop.footprint()

    refused = refusal_of(shop.reconcile)
    status = read_status(shop.world(), shop.clock.now())

    assert (refused and refused.code) == code
    assert status.environment == shop.world().environment
    assert shop.serial == 2 if refused is None else shop.footprint() == before


def refusal_of(start: Callable[[], object]) -> ControllerError | None:
    """Return the typed refusal of an action; whatever else it raises is a crash."""
    try:
        start()
    except ControllerError as error:
        return error
    return None


@pytest.mark.allows("incident.9-stored-poison")
def test_a_pass_after_the_damage_was_mended_goes_on(shop: Shop) -> None:
    tampered(shop, "UPDATE controller.live_bundle SET policy_digest = repeat('a', 64)")
    tampered(shop, "DELETE FROM controller.merkle_memory")
    shop.publish(add=[NEW_RANGE])

    shop.reconcile()

    assert shop.serial == 2


# Bookkeeping and rows go together


def moved_out(shop: Shop) -> None:
    """Release without one bundle, and with a table that the database refuses."""
    shop.edit(PARTICIPANTS, drop=[harbour(shop)])
    live = shop.sign(shop.next_version())
    release = shop.next_release(live)
    kept = tuple(one for one in release.bundles if one.bundle != BRANCHES)
    shop.release(replace(release, bundles=kept))


def harbour(shop: Shop) -> str:
    """Return the line of a bank that ranges refer to."""
    lines = shop.read(PARTICIPANTS).decode().splitlines()
    return next(line for line in lines if line.startswith("harbour-bank,"))


@pytest.mark.stops("incident.16-orphans")
def test_a_removal_that_the_database_refuses_forgets_nothing_of_what_is_live(shop: Shop) -> None:
    shop.limits = Limits(removed_share=Fraction(1), removed_rows=10**6, small_rows=10**6)
    moved_out(shop)

    found = attempt(shop)

    assert found.code == "directory.dangling_reference"
    assert found.changed == ()


@pytest.mark.allows("incident.16-orphans")
def test_a_removal_takes_the_rows_and_what_is_known_of_them_together(shop: Shop) -> None:
    release = shop.next_release()
    kept = tuple(one for one in release.bundles if one.bundle != BRANCHES)
    shop.release(replace(release, bundles=kept))
    shop.ack(shop.decide().plan.digest)

    shop.reconcile()

    world = shop.world()
    live = control.live_bundles(world.connection, world.environment)
    assert str(BRANCHES) not in {one.bundle for one in live}
    verified(shop)
