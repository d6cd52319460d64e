"""What was measured, in tables, and against the bars that are set for the main job."""

import os
import platform
from collections.abc import Iterable

from benchmarks.jobs import Change, Cold, Unchanged
from benchmarks.measure import Cost
from benchmarks.publish import Published
from benchmarks.sizes import Size

_MEBIBYTE = 1024 * 1024


def render(
    size: Size,
    published: Published,
    cold: Cold,
    unchanged: Unchanged,
    change: Change,
    small: tuple[Size, Change] | None,
) -> str:
    """Return the report as Markdown."""
    parts = [
        f"size {size}",
        f"{published.files:,} files, {published.bytes / 1e6:,.0f} MB; {_machine()}",
        "",
        "times are medians; CPU is ours and our children's, then the server's",
        "",
        *_table(_rows(cold, unchanged, change, small)),
        "",
        "the bars are set for size full"
        + ("" if size.name == "full" else "; this is another size"),
        "",
        *_table(_bars(cold, unchanged, change, small)),
    ]
    return "\n".join(parts)


def _rows(
    cold: Cold, unchanged: Unchanged, change: Change, small: tuple[Size, Change] | None
) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("what", "wall", "CPU", "server CPU")]
    rows.append(_row("ten rows changed: ours, from commit to audit commit", change.ours))
    if small is not None:
        rows.append(_row(f"  the same in {small[0].rows:,} rows", small[1].ours))
        rows.append(_row("  floor there", small[1].floor))
    rows.append(_row("  floor, by hand", change.floor))
    if change.script_pull and change.script_load:
        rows.append(_row("  script: git pull", change.script_pull))
        rows.append(_row("  script: psql \\copy", change.script_load))
    rows.append(_row("unchanged: ours", unchanged.ours))
    rows.append(_row("  git pull that finds nothing", unchanged.pull))
    rows.append(_row("cold load: ours, every check, from a bare repository", cold.ours))
    rows.append(_row("  git clone --mirror, before it", cold.mirror))
    rows.append(_row("  script: git clone with its work tree", cold.clone))
    rows.append(_row("  script: psql \\copy, indexes there", cold.load))
    rows.append(_row("  bare COPY FREEZE, indexes after", cold.bare))
    return rows


def _row(name: str, cost: Cost) -> tuple[str, ...]:
    server = _time(cost.server_cpu) if cost.server_cpu else "–"
    return (name, _time(cost.wall), _time(cost.cpu), server)


def _bars(
    cold: Cold, unchanged: Unchanged, change: Change, small: tuple[Size, Change] | None
) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("bar", "wanted", "measured", "")]
    ours = change.ours.wall
    if change.script_pull and change.script_load:
        script = change.script_pull.wall + change.script_load.wall
        rows.append(_at_least("ten rows, times the script", script / ours, 250))
    rows.append(_at_least("ten rows, times a full read-validate-copy", cold.ours.wall / ours, 500))
    rows.append(_at_most("ten rows, against the floor", ours / change.floor.wall, 2.5, "x"))
    if small is not None:
        name = f"ten rows here, against among {small[0].rows:,}"
        rows.append(_at_most(name, ours / small[1].ours.wall, 1.5, "x"))
    rows.append(_at_most("ten rows, log (median)", change.wal_bytes / 1e6, 0.2, " MB"))
    worst = change.wal_bytes_worst / 1e6
    rows.append(_at_most("ten rows, log (worst, after a checkpoint)", worst, 0.2, " MB"))
    rows.append(_at_most("unchanged", unchanged.ours.wall * 1000, 1.0, " ms"))
    traces = "something" if unchanged.left_traces else "nothing"
    rows.append(("unchanged: written", "nothing", traces, _met(not unchanged.left_traces)))
    script = cold.clone.wall + cold.load.wall
    cloned = cold.mirror.wall + cold.ours.wall
    rows.append(
        _at_most("cold, against the script (both with their clone)", cloned / script, 1, "x")
    )
    rows.append(_at_most("cold, against bare COPY", cold.ours.wall / cold.bare.wall, 2, "x"))
    rows.append(_at_most("cold, peak memory", cold.peak_bytes / _MEBIBYTE, 600, " MiB"))
    return rows


def _at_least(name: str, value: float, bar: float) -> tuple[str, ...]:
    return (name, f"≥ {bar:g}x", f"{value:,.0f}x", _met(value >= bar))


def _at_most(name: str, value: float, bar: float, unit: str) -> tuple[str, ...]:
    return (name, f"≤ {bar:g}{unit}", f"{value:,.2f}{unit}", _met(value <= bar))


def _met(good: bool) -> str:
    return "met" if good else "not met"


def _time(seconds: float) -> str:
    if seconds < 0.1:
        return f"{seconds * 1000:,.2f} ms"
    return f"{seconds:,.2f} s" if seconds < 10 else f"{seconds:,.1f} s"


def _table(rows: Iterable[tuple[str, ...]]) -> list[str]:
    some = list(rows)
    widths = [max(len(row[at]) for row in some) for at in range(len(some[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in some
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return [lines[0], rule, *lines[1:]]


def _machine() -> str:
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return f"{os.cpu_count()} processors, load {load}, Python {platform.python_version()}"
