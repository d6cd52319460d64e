"""`countersign doctor`: what a deploy host lacks, and how to mend it."""

import typer

from controller.cli.options import ConfigOption, OutputOption, TimeoutOption, deadline
from controller.cli.output import Output, emit, emit_json, styled

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def doctor(
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
    timeout: TimeoutOption = None,
) -> None:
    """Check programs, limits, disks, secrets, repository, root, audit key, clocks and database.

    Exit 1: something fails.
    """
    from controller.adapters.clock import SystemClock
    from controller.app.doctor import Verdict, examine

    checks = []
    with deadline(timeout):
        for check in examine(config, SystemClock()):
            checks.append(check)
            if output is Output.TEXT:
                word = styled(check.verdict.value.ljust(4), _COLOURS[check.verdict.value])
                emit(f"{word}  {check.name.ljust(15)}  {check.message}")
                if check.hint:
                    emit(f"{' ' * 23}hint: {check.hint}")
    if output is Output.JSON:
        emit_json(
            {
                "checks": [
                    {
                        "name": check.name,
                        "verdict": check.verdict.value,
                        "message": check.message,
                        "hint": check.hint,
                    }
                    for check in checks
                ]
            }
        )
    if any(check.verdict is Verdict.FAIL for check in checks):
        raise typer.Exit(1)
