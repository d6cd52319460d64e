"""`countersign notify`: whether notices arrive where the settings send them."""

from typing import Annotated

import typer

from controller.cli.options import ConfigOption, TimeoutOption, deadline
from controller.cli.output import emit

app = typer.Typer(no_args_is_help=True, help="Try who is told, and how.")


@app.command("test", epilog="Example: countersign notify test on-call")
def try_target(
    target: Annotated[str, typer.Argument(help="The name of a [[notify]] in the settings.")],
    config: ConfigOption = None,
    timeout: TimeoutOption = None,
) -> None:
    """Send a test to one target, at once and past the queue.

    At PagerDuty this triggers an incident of severity info; at a forge it sets a status of its own,
    CONTEXT/test, on the newest commit.
    """
    from secrets import token_hex

    from controller.adapters.clock import SystemClock
    from controller.app import settings, telling

    named = settings.load(settings.named_file(config))
    with deadline(timeout):
        telling.test(named, target, SystemClock().now(), f"test-{token_hex(16)}")
    emit(f"{target} took the test.")
