"""Compiled column checks: what a row schema says about single cells, column by column.

Most columns have few different values: each is judged once and good ones are remembered across
files. The others are judged in bulk. `tests/laws` holds these checks against both engines.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from controller.policy.judges import Judge, all_of, as_long_as, each, matching, one_of
from controller.policy.schema import BadSchema

MEMO_MAX = 200_000
_VARIED_VALUES = 64
_VARIED_SHARE = 4  # more than one in so many values differs from all others
_KEYWORDS = frozenset(
    {"type", "pattern", "minLength", "maxLength", "enum", "const", "rule", "title", "description"}
)


@dataclass(slots=True)
class Memo:
    """Judges a column's values: few different ones once each, many different ones in bulk.

    Which of the two a column is shows in the first file of some size.
    """

    judge: Judge
    good: set[str] = field(default_factory=set)
    _is_varied: bool = False

    def holds(self, values: Sequence[str]) -> bool:
        """Whether no value fails."""
        if self._is_varied:
            return self.judge.every(values)
        if len(values) < _VARIED_VALUES and self.good.issuperset(values):
            return True
        # Most columns hold one value throughout; that is seen without hashing each.
        fresh = set(values[:1])
        if fresh and values.count(values[0]) != len(values):
            fresh = set(values)
        if len(values) >= _VARIED_VALUES and len(fresh) * _VARIED_SHARE > len(values):
            self._is_varied = True
            return self.judge.every(values)
        fresh -= self.good
        if not self.judge.every(list(fresh)):
            return False
        if len(self.good) + len(fresh) > MEMO_MAX:
            self.good.clear()
        self.good |= fresh
        return True

    def offenders(self, values: Sequence[str]) -> list[int]:
        """Return the positions whose value fails, in order."""
        if self.holds(values):
            return []
        verdicts = {value: self.judge.one(value) for value in set(values)}
        return [at for at, value in enumerate(values) if not verdicts[value]]


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
    judges: list[Judge] = []
    wants: list[str] = []
    if "const" in words or "enum" in words:
        allowed = frozenset(words.get("enum", [words.get("const")]))
        judges.append(one_of(allowed))
        wants.append("one of " + ", ".join(sorted(one or "(empty)" for one in allowed)))
    if "pattern" in words:
        judges.append(matching(words["pattern"]))
        wants.append(f"the form {words['pattern']}")
    shortest, longest = words.get("minLength", 0), words.get("maxLength")
    if shortest or longest is not None:
        judges.append(as_long_as(shortest, longest))
    if shortest:
        wants.append("a value" if shortest == 1 else f"at least {shortest} characters")
    if longest is not None:
        wants.append(f"at most {longest} characters")
    judge = all_of(judges) if judges else each(lambda _value: True)
    return ColumnCheck(column, Memo(judge), words.get("rule", ""), " and ".join(wants))
