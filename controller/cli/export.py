"""`countersign export`: one bundle version as a tar."""

from pathlib import Path
from typing import Annotated

import typer

from controller.cli import workspace
from controller.cli.options import ConfigOption, OutputOption, RepositoryOption
from controller.cli.output import Output, emit, emit_json


def export(
    what: Annotated[str, typer.Argument(metavar="BUNDLE@V", help="`card-bin/binlist@1`.")],
    file: Annotated[Path, typer.Argument(metavar="FILE.tar", help="A new file.")],
    repository: RepositoryOption = Path(),
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Write a version's files, statement and envelopes as a tar: the same bytes everywhere."""
    from controller.authoring.compose import parse_wanted
    from controller.authoring.exporting import export as write
    from controller.authoring.versions import latest

    wanted = parse_wanted(what)
    author = workspace.author(repository, config)
    version = wanted.version or latest(author.workspace.committed(), wanted.bundle)
    verified, count = write(author.workspace, author.root, wanted.bundle, version, file, author.now)
    if output is Output.JSON:
        emit_json(
            {
                "bundle": str(wanted.bundle),
                "bundle_version": version,
                "sha256": verified.digest,
                "files_root": verified.statement.files_root,
                "owners": sorted(verified.owners),
                "files": count,
                "file": str(file),
            }
        )
        return
    emit(f"wrote {file}: {wanted.bundle}@{version}, {count} files, sha256 {verified.digest}")
