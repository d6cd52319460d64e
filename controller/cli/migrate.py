"""`countersign migrate`: bring a database's schema up to date, or ask whether it is."""

from typing import Annotated

import typer

from controller.cli.options import ConfigOption, OutputOption, TimeoutOption, deadline
from controller.cli.output import Output, emit, emit_json


def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit 1 when something is pending.")
    ] = False,
    url: Annotated[
        str | None,
        typer.Option(
            "--url",
            metavar="URL",
            help="This PostgreSQL instead of the settings'. Other users of the host can see it: "
            "a password belongs into database.url_file.",
        ),
    ] = None,
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
    timeout: TimeoutOption = None,
) -> None:
    """Apply the migrations that a database lacks, each in a transaction of its own."""
    from controller.adapters import migrations
    from controller.app import settings, wiring

    if url is not None:
        opened = wiring.plain_connection(url)
    else:
        opened = wiring.database(settings.load(settings.named_file(config)), migrate=False)
    with deadline(timeout), opened as connection:
        if check:
            names = [one.name for one in migrations.pending(connection)]
        else:
            names = [one.name for one in migrations.migrate(connection)]
    if output is Output.JSON:
        emit_json({"pending" if check else "applied": names})
    elif names:
        for name in names:
            emit(f"{'pending' if check else 'applied'} {name}")
    else:
        emit("The database is up to date.")
    if check and names:
        raise typer.Exit(1)
