"""`countersign audit`: prove the trail of what was applied, or read it."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.cli.options import ConfigOption, OutputOption, TimeoutOption, deadline
from controller.cli.output import Output, emit, emit_json, emit_table, say
from controller.cli.status import instant

if TYPE_CHECKING:
    from controller.audit.branch import Published
    from controller.audit.prove import DatabaseProof, Proof
    from controller.trust.root import TrustedRoot

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Prove or read the signed trail of what was applied.",
)


@app.command(epilog="Example: countersign audit verify --git-only")
def verify(
    git_only: Annotated[
        bool, typer.Option("--git-only", help="Need no database: prove the branch by itself.")
    ] = False,
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
    timeout: TimeoutOption = None,
) -> None:
    """Prove every link of the audit branch, then that the database says the same.

    Exit 0: everything holds; 3: a link of the branch does not; 2: the database differs.
    """
    from controller.adapters.clock import SystemClock
    from controller.app import settings, wiring
    from controller.reconcile.proof import prove_database, prove_git

    named = settings.load(settings.named_file(config))
    with deadline(timeout):
        trusted, proof = prove_git(
            wiring.artifact_repository(named),
            wiring.pin(named),
            branch=named.repository.branch,
            controller=named.controller.name,
            now=SystemClock().now(),
        )
        if output is Output.TEXT:
            _emit_proof(trusted, proof)
        rows = None
        if not git_only:
            with wiring.database(named, migrate=False) as connection:
                rows = prove_database(connection, proof)
    if output is Output.JSON:
        emit_json(_as_json(trusted, proof, rows))
    elif rows is not None:
        _emit_rows(rows)
    else:
        say("Git alone cannot show commits cut off the end: compare with the database as well.")


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

    from controller.app import settings, wiring
    from controller.audit.branch import published

    named = settings.load(settings.named_file(config))
    with deadline(timeout):
        repository = wiring.artifact_repository(named)
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


def _as_json(
    trusted: "TrustedRoot", proof: "Proof", rows: "DatabaseProof | None"
) -> dict[str, Any]:
    return {
        "controller": proof.controller,
        "root": {"version": trusted.root.version, "sha256": trusted.root.digest},
        "git": {
            "links": len(proof.links),
            "tip": proof.tip.hex(),
            "last": {"seq": proof.last.seq, "sha256": proof.links[-1].sha256},
        },
        "database": rows and {"records": rows.rows, "lag": rows.lag, "tables": rows.tables},
    }
