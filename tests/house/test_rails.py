"""Every shipped rail keeps its promises: cases, sources, linear patterns, one id each."""

from collections import Counter
from pathlib import Path

import pytest

from controller.artifacts.layout import is_segment
from controller.policy.patterns import compile_pattern
from controller.policy.rail import SHARED
from controller.policy.rules_page import rules_page
from controller.policy.schema import keywords
from tests.support.policies import POLICIES, Case, cases, shipped

SPOKEN_BY_IMPORTS = {"common/MAP001"}
PAGE = Path(__file__).parents[2] / "docs" / "rules.md"


def _name(case: Case) -> str:
    return f"{case.path.parts[-4]}/{case.path.stem}"


def _stem(rule: str) -> str:
    """Return what a rule's cases are called: a name that a repository can hold, too."""
    return rule.replace("/", "__").lower().removeprefix("_")


@pytest.mark.parametrize("case", list(cases("fail")), ids=_name)
def test_a_failing_case_is_found_by_its_rule_alone_at_its_line(case: Case) -> None:
    found = case.findings()

    assert {(one.rule, one.file, one.line) for one in found} == {case.expected}
    assert case.expected is not None
    assert case.path.stem == _stem(case.expected[0])


@pytest.mark.parametrize("case", list(cases("pass")), ids=_name)
def test_a_passing_case_has_no_finding_at_all(case: Case) -> None:
    assert case.findings() == []


def test_every_rule_has_a_failing_case_and_its_passing_twin() -> None:
    ids = {rule.id for rail in shipped().values() for rule in rail.rules} - SPOKEN_BY_IMPORTS
    failing = {case.expected[0] for case in cases("fail") if case.expected}
    passing = {case.path.stem for case in cases("pass")}

    assert failing == ids
    assert passing == {_stem(rule) for rule in ids}


def test_every_file_of_a_rail_may_stand_in_a_repository_as_an_override() -> None:
    paths = [path.relative_to(POLICIES) for path in POLICIES.rglob("*") if path.is_file()]
    inside = [part for path in paths for part in path.parts[1:]]

    assert [part for part in inside if not is_segment(part)] == []


def test_rule_ids_are_unique_over_all_rails() -> None:
    own = [
        rule.id
        for rail in shipped().values()
        for rule in rail.rules
        if not rule.id.startswith("common/")
    ]

    assert [one for one, times in Counter(own).items() if times > 1] == []


def test_every_rule_says_what_is_wrong_and_how_to_mend_it() -> None:
    for rail in shipped().values():
        for rule in rail.rules:
            assert rule.message, rule.id
            assert rule.hint, rule.id


def test_every_code_list_says_where_it_is_from_and_which_version_it_is() -> None:
    for rail in shipped().values():
        for codes in rail.codes.values():
            assert codes.source, codes.id
            assert codes.version, codes.id


def test_every_pattern_of_every_schema_is_in_the_linear_profile() -> None:
    patterns = [
        value
        for rail in shipped().values()
        for table in rail.tables.values()
        for word, value in keywords(table.schema)
        if word == "pattern"
    ]

    assert patterns
    for pattern in patterns:
        compile_pattern(pattern)


def test_every_folder_of_policies_is_a_rail_or_shared() -> None:
    folders = {path.name for path in POLICIES.iterdir() if path.is_dir()}

    assert folders == set(shipped()) | set(SHARED)


def test_the_page_of_rules_is_current() -> None:
    assert PAGE.read_text() == rules_page(shipped().values())
