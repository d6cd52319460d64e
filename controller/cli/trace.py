"""`countersign trace`: from a row back to the people who signed it."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.cli.options import ConfigOption, OutputOption, TimeoutOption, deadline
from controller.cli.output import Output, emit, emit_json, say
from controller.cli.resolve import AtOption
from controller.cli.status import instant

if TYPE_CHECKING:
    from controller.reconcile.trace import Event, Trace, Traced


def trace(
    kind: Annotated[
        str, typer.Argument(metavar="SCHEME", help="A scheme, iin, `participant` or `endpoint`.")
    ],
    value: Annotated[str, typer.Argument(metavar="VALUE", help="The identifier.")],
    at: AtOption = None,
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
    timeout: TimeoutOption = None,
) -> None:
    """Show where a row comes from: line, version, signers, release, revision, audit commit.

    Rows that are gone are shown as well, with what removed them. Exit 1: there never was one.
    """
    from controller.adapters.clock import SystemClock
    from controller.app import settings, wiring
    from controller.kernel.instants import parse_when
    from controller.reconcile.resolve import question
    from controller.reconcile.trace import trace as find

    named = settings.load(settings.named_file(config))
    with deadline(timeout):
        when = parse_when(at) if at is not None else SystemClock().now()
        asked = question(wiring.schemes(), kind, value, when)
        with wiring.world(named) as world:
            found = find(world, asked)
    if output is Output.JSON:
        emit_json(_as_json(found))
    elif found.rows:
        for number, one in enumerate(found.rows):
            if number:
                emit("")
            _as_text(found, one)
    if not found.rows:
        say(f"no row was ever known as {kind} {asked.value}")
        raise typer.Exit(1)


def _as_json(found: "Trace") -> dict[str, Any]:
    asked = found.question
    return {
        "query": {"scheme": asked.scheme, "value": asked.value, "at": instant(asked.at)},
        "rows": [_row_json(found, one) for one in found.rows],
    }


def _row_json(found: "Trace", one: "Traced") -> dict[str, Any]:
    from controller.reconcile.trace import columns_of

    row, place = one.row, one.place
    return {
        "table": row.table,
        "state": "gone" if one.left else "applied",
        "cells": columns_of(row),
        "effective_from": instant(row.window.start),
        "effective_to": instant(row.window.end),
        "file": place.path,
        "line": place.line,
        "bundle": {
            "bundle": place.bundle,
            "version": place.version,
            "sha256": place.sha256,
            "signers": _people(found, place.signers),
        },
        "applied": _event_json(found, one.came),
        "removed": _event_json(found, one.left) if one.left else None,
    }


def _event_json(found: "Trace", event: "Event") -> dict[str, Any]:
    revision = event.revision
    return {
        "revision": revision.revision,
        "kind": revision.kind.value,
        "applied_at": instant(revision.applied_at),
        "commit": revision.commit.hex(),
        "release": {
            "serial": revision.serial,
            "sha256": revision.release_sha256,
            "signers": _people(found, event.signers),
        },
        "audit": {
            "seq": event.audit_seq,
            "commit": event.audit_commit.hex() if event.audit_commit else None,
        },
    }


def _people(found: "Trace", signers: tuple[str, ...]) -> list[dict[str, str | None]]:
    return [{"key": key, "owner": found.owners.get(key)} for key in signers]


def _as_text(found: "Trace", one: "Traced") -> None:
    from controller.reconcile.trace import columns_of

    row, place = one.row, one.place
    cells = " ".join(f"{name}={cell}" for name, cell in columns_of(row).items())
    emit(f"{row.table}  {cells}")
    start, end = instant(row.window.start) or "…", instant(row.window.end) or "…"
    if row.window.start or row.window.end:
        emit(f"  window    {start} to {end}")
    emit(f"  line      {place.path}:{place.line}")
    emit(f"  bundle    {place.bundle}@{place.version}, signed by {_names(found, place.signers)}")
    _event_text(found, "came", one.came)
    if one.left:
        _event_text(found, "left", one.left)


def _event_text(found: "Trace", word: str, event: "Event") -> None:
    revision = event.revision
    emit(
        f"  {word}      revision {revision.revision} ({revision.kind.value}) "
        f"at {instant(revision.applied_at)}, commit {revision.commit.hex()}"
    )
    emit(f"            release {revision.serial}, signed by {_names(found, event.signers)}")
    commit = event.audit_commit.hex() if event.audit_commit else "waits"
    emit(f"            audit record {event.audit_seq}, commit {commit}")


def _names(found: "Trace", signers: tuple[str, ...]) -> str:
    return ", ".join(sorted(found.owners.get(key, key) for key in signers)) or "unknown keys"
