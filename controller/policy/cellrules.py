"""Rules about single cells: `matches`, `never_matches`, `check`, `codes`, `required`, `scheme`."""

from collections.abc import Iterator, Mapping
from typing import Any

from controller.kernel.findings import Finding
from controller.policy.batch import Batch, RowCheck, where_of
from controller.policy.columns import Memo
from controller.policy.judges import (
    Judge,
    all_of,
    as_long_as,
    matching,
    named,
    never_matching,
    one_of,
)
from controller.policy.rail import BadRail, Rail, Rule, TableRule
from controller.policy.text import finding, quoted


def matches(rule: Rule, words: Mapping[str, Any], rail: Rail, table: TableRule) -> list[RowCheck]:
    del rail
    make = matching if words["kind"] == "matches" else never_matching
    columns = table.columns if words.get("columns") == "*" else (words["column"],)
    return [_judging(rule, column, make(words["pattern"]), words) for column in columns]


def check(rule: Rule, words: Mapping[str, Any], rail: Rail, table: TableRule) -> list[RowCheck]:
    del rail
    columns = words.get("columns", [words.get("column")])
    judge = named(words["name"])
    return [_judging(rule, column, judge, words) for column in columns if column in table.columns]


def codes(rule: Rule, words: Mapping[str, Any], rail: Rail, table: TableRule) -> list[RowCheck]:
    del table
    if words["list"] not in rail.codes:
        raise BadRail(
            f"policies/{rail.name}/rail.json", f"{rule.id} needs the code list {words['list']!r}"
        )
    codes = rail.codes[words["list"]].codes
    start, end = words.get("slice", [None, None])
    return [_judging(rule, words["column"], one_of(codes, start, end), words)]


def required(rule: Rule, words: Mapping[str, Any], rail: Rail, table: TableRule) -> list[RowCheck]:
    del rail, table
    column, where = words["column"], where_of(words)

    def run(batch: Batch) -> Iterator[Finding]:
        values = batch.cells(column, where)
        if all(values):
            return
        for at, value in zip(batch.places(where), values, strict=True):
            if not value:
                yield finding(rule, batch.path, batch.lines[at], column)

    return [run]


def scheme(rule: Rule, words: Mapping[str, Any], rail: Rail, table: TableRule) -> list[RowCheck]:
    """Each named scheme's own pattern, or its check where `part` is `check`."""
    del table
    made = []
    for name in words["schemes"]:
        scheme = rail.schemes.get(name)
        if scheme is None:
            raise BadRail(f"policies/{rail.name}/rules.json", f"{rule.id}: unknown scheme {name!r}")
        judge = all_of([as_long_as(0, scheme.length_max), matching(scheme.pattern)])
        if words.get("part") == "check":
            if not scheme.check_name:
                continue
            judge = _unless_malformed(judge, named(scheme.check_name))
        made.append(_judging(rule, "value", judge, {"where": {"scheme": [name]}}))
    return made


def _unless_malformed(form: Judge, passes: Judge) -> Judge:
    return Judge(
        lambda value: not form.one(value) or passes.one(value),
        lambda values: (
            passes.every(values)
            or all(not form.one(value) or passes.one(value) for value in values)
        ),
    )


def _judging(rule: Rule, column: str, judge: Judge, words: Mapping[str, Any]) -> RowCheck:
    """Return a check of the non-empty values of one column, on the rows `where` picks."""
    where = where_of(words)
    memo = Memo(_unless_empty(_per_item(judge) if words.get("items") else judge))

    def run(batch: Batch) -> Iterator[Finding]:
        values = batch.cells(column, where)
        if memo.holds(values):
            return
        places = batch.places(where)
        for offender in memo.offenders(values):
            at = places[offender]
            yield finding(rule, batch.path, batch.lines[at], column, quoted(values[offender]))

    return run


def _unless_empty(judge: Judge) -> Judge:
    """Let the empty value pass: that one must be there is for another kind of rule to say."""
    return Judge(
        lambda value: not value or judge.one(value),
        lambda values: judge.every(values if all(values) else list(filter(None, values))),
    )


def _per_item(judge: Judge) -> Judge:
    return Judge(
        lambda value: judge.every(value.split("|")),
        lambda values: judge.every("|".join(values).split("|")) if values else True,
    )
