"""`countersign promote`: a signed release with these versions, committed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli import workspace
from controller.cli.options import (
    AgentOption,
    ConfigOption,
    KeyOption,
    OutputOption,
    RepositoryOption,
    SshKeygenOption,
    TimeoutOption,
    WaitOption,
)
from controller.cli.output import Output, emit, emit_json, say
from controller.cli.sign import released_json, show_report, tell_release

if TYPE_CHECKING:
    from controller.authoring.promote import Released


def promote(  # noqa: PLR0913, PLR0917  one parameter per option
    bundles: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="BUNDLE[@V]…", help="Versions to release; without @V the latest one."
        ),
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option("--drop", metavar="BUNDLE[@V]", help="Take a bundle out of the release."),
    ] = None,
    key: KeyOption = None,
    agent: AgentOption = False,
    ssh_keygen: SshKeygenOption = None,
    environment: workspace.EnvironmentOption = None,
    expires: Annotated[
        str | None,
        typer.Option("--expires", metavar="WHEN", help="After it nobody applies this release."),
    ] = None,
    partial: Annotated[
        bool,
        typer.Option(
            "--partial",
            help="Write a release that lacks signatures; others `sign release:production`.",
        ),
    ] = False,
    tag: Annotated[bool, typer.Option("--tag", help="Tag the commit, production-2.")] = False,
    wait: WaitOption = False,
    timeout: TimeoutOption = None,
    repository: RepositoryOption = Path(),
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Release versions: the next release lists them beside whatever else is live.

    A version replaces what its bundle had live in its window; one that starts later leaves the
    present one live until then. Exactly the release's files are committed.
    """
    from controller.authoring import promote as promoting
    from controller.authoring.compose import parse_wanted
    from controller.authoring.together import ReleaseNotClean
    from controller.kernel.instants import parse_when

    if not bundles and not drop:
        raise typer.BadParameter("name a BUNDLE@V, or --drop one")
    people = workspace.signers(key, agent=agent, ssh_keygen=ssh_keygen)
    author = workspace.author(repository, config, environment)
    request = promoting.Request(
        author.environment,
        tuple(parse_wanted(text) for text in bundles or ()),
        tuple(parse_wanted(text) for text in drop or ()),
        parse_when(expires) if expires else None,
    )
    try:
        proposal = promoting.propose(author.workspace, author.root, request, author.now)
    except ReleaseNotClean as error:
        show_report(error.report, output)
        raise
    released = promoting.sign_release(
        author.workspace,
        author.root,
        proposal,
        people,
        now=author.now,
        partial=partial,
        git=author.git,
    )
    for note in released.notes:
        say(f"warning: {note}")
    name = None
    if tag and released.commit is not None:
        name = promoting.tag_release(author.workspace, released, git=author.git)
    if output is Output.JSON:
        emit_json({**released_json(released), "tag": name})
    else:
        _tell(released, name, author.environment)
    if wait and released.commit is not None:
        workspace.wait_until_applied(config, released.commit, timeout)


def _tell(released: "Released", name: str | None, environment: str) -> None:
    tell_release(released)
    if released.commit is None:
        say(
            f"{released.missing} more owners have to sign: countersign sign release:"
            f"{environment} --key FILE"
        )
    else:
        emit(f"Commit {released.commit.hex()[:12]}: {released.message}")
        if name:
            emit(f"Tag {name}")
