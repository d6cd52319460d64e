"""Compiled column checks: what a row schema says about single cells, column by column.

A column of a shard has few distinct values, or cheap ones; each distinct value is judged once and
good ones are remembered across shards. `tests/laws` holds these checks against both engines.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from controller.policy.patterns import compile_pattern
from controller.policy.schema import BadSchema

MEMO_MAX = 200_000
_KEYWORDS = frozenset(
    {"type", "pattern", "minLength", "maxLength", "enum", "const", "rule", "title", "description"}
)

Judge = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Memo:
    """Judges values once: the good ones are remembered, up to a bound."""

    judge: Judge
    good: set[str] = field(default_factory=set)

    def bad(self, values: Sequence[str]) -> set[str]:
        """Return the distinct values that fail."""
        fresh = set(values) - self.good
        if not fresh:
            return fresh
        judge = self.judge
        bad = {value for value in fresh if not judge(value)}
        if len(self.good) + len(fresh) > MEMO_MAX:
            self.good.clear()
        self.good.update(fresh - bad)
        return bad

    def offenders(self, values: Sequence[str]) -> list[int]:
        """Return the positions whose value fails, in order."""
        bad = self.bad(values)
        return [at for at, value in enumerate(values) if value in bad] if bad else []


@dataclass(frozen=True, slots=True)
class ColumnCheck:
    """What a schema asks of one column; `rule` names a violation, `wants` says it in words."""

    column: str
    memo: Memo
    rule: str
    wants: str


def compile_columns(
    schema: Mapping[str, Any], columns: Sequence[str], name: str
) -> list[ColumnCheck]:
    """Turn a row schema's properties into column checks, or raise BadSchema."""
    properties = schema.get("properties", {})
    if schema.get("additionalProperties") is not False or set(properties) != set(columns):
        raise BadSchema(name, "properties must be exactly the table's columns, and closed")
    if set(schema.get("required", ())) != set(columns):
        raise BadSchema(name, "every column is required (an absent value is the empty text)")
    return [_compile(column, properties[column], name) for column in columns]


def _compile(column: str, words: Mapping[str, Any], name: str) -> ColumnCheck:
    unknown = set(words) - _KEYWORDS
    if unknown:
        raise BadSchema(name, f"{column}: {', '.join(sorted(unknown))} is not for columns")
    if words.get("type") != "string":
        raise BadSchema(name, f"{column}: a cell's type is string")
    tests: list[Judge] = []
    wants: list[str] = []
    if "const" in words or "enum" in words:
        allowed = frozenset(words.get("enum", [words.get("const")]))
        tests.append(allowed.__contains__)
        wants.append("one of " + ", ".join(sorted(one or "(empty)" for one in allowed)))
    if "pattern" in words:
        tests.append(_matcher(compile_pattern(words["pattern"])))
        wants.append(f"the form {words['pattern']}")
    shortest, longest = words.get("minLength", 0), words.get("maxLength")
    if shortest:
        tests.append(lambda value: len(value) >= shortest)
        wants.append("a value" if shortest == 1 else f"at least {shortest} characters")
    if longest is not None:
        tests.append(lambda value: len(value) <= longest)
        wants.append(f"at most {longest} characters")
    return ColumnCheck(column, Memo(_all(tests)), words.get("rule", ""), " and ".join(wants))


def _matcher(pattern: re.Pattern[str]) -> Judge:
    match = pattern.match
    return lambda value: match(value) is not None


def _all(tests: list[Judge]) -> Judge:
    if not tests:
        return lambda _value: True
    if len(tests) == 1:
        return tests[0]
    return lambda value: all(test(value) for test in tests)
