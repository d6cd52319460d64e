"""Rules about card ranges against card ranges: `spans`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import nsmallest
from typing import Any

from controller.artifacts.tables import TABLES
from controller.kernel.findings import Finding, Severity
from controller.policy.dataset import Row, Scene, place_of, say
from controller.policy.rail import Rule
from controller.policy.spans import Pair
from controller.policy.text import masked

NAMED_MAX = 3
"""So many places of one file a rule names that only asks or tells; of more it says how many."""

_COLUMNS = TABLES["ranges"].columns
_SAME = tuple(
    at
    for at, column in enumerate(_COLUMNS)
    if column not in ("iin_start", "iin_end", "effective_from", "effective_to")
)


def spans(rule: Rule, words: Mapping[str, Any], scene: Scene) -> Iterator[Finding]:
    """How ranges meet: `partial`, `equal`, nested `redundant` or nested under `another` holder."""
    rows = scene.rows.tables["ranges"]
    held = scene.rows.column("ranges", "participant_id")
    met = scene.rows.meetings()
    match words["test"]:
        case "partial":
            pairs = met.partial
        case "equal":
            pairs = met.equal
        case "another":
            pairs = [(inner, outer) for inner, outer in met.nested if held[inner] != held[outer]]
        case _:
            pairs = [(inner, outer) for inner, outer in met.nested if held[inner] == held[outer]]
            pairs = [pair for pair in pairs if _is_redundant(rows, pair)]
    if rule.severity is Severity.ERROR:
        for pair in pairs:
            yield _said(rule, rows, pair)
    else:
        yield from _gathered(rule, rows, pairs)


def _is_redundant(rows: Sequence[Row], pair: Pair) -> bool:
    inner, outer = rows[pair[0]].cells, rows[pair[1]].cells
    return all(inner[at] == outer[at] for at in _SAME)


def _gathered(rule: Rule, rows: Sequence[Row], pairs: Iterable[Pair]) -> Iterator[Finding]:
    """Name the first rows of each file, and say how many there are."""
    by_file: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_file.setdefault(rows[pair[0]].path, []).append(pair)
    for some in by_file.values():
        many = f"one of {len(some):,} here, " if len(some) > NAMED_MAX else ""
        for pair in nsmallest(NAMED_MAX, some):
            yield _said(rule, rows, pair, many)


def _said(rule: Rule, rows: Sequence[Row], pair: Pair, many: str = "") -> Finding:
    inner, outer = rows[pair[0]], rows[pair[1]]
    about = f"{many}{_range(inner)} and {_range(outer)} in {place_of(outer)}"
    return say(rule, inner, "iin_start", about)


def _range(row: Row) -> str:
    return masked("-".join(part for part in row.cells[:2] if part))
