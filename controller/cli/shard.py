"""`countersign shard`: a draft's tables in canonical files."""

from pathlib import Path
from typing import Annotated

import typer

from controller.cli.options import OutputOption, RepositoryOption
from controller.cli.output import Output, emit, emit_json


def shard(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="`card-bin/binlist`.")],
    repository: RepositoryOption = Path(),
    output: OutputOption = Output.TEXT,
) -> None:
    """Sort a draft's tables and split them into files of 16 to 64 KB."""
    from controller.artifacts.layout import BundleId
    from controller.authoring.resharding import reshard
    from controller.authoring.view import Workspace

    done = reshard(Workspace.open(repository), BundleId.parse(bundle))
    if output is Output.JSON:
        emit_json(
            {
                "bundle": str(done.bundle),
                "rows": done.rows,
                "twice": done.twice,
                "written": list(done.written),
                "removed": list(done.removed),
            }
        )
        return
    for path in done.written:
        emit(f"wrote {path}")
    for path in done.removed:
        emit(f"removed {path}")
    for table, count in done.twice.items():
        stood = "row that stood" if count == 1 else "rows that stood"
        emit(f"left out {count:,} {stood} in two files of {table}")
    if not (done.written or done.removed):
        emit(f"{done.bundle} is canonical already.")
