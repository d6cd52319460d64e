"""Drafts are judged as the version made of them would be, with every finding at its place."""

import pytest

from controller.authoring.draft import NoDraft, UnknownRail, lint_draft
from controller.authoring.rails import rails_of
from controller.kernel.findings import Report
from tests.support.authoring import CARDS, NEW_RANGE, Shop

FILES = f"bundles/{CARDS}/files"


def linted(shop: Shop) -> Report:
    view = shop.workspace.edited()
    return lint_draft(view.objects, view.tree, CARDS, rails_of(view))[0]


def places(report: Report) -> list[tuple[str, str, int]]:
    return [(one.rule, one.file, one.line) for one in report.findings]


def test_a_clean_draft_has_no_findings_and_its_counts(shop: Shop) -> None:
    view = shop.workspace.edited()

    report, counts = lint_draft(view.objects, view.tree, CARDS, rails_of(view))

    assert report.findings == ()
    assert (counts["ranges"].rows, counts["participants"].rows) == (11, 5)


def test_a_bad_row_is_found_at_its_line(shop: Shop) -> None:
    shop.add_range(NEW_RANGE.replace("990600", "9906"))

    assert ("card-bin/SYN001", f"{FILES}/ranges.csv", 13) in places(linted(shop))


def test_rows_are_compared_with_each_other(shop: Shop) -> None:
    shop.add_range(NEW_RANGE.replace("tidewater-bank", "nobody"))

    assert ("common/REF001", f"{FILES}/ranges.csv", 13) in places(linted(shop))


def test_a_file_that_belongs_nowhere_is_found(shop: Shop) -> None:
    shop.write(f"{FILES}/notes.txt", b"mine\n")

    report = linted(shop)

    assert places(report) == [("common/ENC010", f"{FILES}/notes.txt", 0)]
    assert "participants.csv" in report.findings[0].hint


@pytest.mark.parametrize("name", ["rules.json", "rules/one.csv", "ranges/one.json"])
def test_a_file_of_a_known_name_in_the_wrong_place_is_found(shop: Shop, name: str) -> None:
    shop.write(f"{FILES}/{name}", b'{\n  "rules": [],\n  "version": 1\n}\n')

    assert places(linted(shop)) == [("common/ENC010", f"{FILES}/{name}", 0)]


def test_rules_in_their_folder_are_read(shop: Shop) -> None:
    shop.write(f"{FILES}/rules/one.json", b'{\n  "rules": [],\n  "version": 1\n}\n')

    assert places(linted(shop)) == []


def test_one_bad_mode_does_not_hide_the_other_files(shop: Shop) -> None:
    shop.write(f"{FILES}/ranges/more.csv", b"mine\n")
    (shop.folder / FILES / "participants.csv").chmod(0o755)

    found = places(linted(shop))

    assert ("trust/walk.bad_tree", f"{FILES}/participants.csv", 0) in found
    assert ("common/ENC007", f"{FILES}/ranges/more.csv", 1) in found


def test_a_malformed_draft_json_is_a_finding_with_its_line(shop: Shop) -> None:
    path = f"bundles/{CARDS}/draft.json"
    shop.write(path, shop.read(path).replace(b"null", b'"soon"', 1))

    assert places(linted(shop)) == [("common/ENC005", path, 2)]


def test_a_shard_of_more_than_a_megabyte_is_found(shop: Shop) -> None:
    rows = "".join(
        f"{number},,16,true,house,Tide Prime,credit,false,GB,GBP,tidewater-bank,,\n"
        for number in range(99600000, 99620000)
    )
    shop.add_range(rows)

    assert ("common/ENC009", f"{FILES}/ranges.csv", 0) in places(linted(shop))


def test_a_bundle_of_no_rail_is_refused(shop: Shop) -> None:
    view = shop.workspace.edited()

    with pytest.raises(UnknownRail):
        lint_draft(view.objects, view.tree, CARDS, {})


def test_a_bundle_without_files_is_refused(shop: Shop) -> None:
    for name in ("participants.csv", "ranges.csv"):
        (shop.folder / FILES / name).unlink()

    with pytest.raises(NoDraft):
        linted(shop)


def test_a_file_that_stands_twice_is_found_and_read_once(shop: Shop) -> None:
    good = (shop.folder / f"{FILES}/participants.csv").read_bytes()
    (shop.folder / f"{FILES}/participants.csv").unlink()
    shop.write(f"{FILES}/participants/a.csv", good)
    assert places(linted(shop)) == []

    shop.write(f"{FILES}/participants/b.csv", good)

    assert places(linted(shop)) == [("common/DUP000", f"{FILES}/participants/b.csv", 0)]
