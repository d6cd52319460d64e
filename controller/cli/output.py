"""What commands print: data on stdout, everything said to a person on stderr.

JSON output is one object with `"version": 1`. Progress bars show on a terminal only.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from functools import cache
from typing import Any, Protocol

import typer

from controller.kernel.errors import ControllerError
from controller.kernel.findings import Finding, Severity


class Output(StrEnum):
    """How a command prints its data."""

    TEXT = "text"
    JSON = "json"


class Progress(Protocol):
    """Told how far a long job has come."""

    def __call__(self, done: int, total: int | None = None) -> None:
        """Note that `done` units of `total` (`None`: unknown) are finished."""
        ...


_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "blue"}


def emit(text: str) -> None:
    """Print a line of data."""
    typer.echo(text)


def emit_json(document: Mapping[str, Any]) -> None:
    """Print a document of data; `"version": 1` comes first."""
    typer.echo(json.dumps({"version": 1, **document}, indent=2, ensure_ascii=False))


def say(text: str) -> None:
    """Tell a person something that is not data."""
    typer.echo(text, err=True)


def styled(text: str, colour: str, *, bold: bool = False) -> str:
    """Return a text in a colour, or as it is where NO_COLOR is set; pipes get no colour either."""
    return text if _is_plain() else typer.style(text, fg=colour, bold=bold)


@cache
def _is_plain() -> bool:
    from rich.console import Console

    return Console(stderr=True).no_color


def complain(error: ControllerError) -> None:
    """Print an error and what to do about it."""
    typer.echo(f"{styled('error:', 'red', bold=True)} {error}", err=True)
    if error.hint:
        typer.echo(f"{styled('hint:', 'cyan')} {error.hint}", err=True)


def emit_findings(findings: Iterable[Finding], *, limit: int | None = None) -> None:
    """Print findings one per line, each with its hint below."""
    for index, finding in enumerate(findings):
        if limit is not None and index >= limit:
            emit("… more: use -o json or --limit")
            return
        place, _, rest = str(finding).partition(f" {finding.severity} ")
        severity = styled(finding.severity.value, _COLOURS[finding.severity])
        emit(f"{place} {severity} {rest}")
        if finding.hint:
            emit(f"    hint: {finding.hint}")


def finding_json(finding: Finding) -> dict[str, Any]:
    """Return a finding as machine output carries it."""
    place = "pointer" if finding.column.startswith("/") else "column"
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "file": finding.file,
        "line": finding.line,
        place: finding.column,
        "message": finding.message,
        "hint": finding.hint,
    }


def emit_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows in aligned columns; numbers stand right."""
    lines = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(line[at]) for line in [list(header), *lines]) for at in range(len(header))]
    for line in [list(header), *lines]:
        cells = (
            cell.rjust(width) if cell.replace(",", "").isdigit() else cell.ljust(width)
            for cell, width in zip(line, widths, strict=True)
        )
        emit("  ".join(cells).rstrip())


def _unshown(done: int, total: int | None = None) -> None:
    del done, total


@contextmanager
def progress(label: str) -> Iterator[Progress]:
    """Show a bar on a terminal while the body runs; say nothing anywhere else."""
    if not sys.stderr.isatty():
        yield _unshown
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bars(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(label, total=None)

        def note(done: int, total: int | None = None) -> None:
            bars.update(task, completed=done, total=total)

        yield note
