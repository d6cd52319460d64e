"""`countersign init`: a new artifact repository."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.options import OutputOption
from controller.cli.output import Output, emit, emit_json, say

if TYPE_CHECKING:
    from controller.authoring.starting import Started


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    demo_keys: Annotated[
        Path | None,
        typer.Option(
            "--demo-keys",
            metavar="DIR",
            help="Make keys for alice, bob, carol, rollback and the audit trail there, sign the "
            "reference bundles and a first release, and write countersign.toml. For trials.",
        ),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option("--root", metavar="FILE", help="A signed first root (see `root init`)."),
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Start an artifact repository from the reference bundles."""
    from controller.app.signers import new_key
    from controller.authoring import rootfiles, starting
    from controller.cli import workspace

    if demo_keys is not None and root is not None:
        raise typer.BadParameter("give --demo-keys or --root, not both")
    now, git = workspace.now(), workspace.git()
    if demo_keys is not None:
        started = starting.start_demo(folder, demo_keys, new_key, now, git=git)
    else:
        envelope = rootfiles.read_envelope(root) if root is not None else None
        started = starting.start(folder, envelope, now, git=git)
    for note in started.notes:
        say(f"note: {note}")
    if output is Output.JSON:
        emit_json(
            {
                "folder": str(started.folder),
                "root_sha256": started.root_sha256,
                "commit": started.commit.hex() if started.commit else None,
                "settings": str(started.settings) if started.settings else None,
            }
        )
        return
    _tell(started)


def _tell(started: "Started") -> None:
    emit(f"Started {started.folder}.")
    if started.root_sha256 is not None:
        emit(f"Root 1: {started.root_sha256} (compare it by voice)")
    if started.commit is not None:
        emit(f"Commit: {started.commit.hex()}")
    if started.settings is not None:
        say("")
        say("Next:")
        say(f"  export COUNTERSIGN_CONFIG={started.settings.resolve()}; cd {started.folder}")
        say("  countersign validate; countersign reconcile --once")
    elif started.root_sha256 is None:
        say("")
        say("Nobody may sign yet. Next, wherever the owners are:")
        say("  countersign key new alice              # each owner, on a machine of their own")
        say("  countersign root init --owner alice=alice.pub --owner bob=bob.pub --out root-1.json")
        say("  countersign root sign root-1.json --key alice     # and bob, until it is enough")
        say(f"  cp 1.root.json {started.folder}/trust/root/; then git add -A && git commit")
