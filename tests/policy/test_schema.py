"""The door to the schema engines."""

import json
from typing import Any

import pytest

from controller.policy.columns import compile_columns
from controller.policy.lint import lint_rows
from controller.policy.rail import BadRail, read_rails
from controller.policy.schema import BadSchema, DocumentSchema, RowSchema, check_schema
from tests.support.policies import policy_files, rail_row

ROW: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["a"],
    "properties": {"a": {"type": "string", "maxLength": 3}},
}


def _column(**words: Any) -> dict[str, Any]:
    return {**ROW, "properties": {"a": words}}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "text"},
        {"$ref": "https://example.org/x.json"},
        {"$ref": "other.json"},
        {"properties": {"a": {"$ref": "#/$defs/none"}}},
    ],
)
def test_a_schema_that_is_wrong_or_leads_outside_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(BadSchema):
        check_schema(schema, "x")


def test_a_sound_schema_is_taken() -> None:
    check_schema(ROW, "x")
    assert RowSchema(ROW, "x").accepts({"a": "abc"})


@pytest.mark.parametrize(
    "schema",
    [
        _column(type="string", format="date"),
        _column(type="integer"),
        {**ROW, "additionalProperties": True},
        {**ROW, "required": []},
        {**ROW, "properties": {}},
    ],
)
def test_a_column_that_cells_cannot_have_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(BadSchema):
        compile_columns(schema, ["a"], "x")


def test_a_column_of_text_is_compiled() -> None:
    (column,) = compile_columns(ROW, ["a"], "x")

    assert column.memo.offenders(["abc", "abcd"]) == [1]


def test_a_violation_is_named_after_the_innermost_rule() -> None:
    schema = DocumentSchema(
        {"rule": "x/A001", "properties": {"a": {"rule": "x/B001", "const": 1}, "b": {"const": 2}}},
        "x",
    )

    found = schema.violations({"a": 2, "b": 3})

    assert [(one.pointer, one.rule) for one in found] == [("/a", "x/B001"), ("/b", "x/A001")]


def test_what_spans_columns_is_judged_by_the_engine() -> None:
    files = policy_files()
    path = "card-bin/schema/ranges.schema.json"
    schema = json.loads(files[path])
    schema["if"] = {"properties": {"type": {"const": "credit"}}}
    schema["then"] = {"rule": "card-bin/SYN004", "properties": {"prepaid": {"const": ""}}}
    rail = read_rails({**files, path: json.dumps(schema).encode()})["card-bin"]
    good = rail_row(rail, "ranges", iin_start="457173", type="credit")
    bad = rail_row(rail, "ranges", iin_start="457174", type="credit", prepaid="false")

    found = lint_rows(rail, "ranges", [good, bad], [2, 3], "ranges.csv")

    assert [(one.rule, one.line, one.column) for one in found] == [
        ("card-bin/SYN004", 3, "prepaid")
    ]


def test_a_rule_that_needs_a_list_or_scheme_nobody_has_is_refused() -> None:
    for words in (
        {"kind": "codes", "table": "ranges", "column": "country", "list": "planets"},
        {"kind": "scheme", "table": "ranges", "schemes": ["planet"]},
    ):
        files = policy_files()
        document = json.loads(files["card-bin/rules.json"])
        document["rules"][0]["check"] = words
        rail = read_rails({**files, "card-bin/rules.json": json.dumps(document).encode()})
        with pytest.raises(BadRail):
            lint_rows(
                rail["card-bin"],
                "ranges",
                [rail_row(rail["card-bin"], "ranges", iin_start="457173")],
                [2],
                "x",
            )


def test_a_table_the_rail_does_not_have_is_refused() -> None:
    rail = read_rails(policy_files())["card-bin"]

    with pytest.raises(BadRail):
        lint_rows(rail, "endpoints", [], [], "x")
