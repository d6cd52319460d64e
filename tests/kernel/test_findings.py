"""Findings and reports."""

import pytest

from controller.kernel.findings import Finding, Report, Severity

OVERLAP = Finding("card-bin/RNG002", Severity.ERROR, "a.csv", "overlaps", 7, "iin_start", "split")
REDUNDANT = Finding("card-bin/RNG004", Severity.INFO, "a.csv", "redundant", 3, "iin_start")


def test_a_finding_reads_like_a_compiler_message() -> None:
    assert str(OVERLAP) == "a.csv:7:iin_start: error card-bin/RNG002: overlaps"
    assert str(Finding("x/Y001", Severity.INFO, "a", "m")) == "a: info x/Y001: m"


def test_a_report_is_ordered_and_says_nothing_twice() -> None:
    report = Report.of([OVERLAP, REDUNDANT, OVERLAP])

    assert report.findings == (REDUNDANT, OVERLAP)
    assert report.counts() == {"card-bin/RNG002": 1, "card-bin/RNG004": 1}


def test_only_errors_block() -> None:
    assert Report.of([OVERLAP]).blocks
    assert not Report.of([REDUNDANT]).blocks


def test_a_report_has_no_truth_value_that_could_be_misread() -> None:
    with pytest.raises(TypeError):
        bool(Report())
