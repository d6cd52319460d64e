"""From rows back to people: any table, any revision, gone or moved since."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.app import wiring
from controller.artifacts.layout import BundleId, files_path
from controller.kernel.canonical import sha256
from controller.kernel.instants import Window
from controller.plan.strategy import DELTA_ROWS_MAX
from controller.reconcile.cycle import converge
from controller.reconcile.keys import AmbiguousKey, asked
from controller.reconcile.places import NotWhatWasApplied
from controller.reconcile.resolve import Answer, Question, TooManyDigits, question, resolve
from controller.reconcile.trace import (
    NoSuchRevision,
    NothingServed,
    Trace,
    Traced,
    Visibility,
    columns_of,
    trace,
)
from controller.stores.directory.model import RangeMatch
from tests.reconcile.test_decide import reset_to, rotate, stolen
from tests.support.rowlines import line_at, row_at
from tests.support.world import CARDS, NEW_RANGE, NOON, OLD_RANGE, PARTICIPANTS, RANGES, Shop

NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)
BANKS = BundleId("swift-iso20022", "correspondents")
SCHEMES = wiring.schemes()


def _ask(shop: Shop, digits: str = "990105", at: datetime | None = None) -> Question:
    return Question("iin", digits, at or shop.clock.now())


def _trace(shop: Shop, text: str = "iin/990105", **when: Any) -> Trace:
    return trace(shop.world(), asked(SCHEMES, text), shop.clock.now(), **when)


def _only(found: Trace) -> Traced:
    (row,) = found.rows
    return row


def _hand_over(shop: Shop) -> None:
    """Schedule a second version, with one range more, for the new year."""
    shop.edit(add=[NEW_RANGE])
    later = shop.sign(shop.next_version(window=Window(NEW_YEAR, None)))
    first = next(one for one in shop.released[-1].bundles if one.bundle == later.bundle)
    earlier = replace(first, window=Window(None, NEW_YEAR))
    shop.release(shop.next_release(earlier, later))
    shop.reconcile()


def _resolve(shop: Shop, asked: Question) -> Answer | None:
    world = shop.world()
    return resolve(world.connection, world.environment, asked)


def test_a_row_that_both_versions_hold_stays_one_row_of_the_first(shop: Shop) -> None:
    _hand_over(shop)

    row = _only(_trace(shop))

    assert row.row.window == Window()
    assert (row.place.version, row.came.revision.revision) == (1, 1)


def test_a_row_of_the_scheduled_version_alone_is_traced_to_it(shop: Shop) -> None:
    _hand_over(shop)

    row = _only(_trace(shop, "iin/990600", at=NEW_YEAR))

    assert row.row.window == Window(NEW_YEAR, None)
    assert (row.place.version, row.came.revision.revision) == (2, 2)
    assert shop.read(RANGES).decode().splitlines()[row.place.line - 1] == NEW_RANGE


def test_an_answer_names_the_version_that_is_live_at_the_asked_time(shop: Shop) -> None:
    _hand_over(shop)

    now = _resolve(shop, _ask(shop))
    then = _resolve(shop, _ask(shop, at=NEW_YEAR))

    assert now is not None
    assert then is not None
    assert (now.origin.version, then.origin.version) == (1, 2)
    assert isinstance(then.match, RangeMatch)
    assert _resolve(shop, _ask(shop, "990600")) is None
    assert _resolve(shop, _ask(shop, "990600", NEW_YEAR)) is not None


def test_a_row_that_left_and_came_back_has_both_lives(shop: Shop) -> None:
    first = shop.released[-1]
    shop.publish(drop=[OLD_RANGE])
    shop.reconcile()
    shop.revert_release(first)
    shop.reconcile()

    found = _trace(shop)

    assert [
        (one.came.revision.revision, one.left.revision.revision if one.left else None)
        for one in found.rows
    ] == [(3, None), (1, 2)]
    assert {one.place.version for one in found.rows} == {1}
    assert set(found.owners.values()) >= {"alice", "bob", "carol"}


def test_a_row_is_traced_while_its_audit_commit_waits(new_shop: Shop) -> None:
    list(converge(new_shop.world(signer=None)))

    row = _only(_trace(new_shop))

    assert (row.came.audit_seq, row.came.audit_commit) == (1, None)


def test_a_wide_range_that_is_gone_is_found_by_digits_inside_it(shop: Shop) -> None:
    wide = "990100,990104,16,true,house,Harbour Debit,debit,false,NL,EUR,harbour-bank,,"
    shop.publish(drop=[wide])
    shop.reconcile()

    row = _only(_trace(shop, "iin/99010245"))

    assert row.row.cells[:2] == ("990100", "990104")
    assert row.left is not None


@pytest.mark.parametrize(
    ("key", "table", "file"),
    [
        ("participants/harbour-bank", "participants", PARTICIPANTS),
        ("identifiers/in-bank-code/bnyr", "identifiers", "identifiers.csv"),
        ("in-bank-code/BNYR", "identifiers", "identifiers.csv"),
        ("endpoints/alder-bank-api", "endpoints", "endpoints.csv"),
        ("capabilities/alder-bank-api/////pacs.008.001.08/EUR", "capabilities", "capabilities.csv"),
        ("ranges/990100-990104", "ranges", RANGES),
        ("ranges/990100000000/990104999999", "ranges", RANGES),
        ("rules/swift-iso20022/correspondents/usd-direct", "rules", "rules/routing.json"),
        ("harbour-bank", "participants", PARTICIPANTS),
        ("BNYR", "identifiers", "identifiers.csv"),
        ("alder-bank-api", "endpoints", "endpoints.csv"),
        ("990105", "ranges", RANGES),
        ("usd-direct", "rules", "rules/routing.json"),
    ],
)
def test_a_row_of_any_table_is_traced_to_its_line(
    shop: Shop, key: str, table: str, file: str
) -> None:
    found = _trace(shop, key)

    row = _only(found)
    assert row.row.table == table
    assert row.place.path.endswith(file)
    line = row_at(shop, row.place)
    if table == "rules":
        assert json.loads(columns_of(row.row)["document"]) == line["document"]
    else:
        assert line == columns_of(row.row)
    assert {found.owners[one] for one in row.signers} == {"alice", "bob"}


def test_a_bare_word_that_several_rows_answer_to_is_refused_with_all_of_them(shop: Shop) -> None:
    endpoint = "harbour-bank,alder-bank,https,,https://x.example/,,,,,20,,,active,,"
    shop.publish(add=[endpoint], path=f"{files_path(BANKS)}/endpoints.csv", bundle=BANKS)
    shop.reconcile()

    with pytest.raises(AmbiguousKey) as refusal:
        _trace(shop, "harbour-bank")

    assert refusal.value.keys == ("endpoints/harbour-bank", "participants/harbour-bank")
    assert "countersign trace endpoints/harbour-bank" in refusal.value.hint
    assert _only(_trace(shop, "participants/harbour-bank")).row.table == "participants"


def test_nobody_is_found_under_a_key_that_never_was(shop: Shop) -> None:
    found = _trace(shop, "participants/nobody")

    assert (found.key, found.rows) == (None, ())


# Rows that are gone


def test_a_row_that_is_gone_says_who_took_it_away_and_where_it_stood_last(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])
    shop.reconcile()
    before = shop.tip
    removing = shop.publish(drop=[OLD_RANGE])
    shop.reconcile()

    row = _only(_trace(shop))

    assert row.left is not None
    assert (row.left.revision.revision, row.left.revision.commit) == (3, removing)
    assert row.left.audit_commit == shop.audit_commits()[2]
    assert row.last is not None
    assert (row.place.version, row.last.version) == (1, 2)
    assert line_at(shop, row.place) == line_at(shop, row.last) == OLD_RANGE
    assert row.last.commit == before
    assert [(one.bundle, one.version) for one in row.left_with] == [(str(CARDS), 3)]
    assert len(row.left_with[0].signers) == len(row.left.signers) == 2
    assert not row.replaced


def test_a_row_whose_whole_bundle_left_the_release_went_with_no_version_of_it(shop: Shop) -> None:
    kept = tuple(one for one in shop.released[-1].bundles if one.bundle != CARDS)
    shop.release(shop.next_release(bundles=kept))
    shop.ack(shop.decide().plan.digest)
    shop.reconcile()

    row = _only(_trace(shop))

    assert row.left is not None
    assert row.left_with == ()


def test_a_row_that_another_one_took_the_place_of_says_so(shop: Shop) -> None:
    changed = OLD_RANGE.replace("Harbour Gold", "Harbour Platinum")
    shop.publish(drop=[OLD_RANGE], add=[changed])
    shop.reconcile()

    now, before = _trace(shop).rows

    assert (before.replaced, now.left) == (True, None)
    assert line_at(shop, now.place) == changed
    assert line_at(shop, before.place) == OLD_RANGE


# Earlier revisions


def test_what_production_served_then_is_asked_by_instant_or_by_revision(shop: Shop) -> None:
    shop.clock.advance(timedelta(hours=1))
    shop.publish(drop=[OLD_RANGE])
    shop.reconcile()
    shop.clock.advance(timedelta(hours=1))

    by_instant = _trace(shop, at=NOON + timedelta(minutes=30))
    by_number = _trace(shop, revision=1)

    for found in (by_instant, by_number):
        assert found.served is not None
        assert (found.served.revision.revision, found.served.revision.serial) == (1, 1)
        assert line_at(shop, _only(found).place) == OLD_RANGE
    for when in ({"at": NOON + timedelta(minutes=61)}, {"revision": 2}):
        assert _trace(shop, **when).rows == ()
        assert _trace(shop, **when).key is not None


def test_a_row_is_read_from_what_the_revision_served_not_from_where_it_came(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE, "990000,,16,true,house,Pier,debit,false,NL,EUR,harbour-bank,,"])
    shop.reconcile()

    first, second = _only(_trace(shop, revision=1)), _only(_trace(shop, revision=2))

    assert second.place.line == first.place.line + 1
    assert (first.place.version, second.place.version) == (1, 2)
    assert line_at(shop, first.place) == line_at(shop, second.place) == OLD_RANGE


def test_before_the_first_revision_nothing_was_served(shop: Shop) -> None:
    with pytest.raises(NothingServed) as refusal:
        _trace(shop, at=NOON - timedelta(seconds=1))

    assert "2026-11-20T12:00:00Z" in refusal.value.hint
    assert _trace(shop, at=NOON).rows


@pytest.mark.parametrize("revision", [0, 2, 2**40])
def test_a_revision_that_is_not_there_is_refused(shop: Shop, revision: int) -> None:
    with pytest.raises(NoSuchRevision):
        _trace(shop, revision=revision)


@pytest.mark.parametrize(
    ("at", "visibility"),
    [
        (NOON, Visibility.NOT_BEGUN),
        (NEW_YEAR, Visibility.VISIBLE),
        (NEW_YEAR + timedelta(days=31), Visibility.ENDED),
    ],
)
def test_a_row_outside_of_its_window_is_said_to_be(
    shop: Shop, at: datetime, visibility: Visibility
) -> None:
    january = "2027-01-01T00:00:00Z,2027-02-01T00:00:00Z"
    shop.publish(add=[NEW_RANGE.removesuffix(",,") + f",{january}"])
    shop.reconcile()

    assert _only(_trace(shop, "ranges/990600", at=at)).visibility is visibility


# Moved, restored, loaded in bulk


def test_a_row_that_stands_in_another_file_now_is_found_where_it_stood(shop: Shop) -> None:
    header, *lines = shop.read(RANGES).decode().splitlines()
    moved = RANGES.replace("ranges.csv", "ranges/99.csv")
    shop.commit({RANGES: None, moved: "\n".join([header, *lines, ""]).encode()})
    shop.release(shop.next_release(shop.sign(shop.next_version())))
    shop.reconcile()
    assert shop.revision == 2

    now, then = _only(_trace(shop)), _only(_trace(shop, revision=1))
    served = _only(_trace(shop, revision=2))

    assert now.row.source.path == moved
    assert (now.came.revision.revision, now.place.path) == (1, RANGES)
    assert (then.place.path, served.place.path) == (RANGES, moved)
    for one in (now, then, served):
        assert line_at(shop, one.place) == OLD_RANGE


def test_a_draft_that_went_on_before_the_release_does_not_hide_the_line(shop: Shop) -> None:
    pinned = shop.edit(add=[NEW_RANGE])
    live = shop.sign(shop.next_version())
    shop.edit(drop=[NEW_RANGE], add=["990000,,16,true,house,Pier,debit,false,NL,EUR,,,"])
    shop.release(shop.next_release(live))
    shop.reconcile()

    row = _only(_trace(shop, "ranges/990600"))

    assert shop.repository.is_ancestor(pinned, row.place.commit)
    assert row.place.commit != row.came.revision.commit
    assert line_at(shop, row.place) == NEW_RANGE


def test_a_row_that_a_reset_took_away_says_so(shop: Shop) -> None:
    good = stolen(shop)
    rotate(shop, reset_to(1, sha256(good.payload())))
    shop.publish(drop=[NEW_RANGE])
    shop.reconcile()

    row = _only(_trace(shop, "ranges/990600"))

    assert (row.came.revision.serial, row.place.version) == (2, 2)
    assert row.left is not None
    assert (row.left.revision.revision, row.left.revision.serial) == (4, 2)


def test_a_row_that_was_loaded_in_bulk_is_traced_like_any_other(shop: Shop) -> None:
    many = [NEW_RANGE.replace("990600", str(99080000 + one)) for one in range(DELTA_ROWS_MAX)]
    shop.publish(add=[NEW_RANGE, *many], drop=[OLD_RANGE])
    shop.reconcile()

    new, gone = _only(_trace(shop, "ranges/990600")), _only(_trace(shop))
    kept = _only(_trace(shop, "ranges/990100-990104"))

    assert line_at(shop, new.place) == NEW_RANGE
    assert gone.left is not None
    assert line_at(shop, gone.place) == OLD_RANGE
    assert (kept.came.revision.revision, kept.left) == (1, None)


def test_a_repository_that_no_longer_holds_it_is_named(shop: Shop) -> None:
    assert shop.connection is not None
    shop.connection.execute("UPDATE directory.range SET brand = 'Other' WHERE iin_start = '990105'")

    with pytest.raises(NotWhatWasApplied):
        _trace(shop)

    shop.connection.execute(
        "UPDATE directory.range SET brand = 'Harbour Gold' WHERE iin_start = '990105'"
    )
    assert _trace(shop).rows


def test_tracing_leaves_no_trace(shop: Shop) -> None:
    before = shop.footprint()

    _trace(shop)

    assert shop.footprint() == before


@pytest.mark.parametrize("value", ["411111111111", "4111-1111.1111 1111", " 4111111111111111 "])
def test_what_could_be_a_card_number_is_never_asked_or_repeated(value: str) -> None:
    with pytest.raises(TooManyDigits) as refusal:
        question({}, "bic", value, NEW_YEAR)

    assert "1111" not in str(refusal.value) + refusal.value.hint


@pytest.mark.parametrize("value", ["41111111111", "+919876543210", "eip155:123456789012"])
def test_what_could_not_be_a_card_number_is_asked(value: str) -> None:
    assert question({}, "any", value, NEW_YEAR).value == value
