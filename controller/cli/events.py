"""`countersign events`: what happened to the controller, as it was written down."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.cli.options import ConfigOption, OutputOption, TimeoutOption, deadline
from controller.cli.output import Output, emit, emit_json, styled
from controller.cli.status import instant

if TYPE_CHECKING:
    from controller.adapters.postgres import Connection
    from controller.stores.control.events import StoredEvent

LOOK_SECONDS = 1.0
OVERLAP = 1_000
"""So many ids are looked at again: a number is given before its event is committed."""

_COLOURS = {"error": "red", "warning": "yellow", "info": "blue"}


def events(
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Go on with what happens, until Ctrl-C.")
    ] = False,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=10_000, help="How many past events to show.")
    ] = 20,
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
    timeout: TimeoutOption = None,
) -> None:
    """List what happened to the controller, the newest last; docs/events.md says what each means.

    With -f, JSON is one object on each line.
    """
    from controller.app import settings, wiring
    from controller.stores.control import events as stored

    named = settings.load(settings.named_file(config))
    environment = named.controller.environment
    with deadline(timeout), wiring.database(named) as connection:
        past = stored.newest(connection, environment, limit=limit)
        if output is Output.JSON and not follow:
            emit_json({"events": [_as_json(one) for one in past]})
            return
        for one in past:
            _show(one, output)
        if follow:
            for one in _coming(connection, environment, past[-1].id if past else 0):
                _show(one, output)
        elif not past:
            emit("Nothing has happened yet.")


def _coming(connection: "Connection[Any]", environment: str, last: int) -> Iterator["StoredEvent"]:
    """Give events that come after one, each of them once."""
    import time

    from controller.stores.control import events as stored

    seen = {one.id for one in stored.since(connection, environment, after=last - OVERLAP)}
    while True:
        for one in stored.since(connection, environment, after=last - OVERLAP):
            if one.id not in seen:
                yield one
            seen.add(one.id)
        last = max(seen, default=last)
        seen = {one for one in seen if one > last - OVERLAP}
        time.sleep(LOOK_SECONDS)


def _show(one: "StoredEvent", output: Output) -> None:
    if output is Output.JSON:
        emit(json.dumps({"version": 1, **_as_json(one)}, ensure_ascii=False))
        return
    severity = styled(f"{one.severity:<7}", _COLOURS.get(one.severity, "blue"))
    actor = f" ({one.actor})" if one.actor else ""
    emit(f"{instant(one.at)}  {severity}  {one.name}  {one.message}{actor}")


def _as_json(one: "StoredEvent") -> dict[str, Any]:
    return {
        "id": one.id,
        "at": instant(one.at),
        "event": one.name,
        "severity": one.severity,
        "actor": one.actor,
        "revision": one.revision,
        "commit": one.commit.hex() if one.commit is not None else None,
        "message": one.message,
        "facts": one.facts,
    }
