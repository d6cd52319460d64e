"""`countersign rollback`: the signed commit that brings an earlier release back."""

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

if TYPE_CHECKING:
    from controller.authoring.promote import Released
    from controller.authoring.rollback import RolledBack
    from controller.trust.sign import Signer


def rollback(  # noqa: PLR0913, PLR0917  one parameter per option
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="SERIAL|TAG|BUNDLE@V",
            help="A release as it was; or the next release with an older version of one bundle.",
        ),
    ],
    key: KeyOption = None,
    agent: AgentOption = False,
    ssh_keygen: SshKeygenOption = None,
    statement: Annotated[
        bool,
        typer.Option("--statement", help="Sign a rollback statement instead of the commit."),
    ] = False,
    reason: Annotated[str, typer.Option("--reason", help="Stands in the statement.")] = "",
    environment: workspace.EnvironmentOption = None,
    wait: WaitOption = False,
    timeout: TimeoutOption = None,
    repository: RepositoryOption = Path(),
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Bring an earlier release back, in a commit that a rollback key signs.

    Without --key the key that git signs with here is used. BUNDLE@V makes a new release instead,
    which needs the keys of `promote`.
    """
    from controller.authoring import rollback as rolling

    author = workspace.author(repository, config, environment)
    if "@" in to and "/" in to:
        people = workspace.signers(key, agent=agent, ssh_keygen=ssh_keygen)
        released = _release_older(author, to, people, output)
        if wait and released.commit is not None:
            workspace.wait_until_applied(config, released.commit, timeout)
        return
    target = rolling.find_target(author.workspace, author.environment, to)
    workspace.ask_production(config, target.statement.serial, target.ref.sha256)
    if statement:
        if not reason:
            raise typer.BadParameter("--statement needs --reason TEXT")
        done = rolling.roll_back_by_statement(
            author.workspace,
            author.root,
            author.environment,
            target,
            workspace.signers(key, agent=agent, ssh_keygen=ssh_keygen),
            reason,
            now=author.now,
            git=author.git,
        )
    else:
        named = [*(key or []), *(ssh_keygen or [])]
        done = rolling.roll_back(
            author.workspace,
            author.root,
            author.environment,
            target,
            workspace.commit_key(author, named, agent=agent),
            now=author.now,
            git=author.git,
        )
    _tell(done, author.environment, output)
    if wait:
        workspace.wait_until_applied(config, done.commit, timeout)


def _tell(done: "RolledBack", environment: str, output: Output) -> None:
    serial = done.release.statement.serial
    if output is Output.JSON:
        emit_json(
            {
                "environment": environment,
                "serial": serial,
                "sha256": done.release.ref.sha256,
                "commit": done.commit.hex(),
                "owners": sorted(done.owners),
            }
        )
        return
    emit(f"Release {serial} of {environment} stands again: commit {done.commit.hex()[:12]}")
    say(f"Signed by {', '.join(sorted(done.owners))}. Next: countersign reconcile --once")


def _release_older(
    author: workspace.Author, to: str, people: list["Signer"], output: Output
) -> "Released":
    from controller.authoring import promote
    from controller.authoring.compose import parse_wanted
    from controller.cli.sign import released_json, tell_release

    request = promote.Request(author.environment, (parse_wanted(to),))
    proposal = promote.propose(author.workspace, author.root, request, author.now)
    released = promote.sign_release(
        author.workspace, author.root, proposal, people, now=author.now, git=author.git
    )
    if output is Output.JSON:
        emit_json(released_json(released))
    else:
        tell_release(released)
    return released
