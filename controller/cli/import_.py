"""`countersign import`: other people's CSV and JSON become a draft."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.options import ConfigOption, OutputOption, RepositoryOption
from controller.cli.output import (
    Output,
    emit,
    emit_findings,
    emit_json,
    emit_table,
    finding_json,
    progress,
    say,
)

if TYPE_CHECKING:
    from controller.authoring.importing import Imported


def import_(  # noqa: PLR0913, PLR0917  one parameter per option
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="What to import.")],
    rail: Annotated[str, typer.Option("--rail", help="The rail whose tables they become.")],
    name: Annotated[str, typer.Option("--name", help="The bundle's name.")],
    mapping: Annotated[
        str, typer.Option("--map", metavar="MAPPING", help="A shipped mapping's name, or a file.")
    ],
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 1 when any row was refused.")
    ] = False,
    rejects: Annotated[
        Path | None,
        typer.Option("--rejects", metavar="FILE", help="Write the refused rows, as JSON Lines."),
    ] = None,
    samples: Annotated[
        int, typer.Option("--samples", min=0, help="How many refusals to show of each rule.")
    ] = 3,
    repository: RepositoryOption = Path(),
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Turn CSV and JSON files into a draft's tables, replacing those it had.

    Rows that the rail refuses stay out and are reported by rule. Exit 0: something was accepted;
    1: nothing was, or with --strict something was not.
    """
    from controller.artifacts.layout import BundleId
    from controller.authoring import importing
    from controller.authoring.view import Workspace
    from controller.cli import workspace

    bundle = BundleId(rail, name)
    with progress(f"import {bundle}") as note:
        imported = importing.import_files(
            Workspace.open(repository),
            bundle,
            mapping,
            files,
            environment=workspace.serves(config),
            note=note,
        )
    if rejects is not None:
        lines = "".join(f"{line}\n" for line in importing.rejects(imported))
        rejects.write_text(lines, encoding="utf-8")
    if output is Output.JSON:
        _emit_json(imported)
    else:
        _tell(imported, samples)
    if strict and imported.refused:
        raise typer.Exit(1)


def _tell(imported: "Imported", samples: int) -> None:
    for table, count in imported.rows.items():
        emit(f"{imported.bundle} {table}: {count:,} rows")
    emit(f"{len(imported.written)} files, {len(imported.removed)} removed")
    if imported.refused:
        emit(f"Refused: {imported.refused:,} rows")
        emit_table(("rule", "rows"), [(rule, f"{n:,}") for rule, n in _counts(imported)])
        for rule, _ in _counts(imported) if samples else ():
            emit_findings([one for one in imported.refusals() if one.rule == rule][:samples])
    if imported.notes:
        say(f"{len(imported.notes):,} findings about accepted rows do not block.")
    say(f"Next: countersign sign {imported.bundle} --key FILE")


def _counts(imported: "Imported") -> list[tuple[str, int]]:
    return sorted(imported.refused_by_rule.items(), key=lambda item: (-item[1], item[0]))


def _emit_json(imported: "Imported") -> None:
    emit_json(
        {
            "bundle": str(imported.bundle),
            "rows": dict(imported.rows),
            "refused": imported.refused,
            "refused_by_rule": dict(imported.refused_by_rule),
            "refusals": [finding_json(one) for one in imported.refusals()],
            "findings": [finding_json(one) for one in imported.notes],
            "written": list(imported.written),
            "removed": list(imported.removed),
        }
    )
