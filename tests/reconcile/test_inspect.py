"""Rows are judged before they are planned, and clashes of whole tables inside the transaction."""

from typing import Any

import pytest

from controller.artifacts import layout
from controller.kernel.errors import Unclean
from controller.kernel.findings import Severity
from controller.reconcile.inspect import SHOWN_MAX, ReleaseUnclean
from controller.stores.directory.errors import (
    DanglingReference,
    OverlappingWindows,
    PartialOverlap,
)
from tests.support.world import CARDS, NEW_RANGE, OTHER_RANGE, RANGES, Shop

FILES = layout.files_path(CARDS)
MORE = f"{FILES}/ranges/more.csv"


def line_of(shop: Shop, line: str) -> int:
    """Return where a line stands in the committed ranges, counted from 1."""
    return shop.read(RANGES).decode().splitlines().index(line) + 1


def publish_file(shop: Shop, path: str, data: bytes) -> None:
    """Release the cards with one more file."""
    shop.commit({path: data})
    shop.release(shop.next_release(shop.sign(shop.next_version())))


def shard(shop: Shop, *lines: str) -> bytes:
    """Return a file of ranges."""
    header = shop.read(RANGES).decode().splitlines()[0]
    return "\n".join([header, *lines, ""]).encode()


def test_an_unclean_row_is_refused_with_file_line_and_column(shop: Shop) -> None:
    bad = NEW_RANGE.replace(",debit,false,", ",debit,perhaps,")
    shop.publish(add=[bad])

    with pytest.raises(ReleaseUnclean) as refusal:
        shop.reconcile()

    (finding,) = refusal.value.report.findings
    assert (finding.file, finding.line, finding.column) == (RANGES, line_of(shop, bad), "prepaid")
    assert str(finding.line) in str(refusal.value)
    assert isinstance(refusal.value, Unclean)
    assert (shop.serial, shop.revision) == (1, 1)


def test_the_same_row_mended_is_applied(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE])

    shop.reconcile()

    assert shop.serial == 2


def test_only_so_many_findings_are_told_and_all_are_reported(shop: Shop) -> None:
    bad = [f"9906{n:02},,16,true,house,Lagoon,debit,perhaps,NL,EUR,,," for n in range(25)]
    shop.publish(add=bad)

    with pytest.raises(ReleaseUnclean) as refusal:
        shop.reconcile()

    assert len(refusal.value.report.findings) == len(bad)
    assert str(refusal.value).count(RANGES) == SHOWN_MAX
    assert "and 5 more" in str(refusal.value)


def test_a_file_that_the_rail_has_no_place_for_is_refused(shop: Shop) -> None:
    publish_file(shop, f"{FILES}/endpoints.csv", b"id\none\n")

    with pytest.raises(ReleaseUnclean) as refusal:
        shop.reconcile()

    (finding,) = refusal.value.report.findings
    assert (finding.rule, finding.file) == ("common/ENC010", f"{FILES}/endpoints.csv")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"iin_start,iin_end\n990600,\n", "another header"),
        (b"", "no header"),
        (b"\xff\xfe", "not UTF-8"),
    ],
    ids=["another header", "empty", "not utf-8"],
)
def test_a_file_that_is_not_the_tables_csv_is_refused(shop: Shop, data: bytes, why: str) -> None:
    publish_file(shop, MORE, data)

    with pytest.raises(ReleaseUnclean):
        shop.reconcile()

    assert shop.serial == 1, why


def test_one_more_file_of_a_table_is_applied(shop: Shop) -> None:
    publish_file(shop, MORE, shard(shop, NEW_RANGE))

    shop.reconcile()

    assert "990600" in shop.ranges()


def test_a_changed_file_whose_lines_stand_twice_is_refused(shop: Shop) -> None:
    header, first, *lines = shop.read(RANGES).decode().splitlines()
    publish_file(shop, RANGES, "\n".join([header, first, first, *lines, ""]).encode())

    with pytest.raises(ReleaseUnclean):
        shop.reconcile()

    assert shop.serial == 1


