"""`countersign resolve`: who is reached under an identifier, now or at a date."""

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.cli.options import ConfigOption, OutputOption, TimeoutOption, deadline
from controller.cli.output import Output, emit, emit_json, say
from controller.cli.status import instant

if TYPE_CHECKING:
    from controller.plan.rows import SourceFile
    from controller.reconcile.resolve import Answer
    from controller.stores.directory.model import (
        CardRange,
        Endpoint,
        Gone,
        Identifier,
        Participant,
    )

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
    from controller.reconcile.resolve import question
    from controller.reconcile.resolve import resolve as find
    from controller.stores.directory.model import Gone

    named = settings.load(settings.named_file(config))
    with deadline(timeout):
        when = parse_when(at) if at is not None else SystemClock().now()
        asked = question(
            wiring.schemes(), scheme, value, when, capability=capability, currency=currency
        )
        with wiring.world(named) as world:
            answer = find(world, asked)
    if answer is None:
        say(f"nobody is known as {scheme} {asked.value} at {instant(when)}")
        if scheme not in wiring.schemes():
            say(f"hint: {scheme!r} is no registered scheme: {', '.join(sorted(wiring.schemes()))}")
        raise typer.Exit(NOT_FOUND)
    if output is Output.JSON:
        emit_json(_as_json(answer))
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


def _as_json(answer: "Answer") -> dict[str, Any]:
    from controller.stores.directory.model import Gone, RangeMatch

    asked, match, origin = answer.question, answer.match, answer.origin
    matched: dict[str, Any]
    redirected, participant = None, None
    if isinstance(match, RangeMatch):
        matched, participant = _range(match.range), match.participant
    elif isinstance(match, Gone):
        matched = _identifier(match.identifier)
    else:
        matched, participant = _identifier(match.identifier), match.participant
        redirected = match.redirected_from
    return {
        "query": {
            "scheme": asked.scheme,
            "value": asked.value,
            "at": instant(asked.at),
            "capability": asked.capability,
            "currency": asked.currency,
        },
        "state": "removed" if isinstance(match, Gone) else "found",
        "matched": matched,
        "redirected_from": _identifier(redirected) if redirected else None,
        "participant": _participant(participant) if participant else None,
        "endpoints": [_endpoint(one) for one in answer.endpoints],
        "valid_until": instant(answer.valid_until),
        "revision": {
            "number": origin.revision,
            "commit": origin.commit.hex(),
            "serial": origin.serial,
            "bundle": f"{origin.bundle}@{origin.version}" if origin.version else origin.bundle,
            "bundle_sha256": origin.sha256,
            "effective_from": instant(origin.window.start),
            "effective_to": instant(origin.window.end),
        },
    }


def _plain(one: "Identifier | CardRange | Participant | Endpoint") -> dict[str, Any]:
    """Return an answer's texts; its window as two instants, its source as bundle and file."""
    source: SourceFile = one.source
    words = {
        field.name: getattr(one, field.name)
        for field in fields(one)
        if field.name not in ("window", "source", "valid_until")
    }
    window = {
        "effective_from": instant(one.window.start),
        "effective_to": instant(one.window.end),
    }
    return {**words, **window, "source": asdict(source)}


def _identifier(one: "Identifier") -> dict[str, Any]:
    successor = one.successor
    return {
        **_plain(one),
        "successor": successor and {"scheme": successor[0], "value": successor[1]},
    }


def _range(one: "CardRange") -> dict[str, Any]:
    return {
        **_plain(one),
        "length": len(one.iin_start),
    }


def _participant(one: "Participant") -> dict[str, Any]:
    return {**_plain(one), "roles": list(one.roles), "currencies": list(one.currencies)}


def _endpoint(one: "Endpoint") -> dict[str, Any]:
    return {**_plain(one), "valid_until": instant(one.valid_until)}


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
