"""How far a campaign of deaths has come: told while it runs, and as a table when it ends.

A campaign takes minutes. What it has finished is remembered, so that a run that was interrupted
can go on (`--go-on`); other code than then, and nothing counts as finished.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, field
from typing import TypeVar

from tests.support.house import ROOT
from tests.support.mortal import Mortals
from tests.support.tracer import Doom

Step = TypeVar("Step")

EVERY_SECONDS = 10
"""How often a story that goes on says where it is."""

HEADINGS = ("story", "effects", "deaths", "died", "seconds")


@dataclass(frozen=True)
class Run:
    """A story that was gone through. A death may come too late to kill: the act was done."""

    story: str
    effects: int
    deaths: int
    died: int
    seconds: int


@dataclass
class Campaign:
    """Which deaths are died, and what came of them; `everywhere` is the whole campaign."""

    everywhere: bool
    tell: Callable[[str], None]
    stories: int = 0
    begun: int = 0
    runs: list[Run] = field(default_factory=list)

    def through(
        self, story: str, tried: Sequence[str], dooms: Sequence[Doom], deadly: Mortals
    ) -> Iterator[Doom]:
        """Yield each death of a story, and tell how far it is."""
        start, killed = time.monotonic(), deadly.killed
        yield from self.one_by_one(f"{story}: {len(tried)} effects, {len(dooms)} deaths", dooms)
        died, seconds = deadly.killed - killed, round(time.monotonic() - start)
        self.runs.append(Run(story, len(tried), len(dooms), died, seconds))

    def one_by_one(self, story: str, steps: Iterable[Step]) -> Iterator[Step]:
        """Yield each step of a story, and tell how far it is."""
        start = told = time.monotonic()
        self.begun += 1
        place = f"[{self.begun} of {self.stories}] {story}"
        self.tell(place)
        for number, step in enumerate(steps):
            now = time.monotonic()
            if now - told > EVERY_SECONDS:
                told = now
                self.tell(f"{place}: {number} done after {now - start:.0f} s")
            yield step


def table(runs: Sequence[Run]) -> Iterator[str]:
    """Yield the lines of a table of runs, with their sum."""
    numbers = [astuple(one)[1:] for one in runs]
    total = ("in all", *(sum(column) for column in zip(*numbers, strict=True)))
    for story, *rest in (HEADINGS, *map(astuple, runs), total):
        yield f"{story:52}" + "".join(f"{one:>9}" for one in rest)


def code_digest() -> str:
    """Return one digest of all that a campaign goes through and is made of."""
    found = hashlib.sha256()
    for folder in ("controller", "policies", "tests/faults", "tests/support"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                found.update(f"{path.relative_to(ROOT)}\n".encode())
                found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()
