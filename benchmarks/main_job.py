"""The main job's parts as jobs and bars: ten rows changed, nothing, a cold load, the start."""

from benchmarks.jobs import Change, Cold, Unchanged
from benchmarks.results import Bar, Part, Rows, at_least, at_most
from benchmarks.sizes import Size
from benchmarks.startup import BAR_SECONDS, RUNS, Startup, rows

_MEBIBYTE = 1024 * 1024


def change_part(change: Change, cold: Cold, small: tuple[Size, Change] | None, runs: int) -> Part:
    """Return ten changed rows against the script, a full copy, the floor and a small world."""
    ours = change.ours.wall
    jobs: Rows = (("ten rows changed: ours, from commit to audit commit", change.ours),)
    bars: tuple[Bar, ...] = ()
    if small is not None:
        jobs += ((f"  the same in {small[0].rows:,} rows", small[1].ours),)
        jobs += (("  floor there", small[1].floor),)
    jobs += (("  floor, by hand", change.floor),)
    if change.script_pull and change.script_load:
        jobs += (("  script: git pull", change.script_pull),)
        jobs += (("  script: psql \\copy", change.script_load),)
        script = change.script_pull.wall + change.script_load.wall
        bars += (at_least("ten rows, times the script", script / ours, 250),)
    bars += (
        at_least("ten rows, times a full read-validate-copy", cold.ours.wall / ours, 500),
        at_most("ten rows, against the floor", ours / change.floor.wall, 2.5, "x"),
    )
    if small is not None:
        name = f"ten rows here, against among {small[0].rows:,}"
        bars += (at_most(name, ours / small[1].ours.wall, 1.5, "x"),)
    worst = change.wal_bytes_worst / 1e6
    bars += (
        at_most("ten rows, log (median)", change.wal_bytes / 1e6, 0.2, " MB"),
        at_most("ten rows, log (worst, after a checkpoint)", worst, 0.2, " MB"),
    )
    return Part("change", f"{runs} commits of ten rows", jobs, bars)


def unchanged_part(unchanged: Unchanged, passes: int) -> Part:
    """Return a pass that finds nothing, beside a `git pull` that finds nothing."""
    traces = "something" if unchanged.left_traces else "nothing"
    return Part(
        "unchanged",
        f"{passes} passes",
        (
            ("unchanged: ours", unchanged.ours),
            ("  git pull that finds nothing", unchanged.pull),
        ),
        (
            at_most("unchanged", unchanged.ours.wall * 1000, 1.0, " ms"),
            Bar("unchanged: written", "nothing", traces, not unchanged.left_traces),
        ),
    )


def cold_part(cold: Cold, runs: int) -> Part:
    """Return a first load beside the script and bare COPY."""
    script = cold.clone.wall + cold.load.wall
    cloned = cold.mirror.wall + cold.ours.wall
    return Part(
        "cold",
        f"{cold.rows:,} rows, {runs} times",
        (
            ("cold load: ours, every check, from a bare repository", cold.ours),
            ("  git clone --mirror, before it", cold.mirror),
            ("  script: git clone with its work tree", cold.clone),
            ("  script: psql \\copy, indexes there", cold.load),
            ("  bare COPY FREEZE, indexes after", cold.bare),
        ),
        (
            at_most("cold, against the script (both with their clone)", cloned / script, 1, "x"),
            at_most("cold, against bare COPY", cold.ours.wall / cold.bare.wall, 2, "x"),
            at_most("cold, peak memory", cold.peak_bytes / _MEBIBYTE, 600, " MiB"),
        ),
    )


def startup_part(found: Startup) -> Part:
    """Return what small commands cost to start, beside an interpreter that does nothing."""
    return Part(
        "startup",
        f"small commands in processes of their own, {RUNS} times",
        tuple(rows(found)),
        (at_most("validate on a small tree, CPU", found.validate.cpu, BAR_SECONDS, " s"),),
    )
