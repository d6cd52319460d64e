"""`countersign suspend`, `resume`, `override`: people hold revisions back, or let them in."""

from typing import Annotated

import typer

from controller.cli.holding import (
    ActorOption,
    ForOption,
    LiftReasonOption,
    ReasonOption,
    UntilOption,
)
from controller.cli.options import ConfigOption, OutputOption, TimeoutOption, deadline
from controller.cli.output import Output, say

OVERRIDE_LASTS = "15m"


def suspend(  # noqa: PLR0917  one parameter per option
    reason: ReasonOption,
    until: UntilOption = None,
    for_: ForOption = None,
    actor: ActorOption = None,
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
    timeout: TimeoutOption = None,
) -> None:
    """Keep new revisions out, for maintenance: what is applied is served on.

    When this leaves, nothing that was begun before is let in any more. `status` goes on telling
    what waits. For an incident there is `freeze`, which no override passes.
    """
    from controller.app import settings
    from controller.cli import holding
    from controller.stores.control.holds import HoldKind, Wanted

    named = settings.load(settings.named_file(config))
    now = holding.present()
    ends = holding.ends(now, until, for_)
    wanted = Wanted(HoldKind.SUSPEND, holding.who(actor), reason, now, ends)
    with deadline(timeout):
        hold, is_quiet, still = holding.put(named, wanted)
    if not is_quiet:
        say("note: a revision that was begun before is still being let in")
    holding.tell(named, hold, still, output)


def resume(
    reason: LiftReasonOption = "",
    actor: ActorOption = None,
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
    timeout: TimeoutOption = None,
) -> None:
    """Let new revisions in again after `suspend`; the running controller looks at once."""
    from controller.app import settings
    from controller.cli import holding
    from controller.stores.control.holds import HoldKind

    named = settings.load(settings.named_file(config))
    with deadline(timeout):
        hold, still = holding.take(named, HoldKind.SUSPEND, holding.who(actor), reason)
    holding.tell(named, hold, still, output)


def override(  # noqa: PLR0913, PLR0917  one parameter per option
    reason: LiftReasonOption = "",
    until: UntilOption = None,
    for_: ForOption = None,
    end: Annotated[bool, typer.Option("--end", help="End the override that is in force.")] = False,
    actor: ActorOption = None,
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
    timeout: TimeoutOption = None,
) -> None:
    """Let new revisions through windows and a suspension for a while: 15 minutes by default.

    Signatures, rules and guards hold as ever, and nothing passes a freeze. Who did it and why is an
    event.
    """
    from controller.app import settings
    from controller.cli import holding
    from controller.stores.control.holds import HoldKind, Wanted

    named = settings.load(settings.named_file(config))
    now, by = holding.present(), holding.who(actor)
    with deadline(timeout):
        if end:
            hold, still = holding.take(named, HoldKind.OVERRIDE, by, reason)
        else:
            ends = holding.ends(now, until, for_ or (OVERRIDE_LASTS if until is None else None))
            wanted = Wanted(HoldKind.OVERRIDE, by, reason, now, ends)
            hold, _, still = holding.put(named, wanted)
    holding.tell(named, hold, still, output)