def rules(shop: Shop, text: str) -> None:
    """Release the cards with a document of routing rules."""
    publish_file(shop, f"{FILES}/rules/routing.json", text.encode())


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 2, "rules": []}'])
def test_a_document_that_breaks_its_schema_is_refused(shop: Shop, text: str) -> None:
    rules(shop, text)

    with pytest.raises(ReleaseUnclean) as refusal:
        shop.reconcile()

    assert refusal.value.report.findings[0].file == f"{FILES}/rules/routing.json"


def test_a_document_that_meets_its_schema_is_applied(shop: Shop) -> None:
    rule = (
        '{"version": 1, "rules": [{"id": "cards-1", "priority": 10,'
        ' "match": {"iin_prefix": "9901"}, "participant_id": "harbour-bank"}]}\n'
    )
    rules(shop, rule)

    shop.reconcile()

    assert shop.serial == 2


def test_rows_out_of_order_are_reported_and_applied(shop: Shop) -> None:
    header, *lines = shop.read(RANGES).decode().splitlines()
    publish_file(shop, RANGES, "\n".join([header, *lines[::-1], ""]).encode())

    (outcome,) = shop.reconcile()

    assert outcome.decision is not None
    found = outcome.decision.report.findings
    assert {(one.rule, one.severity) for one in found} == {("common/ORD001", Severity.WARNING)}
    assert shop.serial == 2


# What only the transaction sees


def without_lease(footprint: dict[str, Any]) -> dict[str, Any]:
    """Leave out the one row that also a refused pass writes."""
    return {name: rows for name, rows in footprint.items() if name != "controller.lease"}


def test_a_range_that_another_file_holds_already_is_refused_inside_the_transaction(
    shop: Shop,
) -> None:
    publish_file(shop, MORE, shard(shop, "990105,,16,true,house,Other,credit,false,NL,EUR,,,"))
    before = without_lease(shop.footprint())

    with pytest.raises(OverlappingWindows) as refusal:
        shop.reconcile()

    assert {RANGES, MORE} == {
        one.place.rpartition(":")[0] or one.place
        for one in (refusal.value.one, refusal.value.other)
    }
    assert without_lease(shop.footprint()) == before


def test_a_range_that_overlaps_another_in_part_is_refused_inside_the_transaction(
    shop: Shop,
) -> None:
    line = "990103,990105,16,true,house,Other,credit,false,NL,EUR,harbour-bank,,"
    publish_file(shop, MORE, shard(shop, line))
    before = without_lease(shop.footprint())

    with pytest.raises(PartialOverlap):
        shop.reconcile()

    assert without_lease(shop.footprint()) == before


def test_a_range_inside_another_is_applied(shop: Shop) -> None:
    line = "99010310,99010319,16,true,house,Other,credit,false,NL,EUR,harbour-bank,,"
    publish_file(shop, MORE, shard(shop, line))

    shop.reconcile()

    assert "99010310" in shop.ranges()


def test_a_row_that_refers_to_nobody_is_refused_inside_the_transaction(shop: Shop) -> None:
    shop.publish(add=[NEW_RANGE.replace("harbour-bank", "harbour-bunk")])
    before = without_lease(shop.footprint())

    with pytest.raises(DanglingReference) as refusal:
        shop.reconcile()

    assert refusal.value.target
    assert without_lease(shop.footprint()) == before


def test_a_participant_that_rows_refer_to_does_not_leave_alone(shop: Shop) -> None:
    path = f"{FILES}/participants.csv"
    line = next(one for one in shop.read(path).decode().splitlines() if one.startswith("harbour"))
    shop.publish(drop=[line], path=path)

    with pytest.raises(DanglingReference):
        shop.reconcile()

    assert shop.serial == 1


def test_a_row_that_comes_with_whom_it_refers_to_is_applied(shop: Shop) -> None:
    path = f"{FILES}/participants.csv"
    shop.edit(add=["lagoon-pay,Lagoon Pay,Lagoon Pay B.V.,NL,issuer,,,active,,"], path=path)
    shop.publish(add=[OTHER_RANGE.replace("harbour-bank", "lagoon-pay")])

    shop.reconcile()

    assert "990601" in shop.ranges()
