"""Rules that compare rows with rows: which there are, and which rows each of them looks at."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from controller.kernel.findings import Finding
from controller.policy.dataset import LintBundle, Scene, gather
from controller.policy.keyrules import gap, inside, unique
from controller.policy.rail import Rule
from controller.policy.rangerules import spans
from controller.policy.refrules import chain, listed, needed, reference

AcrossCheck: TypeAlias = Callable[[Rule, Mapping[str, Any], Scene], Iterator[Finding]]

_CHECKS: Mapping[str, AcrossCheck] = {
    "chain": chain,
    "gap": gap,
    "inside": inside,
    "listed": listed,
    "needed": needed,
    "reference": reference,
    "spans": spans,
    "unique": unique,
}

ACROSS = frozenset(_CHECKS)
"""Kinds that compare rows with rows."""


def run_rules(bundles: Sequence[LintBundle]) -> Iterator[Finding]:
    """Yield what every cross-row rule of the bundles' rails has to say."""
    every, by_rail = gather(bundles)
    rails = {bundle.rail.name: bundle.rail for bundle in bundles}
    common: set[str] = set()
    for name, rail in sorted(rails.items()):
        own = Scene(rail, by_rail[name], every)
        together = Scene(rail, every, every)
        for rule in rail.rules:
            is_common = rule.id.startswith("common/")
            for words in rule.checks:
                if words["kind"] not in ACROSS:
                    continue
                if not is_common or words["kind"] == "needed":
                    yield from _CHECKS[words["kind"]](rule, words, own)
                elif rule.id not in common:
                    yield from _CHECKS[words["kind"]](rule, words, together)
            # The common rules are the same in every rail: they speak once, about all rows.
        common |= {rule.id for rule in rail.rules if rule.id.startswith("common/")}
