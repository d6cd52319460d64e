"""Findings in the forms that forges and scanners read."""

from controller.cli.annotations import github, sarif
from controller.kernel.findings import Finding, Severity

AT_LINE = Finding("card-bin/RNG003", Severity.ERROR, "a,b.csv", "50% twice:\nsee", 14, "iin_start")
WHOLE = Finding("trust/x", Severity.INFO, "release.json", "old", hint="look")


def test_an_annotation_is_one_line_whatever_the_message_holds() -> None:
    assert github([AT_LINE, WHOLE]) == [
        "::error file=a%2Cb.csv,line=14,title=card-bin/RNG003::iin_start: 50%25 twice:%0Asee",
        "::notice file=release.json,title=trust/x::old (look)",
    ]


def test_sarif_carries_rule_level_place_and_words() -> None:
    (run,) = sarif([AT_LINE, WHOLE])["runs"]

    first, second = run["results"]
    assert [one["id"] for one in run["tool"]["driver"]["rules"]] == ["card-bin/RNG003", "trust/x"]
    assert (first["ruleId"], first["level"]) == ("card-bin/RNG003", "error")
    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "a,b.csv"},
        "region": {"startLine": 14},
    }
    assert second["level"] == "note"
    assert "region" not in second["locations"][0]["physicalLocation"]


def test_no_findings_are_an_empty_run() -> None:
    assert github([]) == []
    assert sarif([])["runs"][0]["results"] == []
