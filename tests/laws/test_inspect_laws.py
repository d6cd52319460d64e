"""Judging what changed in a file says what judging the whole file says."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from controller.kernel.findings import Finding, Severity
from controller.policy.lint import lint_shard
from controller.reconcile.inspect import inspect_file
from tests.support.policies import shipped

RAIL = shipped()["card-bin"]
PATH = "bundles/card-bin/house/files"
FILE = f"{PATH}/ranges.csv"
HEADER = ",".join(RAIL.tables["ranges"].columns)

CLEAN = [f"9906{n:02},,16,true,house,Lagoon,debit,false,NL,EUR,,," for n in range(12)]
ODD = [
    CLEAN[3].replace("false", "perhaps"),
    CLEAN[4].replace("Lagoon", "=1+1"),
    CLEAN[5].replace("Lagoon", "La\u202egoon"),
    CLEAN[6].replace("Lagoon", ' "Lagoon"'),
    CLEAN[7].replace("Lagoon", '"La,goon"'),
    CLEAN[8] + ",",
    CLEAN[9] + "\r",
    "99",
    "",
]


def content(lines: list[str], *, closed: bool = True) -> bytes:
    return ("\n".join([HEADER, *lines]) + ("\n" if closed else "")).encode()


def errors(findings: Iterable[Finding]) -> set[Finding]:
    return {one for one in findings if one.severity is Severity.ERROR}


olds = st.lists(st.sampled_from(CLEAN), unique=True).map(sorted)
news = st.lists(st.one_of(st.sampled_from(CLEAN), st.sampled_from(ODD)), max_size=14)


@given(st.lists(olds, min_size=1, max_size=2), news, st.booleans(), st.booleans())
def test_the_lines_that_changed_are_judged_as_in_the_whole_file(
    before: list[list[str]], after: list[str], in_order: bool, closed: bool
) -> None:
    data = content(sorted(after) if in_order else after, closed=closed)

    found = list(inspect_file(RAIL, FILE, PATH, data, [content(lines) for lines in before]))
    whole = list(inspect_file(RAIL, FILE, PATH, data, []))

    assert errors(found) == errors(whole)
    disorder = {one for one in whole if one.rule == "common/ORD001"}
    assert {one.rule for one in disorder} == {one.rule for one in found} & {"common/ORD001"}


def test_the_clean_lines_of_this_law_are_clean() -> None:
    assert not errors(lint_shard(RAIL, "ranges", content(CLEAN), FILE)[1])
