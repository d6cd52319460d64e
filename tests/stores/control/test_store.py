"""What is applied is one value, changed by compare-and-set, and histories only grow."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.adapters.postgres import Connection, IntegrityRefused, transaction
from controller.kernel.instants import Window
from controller.stores.control import lease as leases
from controller.stores.control import store
from controller.stores.control.model import (
    AppliedBundle,
    Fenced,
    OtherEnvironment,
    RootRecord,
    StaleWriter,
)
from controller.stores.control.refusals import (
    BundleVersionReused,
    HistoryFixed,
    HistoryGap,
    ReleaseReused,
    RootReused,
)
from controller.stores.control.statements import run
from tests.support.control import (
    MINUTE,
    NOON,
    at_revision,
    leader,
    release,
    revision,
    some_digest,
    some_oid,
)


def test_a_database_without_revisions_says_that_nothing_is_applied(
    database: Connection[Any],
) -> None:
    assert store.read_applied(database, "production") is None


def test_what_is_applied_is_read_back_as_it_was_written(database: Connection[Any]) -> None:
    lease = leader(database)
    new = replace(at_revision(1), reset_serial=4, reset_sha256=some_digest("reset"))

    store.compare_and_set(database, lease, expected=None, new=new)

    assert store.read_applied(database, "production") == replace(new, epoch=lease.epoch)


def test_the_next_revision_replaces_the_one_it_started_from(database: Connection[Any]) -> None:
    lease = leader(database)
    store.compare_and_set(database, lease, expected=None, new=at_revision(1))

    store.compare_and_set(database, lease, expected=at_revision(1), new=at_revision(2))

    assert store.read_applied(database, "production") == replace(at_revision(2), epoch=1)


@pytest.mark.parametrize("assumed", [None, at_revision(1), at_revision(3)])
def test_a_writer_that_started_from_another_revision_is_stale(
    database: Connection[Any], assumed: Any
) -> None:
    lease = leader(database)
    store.compare_and_set(database, lease, expected=None, new=at_revision(1))
    store.compare_and_set(database, lease, expected=at_revision(1), new=at_revision(2))

    with pytest.raises(StaleWriter) as refusal:
        store.compare_and_set(database, lease, expected=assumed, new=at_revision(4))

    assert refusal.value.found == 2
    assert store.read_applied(database, "production") == replace(at_revision(2), epoch=1)


def test_a_writer_whose_lease_was_taken_over_is_fenced(database: Connection[Any]) -> None:
    old = leases.acquire(database, "production", holder="one", duration=-MINUTE)
    leases.acquire(database, "production", holder="two", duration=MINUTE)

    with pytest.raises(Fenced) as refusal:
        store.compare_and_set(database, old, expected=None, new=at_revision(1))

    assert (refusal.value.lease_epoch, refusal.value.epoch) == (1, 2)
    assert store.read_applied(database, "production") is None


def test_a_writer_whose_lease_was_taken_over_is_fenced_from_later_revisions_too(
    database: Connection[Any],
) -> None:
    old = leases.acquire(database, "production", holder="one", duration=-MINUTE)
    store.compare_and_set(database, old, expected=None, new=at_revision(1))
    new = leases.acquire(database, "production", holder="two", duration=MINUTE)

    with pytest.raises(Fenced) as refusal:
        store.compare_and_set(database, old, expected=at_revision(1), new=at_revision(2))

    assert (refusal.value.lease_epoch, refusal.value.epoch) == (1, 2)
    store.compare_and_set(database, new, expected=at_revision(1), new=at_revision(2))


def test_a_second_environment_is_refused_the_database_of_the_first(
    database: Connection[Any],
) -> None:
    store.compare_and_set(database, leader(database), expected=None, new=at_revision(1))
    staging = leases.acquire(database, "staging", holder="one", duration=MINUTE)

    with pytest.raises(OtherEnvironment) as refusal:
        store.compare_and_set(database, staging, expected=None, new=at_revision(1, "staging"))

    assert refusal.value.served == "production"


def test_time_seen_never_goes_back(database: Connection[Any]) -> None:
    lease = leader(database)
    first = replace(at_revision(1), max_time_seen=NOON + timedelta(days=2))
    store.compare_and_set(database, lease, expected=None, new=first)

    store.compare_and_set(database, lease, expected=first, new=at_revision(2))

    found = store.read_applied(database, "production")
    assert found is not None
    assert found.max_time_seen == first.max_time_seen


def test_the_accepted_commit_moves_on_without_a_revision(database: Connection[Any]) -> None:
    lease = leader(database)
    store.compare_and_set(database, lease, expected=None, new=at_revision(1))

    moved = store.advance(
        database,
        lease,
        at_revision(1),
        commit=some_oid(9),
        root_version=7,
        now=NOON + timedelta(hours=1),
    )

    assert store.read_applied(database, "production") == replace(moved, epoch=1)
    assert (moved.commit, moved.root_version, moved.revision) == (some_oid(9), 7, 1)


@pytest.mark.allows("rollback.serial-reused")
def test_a_release_that_is_seen_again_is_the_same_release(database: Connection[Any]) -> None:
    store.record_release(database, "production", release(1))
    store.record_release(database, "production", replace(release(1), commit=some_oid(7)))

    assert store.releases(database, "production") == (release(1),)


@pytest.mark.stops("rollback.serial-reused")
def test_a_serial_that_names_other_bytes_is_refused(database: Connection[Any]) -> None:
    store.record_release(database, "production", release(1))

    with pytest.raises(ReleaseReused):
        store.record_release(database, "production", release(1, "other bytes"))


def test_a_release_says_when_it_was_applied_and_until_when_it_was_live(
    database: Connection[Any],
) -> None:
    for serial in (1, 2, 3):
        store.record_release(database, "production", release(serial))
    store.append_revision(database, revision(1))
    store.append_revision(database, revision(2))
    store.append_revision(database, revision(3, serial=1))

    first, second, third = store.releases(database, "production")

    assert (first.applied_revision, first.applied_at) == (3, NOON + 3 * MINUTE)
    assert first.live_until is None
    assert (second.applied_revision, second.live_until) == (2, NOON + 3 * MINUTE)
    assert (third.applied_revision, third.applied_at, third.live_until) == (None, None, None)


@pytest.mark.stops("rollback.version-reused")
def test_a_bundle_version_that_names_other_bytes_is_refused(database: Connection[Any]) -> None:
    known = {("card-bin/binlist", 1): some_digest("one"), ("caip/chains", 7): some_digest("seven")}
    store.record_bundle_versions(database, known)
    store.record_bundle_versions(database, known)
    assert store.bundle_versions(database) == known

    with pytest.raises(BundleVersionReused):
        store.record_bundle_versions(database, {("card-bin/binlist", 1): some_digest("other")})


def test_the_live_bundles_are_replaced_as_a_whole(database: Connection[Any]) -> None:
    def live(version: int, window: Window) -> AppliedBundle:
        files = (some_digest("payload"), some_digest("files"), some_oid(version))
        return AppliedBundle("card-bin/binlist", version, *files, window, some_digest("policy"))

    store.replace_live_bundles(database, "production", [live(1, Window())])
    now = [live(1, Window(None, NOON)), live(2, Window(NOON, None))]

    store.replace_live_bundles(database, "production", now)

    assert store.live_bundles(database, "production") == tuple(now)


def test_revisions_come_back_newest_first(database: Connection[Any]) -> None:
    for number in (1, 2, 3):
        store.append_revision(database, revision(number))

    assert store.revisions(database, "production") == (revision(3), revision(2), revision(1))
    assert store.revisions(database, "production", before=3, limit=1) == (revision(2),)


@pytest.mark.parametrize("number", [2, 1, 4])
def test_a_revision_that_does_not_follow_the_last_is_refused(
    database: Connection[Any], number: int
) -> None:
    if number != 2:
        store.append_revision(database, revision(1))
        store.append_revision(database, revision(2))

    with pytest.raises(HistoryGap):
        store.append_revision(database, revision(number))


def test_a_root_version_that_is_another_document_is_refused(database: Connection[Any]) -> None:
    root = RootRecord(1, some_digest("root"), b"{}")
    store.record_root(database, root)
    store.record_root(database, replace(root, envelope=b"{ }"))
    assert store.roots(database) == (root,)

    with pytest.raises(RootReused):
        store.record_root(database, replace(root, sha256=some_digest("another root")))


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE controller.revision SET serial = 9",
        "DELETE FROM controller.revision",
        "TRUNCATE controller.revision",
        "DELETE FROM controller.release",
        "TRUNCATE controller.release",
        "UPDATE controller.release SET seen_at = now()",
        "DELETE FROM controller.bundle_version",
        "DELETE FROM controller.root",
        "TRUNCATE controller.root",
    ],
)
def test_histories_are_neither_changed_nor_removed(database: Connection[Any], attack: str) -> None:
    store.record_release(database, "production", release(1))
    store.append_revision(database, revision(1))
    store.record_bundle_versions(database, {("caip/chains", 1): some_digest("one")})
    store.record_root(database, RootRecord(1, some_digest("root"), b"{}"))

    with pytest.raises(HistoryFixed):
        run(database, attack, {})


def test_a_digest_that_is_none_is_refused_by_its_column(database: Connection[Any]) -> None:
    with pytest.raises(IntegrityRefused):
        store.record_root(database, RootRecord(1, some_digest("x").upper(), b""))  # type: ignore[arg-type]


def test_a_transaction_that_fails_leaves_nothing_behind(database: Connection[Any]) -> None:
    lease = leader(database)

    def apply() -> None:
        with transaction(database):
            store.compare_and_set(database, lease, expected=None, new=at_revision(1))
            store.append_revision(database, revision(2))

    with pytest.raises(HistoryGap):
        apply()

    assert store.read_applied(database, "production") is None
