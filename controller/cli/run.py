"""`countersign run`: long-running roles, each a process of its own, until they are told to stop."""

from enum import StrEnum
from typing import Annotated

import typer

from controller.cli.options import ConfigOption
from controller.cli.output import say


class Role(StrEnum):
    """What this host runs."""

    CONTROLLER = "controller"
    API = "api"


def run(
    roles: Annotated[list[Role], typer.Argument(metavar="ROLE…", help="controller, api")],
    config: ConfigOption = None,
) -> None:
    """Follow the branch, bring production to it and answer from it, for as long as this runs.

    Ends in order on SIGTERM or Ctrl-C; SIGHUP makes it look at once. A role that ends is started
    again.
    """
    from secrets import SystemRandom

    from controller.app import settings
    from controller.app.supervise import supervised

    file = settings.named_file(config)
    named = settings.load(file)
    names = list(dict.fromkeys(role.value for role in roles))
    with supervised(named, file, names, SystemRandom(), say) as supervisor:
        supervisor.run()


def role(
    name: Annotated[Role, typer.Argument(help="The role of this process.")],
    config: ConfigOption = None,
    beat_fd: Annotated[int | None, typer.Option("--beat-fd", hidden=True)] = None,
) -> None:
    """Run one role in this process; `run` starts it."""
    from controller.adapters.workers import Beats
    from controller.app import serving, serving_api, settings

    named = settings.load(settings.named_file(config))
    match name:
        case Role.CONTROLLER:
            serving.serve_controller(named, Beats(beat_fd), lambda one: say(str(one)))
        case Role.API:
            serving_api.serve_api(named, Beats(beat_fd), say)
