"""`python -m benchmarks`: make a world, measure the parts that were asked for, print the tables."""

import argparse
import json
import pstats
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import audit, digest, history, report, resolve, rowchecks, signatures, startup
from benchmarks.jobs import Bench, Change
from benchmarks.main_job import change_part, cold_part, startup_part, unchanged_part
from benchmarks.publish import published
from benchmarks.results import Part
from benchmarks.sizes import SIZES, Size
from controller.adapters.embedded import EmbeddedPostgres

SMALL = "S"
PASSES = 300
WORLD_PARTS = ("change", "unchanged", "cold", "digest")
OTHER_PARTS = ("verify", "history", "rows", "audit", "resolve", "startup")
PARTS = (*WORLD_PARTS, *OTHER_PARTS)


def main() -> None:
    """Parse, measure, print."""
    arguments = _arguments()
    size, profile = SIZES[arguments.size], _profile(arguments)
    parts: list[Part] = []
    repository = ""
    with _folder(arguments.directory) as folder:
        if set(WORLD_PARTS) & set(arguments.only):
            repository = _world(folder, size, arguments, profile, parts)
        for name in OTHER_PARTS:
            if name in arguments.only:
                _say(f"part {name}")
                parts.append(_other(name, folder, size, arguments))
    text = report.render(size, parts, repository)
    print(text)
    if arguments.output is not None:
        arguments.output.write_text(text + "\n", encoding="utf-8")
    if arguments.json is not None:
        found = report.as_json(size, parts, repository)
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if profile is not None and "change" in arguments.only:
        pstats.Stats(str(profile / "change.prof")).sort_stats("tottime").print_stats(40)


def _world(
    folder: Path, size: Size, arguments: argparse.Namespace, profile: Path | None, parts: list[Part]
) -> str:
    """Measure the parts that need a world; return what its repository holds."""
    only = arguments.only
    small = _small(folder) if "change" in only and size.name != SMALL else None
    with _bench(folder, size, arguments.runs, profile) as bench:
        # Every part of a world stands on a loaded one.
        cold_runs = arguments.cold_runs if "cold" in only else 1
        cold = bench.cold(cold_runs)
        if "digest" in only:
            changes = arguments.changes or size.random_changes
            _say(f"part digest, with {changes:,} random changes")
            server = bench.server
            parts.append(digest.measure(bench.url, server.url, server.pid, changes))
        if "unchanged" in only:
            parts.append(unchanged_part(bench.unchanged(PASSES), PASSES))
        if "change" in only:
            change = bench.change(script_runs=min(arguments.script_runs, arguments.runs))
            parts.append(change_part(change, cold, small, arguments.runs))
        if "cold" in only:
            parts.append(cold_part(cold, cold_runs))
        parts.sort(key=lambda part: PARTS.index(part.name))
        return f"{bench.published.files:,} files, {bench.published.bytes / 1e6:,.0f} MB"


def _other(name: str, folder: Path, size: Size, arguments: argparse.Namespace) -> Part:
    """Measure a part that needs no world."""
    work = folder / f"work-{name}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        match name:
            case "verify":
                return signatures.measure()
            case "history":
                return history.measure(work)
            case "rows":
                return rowchecks.measure(size)
            case "audit":
                with EmbeddedPostgres(work / "state") as server:
                    commits = arguments.commits or size.audit_commits
                    return audit.measure(work / "audit", server, commits)
            case "resolve":
                with EmbeddedPostgres(work / "state") as server:
                    return resolve.measure(work, server, size)
            case "startup":
                return startup_part(startup.measure(work))
            case _:
                raise AssertionError(name)
    finally:
        shutil.rmtree(work, ignore_errors=True)


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


def _profile(arguments: argparse.Namespace) -> Path | None:
    if arguments.profile is None:
        return None
    profile: Path = arguments.profile.resolve()
    profile.mkdir(parents=True, exist_ok=True)
    return profile


def _say(text: str) -> None:
    print(f"… {text}", file=sys.stderr, flush=True)


def _parts(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    strange = [name for name in names if name not in PARTS]
    if strange:
        raise argparse.ArgumentTypeError(f"no part {strange[0]!r}; there are {', '.join(PARTS)}")
    return names


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--size", choices=tuple(SIZES), default="full", help="how big a world (full)"
    )
    parser.add_argument(
        "--only", type=_parts, default=PARTS, help=f"parts, with commas between: {','.join(PARTS)}"
    )
    parser.add_argument("--runs", type=int, default=21, help="commits that change ten rows (21)")
    parser.add_argument("--cold-runs", type=int, default=3, help="cold loads (3)")
    parser.add_argument("--script-runs", type=int, default=3, help="changes by the script (3)")
    parser.add_argument("--changes", type=int, help="random changes (by size)")
    parser.add_argument("--commits", type=int, help="audit commits before (by size)")
    parser.add_argument("--directory", type=Path, help="keep the repositories here for next time")
    parser.add_argument("--output", type=Path, help="write the tables to this file too")
    parser.add_argument("--json", type=Path, help="write what was measured to this file as JSON")
    parser.add_argument("--profile", type=Path, help="a folder for a profile of ten rows")
    return parser.parse_args()


if __name__ == "__main__":
    main()
