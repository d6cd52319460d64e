"""Many rows at once are read and judged as each of them alone."""

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.artifacts.sheets import known_sheet, read_sheet
from controller.artifacts.strictcsv import read_closely, render
from controller.kernel.findings import Finding
from controller.policy.judges import (
    Judge,
    all_of,
    as_long_as,
    matching,
    named,
    never_matching,
    one_of,
)
from controller.policy.lint import lint_rows, lint_sheet
from controller.policy.rail import Rail
from controller.policy.urls import URL_TESTS, plainly_good
from tests.laws.test_schema_laws import rows as near_valid_rows
from tests.support.policies import shipped

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
COLUMNS = ("id", "name", "legal_name")
ODD = [
    "",
    " ",
    "a ",
    "=x",
    "-",
    "\t",
    "\u200b",
    "\u00a0a",
    "e\u0301",
    "é",
    '"',
    "a,b",
    'q"',
    "\\",
    "\r",
    "x" * 4096,
    "é" * 2049,
]
CELLS = st.one_of(st.sampled_from(ODD), st.text('ab,-" é', max_size=4), st.text(max_size=3))
SOME_ROWS = st.lists(st.tuples(st.text("abc", min_size=1, max_size=2), CELLS, CELLS), max_size=6)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Draw a file that is nearly canonical: rows in order, most often, and a byte changed."""
    rows = draw(SOME_ROWS)
    clean = [row for row in rows if not CONTROL.search("".join(row))]
    data = render(COLUMNS, clean)
    if draw(st.booleans()) and len(data) > 1:
        at = draw(st.integers(0, len(data) - 1))
        data = data[:at] + draw(st.binary(max_size=2)) + data[at + draw(st.integers(0, 1)) :]
    return data


@settings(max_examples=400, deadline=None)
@given(files())
def test_a_file_is_a_sheet_exactly_when_a_close_look_finds_no_problem(data: bytes) -> None:
    rows, problems = read_closely(data, COLUMNS)
    sheet = read_sheet(data, COLUMNS)

    assert (sheet is not None) == (not problems)
    if sheet is not None:
        assert sheet.rows() == rows == known_sheet(data, COLUMNS).rows()
        assert [tuple(sheet.columns[name]) for name in COLUMNS] == [
            tuple(row[at] for row in rows) for at in range(len(COLUMNS))
        ]


JUDGES: dict[str, tuple[Judge, st.SearchStrategy[str]]] = {
    "words": (matching("^(?:[a-z]{1,3}(?:-[a-z]{1,3})*)?$"), st.text("ab-", max_size=9)),
    "class": (matching("^[^a]{2}$"), st.text("abé", max_size=3)),
    "either": (matching("^(?:a|ab)(?:c|bcd)?$"), st.text("abcd", max_size=5)),
    "never": (never_matching("^[0-9]{2}x$"), st.text("12x", max_size=4)),
    "anywhere": (never_matching("^.*[0-9](?:[ -]?[0-9]){2}.*$"), st.text("12 -a", max_size=6)),
    "lazily": (never_matching("^.*?[0-9]{2}.*$"), st.text("12a", max_size=4)),
    "list": (one_of(["a", "b", ""]), st.text("abc", max_size=2)),
    "slice": (one_of(["DE", "FR"], 1, 3), st.text("DEFR", max_size=4)),
    "size": (as_long_as(1, 3), st.text(max_size=5)),
    "both": (all_of([as_long_as(1, 3), matching("^[a-z]*$")]), st.text("abA", max_size=5)),
    "lei": (
        named("lei"),
        st.one_of(
            st.sampled_from(["5493001KJTIIGC8Y1R12", "5493001KJTIIGC8Y1R13", ""]),
            st.text("0123456789AZ", min_size=19, max_size=20),
        ),
    ),
}


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_judge_says_of_all_what_it_says_of_each(data: st.DataObject) -> None:
    judge, values = JUDGES[data.draw(st.sampled_from(sorted(JUDGES)))]
    some = data.draw(st.lists(values, max_size=8))

    assert judge.every(some) == all(map(judge.one, some))


@given(st.lists(st.text("a\nb", max_size=4), min_size=1, max_size=5))
def test_a_line_feed_in_a_value_never_makes_it_good(some: list[str]) -> None:
    judge = matching("^[a-z]{1,2}$")

    assert not judge.every(some) or all(map(judge.one, some))


HOSTS = st.sampled_from(
    [
        *("api.acme.com", "api.test.acme.com", "10.0.0.1", "1.2.3.a4", "localhost", "x.local"),
        *("u:p@acme.com", "acme.com:99", "acme.com#x", "a.b/${x}", "acme.com.", "ACME.com", "a..b"),
    ]
)
ADDRESSES = st.builds(
    "{}://{}{}".format,
    st.sampled_from(["https", "http", "ws"]),
    HOSTS,
    st.sampled_from(["", "/a/b.c", "?x", "/#"]),
)


@given(
    st.lists(st.tuples(st.sampled_from(["https", "as4", "kafka", "grpc"]), ADDRESSES), max_size=3)
)
def test_addresses_that_are_plainly_good_get_no_complaint(pairs: list[tuple[str, str]]) -> None:
    protocols, addresses = [one for one, _ in pairs], [one for _, one in pairs]

    if plainly_good(protocols, addresses):
        assert not [test(*pair) for pair in pairs for test in URL_TESTS.values() if test(*pair)]


def test_the_usual_address_is_plainly_good() -> None:
    assert plainly_good(["https", "as4"], ["https://api.acme.com/x", "https://as4.acme.com"])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_rows_are_judged_together_as_each_of_them_alone(data: st.DataObject) -> None:
    key, first = data.draw(near_valid_rows())
    others = data.draw(st.lists(near_valid_rows(), max_size=12))
    rail, table = shipped()[key[0]], key[1]
    dicts = [first, *(row for other, row in others if other == key)]
    rows = [tuple(row[column] for column in rail.tables[table].columns) for row in dicts]
    rows = [row for row in rows if not CONTROL.search("".join(row))]

    alone = [
        finding
        for at, row in enumerate(rows)
        for finding in lint_rows(rail, table, [row], [at + 2], "some/file.csv")
    ]

    assert lint_rows(rail, table, rows, range(2, len(rows) + 2), "some/file.csv") == sorted(
        alone, key=lambda one: one.order
    )
    _same_from_a_file(rail, table, rows)


def _same_from_a_file(rail: Rail, table: str, rows: list[tuple[str, ...]]) -> None:
    columns = rail.tables[table].columns
    written: Any = render(columns, set(rows))
    sheet = read_sheet(written, columns)
    if sheet is not None:
        found: list[Finding] = lint_sheet(rail, table, sheet, "some/file.csv")
        assert found == lint_rows(
            rail, table, sheet.rows(), range(2, len(rows) + 2), "some/file.csv"
        )
