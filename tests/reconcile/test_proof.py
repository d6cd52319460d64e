"""The trail proven with the keys of the branch's newest root, followed from the pinned one."""

from datetime import timedelta
from typing import Any

import pytest

from controller.adapters.postgres import transaction
from controller.audit.prove import DatabaseProof, Proof
from controller.audit.state import (
    AppliedDiffers,
    LiveBundleDiffers,
    ReleaseDiffers,
    RevisionDiffers,
    RowFromNowhere,
)
from controller.audit.trail import LinkSignature, TableDiffers, TableNotComparable
from controller.authoring.starting import AUDIT
from controller.kernel.canonical import Digest, sha256
from controller.kernel.errors import Corrupt, Untrusted
from controller.reconcile.proof import prove_database, prove_git
from controller.reconcile.rails import Rails
from controller.stores.control.statements import run
from controller.trust.root import Pin, PinMismatch
from tests.reconcile.test_decide import reset_to, rotate, stolen
from tests.reconcile.test_rails import retitled
from tests.support.world import NEW_RANGE, OTHER_RANGE, Shop


def _prove(shop: Shop, *, controller: str | None = None, pin: Pin | None = None) -> Proof:
    return prove_git(
        shop.repository,
        pin or shop.pin,
        branch="main",
        controller=controller or shop.controller,
        now=shop.clock.now(),
    )[1]


@pytest.mark.allows("insider.rows")
def test_git_and_database_agree_after_each_revision(shop: Shop) -> None:
    for number in (1, 2):
        proof = _prove(shop)
        proven = prove_database(shop.world().connection, shop.repository, proof)

        assert (len(proof.links), proven.rows, proven.revisions, proven.lag) == (*[number] * 3, 0)
        if number == 1:
            shop.publish(add=[NEW_RANGE])
            shop.reconcile()


def test_a_key_that_a_newer_root_revokes_proves_nothing_any_more(shop: Shop) -> None:
    assert len(_prove(shop).links) == 1
    new = shop.new_person("new-auditor")

    def replace_auditor(document: dict[str, Any]) -> None:
        old = str(shop.signer(AUDIT).public.id)
        document["keys"][str(new.public.id)] = {
            **document["keys"][old],
            "public": new.public.line,
        }
        document["roles"]["audit"][shop.controller]["keys"] = [str(new.public.id)]

    path, data = shop.next_root(replace_auditor)
    shop.commit({path: data})

    with pytest.raises(LinkSignature):
        _prove(shop)


def test_another_pin_proves_nothing(shop: Shop) -> None:
    with pytest.raises(PinMismatch):
        _prove(shop, pin=Pin(shop.pin.envelope, Digest("0" * 64)))


def test_a_controller_that_the_root_does_not_know_has_no_keys(shop: Shop) -> None:
    with pytest.raises(Untrusted):
        _prove(shop, controller="stranger")


def test_a_row_changed_behind_the_controller_is_found(shop: Shop) -> None:
    proof = _prove(shop)
    connection = shop.world().connection
    with transaction(connection):
        connection.execute(
            "UPDATE directory.participant SET name = 'Mine' WHERE id = 'orchard-pay'"
        )

    with pytest.raises(TableDiffers) as refusal:
        prove_database(connection, shop.repository, proof)

    assert refusal.value.table == "participants"


# What the controller's own tables say, after somebody with every right changed them.

OTHER = "repeat('a', 64)"
REVISION = "UPDATE controller.revision SET {} WHERE revision = 1"
APPLIED = "UPDATE controller.applied SET {}"
RELEASE = "UPDATE controller.release SET {} WHERE serial = 1"
LIVE = "UPDATE controller.live_bundle SET {} WHERE bundle = 'card-bin/house-cards'"
RANGE = "UPDATE directory.range SET {} WHERE iin_start = '990600'"


def _prove_all(shop: Shop) -> DatabaseProof:
    return prove_database(shop.world().connection, shop.repository, _prove(shop))


def _tamper(shop: Shop, attack: str) -> None:
    connection = shop.world().connection
    run(connection, "SET session_replication_role = replica", {})
    assert run(connection, attack, {}) > 0
    run(connection, "SET session_replication_role = origin", {})


