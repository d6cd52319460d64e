"""The line a stored row stands on, found again in the bytes that were signed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.artifacts import strictcsv
from controller.kernel import strictjson
from controller.kernel.canonical import canonical
from controller.plan.lines import line_of
from controller.plan.rows import STORED_TABLES

COLUMNS = STORED_TABLES["participants"].columns
NARROW = ("id", "name", "status")
CELLS = st.text(alphabet='abc ,"é', max_size=6).map(str.strip)
RULES = b"""{
  "version": 1,
  "rules": [
    {"id": "first", "match": {}, "participant_id": "a"},
    {"id": "second", "match": {}, "participant_id": "b"}
  ]
}
"""


def _stored(row: tuple[str, ...]) -> tuple[str, ...]:
    cells = dict(zip(NARROW, row, strict=True))
    return tuple(cells.get(column, "") for column in COLUMNS)


@given(rows=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, unique=True))
def test_every_row_of_a_file_is_found_on_its_line(rows: list[tuple[str, ...]]) -> None:
    data = strictcsv.render(NARROW, rows)

    found = [line_of("participants", data, _stored(row)) for row in rows]
    lines = data.decode().splitlines()
    assert [lines[line - 1] for line in found] == [strictcsv.render_row(row) for row in rows]


def test_a_row_that_is_not_there_is_on_no_line() -> None:
    data = strictcsv.render(NARROW, [("a", "A", "active")])

    assert line_of("participants", data, _stored(("a", "A", "suspended"))) == 0
    assert line_of("participants", data, _stored(("a", "A", "active"))) == 2


def test_a_file_of_another_table_holds_no_row() -> None:
    data = b"iin_start,iin_end\n990100,\n"

    assert line_of("participants", data, _stored(("990100", "", ""))) == 0


def test_a_rule_is_on_the_line_where_its_object_begins() -> None:
    rules = strictjson.parse(RULES)["rules"]
    cells = [("card-bin/x", rule["id"], "", canonical(rule).decode(), "", "") for rule in rules]

    assert [line_of("rules", RULES, one) for one in cells] == [4, 5]
    assert line_of("rules", RULES, (*cells[0][:3], "{}", "", "")) == 0


def test_a_file_with_every_column_holds_its_rows() -> None:
    rows = [tuple(f"{letter}{column}" for column in COLUMNS) for letter in "ab"]
    data = strictcsv.render(COLUMNS, rows)

    assert [line_of("participants", data, row) for row in rows] == [2, 3]


def test_a_file_whose_header_is_no_text_holds_no_row() -> None:
    assert line_of("participants", b"id,n\xffme\na,A\n", _stored(("a", "A", ""))) == 0


@pytest.mark.parametrize(
    "data", [b"[]", b"{}", b'{"rules": {}}', b'{"rules": 7}', b'{"rules": []}']
)
def test_a_document_without_rules_holds_no_row(data: bytes) -> None:
    assert line_of("rules", data, ("card-bin/x", "first", "", "{}", "", "")) == 0
