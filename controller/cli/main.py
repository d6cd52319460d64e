"""Parse arguments, pick a command, turn errors into exit codes.

Exit codes: 0 done or no difference · 1 differences, findings, not ready · 2 usage or runtime error
· 3 a signature or trust was refused · 4 stopped by a guard, freeze or missing acknowledgement · 124
timeout · 130 interrupted.

Command modules import nothing heavy at their top: a command pays only for what it uses.
"""

import os
import platform
import sys
import traceback
from typing import Annotated

import typer

from controller import __version__
from controller.cli import (
    ack,
    audit,
    demo,
    diff,
    doctor,
    drift,
    events,
    export,
    freeze,
    heartbeat,
    history,
    import_,
    init,
    key,
    migrate,
    notify,
    promote,
    reconcile,
    resolve,
    rollback,
    root,
    run,
    shard,
    sign,
    status,
    suspend,
    trace,
    validate,
    windows,
)
from controller.cli.options import OutputOption
from controller.cli.output import Output, complain, emit, emit_json
from controller.kernel.errors import ControllerError, Unavailable

INTERRUPTED = 130


class SystemRefused(Unavailable):
    """The operating system would not do what a command needed."""

    code = "cli.system_refused"

    def __init__(self, error: OSError) -> None:
        where = f"{error.filename}: " if error.filename else ""
        super().__init__(f"{where}{error.strerror or error}", hint="disk full, or not allowed?")


class Unexpected(Unavailable):
    """Something went wrong that has no error of its own; what was seen stands above it."""

    code = "cli.unexpected"

    def __init__(self) -> None:
        super().__init__(
            "this should not have happened",
            hint="what a transaction had begun is undone; look at what stands above: a database "
            "that somebody changed by hand, or a mistake in countersign, which please report",
        )


app = typer.Typer(
    name="countersign",
    help="Signed changes in, audited production out: a GitOps controller for payment "
    "infrastructure.",
    epilog="Start with `countersign demo`: the whole story in a temporary folder.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        emit(f"countersign {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Signed changes in, audited production out: a GitOps controller for payment infrastructure."""


@app.command(epilog="Example: countersign version -o json")
def version(output: OutputOption = Output.TEXT) -> None:
    """Print the version."""
    if output is Output.JSON:
        emit_json({"countersign": __version__, "python": platform.python_version()})
    else:
        emit(f"countersign {__version__}")


app.command("init", epilog="Example: countersign init shop --demo-keys keys")(init.init)
app.command("sign", epilog="Example: countersign sign card-bin/binlist --key ../keys/alice")(
    sign.sign
)
app.command(
    "promote",
    epilog="Example: countersign promote card-bin/binlist@1 --key ../keys/alice --key ../keys/bob",
)(promote.promote)
app.command(
    "import",
    epilog="Example: countersign import --rail card-bin --name binlist --map binlist ranges.csv",
)(import_.import_)
app.command("shard", epilog="Example: countersign shard card-bin/binlist")(shard.shard)
app.command("rollback", epilog="Example: countersign rollback --to 1 --key ../keys/rollback")(
    rollback.rollback
)
app.command("ack", epilog="Example: countersign ack 5f0c… --reason merger --key ../keys/alice")(
    ack.ack
)
app.command("heartbeat", epilog="Example: countersign heartbeat --key ../keys/ci --hours 2")(
    heartbeat.heartbeat
)
app.command("export", epilog="Example: countersign export card-bin/binlist@1 binlist.tar")(
    export.export
)
app.add_typer(key.app, name="key", epilog="Example: countersign key new alice")
app.add_typer(root.app, name="root", epilog="Example: countersign root show")
app.command("demo", epilog="Example: countersign demo --keep")(demo.demo)
app.command("plan", epilog="Example: countersign plan -o json")(reconcile.plan)
app.command("reconcile", epilog="Example: countersign reconcile --once --timeout 60")(
    reconcile.reconcile
)


app.command("validate", epilog="Example: countersign validate --ref HEAD -o json")(
    validate.validate
)
app.command("diff", epilog="Example: countersign diff production worktree -o json")(diff.diff)
app.command("status", epilog="Example: countersign status -o json")(status.status)
app.command("history", epilog="Example: countersign history --limit 5")(history.history)
app.command("events", epilog="Example: countersign events -f")(events.events)
app.command("suspend", epilog="Example: countersign suspend --reason maintenance --for 2h")(
    suspend.suspend
)
app.command("resume", epilog="Example: countersign resume --reason done")(suspend.resume)
app.command("override", epilog="Example: countersign override --reason INC-17 --for 15m")(
    suspend.override
)
app.command("freeze", epilog="Example: countersign freeze --reason INC-17 --here")(freeze.freeze)
app.command("unfreeze", epilog="Example: countersign unfreeze --reason solved")(freeze.unfreeze)
app.command("windows", epilog="Example: countersign windows -o json")(windows.windows)
app.command("resolve", epilog="Example: countersign resolve in-ifsc SBIN0000300 --at 2027-01-01")(
    resolve.resolve
)
app.command("trace", epilog="Example: countersign trace participants/harbour-bank --at 2026-11-01")(
    trace.trace
)
app.command("drift", epilog="Example: countersign drift -o json")(drift.drift)
app.command("doctor", epilog="Example: countersign doctor -o json")(doctor.doctor)
app.command("run", epilog="Example: countersign run controller")(run.run)
app.command(
    "role", hidden=True, epilog="Example: countersign role controller --config countersign.toml"
)(run.role)
app.command("migrate", epilog="Example: countersign migrate --check")(migrate.migrate)
app.add_typer(notify.app, name="notify", epilog="Example: countersign notify test on-call")
app.add_typer(audit.app, name="audit", epilog="Example: countersign audit verify")


def main() -> None:
    """Run the command line and leave with its exit code."""
    try:
        app()
    except ControllerError as error:
        complain(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has left (`| head`): not an error, and nothing more to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        # A file, a pipe or a disk that failed where nobody had an answer of their own.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        complain(SystemRefused(error))
        sys.exit(SystemRefused.exit_code)
    except Exception:  # noqa: BLE001  exit code 1 would say "differences" to whoever scripts us
        traceback.print_exc()
        complain(Unexpected())
        sys.exit(Unexpected.exit_code)
