"""`countersign ack`: accept exactly one plan that a guard stopped."""

from pathlib import Path
from typing import Annotated

import typer

from controller.cli import workspace
from controller.cli.options import (
    AgentOption,
    ConfigOption,
    KeyOption,
    OutputOption,
    RepositoryOption,
    SshKeygenOption,
)
from controller.cli.output import Output, emit, emit_json, say


def ack(  # noqa: PLR0913, PLR0917  one parameter per option
    plan: Annotated[
        str, typer.Argument(metavar="PLAN", help="The digest that `countersign plan` prints.")
    ],
    reason: Annotated[
        str, typer.Option("--reason", help="Why; the first who acknowledges says it.")
    ] = "",
    unchecked: Annotated[
        bool,
        typer.Option(
            "--unchecked",
            help="Do not ask this host's production whether a guard stops this plan: it is "
            "another's, or of a state to come.",
        ),
    ] = False,
    key: KeyOption = None,
    agent: AgentOption = False,
    ssh_keygen: SshKeygenOption = None,
    environment: workspace.EnvironmentOption = None,
    repository: RepositoryOption = Path(),
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Sign that exactly this plan may be applied though a guard stops it, and commit that.

    Where this host's settings are named, production is asked first: it refuses a plan that no
    guard stops.
    """
    from controller.authoring.ack import acknowledge, read_plan

    people = workspace.signers(key, agent=agent, ssh_keygen=ssh_keygen)
    author = workspace.author(repository, config, environment)
    if not unchecked:
        workspace.ask_about_plan(config, author.environment, read_plan(plan))
    done = acknowledge(
        author.workspace,
        author.root,
        author.environment,
        plan,
        people,
        reason,
        now=author.now,
        git=author.git,
    )
    if output is Output.JSON:
        emit_json(
            {
                "plan": done.plan,
                "reason": done.reason,
                "owners": sorted(done.owners),
                "threshold": done.threshold,
                "commit": done.commit.hex() if done.commit else None,
                "written": list(done.written),
            }
        )
        return
    for path in done.written:
        emit(f"wrote {path}")
    if done.commit is None:
        emit("Acknowledged already; nothing was written.")
    else:
        emit(f"Commit {done.commit.hex()[:12]}: plan {done.plan}")
    say(f"{len(done.owners)} of {done.threshold} owners acknowledged it.")
