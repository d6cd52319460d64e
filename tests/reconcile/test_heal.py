"""A heal puts every row as it is declared, in one transaction that the trail tells of."""

from dataclasses import replace

import pytest

from controller.adapters.postgres import DatabaseBusy, transaction
from controller.audit.commit import record_in
from controller.audit.record import AuditRecord
from controller.authoring.starting import AUDIT
from controller.reconcile import drift
from controller.reconcile.apply import digest_texts
from controller.reconcile.cycle import publish_owed
from controller.reconcile.drifted import Drift
from controller.reconcile.heal import DriftMoved, heal
from controller.reconcile.proof import prove_database, prove_git
from controller.stores.control import drift as stored
from controller.stores.control.drift import Ended
from controller.stores.control.model import AppliedRevision, RevisionKind, StaleWriter
from controller.stores.directory import store as directory
from controller.stores.directory.changes import changes
from controller.trust.commit import parse_commit
from controller.trust.sign import Signer
from tests.reconcile.test_drift import forge_sums, look, run
from tests.support.trail import Trail
from tests.support.world import NEW_RANGE, Shop, open_connection
from tests.tools.verdicts import judge_audit, prove_audit

EDIT = "UPDATE directory.participant SET name = 'Mallory' WHERE id = 'harbour-bank'"
EVERYTHING = (
    EDIT,
    "DELETE FROM directory.range WHERE iin_start = '990105'",
    "UPDATE directory.range SET effective_to = '2027-01-01' WHERE iin_start < '990103'",
    "TRUNCATE directory.identifier",
    (
        "INSERT INTO directory.participant (row_key, effective_from, effective_to, id, file_id,"
        " revision) VALUES (7, '-infinity', 'infinity', 'mallory', 99, 1000)"
    ),
    "UPDATE directory.table_digest SET rows = 0, digest = 5",
)


def put_right(shop: Shop, seen: Drift | None = None) -> AppliedRevision:
    return heal(shop.world(), seen or look(shop), by=Ended.PERSON)


def content(shop: Shop) -> dict[str, str]:
    """Return what the tables add up to, recomputed; it is what is kept."""
    connection = shop.world().connection
    found = digest_texts(directory.recompute(connection))
    assert digest_texts(directory.kept(connection)) == found
    return found


@pytest.mark.parametrize("edits", [(EDIT,), EVERYTHING, ("TRUNCATE directory.range",)])
def test_a_heal_brings_back_exactly_what_was_applied(shop: Shop, edits: tuple[str, ...]) -> None:
    before = content(shop)
    rows = {name: directory.stored_rows(shop.world().connection, name) for name in before}
    run(shop, *edits)

    revision = put_right(shop)

    assert content(shop) == before
    after = {name: directory.stored_rows(shop.world().connection, name) for name in before}
    assert after == rows
    assert (revision.kind, revision.revision) == (RevisionKind.HEAL, 2)
    assert drift.look(shop.world(), every_row=True) is None


def test_a_sum_alone_is_put_right(shop: Shop) -> None:
    before = content(shop)
    run(shop, "UPDATE directory.table_digest SET digest = 7 WHERE table_name = 'range'")

    assert put_right(shop).counts == {"ranges": {"added": 0, "modified": 0, "removed": 0}}
    assert content(shop) == before


def test_rows_that_were_edited_with_their_sum_are_put_right(shop: Shop) -> None:
    before = content(shop)
    run(shop, EDIT)
    forge_sums(shop)

    put_right(shop)

    assert content(shop) == before


def test_what_nobody_declared_leaves_into_the_history(shop: Shop) -> None:
    run(shop, EDIT)

    put_right(shop)

    connection = shop.world().connection
    found = connection.execute(
        "SELECT name, until_revision FROM directory.participant_history"
    ).fetchall()
    assert [tuple(row) for row in found] == [("Mallory", 2)]


