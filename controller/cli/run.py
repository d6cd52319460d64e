"""`countersign run`: long-running roles, each a process of its own, until they are told to stop."""

from enum import StrEnum
from typing import Annotated

import typer

from controller.cli.options import ConfigOption


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

    from controller.app import settings, telemetry
    from controller.app.supervise import supervised

    file = settings.named_file(config)
    named = settings.load(file)
    names = list(dict.fromkeys(role.value for role in roles))
    with (
        telemetry.logged(named, "supervisor") as log,
        telemetry.told_why(log),
        supervised(named, file, names, SystemRandom(), log.tell) as supervisor,
    ):
        supervisor.run()


def role(
    name: Annotated[Role, typer.Argument(help="The role of this process.")],
    config: ConfigOption = None,
    beat_fd: Annotated[int | None, typer.Option("--beat-fd", hidden=True)] = None,
) -> None:
    """Run one role in this process; `run` starts it."""
    from controller.adapters.workers import Beats
    from controller.app import serving, serving_api, settings, telemetry
    from controller.kernel.events import Event

    named = settings.load(settings.named_file(config))
    with telemetry.logged(named, name.value) as log, telemetry.told_why(log):
        match name:
            case Role.CONTROLLER:
                serving.serve_controller(named, Beats(beat_fd), telemetry.said(log))
            case Role.API:
                beats = Beats(beat_fd)
                serving_api.serve_api(named, beats, lambda one: log.tell(Event.LISTENING, one))
