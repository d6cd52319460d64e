"""What was measured, in two tables: the jobs, and the bars that are set for them."""

from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.measure import Cost
from benchmarks.results import Part, machine
from benchmarks.sizes import Size


def render(size: Size, parts: Sequence[Part], repository: str) -> str:
    """Return the report as Markdown; `repository` says what the world's repository holds."""
    lines = [f"size {size}", *([repository] if repository else []), machine(), ""]
    lines += [f"{part.name}: {part.about}" for part in parts]
    jobs = [_row(name, cost) for part in parts for name, cost in part.jobs]
    bars = [
        (bar.name, bar.wanted, bar.measured, bar.verdict) for part in parts for bar in part.bars
    ]
    lines += [
        "",
        "times are medians; CPU is ours and our children's, then the server's",
        "",
        *_table([("what", "wall", "CPU", "server CPU"), *jobs]),
        "",
        "the bars are set for size full"
        + ("" if size.name == "full" else "; this is another size"),
        "",
        *_table([("bar", "wanted", "measured", ""), *bars]),
    ]
    return "\n".join(lines)


def as_json(size: Size, parts: Sequence[Part], repository: str) -> dict[str, Any]:
    """Return the same as one JSON object, for keeping a run."""
    return {
        "size": size.name,
        "sizes": str(size),
        "repository": repository,
        "machine": machine(),
        "parts": [part.as_json() for part in parts],
    }


def _row(name: str, cost: Cost) -> tuple[str, ...]:
    server = _time(cost.server_cpu) if cost.server_cpu else "–"
    return (name, _time(cost.wall), _time(cost.cpu), server)


def _time(seconds: float) -> str:
    if seconds < 0.0001:
        return f"{seconds * 1_000_000:,.2f} µs"
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
