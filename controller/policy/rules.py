"""Declarative rules about single rows, compiled to functions over the columns of a batch.

The kinds are a closed set. Those of `cellrules.py` look at one column and those of `rowrules.py` at
several cells of a row; `schema`, `text`, `layout` and `document` are spoken by the schemas and the
readers; the rest compare rows with rows (`across.py`).
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from controller.policy.across import ACROSS
from controller.policy.batch import RowCheck
from controller.policy.cellrules import check, codes, matches, required, scheme
from controller.policy.rail import BadRail, Rail, Rule, TableRule
from controller.policy.rowrules import blocks, order, span, url

ELSEWHERE = frozenset({"schema", "text", "layout", "document"})
"""Kinds whose findings come from a schema or from reading a file."""

_Maker: TypeAlias = Callable[[Rule, Mapping[str, Any], Rail, TableRule], list[RowCheck]]

_MAKERS: Mapping[str, _Maker] = {
    "blocks": blocks,
    "check": check,
    "codes": codes,
    "matches": matches,
    "never_matches": matches,
    "order": order,
    "required": required,
    "scheme": scheme,
    "span": span,
    "url": url,
}


def compile_rows(rail: Rail, table: TableRule) -> list[RowCheck]:
    """Return the row checks of a rail's rules that concern a table with these columns."""
    compiled: list[RowCheck] = []
    for rule in rail.rules:
        for words in rule.checks:
            kind = words["kind"]
            if kind in ELSEWHERE | ACROSS or words.get("table", table.name) != table.name:
                continue
            maker = _MAKERS.get(kind)
            if maker is None:
                raise BadRail(
                    f"policies/{rail.name}/rules.json", f"{rule.id}: unknown kind {kind!r}"
                )
            if _columns_of(words) <= set(table.columns):
                compiled.extend(maker(rule, words, rail, table))
    return compiled


def _columns_of(words: Mapping[str, Any]) -> set[str]:
    """Return the columns a check cannot do without."""
    named = {words[word] for word in ("column", "from", "to") if word in words}
    return named | set(words.get("where", {})) | set(words.get("needs", ()))
