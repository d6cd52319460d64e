"""The page of all rules (`docs/rules.md`), written from the rails so that it is never behind."""

from collections.abc import Iterable

from controller.policy.rail import Rail, Rule

_HEAD = """# Rules

Written from `policies/` by `python -m tests.support.write_rules_page`; a test keeps it
current. An error blocks; a warning asks for a look; info only tells. Every rule has a failing case
and its passing twin under `policies/<rail>/cases/`.

A rule that compares ranges and is no error names the first three places of each file; of more it
says how many there are (`one of 413 here`). An error is named at every place.
"""


def rules_page(rails: Iterable[Rail]) -> str:
    """Return the page: the common rules, then each rail's own."""
    ordered = sorted(rails, key=lambda rail: rail.name)
    common = [rule for rule in ordered[0].rules if rule.id.startswith("common/")]
    parts = [_HEAD, _section("common", "Common rules, for every rail", common)]
    for rail in ordered:
        if not rail.name.startswith("_"):
            own = [rule for rule in rail.rules if not rule.id.startswith("common/")]
            parts.append(_section(rail.name, rail.title, own))
    return "\n".join(parts)


def _section(name: str, title: str, rules: Iterable[Rule]) -> str:
    lines = [
        f"## {name}",
        "",
        title + ".",
        "",
        "| rule | severity | says | hint |",
        "|---|---|---|---|",
    ]
    for rule in sorted(rules, key=lambda one: one.id):
        cells = (f"`{rule.id}`", rule.severity, rule.message, rule.hint)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])
