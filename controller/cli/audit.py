"""`countersign audit`: prove the trail of what was applied, or read it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.cli.audit_compare import compare
from controller.cli.options import ConfigOption, OutputOption, TimeoutOption, deadline
from controller.cli.output import Output, emit, emit_json, emit_table, say
from controller.cli.status import instant
from controller.kernel.errors import Refused

if TYPE_CHECKING:
    from controller.audit.branch import Published
    from controller.audit.checkpoint import Extension, SignedCheckpoint
    from controller.audit.prove import DatabaseProof, Proof
    from controller.trust.root import TrustedRoot

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Prove or read the signed trail of what was applied.",
)
app.command(epilog="Example: countersign audit compare countersign-b --clone /srv/b/shop")(compare)


class NoAuditKey(Refused):
    """This host has no key to sign a checkpoint with."""

    code = "cli.no_audit_key"


@app.command(epilog="Example: countersign audit verify --git-only --checkpoint last-week.txt")
def verify(
    git_only: Annotated[
        bool, typer.Option("--git-only", help="Need no database: prove the branch by itself.")
    ] = False,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(
            "--checkpoint",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="A checkpoint kept elsewhere: the trail must begin with what it fixed.",
        ),
    ] = None,
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
    timeout: TimeoutOption = None,
) -> None:
    """Prove every link of the audit branch, then that the database says the same.

    Exit 0: everything holds; 3: a link of the branch does not, or the branch does not begin with
    what a checkpoint fixed; 2: the database differs.
    """
    from controller.adapters.clock import SystemClock
    from controller.app import host, settings, wiring
    from controller.audit.checkpoint import prove_extensions
    from controller.reconcile.proof import prove_database, prove_git

    named = settings.load(settings.named_file(config))
    now = SystemClock().now()
    with deadline(timeout):
        repository = host.artifact_repository(named)
        trusted, proof = prove_git(
            repository,
            host.pin(named),
            branch=named.repository.branch,
            controller=named.controller.name,
            now=now,
        )
        if output is Output.TEXT:
            _emit_proof(trusted, proof)
        notes = {str(file): _read_note(file) for file in checkpoint or []}
        held = prove_extensions(proof, trusted.root, notes, now=now)
        if output is Output.TEXT:
            _emit_extensions(proof, held)
        rows = None
        if not git_only:
            with wiring.database(named, migrate=False) as connection:
                rows = prove_database(connection, repository, proof)
    if output is Output.JSON:
        emit_json(_as_json(trusted, proof, held, rows))
    elif rows is not None:
        _emit_rows(rows)
    elif held:
        say("Commits cut off behind the last checkpoint do not show: compare with the database.")
    else:
        say(
            "Git alone cannot show commits cut off the end: compare with the database, or with a "
            "checkpoint that somebody else keeps."
        )


@app.command(
    name="checkpoint", epilog="Example: countersign audit checkpoint > checkpoint-$(date +%F).txt"
)
def make_checkpoint(
    git_only: Annotated[
        bool,
        typer.Option("--git-only", help="Need no database: believe that the branch is whole."),
    ] = False,
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
    timeout: TimeoutOption = None,
) -> None:
    """Print how long the trail is and what it holds, signed, for somebody else to keep.

    The trail is proven first, and compared with the database's journal: a checkpoint of a trail
    whose end was cut off would say that nothing ever stood there.
    """
    from controller.adapters.clock import SystemClock
    from controller.app import host, settings, wiring
    from controller.audit.checkpoint import sign_checkpoint
    from controller.reconcile.proof import prove_git, prove_journal

    named = settings.load(settings.named_file(config))
    signer = host.audit_signer(named)
    if signer is None:
        raise NoAuditKey("this host has no audit key", hint="set audit.key in its settings")
    now = SystemClock().now()
    with deadline(timeout):
        trusted, proof = prove_git(
            host.artifact_repository(named),
            host.pin(named),
            branch=named.repository.branch,
            controller=named.controller.name,
            now=now,
        )
        if not git_only:
            with wiring.database(named, migrate=False) as connection:
                prove_journal(connection, proof)
        made = sign_checkpoint(proof, trusted.root, signer, now=now)
    if output is Output.JSON:
        emit_json(_checkpoint_json(made))
    else:
        emit(made.note.decode().removesuffix("\n"))
        say(f"Whoever keeps it can check it with {made.key.vkey}")


@app.command(epilog="Example: countersign audit show --limit 5")
def show(
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=100_000, help="How many records to show.")
    ] = 20,
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
    timeout: TimeoutOption = None,
) -> None:
    """List the records of the audit branch, newest first; `audit verify` proves them."""
    from itertools import islice

    from controller.app import host, settings
    from controller.audit.branch import published

    named = settings.load(settings.named_file(config))
    with deadline(timeout):
        repository = host.artifact_repository(named)
        records = list(islice(published(repository, named.controller.name), limit))
    if output is Output.JSON:
        emit_json(
            {
                "controller": named.controller.name,
                "records": [
                    {"commit": one.commit.hex(), "record": one.record.members()} for one in records
                ],
            }
        )
    elif not records:
        emit(f"There is no branch audit/{named.controller.name} yet.")
    else:
        header = ("RECORD", "KIND", "REVISION", "RELEASE", "SOURCE", "APPLIED", "COMMIT")
        emit_table(header, (_line(one) for one in records))


def _line(one: "Published") -> tuple[object, ...]:
    record = one.record
    return (
        record.seq,
        record.kind.value,
        record.revision,
        record.serial,
        record.commit.hex()[:12],
        instant(record.applied_at),
        one.commit.hex()[:12],
    )


def _emit_proof(trusted: "TrustedRoot", proof: "Proof") -> None:
    emit(
        f"git: {len(proof.links)} links of audit/{proof.controller} hold, "
        f"tip {proof.tip.hex()} (keys of root {trusted.root.version})"
    )
    last = proof.last
    emit(f"git: the last applied release {last.serial} of commit {last.commit.hex()}")


def _emit_rows(rows: "DatabaseProof") -> None:
    emit(f"database: {rows.rows} journal records agree with the branch")
    if rows.lag:
        emit(f"database: {rows.lag} of them wait for their commit")
    emit(f"database: the content of {rows.tables} tables is what the last record says")
    emit(f"database: {rows.revisions} revisions and what is live are what the records say")


def _read_note(file: Path) -> bytes:
    from controller.trust.note import SIZE_MAX_BYTES

    with file.open("rb") as stream:
        return stream.read(SIZE_MAX_BYTES + 1)


def _emit_extensions(proof: "Proof", held: "Sequence[Extension]") -> None:
    for one in held:
        keys = ", ".join(key.id for key in one.signers)
        emit(
            f"checkpoint: the {len(proof.links)} links begin with the {one.checkpoint.size} of "
            f"{one.name} (signed by {keys})"
        )


def _checkpoint_json(made: "SignedCheckpoint") -> dict[str, Any]:
    return {
        "origin": made.checkpoint.origin,
        "size": made.checkpoint.size,
        "root": made.checkpoint.root_text,
        "note": made.note.decode(),
        "verifier_key": made.key.vkey,
    }


def _as_json(
    trusted: "TrustedRoot",
    proof: "Proof",
    held: "Sequence[Extension]",
    rows: "DatabaseProof | None",
) -> dict[str, Any]:
    return {
        "controller": proof.controller,
        "root": {"version": trusted.root.version, "sha256": trusted.root.digest},
        "git": {
            "links": len(proof.links),
            "tip": proof.tip.hex(),
            "last": {"seq": proof.last.seq, "sha256": proof.links[-1].sha256},
        },
        "checkpoints": [
            {
                "file": one.name,
                "size": one.checkpoint.size,
                "root": one.checkpoint.root_text,
                "signers": [key.id for key in one.signers],
            }
            for one in held
        ],
        "database": rows
        and {
            "records": rows.rows,
            "lag": rows.lag,
            "tables": rows.tables,
            "revisions": rows.revisions,
        },
    }
