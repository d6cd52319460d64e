"""`countersign windows`: when new revisions are let in, now and next."""

from controller.cli.options import ConfigOption, OutputOption
from controller.cli.output import Output, emit, emit_json, emit_table


def windows(config: ConfigOption = None, output: OutputOption = Output.TEXT) -> None:
    """Show each window of the settings, whether it is in force, and when that changes.

    Exit 0 when they let new revisions in now, 1 when they do not. No database is asked.
    """
    import typer

    from controller.app import holding, settings
    from controller.cli.status import instant
    from controller.reconcile.windows import next_change

    named = settings.load(settings.named_file(config))
    now = holding.clock().now()
    found = holding.change_windows(named)
    opening = found.at(now)
    each = [(one, *next_change(one, now)) for one in found.windows]
    if output is Output.JSON:
        emit_json(
            {
                "open": opening.is_open,
                "reason": opening.reason or None,
                "until": instant(opening.until),
                "windows": [
                    {
                        "kind": one.kind.value,
                        "schedule": one.schedule.cron,
                        "minutes": one.schedule.minutes,
                        "zone": one.schedule.zone.key,
                        "reason": one.reason,
                        "in_force": in_force,
                        "changes_at": instant(changes),
                    }
                    for one, in_force, changes in each
                ],
            }
        )
    else:
        until = instant(opening.until) or "further notice"
        state = "open" if opening.is_open else f"closed ({opening.reason})"
        emit(f"{state} until {until}")
        if each:
            emit("")
            emit_table(
                ("KIND", "NOW", "CHANGES", "SCHEDULE", "MINUTES", "ZONE", "REASON"),
                (
                    (
                        one.kind.value,
                        "in force" if in_force else "-",
                        instant(changes) or "never",
                        one.schedule.cron,
                        one.schedule.minutes,
                        one.schedule.zone.key,
                        one.reason,
                    )
                    for one, in_force, changes in each
                ),
            )
    if not opening.is_open:
        raise typer.Exit(1)
