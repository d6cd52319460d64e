"""`countersign drift`: are the live rows those that were applied, and if not, which are not."""

from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.options import ConfigOption, OutputOption, TimeoutOption, deadline
from controller.cli.output import Output, emit, emit_json, emit_table, say
from controller.kernel.errors import Refused

if TYPE_CHECKING:
    from controller.reconcile.drifted import Drift, RowDrift, TableDrift
    from controller.reconcile.world import World
    from controller.stores.control.model import AppliedRevision


class OtherDrift(Refused):
    """What drifted is not what somebody asked to have put right."""

    code = "cli.other_drift"


def drift(
    heal: Annotated[
        str | None,
        typer.Option(
            "--heal",
            metavar="DIGEST",
            help="Put exactly this drift right, whatever this host's settings say of healing.",
        ),
    ] = None,
    every_row: Annotated[
        bool,
        typer.Option(
            "--every-row", help="Compare all rows, also where what they add up to agrees."
        ),
    ] = False,
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
    timeout: TimeoutOption = None,
) -> None:
    """Hold the rows in the database against those that were applied, now.

    Exit 0: they are the same, or were put right; 1: rows drifted. While a controller runs it is
    the one who writes: stop it for `--heal`, or sign an acknowledgement (see drift.mode).
    """
    from controller.app import settings, wiring

    named = settings.load(settings.named_file(config))
    with deadline(timeout), wiring.world(named, signs=heal is not None) as world:
        from controller.reconcile.drift import look

        found = look(world, every_row=every_row)
        revision = _healed(world, found, heal) if heal is not None else None
    if output is Output.JSON:
        emit_json(
            {
                "environment": world.environment,
                "drifted": found is not None,
                "drift": found and found.document(),
                "healed_by_revision": revision and revision.revision,
            }
        )
    else:
        _as_text(world.environment, found)
        if revision is not None:
            emit(f"Put right by revision {revision.revision}.")
    if found is not None and revision is None:
        raise typer.Exit(1)


def _healed(world: "World", found: "Drift | None", wanted: str) -> "AppliedRevision":
    from controller.reconcile.cycle import publish_owed
    from controller.reconcile.heal import heal
    from controller.stores.control.drift import Ended

    if found is None or found.digest != wanted:
        there = found.digest if found is not None else "nothing"
        raise OtherDrift(
            f"{wanted[:80]} is not what drifted: {there}",
            hint="run `countersign drift`, read what it says, and copy its digest",
        )
    revision = heal(world, found, by=Ended.PERSON)
    publish_owed(world)
    return revision


def _as_text(environment: str, found: "Drift | None") -> None:
    if found is None:
        emit(f"{environment}: live rows are what was applied.")
        return
    emit(f"{environment}: {found}")
    emit(f"drift {found.digest}")
    for table in found.tables:
        emit("")
        _table_as_text(table)
    say("What to do: docs/runbooks/drift.md.")


def _table_as_text(table: "TableDrift") -> None:
    from controller.reconcile.drifted import Kind

    counted = ", ".join(f"{table.counts[kind]} {kind.value}" for kind in Kind)
    emit(f"{table.table}: {counted}")
    emit(f"  live {table.live}  kept {table.kept}  recorded {table.recorded or 'not'}")
    if table.rows:
        emit_table(("", "KEY", "COLUMN", "DECLARED", "STORED"), _lines(table.rows))
    if table.total > len(table.rows):
        emit(f"… {table.total - len(table.rows):,} more")


def _lines(rows: "tuple[RowDrift, ...]") -> list[tuple[str, str, str, str, str]]:
    lines = []
    for row in rows:
        first = (row.kind.value, "/".join(row.key))
        for column in row.columns:
            declared, stored = (value or "-" for value in (column.declared, column.stored))
            lines.append((*first, column.column, declared, stored))
            first = ("", "")
    return lines
