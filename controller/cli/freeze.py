"""`countersign freeze` and `unfreeze`: in an incident nothing new is let in, whoever asks."""

from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.holding import (
    ActorOption,
    ForOption,
    LiftReasonOption,
    ReasonOption,
    UntilOption,
)
from controller.cli.options import ConfigOption, OutputOption, TimeoutOption, deadline
from controller.cli.output import Output, emit, emit_json, say
from controller.kernel.errors import Unavailable

if TYPE_CHECKING:
    from controller.app.settings import Settings

HereOption = Annotated[
    bool, typer.Option("--here", help="By a file on this host: works while the database is down.")
]


class NoDatabaseToAsk(Unavailable):
    """The database that a freeze would be written to does not answer."""

    code = "cli.freeze_without_database"

    def __init__(self, error: Unavailable) -> None:
        super().__init__(
            f"the database cannot be asked: {error}",
            hint="add --here on the host that the controller runs on: a file does without one",
        )


def freeze(  # noqa: PLR0913, PLR0917  one parameter per option
    reason: ReasonOption,
    until: UntilOption = None,
    for_: ForOption = None,
    here: HereOption = False,
    actor: ActorOption = None,
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
    timeout: TimeoutOption = None,
) -> None:
    """Let nothing new in, in an incident: what is applied is served on, nothing passes.

    When this leaves, nothing that was begun before is let in any more. With --here a file freezes
    this host alone; a revision that is being let in just then may still come.
    """
    from controller.app import settings
    from controller.cli import holding
    from controller.stores.control.holds import HoldKind, Wanted

    named = settings.load(settings.named_file(config))
    now = holding.present()
    ends = holding.ends(now, until, for_)
    wanted = Wanted(HoldKind.FREEZE, holding.who(actor), reason, now, ends)
    if here:
        from controller.app.holding import host_folder, of_this_host
        from controller.reconcile import hostfreeze

        file = hostfreeze.place(host_folder(named), wanted)
        holding.tell(named, wanted, of_this_host(named, now), output, file=str(file))
        return
    try:
        with deadline(timeout):
            hold, is_quiet, still = holding.put(named, wanted)
    except Unavailable as error:
        raise NoDatabaseToAsk(error) from error
    if not is_quiet:
        say("note: a revision that was begun before is still being let in")
    holding.tell(named, hold, still, output)


def unfreeze(
    reason: LiftReasonOption = "",
    here: HereOption = False,
    actor: ActorOption = None,
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
    timeout: TimeoutOption = None,
) -> None:
    """Let new revisions in again after `freeze`; the running controller looks at once.

    With --here the freeze files of this host are taken away; otherwise the freeze of the
    environment is lifted. Each stands for itself.
    """
    from controller.app import settings
    from controller.cli import holding
    from controller.stores.control.holds import HoldKind

    named = settings.load(settings.named_file(config))
    if here:
        _unfreeze_here(named, output)
        return
    try:
        with deadline(timeout):
            hold, still = holding.take(named, HoldKind.FREEZE, holding.who(actor), reason)
    except Unavailable as error:
        raise NoDatabaseToAsk(error) from error
    holding.tell(named, hold, still, output)


def _unfreeze_here(named: "Settings", output: Output) -> None:
    from controller.app.holding import host_folder, of_this_host
    from controller.cli import holding
    from controller.reconcile import hostfreeze
    from controller.reconcile.holds import as_json

    folder = host_folder(named)
    hostfreeze.lift(folder)
    still = list(of_this_host(named, holding.present()))
    if output is Output.JSON:
        facts = {"environment": named.controller.environment, "file": str(folder)}
        emit_json({**facts, "holds": [as_json(one) for one in still]})
        return
    emit(f"{named.controller.environment}: no file freezes this host any more ({folder})")
    for one in still:
        emit(f"Still held: {one}")
    say("whether people hold it in the database: countersign status")
