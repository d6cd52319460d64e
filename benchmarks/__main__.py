"""`python -m benchmarks`: make a world, measure the three jobs in it, print the tables."""

import argparse
import pstats
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import report
from benchmarks.jobs import Bench, Change
from benchmarks.publish import published
from benchmarks.sizes import SIZES, Size
from controller.adapters.embedded import EmbeddedPostgres

SMALL = "S"


def main() -> None:
    """Parse, measure, print."""
    arguments = _arguments()
    with _folder(arguments.directory) as folder:
        profile = arguments.profile.resolve() if arguments.profile else None
        if profile is not None:
            profile.mkdir(parents=True, exist_ok=True)
        size = SIZES[arguments.size]
        small = None if size.name == SMALL else _small(folder)
        with _bench(folder, size, arguments.runs, profile) as bench:
            cold = bench.cold(arguments.cold_runs)
            unchanged = bench.unchanged(passes=300)
            change = bench.change(script_runs=min(arguments.script_runs, arguments.runs))
        text = report.render(size, bench.published, cold, unchanged, change, small)
    print(text)
    if arguments.output is not None:
        arguments.output.write_text(text + "\n", encoding="utf-8")
    if profile is not None:
        pstats.Stats(str(profile / "change.prof")).sort_stats("tottime").print_stats(40)


def _small(folder: Path) -> tuple[Size, Change]:
    """Measure ten changed rows in a small world, to see what the size of a world costs."""
    size = SIZES[SMALL]
    with _bench(folder, size, 30, None) as bench:
        bench.cold(1)
        return size, bench.change(script_runs=0)


@contextmanager
def _bench(folder: Path, size: Size, commits: int, profile: Path | None) -> Iterator[Bench]:
    _say(f"{size.name}: making the repository")
    made = published(folder / "repositories", size, commits)
    work = folder / f"work-{size.name}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        with EmbeddedPostgres(work / "state") as server:
            yield Bench(made, server, work, _say, profile)
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="countersign-bench-") as name:
        Path(name).chmod(0o755)  # the server may run as another user
        yield Path(name)


def _say(text: str) -> None:
    print(f"… {text}", file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--size", choices=tuple(SIZES), default="full", help="how big a world (full)"
    )
    parser.add_argument("--runs", type=int, default=21, help="commits that change ten rows (21)")
    parser.add_argument("--cold-runs", type=int, default=3, help="cold loads (3)")
    parser.add_argument("--script-runs", type=int, default=3, help="changes by the script (3)")
    parser.add_argument("--directory", type=Path, help="keep the repositories here for next time")
    parser.add_argument("--output", type=Path, help="write the tables to this file too")
    parser.add_argument("--profile", type=Path, help="a folder for a profile of ten rows")
    return parser.parse_args()


if __name__ == "__main__":
    main()
