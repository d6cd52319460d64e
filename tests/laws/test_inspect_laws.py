"""Judging what changed in a file says what judging the whole file says."""

from collections.abc import Iterable

from hypothesis import given, settings
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


olds = st.lists(st.sampled_from(CLEAN), min_size=4, unique=True).map(sorted)
edits = st.lists(
    st.tuples(
        st.sampled_from(["put", "drop", "move", "swap", "spoil"]),
        st.integers(0, 11),
        st.integers(0, 11),
        st.one_of(st.sampled_from(CLEAN), st.sampled_from(ODD)),
    ),
    max_size=3,
)


def edited(lines: list[str], changes: list[tuple[str, int, int, str]]) -> list[str]:
    """Return the lines after a few edits, as a person makes them."""
    after = list(lines)
    for what, one, other, line in changes:
        at, to = one % (len(after) + 1), other % (len(after) + 1)
        match what:
            case "put":
                after.insert(at, line)
            case "drop":
                del after[at : at + 1]
            case "move" if after:
                after.insert(min(to, len(after) - 1), after.pop(at % len(after)))
            case "swap" if after:
                after[at % len(after)] = line
            case "spoil" if after:
                after[at % len(after)] = after[at % len(after)].replace("false", "perhaps")
    return after


@settings(max_examples=300)
@given(olds, olds, edits, st.booleans(), st.sampled_from([True, True, True, False]))
def test_the_lines_that_changed_are_judged_as_in_the_whole_file(
    before: list[str],
    other: list[str],
    changes: list[tuple[str, int, int, str]],
    two: bool,
    closed: bool,
) -> None:
    data = content(edited(before, changes), closed=closed)
    versions = [content(before), content(other)] if two else [content(before)]

    found = list(inspect_file(RAIL, FILE, PATH, data, versions))
    whole = list(inspect_file(RAIL, FILE, PATH, data, []))

    assert errors(found) == errors(whole)
    disorder = {"common/ORD001"}
    assert {one.rule for one in found} & disorder == {one.rule for one in whole} & disorder


def test_the_clean_lines_of_this_law_are_clean() -> None:
    assert not errors(lint_shard(RAIL, "ranges", content(CLEAN), FILE)[1])