@pytest.mark.stops("insider.rows")
@pytest.mark.parametrize(
    ("attack", "kind", "column"),
    [
        (REVISION.format("commit = decode(repeat('ab', 20), 'hex')"), RevisionDiffers, "commit"),
        (REVISION.format("serial = 7"), RevisionDiffers, "serial"),
        (REVISION.format(f"release_sha256 = {OTHER}"), RevisionDiffers, "release_sha256"),
        (REVISION.format("kind = 'forward'"), RevisionDiffers, "kind"),
        (REVISION.format(f"plan_digest = {OTHER}"), RevisionDiffers, "plan_digest"),
        (REVISION.format("counts = '{}'"), RevisionDiffers, "counts"),
        (REVISION.format("applied_at = applied_at + '1s'"), RevisionDiffers, "applied_at"),
        (
            "UPDATE controller.revision SET revision = 3 WHERE revision = 2",
            RevisionDiffers,
            "revision",
        ),
        (
            "UPDATE controller.revision SET environment = 'staging' WHERE revision = 2",
            RevisionDiffers,
            "environment",
        ),
        ("DELETE FROM controller.revision WHERE revision = 2", RevisionDiffers, "it"),
        (
            (
                "INSERT INTO controller.revision SELECT environment, 3, kind, commit,"
                " release_sha256, serial, 2, applied_at, counts, plan_digest"
                " FROM controller.revision WHERE revision = 2"
            ),
            RevisionDiffers,
            "it",
        ),
        (APPLIED.format("commit = decode(repeat('ab', 20), 'hex')"), AppliedDiffers, "commit"),
        (
            APPLIED.format("commit = (SELECT commit FROM controller.revision WHERE revision = 1)"),
            AppliedDiffers,
            "commit",
        ),
        (APPLIED.format("serial_high = 9"), AppliedDiffers, "serial_high"),
        (APPLIED.format("serial_current = 1, serial_high = 1"), AppliedDiffers, "serial_current"),
        (APPLIED.format("revision = 1"), AppliedDiffers, "revision"),
        (APPLIED.format(f"release_sha256 = {OTHER}"), AppliedDiffers, "release_sha256"),
        (APPLIED.format(f"policies_digest = {OTHER}"), AppliedDiffers, "policies_digest"),
        (APPLIED.format("applied_at = applied_at - '1s'::interval"), AppliedDiffers, "applied_at"),
        (APPLIED.format("repository = gen_random_uuid()"), AppliedDiffers, "repository"),
        (APPLIED.format("root_version = 9"), AppliedDiffers, "root_version"),
        (APPLIED.format("max_time_seen = '2020-01-01Z'"), AppliedDiffers, "max_time_seen"),
        (APPLIED.format("environment = 'staging'"), AppliedDiffers, "environment"),
        ("DELETE FROM controller.applied", AppliedDiffers, "it"),
        (RELEASE.format(f"sha256 = {OTHER}"), ReleaseDiffers, "it"),
        (RELEASE.format("applied_revision = NULL"), ReleaseDiffers, "applied_revision"),
        (RELEASE.format("applied_revision = 2"), ReleaseDiffers, "applied_revision"),
        ("DELETE FROM controller.release WHERE serial = 1", ReleaseDiffers, "it"),
        (
            (
                "INSERT INTO controller.release (environment, chain, serial, sha256, commit,"
                f" seen_at, applied_revision) SELECT environment, 'x', 1, {OTHER}, commit,"
                " seen_at, 1 FROM controller.release WHERE serial = 1"
            ),
            ReleaseDiffers,
            "applied_revision",
        ),
        (LIVE.format("version = 1"), LiveBundleDiffers, "it"),
        (LIVE.format(f"payload_sha256 = {OTHER}"), LiveBundleDiffers, "payload_sha256"),
        (LIVE.format(f"files_root = {OTHER}"), LiveBundleDiffers, "files_root"),
        (
            LIVE.format("files_tree = decode(repeat('ab', 20), 'hex')"),
            LiveBundleDiffers,
            "files_tree",
        ),
        (LIVE.format("effective_to = '2099-01-01Z'"), LiveBundleDiffers, "effective_to"),
        (LIVE.format(f"policy_digest = {OTHER}"), LiveBundleDiffers, "policy_digest"),
        (LIVE.replace("UPDATE", "DELETE FROM").replace("SET {} ", ""), LiveBundleDiffers, "it"),
        (
            f"UPDATE controller.bundle_version SET sha256 = {OTHER} WHERE version = 2",
            LiveBundleDiffers,
            "known_sha256",
        ),
        (RANGE.format("file_id = 999999"), RowFromNowhere, "file_id"),
        (RANGE.format("revision = 3"), RowFromNowhere, "revision"),
    ],
)
def test_state_changed_behind_the_controller_is_named(
    shop: Shop, attack: str, kind: type[Corrupt], column: str
) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.reconcile()
    _tamper(shop, attack)

    with pytest.raises(kind) as refusal:
        _prove_all(shop)

    assert getattr(refusal.value, "column", None) == column


