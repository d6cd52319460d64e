"""What the authoring commands share: the repository, the root, the time and whoever signs."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from controller.cli.output import say

if TYPE_CHECKING:
    from controller.adapters.gitcli import ChildEnvironment
    from controller.authoring.view import View, Workspace
    from controller.trust.root import Root
    from controller.trust.sign import Signer

EnvironmentOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--environment",
        metavar="NAME",
        help="By default the one this host serves, or production.",
    ),
]


@dataclass(frozen=True, slots=True)
class Author:
    """Somebody at work in a repository, at one instant."""

    workspace: "Workspace"
    root: "Root"
    environment: str
    now: datetime
    git: "ChildEnvironment"


def author(
    repository: Path,
    config: Path | None,
    environment: str | None = None,
    *,
    committed: bool = True,
) -> Author:
    """Open a repository and the root that its author believes.

    `committed` takes the root from the newest commit, as a release needs it; otherwise from the
    work tree.
    """
    from controller.app import settings
    from controller.authoring.view import Workspace

    workspace = Workspace.open(repository)
    named = settings.load(settings.named_file(config)) if settings.is_named(config) else None
    serves = named.controller.environment if named else "production"
    moment = now()
    view = workspace.committed() if committed else workspace.edited()
    return Author(workspace, _root(view, config, moment), environment or serves, moment, git())


def now() -> datetime:
    """Return the present instant."""
    from controller.adapters.clock import SystemClock

    return SystemClock().now()


def git() -> "ChildEnvironment":
    """Return the environment of git children that make commits: ours, without `GIT_*`."""
    from controller.adapters.gitcli import child_environment
    from controller.app import settings

    return child_environment(settings.ambient())


def signers(
    keys: list[Path] | None, *, agent: bool, ssh_keygen: list[Path] | None
) -> list["Signer"]:
    """Return everybody who was asked to sign; a `.pub` file names a key that the agent holds."""
    from controller.app import settings
    from controller.app.signers import agent_signer, keygen_signer, load_signer
    from controller.authoring.promote import NoSigner
    from controller.kernel.errors import Refused

    found: list[Signer] = []
    socket = settings.agent_socket()
    if agent and socket is None:
        raise Refused("there is no ssh-agent", hint="start one: eval $(ssh-agent); ssh-add")
    for key in keys or []:
        if agent and socket is not None and key.suffix == ".pub":
            found.append(agent_signer(socket, key.read_text(encoding="utf-8").strip()))
        else:
            found.append(load_signer(key))
    if agent and socket is not None and not found:
        found.append(agent_signer(socket))
    found += [keygen_signer(file, socket) for file in ssh_keygen or []]
    if not found:
        raise NoSigner
    return found


def _root(view: "View", config: Path | None, moment: datetime) -> "Root":
    from controller.app import settings, wiring
    from controller.authoring.trusted import Pin, trusted_root

    pin = None
    if settings.is_named(config):
        held = wiring.pin(settings.load(settings.named_file(config)))
        pin = Pin(held.envelope, held.sha256)
    trusted = trusted_root(view, pin, moment)
    if not trusted.pinned:
        say("note: no settings are named, so the repository's first root vouches for itself")
    return trusted.root
