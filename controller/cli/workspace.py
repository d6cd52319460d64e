"""What the authoring commands share: the repository, the root, the time and whoever signs."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from controller.cli.options import deadline
from controller.cli.output import say
from controller.kernel.errors import Refused, Unavailable

if TYPE_CHECKING:
    from controller.adapters.gitcli import ChildEnvironment
    from controller.authoring.rollback import CommitKey
    from controller.authoring.view import View, Workspace
    from controller.kernel.canonical import Digest
    from controller.kernel.objects import Oid
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


class NoAgent(Refused):
    """There is no ssh-agent to sign with."""

    code = "cli.no_agent"


class OneSignature(Refused):
    """Several keys cannot sign one commit."""

    code = "cli.one_signature"


class NoCommitKey(Refused):
    """Git has no key here to sign commits with."""

    code = "cli.no_commit_key"


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
    from controller.authoring.view import Workspace

    workspace = Workspace.open(repository)
    moment = now()
    view = workspace.committed() if committed else workspace.edited()
    root = _root(view, config, moment)
    return Author(workspace, root, environment or serves(config), moment, git())


def serves(config: Path | None) -> str:
    """Return the environment that this host serves, or production."""
    if config is None:
        return "production"
    from controller.app import settings

    return settings.load(config).controller.environment


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

    found: list[Signer] = []
    socket = settings.agent_socket()
    if agent and socket is None:
        raise NoAgent("there is no ssh-agent", hint="start one: eval $(ssh-agent); ssh-add")
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


def commit_key(author: Author, named: list[Path], *, agent: bool) -> "CommitKey":
    """Return the key that git will sign a commit with: the one named, or the one it uses here."""
    from controller.app import settings
    from controller.app.signers import agent_signer, load_public, load_signer
    from controller.authoring.rollback import CommitKey
    from controller.trust.keys import parse_public_line

    if len(named) > 1:
        raise OneSignature("a commit has one signature", hint="name one key, or use --statement")
    socket = settings.agent_socket()
    if agent and socket is not None:
        wanted = named[0].read_text(encoding="utf-8").strip() if named else ""
        public = agent_signer(socket, wanted).public
        return CommitKey(public, f"key::{public.line}")
    configured = _configured_key(author) if not named else str(named[0].resolve())
    literal = configured.removeprefix("key::")
    if literal.startswith(("ssh-", "sk-ssh-")):
        return CommitKey(parse_public_line(literal), f"key::{literal}")
    file = Path(configured).expanduser()
    beside = file if file.suffix == ".pub" else Path(f"{file}.pub")
    public = load_public(beside) if beside.exists() else load_signer(file).public
    return CommitKey(public, str(file))


def pinned_sha256(config: Path | None) -> str | None:
    """Return the SHA-256 of the root that this host pins, if it pins one."""
    if config is None:
        return None
    from controller.app import settings

    return settings.load(config).trust.root_sha256


def ask_production(config: Path | None, serial: int, sha256: "Digest") -> None:
    """Refuse a rollback that this host's controller would refuse; without a host, go on."""
    if config is None:
        return
    from controller.app import settings
    from controller.app.preflight import check_rollback

    try:
        check_rollback(settings.load(config), serial, sha256)
    except Unavailable as error:
        _say_not_asked(error)


def ask_about_plan(config: Path | None, environment: str, plan: "Digest") -> None:
    """Refuse to acknowledge what this host's guards do not stop; say where none can be asked."""
    if config is None:
        say("note: no settings are named, so nobody was asked whether a guard stops this plan")
        return
    from controller.app import settings
    from controller.app.preflight import check_ack

    read = settings.load(config)
    if read.controller.environment != environment:
        say(f"note: this host serves {read.controller.environment}: {environment} was not asked")
        return
    try:
        check_ack(read, plan)
    except Unavailable as error:
        _say_not_asked(error)


def _say_not_asked(error: Unavailable) -> None:
    say(f"note: production could not be asked first ({error})")


def wait_until_applied(config: Path | None, commit: "Oid", timeout: float | None) -> None:
    """Wait until a controller has applied a commit, and say so."""
    from controller.app import settings
    from controller.app.waiting import wait_until_applied

    read = settings.load(settings.named_file(config))
    say("waiting until it is applied …")
    with deadline(timeout):
        applied = wait_until_applied(read, commit)
    say(f"applied: production is at revision {applied.revision}, release {applied.serial_current}")


_NOT_SET = 1
"""What `git config NAME` ends with when nothing has that name; other numbers are failures."""


def _configured_key(author: Author) -> str:
    from controller.adapters.gitcli import GitFailed, run_git

    try:
        arguments = ["config", "user.signingkey"]
        found = run_git(arguments, author.workspace.folder, timeout_seconds=10, env=author.git)
    except GitFailed as error:
        if error.status != _NOT_SET:
            raise
        raise NoCommitKey(
            "git signs with no key here", hint="name a rollback key: --key FILE"
        ) from None
    return found.stdout.decode().strip()


def _root(view: "View", config: Path | None, moment: datetime) -> "Root":
    from controller.authoring.trusted import trusted_root
    from controller.cli.validate import pin_of

    return trusted_root(view, pin_of(config), moment).root
