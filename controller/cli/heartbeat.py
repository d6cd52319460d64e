"""`countersign heartbeat`: say, signed, that the newest commit here is the newest there is."""

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


def heartbeat(  # noqa: PLR0913, PLR0917  one parameter per option
    hours: Annotated[int, typer.Option("--hours", min=1, max=8760, help="How long it holds.")] = 2,
    key: KeyOption = None,
    agent: AgentOption = False,
    ssh_keygen: SshKeygenOption = None,
    environment: workspace.EnvironmentOption = None,
    repository: RepositoryOption = Path(),
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Sign that the newest commit here is the newest of the branch, and commit that.

    A schedule fetches the branch, runs this with a key of the root's role `heartbeat`, and pushes.
    Where no heartbeat comes in time, the controller raises the alarm `Stale`.
    """
    from datetime import timedelta

    from controller.authoring.heartbeat import beat
    from controller.kernel.instants import format_instant

    people = workspace.signers(key, agent=agent, ssh_keygen=ssh_keygen)
    author = workspace.author(repository, config, environment)
    done = beat(
        author.workspace,
        author.root,
        author.environment,
        people,
        now=author.now,
        lasts=timedelta(hours=hours),
        git=author.git,
    )
    said = done.heartbeat
    if output is Output.JSON:
        emit_json(
            {
                "environment": said.environment,
                "seen": said.commit.hex(),
                "created": format_instant(said.created),
                "expires": format_instant(said.expires),
                "owners": sorted(done.owners),
                "commit": done.commit.hex(),
                "written": [done.path],
            }
        )
        return
    emit(f"wrote {done.path}")
    emit(f"Commit {done.commit.hex()[:12]}: {said.commit.hex()[:12]} is the newest")
    say(f"It holds until {format_instant(said.expires)}; push it.")
