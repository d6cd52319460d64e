"""docs/mutation.md, written from the results of the last runs and from what people judged.

`tests/mutation/results.json` is what mutmut found, module by module; `judgements.toml` beside it is
kept by hand: which survivors change nothing, which a new test kills, and which were left, and why.
"""

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from tests.support.house import ROOT, sentence
from tests.support.mutants import Fate

FOLDER = ROOT / "tests" / "mutation"
RESULTS = FOLDER / "results.json"
JUDGEMENTS = FOLDER / "judgements.toml"
PAGE = ROOT / "docs" / "mutation.md"

_HEADER = (
    "| module | mutants | killed | timeout | survived | not covered | not tried | score "
    "| equivalent | wording |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
)


class Verdict(StrEnum):
    """What was found when somebody looked at a survivor."""

    EQUIVALENT = "equivalent"
    KILLED = "killed"
    LEFT = "left"


@dataclass(frozen=True)
class Judgement:
    """What is thought of some mutants of one function; `now` are their changed lines."""

    verdict: Verdict
    where: str
    now: tuple[str, ...]
    because: str
    test: str = ""


@dataclass(frozen=True)
class Survivor:
    """A mutant that no test noticed."""

    where: str
    was: str
    now: str


@dataclass(frozen=True)
class Result:
    """What came of one module: how many mutants met which fate, and those that live."""

    module: str
    fates: Mapping[Fate, int]
    survivors: Sequence[Survivor] = field(default=())

    def number(self, fate: Fate) -> int:
        """Return how many mutants met a fate."""
        return self.fates.get(fate, 0)

    @property
    def score(self) -> float | None:
        """Return the share that was noticed of all that were tried, wording left out."""
        noticed = self.number(Fate.KILLED) + self.number(Fate.TIMEOUT)
        tried = noticed + self.number(Fate.SURVIVED) + self.number(Fate.UNCOVERED)
        return noticed / tried if tried else None


def read_results(path: Path = RESULTS) -> list[Result]:
    """Return the results by module."""
    return [
        Result(
            module,
            {Fate(name): number for name, number in one["fates"].items()},
            [Survivor(**survivor) for survivor in one["survivors"]],
        )
        for module, one in sorted(json.loads(path.read_text()).items())
    ]


def read_judgements(path: Path = JUDGEMENTS) -> list[Judgement]:
    """Return what people judged, in the file's order."""
    read = tomllib.loads(path.read_text())
    return [
        Judgement(verdict, one["where"], tuple(one["now"]), one["because"], one.get("test", ""))
        for verdict in Verdict
        for one in read.get(verdict.value, [])
    ]


def write_page() -> None:
    """Write the page from what is there."""
    PAGE.write_text(mutation_page(read_results(), read_judgements()))


def mutation_page(results: Sequence[Result], judgements: Sequence[Judgement]) -> str:
    """Return the whole page."""
    parts = [(FOLDER / "introduction.md").read_text(), "\n## By module\n\n", _HEADER]
    total: dict[Fate, int] = {}
    for one in results:
        parts.append(_row(one, judgements))
        total = {fate: total.get(fate, 0) + one.number(fate) for fate in Fate}
    equivalent = sum(_equivalents(one, judgements) for one in results)
    parts.append(_line("**all**", Result("", total), equivalent))
    parts.append("\n## Killed by a test that was written for it\n\n")
    parts.append(
        "What no test that runs here would have noticed, and the one that notices it now.\n\n"
    )
    parts += _killed(judgements)
    parts.append("\n## What lives\n")
    for one in results:
        parts += _living(one, judgements)
    return "".join(parts)


def judged(survivor: Survivor, judgements: Iterable[Judgement]) -> Judgement | None:
    """Return what was thought of a survivor."""
    return next(
        (one for one in judgements if one.where == survivor.where and survivor.now in one.now),
        None,
    )


def _equivalents(result: Result, judgements: Sequence[Judgement]) -> int:
    found = [judged(one, judgements) for one in result.survivors]
    return sum(one is not None and one.verdict is Verdict.EQUIVALENT for one in found)


def _row(result: Result, judgements: Sequence[Judgement]) -> str:
    return _line(f"`{result.module}`", result, _equivalents(result, judgements))


def _line(name: str, result: Result, equivalent: int) -> str:
    score = "–" if result.score is None else f"{100 * result.score:.1f} %"
    fates = (Fate.KILLED, Fate.TIMEOUT, Fate.SURVIVED, Fate.UNCOVERED, Fate.UNTRIED)
    numbers = [sum(result.fates.values()), *(result.number(fate) for fate in fates)]
    cells = [name, *map(str, numbers), score, str(equivalent), str(result.number(Fate.WORDING))]
    return f"| {' | '.join(cells)} |\n"


def _killed(judgements: Iterable[Judgement]) -> Iterator[str]:
    for one in judgements:
        if one.verdict is Verdict.KILLED:
            path, _, name = one.test.partition("::")
            yield f"- `{one.where}`: {one.because} [{sentence(name)}](../{path})\n"


def _living(result: Result, judgements: Sequence[Judgement]) -> Iterator[str]:
    if not result.survivors:
        return
    yield f"\n### {result.module}\n\n| function | it was | it became | so |\n|---|---|---|---|\n"
    for one in result.survivors:
        judgement = judged(one, judgements)
        so = "not looked at yet"
        if judgement is not None:
            so = f"**{judgement.verdict.value}**: {judgement.because}"
        where = one.where.removeprefix(f"{result.module[:-3].replace('/', '.')}.")
        yield f"| `{where}` | {_code(one.was)} | {_code(one.now)} | {so} |\n"


def _code(text: str) -> str:
    """Return a line as code in a cell; a bar would end the cell and a back-tick the code."""
    return f"`` {text.replace('|', chr(92) + '|')} ``"