def test_state_is_what_the_records_say_after_a_rollback_and_commits_that_change_nothing(
    shop: Shop,
) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.reconcile()
    shop.publish(add=[OTHER_RANGE])
    shop.reconcile()
    shop.revert_release(shop.released[0])
    shop.reconcile()
    assert _prove_all(shop).revisions == 4
    shop.commit({"README.md": b"Nothing that is served.\n"})
    shop.reconcile()

    applied = shop.applied()

    assert applied is not None
    assert applied.commit == shop.tip
    assert _prove_all(shop).revisions == 4


def test_a_release_seen_and_undone_within_one_pass_may_be_the_highest(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.reconcile()
    first = shop.released[0]
    shop.publish(add=[OTHER_RANGE])
    shop.revert_release(first)
    shop.reconcile()

    assert _prove_all(shop).revisions == 3


def test_serials_that_a_root_let_start_again_are_no_difference_unless_that_is_forgotten(
    shop: Shop,
) -> None:
    good = stolen(shop)
    rotate(shop, reset_to(1, sha256(good.payload())))
    shop.publish(drop=[NEW_RANGE])
    shop.reconcile()
    assert _prove_all(shop).revisions == 4
    _tamper(shop, APPLIED.format("reset_serial = NULL, reset_sha256 = NULL"))

    with pytest.raises(AppliedDiffers) as refusal:
        _prove_all(shop)

    assert refusal.value.column == "reset_sha256"


def test_a_revision_by_other_rails_is_what_its_record_says(shop: Shop) -> None:
    shop.rails = Rails(retitled())
    shop.reconcile()

    assert _prove_all(shop).revisions == 2


def test_instants_that_are_finer_than_a_record_says_are_no_difference(shop: Shop) -> None:
    shop.clock.advance(timedelta(microseconds=123_456))
    shop.publish(add=[NEW_RANGE])
    shop.reconcile()

    assert _prove_all(shop).revisions == 2


def test_a_controller_that_goes_on_under_a_new_name_answers_for_all_revisions(shop: Shop) -> None:
    old, now = shop.controller, "renamed"

    def rename(document: dict[str, Any]) -> None:
        document["roles"]["audit"][now] = document["roles"]["audit"][old]

    path, data = shop.next_root(rename)
    shop.commit({path: data})
    shop.controller = now
    shop.publish(add=[NEW_RANGE])
    shop.reconcile()

    assert _prove_all(shop).revisions == 2
    shop.controller = old
    with pytest.raises((AppliedDiffers, TableDiffers)):
        _prove_all(shop)


# Another PostgreSQL

OLDER = "bit_xor hash_record_extended, PostgreSQL 15"


def upgraded(shop: Shop) -> None:
    """Let the digests have been kept by an older server; what they are stays."""
    _run(shop, "UPDATE directory.table_digest SET algorithm = %(older)s", older=OLDER)


def _run(shop: Shop, statement: str, **facts: object) -> None:
    run(shop.world().connection, statement, facts)


def test_after_an_upgrade_digests_that_agree_still_prove_the_tables(shop: Shop) -> None:
    upgraded(shop)

    assert prove_database(shop.world().connection, shop.repository, _prove(shop)).tables > 0


@pytest.mark.stops("insider.rows")
def test_after_an_upgrade_digests_that_differ_are_not_taken_for_a_proof_of_anything(
    shop: Shop,
) -> None:
    upgraded(shop)
    _run(shop, "UPDATE directory.range SET brand = 'Another' WHERE iin_start = '990105'")

    with pytest.raises(TableNotComparable) as refusal:
        prove_database(shop.world().connection, shop.repository, _prove(shop))

    assert refusal.value.table == "ranges"
    assert "PostgreSQL 15" in str(refusal.value)
    assert isinstance(refusal.value, Corrupt)


@pytest.mark.stops("insider.rows")
def test_after_an_upgrade_another_number_of_rows_is_a_difference(shop: Shop) -> None:
    upgraded(shop)
    _run(shop, "DELETE FROM directory.range WHERE iin_start = '990105'")

    with pytest.raises(TableDiffers):
        prove_database(shop.world().connection, shop.repository, _prove(shop))


def test_the_next_revision_after_an_upgrade_can_be_compared_again(shop: Shop) -> None:
    upgraded(shop)
    shop.publish(add=[NEW_RANGE])
    shop.reconcile()
    _run(shop, "UPDATE directory.range SET brand = 'Another' WHERE iin_start = '990105'")

    with pytest.raises(TableDiffers):
        prove_database(shop.world().connection, shop.repository, _prove(shop))
