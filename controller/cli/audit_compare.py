"""`countersign audit compare`: did another controller see the same history as this one?"""

from pathlib import Path
from typing import Annotated

import typer

from controller.cli.options import ConfigOption, OutputOption, TimeoutOption, deadline
from controller.cli.output import Output, emit, emit_json


def compare(
    controller: Annotated[
        str, typer.Argument(metavar="CONTROLLER", help="The other controller's name.")
    ],
    clone: Annotated[
        Path | None,
        typer.Option(
            "--clone",
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="The clone that controller works in, or a copy; this one's when not given.",
        ),
    ] = None,
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
    timeout: TimeoutOption = None,
) -> None:
    """Prove two controllers' trails and hold them against each other.

    Whoever serves the repository could show each of them another history. Exit 0: they saw one;
    3: they saw two, or a trail does not hold.
    """
    from controller.adapters.clock import SystemClock
    from controller.adapters.git import GitRepository
    from controller.app import host, settings
    from controller.audit import compare as trails
    from controller.audit.prove import verify_git
    from controller.reconcile.proof import followed_branch, other_clone

    named = settings.load(settings.named_file(config))
    now = SystemClock().now()
    with deadline(timeout):
        ours = host.artifact_repository(named)
        theirs = GitRepository.open(clone) if clone is not None else ours
        branch = named.repository.branch
        _, followed = followed_branch(ours, host.pin(named), branch, now)
        proof = verify_git(ours, followed, named.controller.name, now=now)
        other = verify_git(theirs, other_clone(theirs, branch, followed), controller, now=now)
        found = trails.compare(trails.Side(proof, ours), trails.Side(other, theirs))
    if output is Output.JSON:
        facts = {"shared": found.shared, "newest_commit": found.newest.hex()}
        emit_json({"controllers": [proof.controller, other.controller], **facts})
    else:
        emit(f"{proof.controller}: {len(proof.links)} links hold")
        emit(f"{other.controller}: {len(other.links)} links hold")
        emit(f"one history: {found.shared} releases in common, newest {found.newest.hex()}")
