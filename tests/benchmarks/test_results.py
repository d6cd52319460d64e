"""Bars are met or not, and both tables and JSON say the same."""

import subprocess
import sys

import pytest

from benchmarks import report
from benchmarks.measure import Cost
from benchmarks.results import Bar, Part, at_least, at_most, nothing
from benchmarks.signatures import envelope
from benchmarks.sizes import SIZES
from controller.artifacts import bundle as bundles
from controller.trust.envelope import parse
from tests.support.house import ROOT

PART = Part(
    "audit",
    "2,000 commits before",
    (("ours", Cost(0.5, 0.25, 0.01)), ("  theirs", Cost(0.00005, 0.02))),
    (at_most("ours", 3.0, 2, "x"), at_least("ours", 60.0, 50)),
)


@pytest.mark.parametrize(
    ("bar", "is_met"),
    [
        (at_least("a", 50.0, 50), True),
        (at_least("a", 49.999, 50), False),
        (at_most("a", 2.0, 2, "x"), True),
        (at_most("a", 2.001, 2, "x"), False),
        (nothing("a", 0, of="10"), True),
        (nothing("a", 1, of="10"), False),
    ],
)
def test_a_bar_is_met_at_exactly_what_was_wanted(bar: Bar, is_met: bool) -> None:
    assert (bar.is_met, bar.verdict) == (is_met, "met" if is_met else "not met")


def test_a_report_shows_every_job_and_every_bar() -> None:
    text = report.render(SIZES["M"], [PART], "3 files, 1 MB")

    assert "| ours     | 0.50 s   | 0.25 s   | 10.00 ms   |" in text
    assert "|   theirs | 50.00 µs | 20.00 ms | –          |" in text
    assert "| ours | ≤ 2x   | 3.00x    | not met |" in text
    assert "| ours | ≥ 50x  | 60x      | met     |" in text
    assert "audit: 2,000 commits before" in text
    assert "this is another size" in text
    assert "this is another size" not in report.render(SIZES["full"], [PART], "")


def test_a_kept_run_holds_what_the_tables_show() -> None:
    found = report.as_json(SIZES["M"], [PART], "3 files, 1 MB")

    assert (found["size"], found["repository"]) == ("M", "3 files, 1 MB")
    (part,) = found["parts"]
    assert [job["wall_seconds"] for job in part["jobs"]] == [0.5, 0.00005]
    assert [(bar["measured"], bar["met"]) for bar in part["bars"]] == [
        ("3.00x", False),
        ("60x", True),
    ]


def test_the_bundles_that_are_verified_are_bundle_statements() -> None:
    opened = parse(envelope(7))

    assert len(opened.signatures) == 2
    assert bundles.parse(opened.payload).version == 7


def test_a_part_that_does_not_exist_is_refused_by_name() -> None:
    command = [sys.executable, "-m", "benchmarks", "--only", "verify,speed"]

    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert refused.returncode == 2
    assert "no part 'speed'; there are change, unchanged, cold, digest, verify" in refused.stderr
