"""docs/threat-model.md, written from the catalogue of threats and the markers of the tests."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from tests.support.house import ROOT, sentence
from tests.support.threats import Group, Marked, Origin, State, Threat

INTRODUCTION = ROOT / "tests" / "attacks" / "introduction.md"

TITLES = {
    Origin.HISTORY: (
        "Attacks on the history",
        "The attacks that The Update Framework lists, as they look in a git repository.",
    ),
    Origin.ATTACKER: ("Attackers", "Who holds what, and what it is good for."),
    Origin.INCIDENT: (
        "Incidents",
        "What happened to other controllers, and the rule we took from it.",
    ),
}

HEADER = "| attack | what stops it | where | shown by |\n|---|---|---|---|\n"


def threat_page(groups: Sequence[Group], marks: Sequence[Marked]) -> str:
    """Return the whole page."""
    parts = [INTRODUCTION.read_text(), *_open(groups)]
    for origin in Origin:
        title, about = TITLES[origin]
        parts.append(f"\n## {title}\n\n{about}\n")
        parts += [_group(one, marks) for one in groups if one.origin is origin]
    return "".join(parts)


def _open(groups: Sequence[Group]) -> Iterator[str]:
    threats = [threat for group in groups for threat in group.threats]
    counts = {state: sum(one.state is state for one in threats) for state in State}
    yield (
        f"\n## Where it stands\n\n{len(threats)} attacks: {counts[State.TESTED]} are stopped, "
        f"{counts[State.WAITS]} wait for what is not built yet, "
        f"{counts[State.GAP]} are open faults.\n"
    )
    for state, title in ((State.GAP, "Open faults"), (State.WAITS, "Not yet")):
        some = [one for one in threats if one.state is state]
        if some:
            yield f"\n### {title}\n\n| attack | what will stop it | why it is open |\n"
            yield "|---|---|---|\n"
            yield from (f"| {_name(one)} | {one.check} | {one.why} |\n" for one in some)


def _name(threat: Threat) -> str:
    return f"`{threat.id}`<br>{threat.attack}"


def _group(group: Group, marks: Sequence[Marked]) -> str:
    text = f"\n### {group.name}\n\n"
    if group.holds:
        text += f"Holds {group.holds}.\n\n"
    if group.see:
        text += f"Also: {', '.join(group.see)}.\n\n"
    if group.threats:
        text += HEADER + "".join(_row(threat, marks) for threat in group.threats)
    return text.rstrip("\n") + "\n"


def _row(threat: Threat, marks: Sequence[Marked]) -> str:
    where = "<br>".join(f"`{name}`" for name in threat.modules) or "–"
    if threat.state is State.TESTED:
        own = [one for one in marks if one.threat == threat.id]
        shown = "<br>".join(_tests(own, kind) for kind in ("stops", "allows"))
    else:
        word = {State.WAITS: "not yet", State.GAP: "**open fault**"}[threat.state]
        shown = f"{word}: {threat.why}"
    return f"| {_name(threat)} | {threat.check} | {where} | {shown} |\n"


def _tests(marks: Sequence[Marked], kind: str) -> str:
    """Return the tests of one kind, each module named once."""
    some = sorted({(one.path, one.test) for one in marks if one.marker == kind})
    modules = []
    for path, tests in groupby(some, key=lambda one: one[0]):
        names = "; ".join(sentence(test) for _, test in tests)
        modules.append(f"[{path.rpartition('/')[2]}](../{path}): {names}")
    return f"**{kind}** " + "<br>".join(modules)
