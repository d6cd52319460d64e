"""From rows back to people, where versions hand over, come back, or wait for their audit commit."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from controller.kernel.instants import Window
from controller.reconcile.cycle import converge
from controller.reconcile.resolve import Question, TooManyDigits, question, resolve
from controller.reconcile.trace import Trace, Traced, trace
from controller.stores.directory.model import RangeMatch
from tests.support.world import NEW_RANGE, OLD_RANGE, RANGES, Shop

NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)


def _ask(shop: Shop, digits: str = "990105", at: datetime | None = None) -> Question:
    return Question("iin", digits, at or shop.clock.now())


def _trace(shop: Shop, digits: str = "990105", at: datetime | None = None) -> Trace:
    return trace(shop.world(), _ask(shop, digits, at))


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


def test_a_row_that_both_versions_hold_stays_one_row_of_the_first(shop: Shop) -> None:
    _hand_over(shop)

    row = _only(_trace(shop))

    assert row.row.window == Window()
    assert (row.place.version, row.came.revision.revision) == (1, 1)


def test_a_row_of_the_scheduled_version_alone_is_traced_to_it(shop: Shop) -> None:
    _hand_over(shop)

    row = _only(_trace(shop, "990600", NEW_YEAR))

    assert row.row.window == Window(NEW_YEAR, None)
    assert (row.place.version, row.came.revision.revision) == (2, 2)
    assert shop.read(RANGES).decode().splitlines()[row.place.line - 1] == NEW_RANGE


def test_an_answer_names_the_version_that_is_live_at_the_asked_time(shop: Shop) -> None:
    _hand_over(shop)

    now = resolve(shop.world(), _ask(shop))
    then = resolve(shop.world(), _ask(shop, at=NEW_YEAR))

    assert now is not None
    assert then is not None
    assert (now.origin.version, then.origin.version) == (1, 2)
    assert isinstance(then.match, RangeMatch)
    assert resolve(shop.world(), _ask(shop, "990600")) is None
    assert resolve(shop.world(), _ask(shop, "990600", NEW_YEAR)) is not None


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

    row = _only(_trace(shop, "99010245"))

    assert row.row.cells[:2] == ("990100", "990104")
    assert row.left is not None


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
