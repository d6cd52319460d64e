"""What was done to a running controller and what was seen: kept beside the tests, shown on a page.

`tests/faults/daemon.json` holds one record for each story. A run compares what it sees with the
record; `--freeze` writes it anew, and `python -m tests.support.write_faults` the page.
"""

import ast
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from tests.support.house import ROOT, sentence

FOLDER = ROOT / "tests" / "faults"
RECORDS = FOLDER / "daemon.json"
PAGE = ROOT / "docs" / "faults.md"
FIXTURE = "told"
"""What a test takes that tells a story."""

INTRODUCTION = """\
# What happens to a running controller

Each line is a story that a test tells a running controller: what is done to it, what is seen
meanwhile, and how it comes back. The page is written from what the tests saw, by
`python -m tests.support.write_faults`; a test keeps it current. In every story

- somebody asks the resolver on a connection of their own from beginning to end, and gets the last
  good answer each time, or what the line says;
- afterwards the tables hold what the last good commit declares, each revision has exactly one audit
  commit, and database and trail prove each other (whole hosts: by `countersign audit verify`);
- nobody helps, unless the line says who.

`seen` are conditions (with status and reason, as `countersign status` shows them), events (as
`countersign events` does) and answers. `seconds` is what it took, in one run on two busy cores,
from when the fault was over until production was at the newest good commit. Pauses that settings
make longer are short in tests (a poll every 0.2 s, a lease of 1.5 s): recovery needs nothing else.
Which errors mean what, and what to do, stands in [the runbook](runbooks/faults.md).
"""

HEADER = """\
| story | what is done | seen | how it comes back | seconds | test |
|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Told:
    """One story as it went. `test` is its file and its name."""

    story: str
    done: str
    seen: tuple[str, ...]
    recovers: str
    seconds: float
    test: tuple[str, str] = ("", "")

    @property
    def facts(self) -> "Told":
        """The same without how long it took, which is never the same twice."""
        return replace(self, seconds=0.0)


@dataclass
class Stopwatch:
    """How long the recovery took."""

    seconds: float = 0.0
    _start: float = field(default=0.0, init=False)

    @contextmanager
    def runs(self) -> Iterator[None]:
        """Measure the block."""
        self._start = time.monotonic()
        yield
        self.seconds = time.monotonic() - self._start


def records() -> list[Told]:
    """Return every story that is on record, in the order of the page."""
    found = json.loads(RECORDS.read_text()) if RECORDS.exists() else []
    return [
        Told(**{**one, "seen": tuple(one["seen"]), "test": tuple(one["test"])}) for one in found
    ]


def write(told: Told) -> None:
    """Put a story on record, in place of the one of that name and test."""
    others = [one for one in records() if (one.story, one.test) != (told.story, told.test)]
    kept = sorted(
        [*others, replace(told, seconds=round(told.seconds, 1))],
        key=lambda one: (one.test, one.story),
    )
    RECORDS.write_text(
        json.dumps([asdict(one) for one in kept], indent=1, ensure_ascii=False) + "\n"
    )


def tellers(folder: Path = FOLDER, root: Path = ROOT) -> set[tuple[str, str]]:
    """Return file and name of every test that tells a story."""
    return {
        (path.relative_to(root).as_posix(), node.name)
        for path in folder.glob("test_daemon_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test_")
        and any(one.arg == FIXTURE for one in node.args.args)
    }


def page(stories: Sequence[Told]) -> str:
    """Return the whole page."""
    return f"{INTRODUCTION}\n{HEADER}" + "".join(_row(one) for one in stories)


def _row(told: Told) -> str:
    path, test = told.test
    seen = "<br>".join(told.seen)
    seconds = "–" if not told.seconds else f"{told.seconds:.1f}"
    where = f"[{Path(path).name}](../{path}): {sentence(test)}"
    return f"| {told.story} | {told.done} | {seen} | {told.recovers} | {seconds} | {where} |\n"
