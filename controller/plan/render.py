"""A plan for people and for machines."""

from collections.abc import Iterable

from controller.artifacts import strictcsv
from controller.kernel.canonical import Digest, Json
from controller.kernel.instants import Window, format_instant
from controller.plan.guards import Trip
from controller.plan.plan import Beginnings, Plan, Sample, TableCounts
from controller.plan.rows import StoredRow


def as_text(plan: Plan, trips: Iterable[Trip] = ()) -> str:
    """Return lines to read: counts per table, a few samples, the guards, the digest."""
    lines = [f"{plan.environment}: {_short(plan.base)} -> {_short(plan.target)}"]
    lines += tables_text(plan)
    lines += [f"  guard: {trip}" for trip in trips]
    lines.append(f"plan {plan.digest}")
    return "\n".join(lines) + "\n"


def tables_text(plan: Plan) -> list[str]:
    """Return the lines about rows: counts per table, each with a few samples."""
    lines = ["  no rows change"] if plan.is_empty else []
    for table, counts in plan.counts.items():
        lines.append(f"  {table}: {_counts_text(counts, plan.beginnings.get(table))}")
        for sample in plan.samples:
            if sample.table == table:
                lines += _sample_text(sample)
    return lines


def _counts_text(counts: TableCounts, beginnings: Beginnings | None) -> str:
    notes = []
    if counts.ending:
        notes.append(f"{counts.ending} ending")
    if beginnings is not None:
        later = " or later" if beginnings.last > beginnings.first else ""
        notes.append(f"{beginnings.keys} from {format_instant(beginnings.first)}{later}")
    if counts.moved:
        notes.append(f"{counts.moved} moved to another file")
    said = f"+{counts.added} ~{counts.modified} -{counts.removed}"
    return f"{said} ({', '.join(notes)})" if notes else said


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
                "ending": counts.ending,
                "removed": counts.removed,
                "moved": counts.moved,
            }
            for table, counts in plan.counts.items()
        },
        "samples": [_sample_json(sample) for sample in plan.samples],
        "guards": [
            {
                "table": trip.table,
                "removed": trip.removed,
                "ending": trip.ending,
                "of": trip.of,
                "limit": trip.limit,
            }
            for trip in trips
        ],
    }


def nothing_json(environment: str, release: Digest) -> dict[str, Json]:
    """Return the same object where production is at its release already: no plan, no digest."""
    return {
        "version": 1,
        "environment": environment,
        "base": release,
        "target": release,
        "digest": None,
        "tables": {},
        "samples": [],
        "guards": [],
    }


def _sample_text(sample: Sample) -> list[str]:
    """Return a line for each row; a changed key's rows stand below each other, the old ones first.

    All of them, because what was live may stay so until the day on which another row follows.
    """
    rows = [("-", row) for row in sample.before] + [("+", row) for row in sample.after]
    lines = [f"{sign} {_line(row)}{_window_text(row.window)}" for sign, row in rows]
    if sample.letter == "M":
        return [f"    {' ' if number else '~'} {line}" for number, line in enumerate(lines)]
    return [f"    {line}" for line in lines]


def _sample_json(sample: Sample) -> Json:
    return {
        "change": sample.letter,
        "table": sample.table,
        "key": list(sample.key),
        "ending": sample.ending,
        "before": [_row_json(row) for row in sample.before],
        "after": [_row_json(row) for row in sample.after],
    }


def _row_json(row: StoredRow) -> Json:
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
