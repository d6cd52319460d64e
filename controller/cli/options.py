"""Options that several commands share, and the deadline they run under."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, TypeAlias

import typer

from controller.cli.output import Output
from controller.kernel.errors import DeadlinePassed

ConfigOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        envvar="COUNTERSIGN_CONFIG",
        show_envvar=False,
        help="The settings of this host; by default what COUNTERSIGN_CONFIG names.",
    ),
]
OutputOption: TypeAlias = Annotated[
    Output, typer.Option("-o", "--output", help="How to print the result.")
]
TimeoutOption: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        min=0.1,
        help="Stop after this many seconds (exit 124); nothing is left half done.",
    ),
]
WaitOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--wait", help="Leave when a controller has applied it (see --timeout); needs settings."
    ),
]
RepositoryOption: TypeAlias = Annotated[
    Path,
    typer.Option(
        "-C", "--repository", metavar="DIR", help="The artifact repository; by default this folder."
    ),
]
KeyOption: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option("--key", metavar="FILE", help="A private key file (OpenSSH, unencrypted)."),
]
AgentOption: TypeAlias = Annotated[
    bool, typer.Option("--agent", help="Sign through ssh-agent (SSH_AUTH_SOCK).")
]
SshKeygenOption: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(
        "--ssh-keygen",
        metavar="FILE",
        help="Sign with `ssh-keygen -Y sign` and this key: FIDO2 and encrypted keys.",
    ),
]


class CommandDeadline(DeadlinePassed):
    """A command took longer than its `--timeout`."""

    code = "cli.deadline"


@contextmanager
def deadline(seconds: float | None) -> Iterator[None]:
    """Interrupt the body after so many seconds with `CommandDeadline`."""
    if seconds is None:
        yield
        return

    def ring(_signal: int, _frame: FrameType | None) -> None:
        raise CommandDeadline(
            f"not done after {seconds:g} s", hint="raise --timeout, or look at what it waits for"
        )

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
