"""`countersign resolve`: who is reached under an identifier, now or at a date."""

from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.options import ConfigOption, OutputOption, TimeoutOption, deadline
from controller.cli.output import Output, emit, emit_json, say
from controller.cli.status import instant

if TYPE_CHECKING:
    from controller.reconcile.resolve import Answer
    from controller.stores.directory.model import Gone

NOT_FOUND = 1
AtOption = Annotated[
    str | None,
    typer.Option("--at", metavar="WHEN", help="A day (2027-01-01) or a UTC instant; default now."),
]


def resolve(  # noqa: PLR0913, PLR0917  one parameter per option
    scheme: Annotated[str, typer.Argument(metavar="SCHEME", help="iin, in-ifsc, bic, caip2, …")],
    value: Annotated[str, typer.Argument(metavar="VALUE", help="The identifier.")],
    at: AtOption = None,
    capability: Annotated[
        str | None,
        typer.Option("--capability", help="Only endpoints that take this message or document."),
    ] = None,
    currency: Annotated[
        str | None, typer.Option("--currency", help="Only endpoints that take this currency.")
    ] = None,
    rail: Annotated[
        str | None, typer.Option("--rail", help="Only endpoints that a bundle of this rail holds.")
    ] = None,
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
    timeout: TimeoutOption = None,
) -> None:
    """Answer who an identifier stands for and where they are reached.

    `iin` takes the leading 6 to 11 digits of a card number. Exit 1: unknown, or removed.
    """
    from controller.adapters.clock import SystemClock
    from controller.app import settings, wiring
    from controller.kernel.instants import parse_when
    from controller.reconcile.answer import document
    from controller.reconcile.resolve import question
    from controller.reconcile.resolve import resolve as find
    from controller.stores.directory.model import Gone, Reach

    named = settings.load(settings.named_file(config))
    with deadline(timeout):
        when = parse_when(at) if at is not None else SystemClock().now()
        asked = question(
            wiring.schemes(),
            scheme,
            value,
            when,
            reach=Reach(capability=capability, currency=currency, rail=rail),
        )
        with wiring.world(named) as world:
            answer = find(world.connection, world.environment, asked)
    if answer is None:
        say(f"nobody is known as {scheme} {asked.value} at {instant(when)}")
        if scheme not in wiring.schemes():
            say(f"hint: {scheme!r} is no registered scheme: {', '.join(sorted(wiring.schemes()))}")
        raise typer.Exit(NOT_FOUND)
    if output is Output.JSON:
        emit_json(document(answer))
    if isinstance(answer.match, Gone):
        _say_gone(answer.match)
        raise typer.Exit(NOT_FOUND)
    if output is Output.TEXT:
        _as_text(answer)


def _say_gone(match: "Gone") -> None:
    one = match.identifier
    day = f" on {one.removal_date}" if one.removal_date else ""
    successor = f"; its successor is {' '.join(one.successor)}" if one.successor else ""
    say(f"{one.scheme} {one.value} was removed{day}{successor}")


def _as_text(answer: "Answer") -> None:
    from controller.stores.directory.model import IdentifierMatch, RangeMatch

    match, origin = answer.match, answer.origin
    if isinstance(match, RangeMatch):
        one = match.range
        span = f"{one.iin_start}-{one.iin_end}" if one.iin_end else one.iin_start
        words = (one.scheme, one.brand, one.type, one.country, one.currency)
        emit(f"range        {span}  {' '.join(word for word in words if word)}")
        participant = match.participant
    else:
        assert isinstance(match, IdentifierMatch)
        found, asked = match.identifier, match.redirected_from
        came = f"  (instead of {asked.scheme} {asked.value})" if asked else ""
        emit(f"identifier   {found.scheme} {found.value}  {found.status}{came}")
        participant = match.participant
    if participant is None:
        emit("participant  none is named")
    else:
        about = (participant.name, participant.country, participant.status)
        emit(f"participant  {participant.id}  {' '.join(word for word in about if word)}")
    for endpoint in answer.endpoints:
        emit(f"endpoint     {endpoint.id}  {endpoint.protocol} {endpoint.address}")
    emit(f"valid until  {instant(answer.valid_until) or 'nothing ahead changes it'}")
    version = f"@{origin.version}" if origin.version else ""
    emit(
        f"revision     {origin.revision}, release {origin.serial}, {origin.bundle}{version}, "
        f"commit {origin.commit.hex()[:12]}"
    )
