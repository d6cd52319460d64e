"""Column checks, jsonschema-rs and jsonschema say the same about every row."""

import string
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.policy.columns import compile_columns
from controller.policy.schema import DocumentSchema, RowSchema
from tests.support.policies import shipped

TABLES = [(name, table) for name in sorted(shipped()) for table in sorted(shipped()[name].tables)]
ODD = st.sampled_from(["", " ", "\n", "a\n", "\u00e9", "٣", "0" * 501, "A", "true", "4571\n"])
CELLS = st.one_of(ODD, st.text(max_size=12), st.text(string.printable, max_size=40))


def _engines(name: str, table: str) -> tuple[Any, RowSchema, DocumentSchema]:
    rule = shipped()[name].tables[table]
    columns = compile_columns(rule.schema, rule.columns, table)
    return columns, RowSchema(rule.schema, table), DocumentSchema(rule.schema, table)


ENGINES = {key: _engines(*key) for key in TABLES}


@st.composite
def rows(draw: st.DrawFn) -> tuple[tuple[str, str], dict[str, str]]:
    """Draw a row near the valid ones: each cell from its own pattern, some of them odd."""
    key = draw(st.sampled_from(TABLES))
    schema = shipped()[key[0]].tables[key[1]].schema
    row = {}
    for column, words in schema["properties"].items():
        if "enum" in words:
            good = st.sampled_from(words["enum"])
        elif "pattern" in words:
            good = st.from_regex(words["pattern"], fullmatch=True)
        else:
            good = st.text(string.ascii_letters, min_size=1, max_size=20)
        row[column] = draw(st.one_of(good, good, good, good, good, good, good, good, CELLS))
    return key, row


@settings(max_examples=300, deadline=None)
@given(rows())
def test_three_engines_agree_on_every_row(drawn: tuple[tuple[str, str], dict[str, str]]) -> None:
    key, row = drawn
    columns, fast, slow = ENGINES[key]

    by_columns = all(not one.memo.offenders([row[one.column]]) for one in columns)

    assert by_columns == fast.accepts(row) == (slow._explained(row) == [])
    assert (slow.violations(row) == []) == fast.accepts(row)
    wrong = {one.column for one in columns if one.memo.offenders([row[one.column]])}
    assert wrong == {one.pointer.removeprefix("/") for one in fast.violations(row)}


def test_a_row_with_a_column_missing_or_too_many_is_refused_by_both_engines() -> None:
    for columns, fast, slow in ENGINES.values():
        short = {one.column: "" for one in columns[1:]}
        assert not fast.accepts(short)
        assert slow._explained(short)
        assert slow.violations(short) == sorted(
            slow._explained(short), key=lambda one: (one.pointer, one.keyword, one.message)
        )