def test_the_trail_tells_of_a_heal_and_still_holds(shop: Shop) -> None:
    run(shop, *EVERYTHING)
    seen = look(shop)

    put_right(shop, seen)

    world = shop.world()
    assert len(publish_owed(world).commits) == 1
    proof = prove_git(
        shop.repository,
        shop.pin,
        branch="main",
        controller=shop.controller,
        now=shop.clock.now(),
    )[1]
    found = prove_database(world.connection, shop.repository, proof)
    assert (found.rows, found.lag, found.revisions) == (2, 0, 2)
    assert (judge_audit(shop).verdict, prove_audit(shop)) == ("accepted", "accepted")


def test_a_heal_that_claims_other_signers_is_no_link_of_the_trail(shop: Shop) -> None:
    run(shop, EDIT)
    put_right(shop)
    publish_owed(shop.world())
    raws = [shop.repository.raw_commit(one) for one in shop.audit_commits()]
    records = [AuditRecord.parse(record_in(parse_commit(raw).message)) for raw in raws]
    signers = {what: (*keys, "SHA256:mallory") for what, keys in records[1].signers.items()}
    forged = [records[0], replace(records[1], signers=signers)]
    trail = Trail(shop.repository)

    by: dict[int, Signer] = dict.fromkeys(range(1, 3), shop.signer(AUDIT))
    trail.rewrite(forged, controller=shop.controller, signers=by)

    verdict = "audit.link_statement"
    assert (judge_audit(shop).verdict, prove_audit(shop)) == (verdict, verdict)


def test_passes_go_on_after_a_heal(shop: Shop) -> None:
    run(shop, *EVERYTHING)
    put_right(shop)
    shop.publish(add=[NEW_RANGE])

    shop.reconcile()

    assert shop.revision == 3
    assert drift.look(shop.world(), every_row=True) is None
    assert len(shop.audit_commits()) == 3


def test_what_changed_since_it_was_seen_is_not_healed(shop: Shop) -> None:
    run(shop, EDIT)
    seen = look(shop)
    run(shop, "DELETE FROM directory.range WHERE iin_start = '990105'")
    before = shop.footprint()

    with pytest.raises(DriftMoved) as moved:
        put_right(shop, seen)

    assert moved.value.found is not None
    assert shop.footprint() == before


def test_what_was_put_right_by_hand_is_not_healed(shop: Shop) -> None:
    run(shop, EDIT)
    seen = look(shop)
    run(shop, "UPDATE directory.participant SET name = 'Harbour Bank' WHERE id = 'harbour-bank'")

    with pytest.raises(DriftMoved):
        put_right(shop, seen)


def test_a_heal_ends_the_drift_that_was_open(shop: Shop) -> None:
    run(shop, EDIT)
    seen, connection = look(shop), shop.world().connection
    stored.put(
        connection,
        "production",
        revision=seen.revision,
        digest=seen.digest,
        report=seen.document(),
        now=shop.clock.now(),
    )

    put_right(shop, seen)

    assert stored.read(connection, "production") is None


def test_a_pass_that_came_first_voids_what_was_seen(shop: Shop) -> None:
    run(shop, EDIT)
    seen = look(shop)
    shop.publish(add=[NEW_RANGE])
    shop.reconcile()

    with pytest.raises(StaleWriter):
        put_right(shop, seen)
    assert look(shop).digest != seen.digest
    put_right(shop)

    assert drift.look(shop.world(), every_row=True) is None


def test_a_writer_who_comes_in_the_middle_waits_and_is_found_afterwards(
    shop: Shop, shop_url: str
) -> None:
    run(shop, EDIT)
    seen = look(shop)
    with open_connection(shop_url) as mallory, transaction(mallory):
        mallory.execute(b"UPDATE directory.range SET brand = 'Else' WHERE iin_start = '990105'")
        shop.world().connection.execute(b"SET lock_timeout = '300ms'")

        with pytest.raises(DatabaseBusy):
            put_right(shop, seen)

    assert shop.revision == 1
    with pytest.raises(DriftMoved):
        put_right(shop, seen)


def test_who_keeps_a_copy_is_told_of_every_row_that_was_put_right(shop: Shop) -> None:
    run(shop, *EVERYTHING)
    drifted = {(table.table, row.key) for table in look(shop).tables for row in table.rows}

    put_right(shop)

    connection = shop.world().connection
    told = {(one.table, one.key) for one in changes(connection, 1, limit=10_000)}
    assert drifted <= told
