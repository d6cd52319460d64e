"""A plan for people and for machines."""

from collections.abc import Iterable

from controller.artifacts import strictcsv
from controller.kernel.canonical import Json
from controller.kernel.instants import Window, format_instant
from controller.plan.guards import Trip
from controller.plan.plan import Plan, Sample
from controller.plan.rows import StoredRow

_SIGNS = {"A": "+", "M": "~", "D": "-"}


def as_text(plan: Plan, trips: Iterable[Trip] = ()) -> str:
    """Return lines to read: counts per table, a few samples, the guards, the digest."""
    lines = [f"{plan.environment}: {_short(plan.base)} -> {_short(plan.target)}"]
    lines += tables_text(plan)
    lines += [
        f"  guard: {trip.table}: {trip.removed} of {trip.of} rows go ({trip.limit})"
        for trip in trips
    ]
    lines.append(f"plan {plan.digest}")
    return "\n".join(lines) + "\n"


def tables_text(plan: Plan) -> list[str]:
    """Return the lines about rows: counts per table, each with a few samples."""
    lines = ["  no rows change"] if plan.is_empty else []
    for table, counts in plan.counts.items():
        parts = [f"+{counts.added}", f"~{counts.modified}", f"-{counts.removed}"]
        if counts.moved:
            parts.append(f"{counts.moved} moved to another file")
        lines.append(f"  {table}: {' '.join(parts)}")
        lines += [_sample_text(sample) for sample in plan.samples if sample.table == table]
    return lines


def as_json(plan: Plan, trips: Iterable[Trip] = ()) -> dict[str, Json]:
    """Return the documented object; `version` changes when its shape does."""
    return {
        "version": 1,
        "environment": plan.environment,
        "base": plan.base,
        "target": plan.target,
        "digest": plan.digest,
        "tables": {
            table: {
                "added": counts.added,
                "modified": counts.modified,
                "removed": counts.removed,
                "moved": counts.moved,
            }
            for table, counts in plan.counts.items()
        },
        "samples": [_sample_json(sample) for sample in plan.samples],
        "guards": [
            {"table": trip.table, "removed": trip.removed, "of": trip.of, "limit": trip.limit}
            for trip in trips
        ],
    }


def _sample_text(sample: Sample) -> str:
    one = sample.after or sample.before
    assert one is not None
    line = f"    {_SIGNS[sample.letter]} {_line(one)}"
    return line + _window_text(one.window)


def _sample_json(sample: Sample) -> Json:
    return {
        "change": sample.letter,
        "table": sample.table,
        "key": list(sample.key),
        "before": _row_json(sample.before),
        "after": _row_json(sample.after),
    }


def _row_json(row: StoredRow | None) -> Json:
    if row is None:
        return None
    return {
        "cells": list(row.cells),
        "effective_from": format_instant(row.window.start) if row.window.start else None,
        "effective_to": format_instant(row.window.end) if row.window.end else None,
        "bundle": row.source.bundle,
        "path": row.source.path,
    }


def _line(row: StoredRow) -> str:
    cells = row.cells[:-2] if row.table != "rules" else row.cells[1:2]
    return strictcsv.render_row(cells).rstrip(",")


def _window_text(window: Window) -> str:
    words = ""
    if window.start:
        words += f" from {format_instant(window.start)}"
    if window.end:
        words += f" until {format_instant(window.end)}"
    return f"  ({words.strip()})" if words else ""


def _short(digest: str | None) -> str:
    return digest[:12] if digest else "nothing"
