"""`countersign trace`: from a row back to the people who signed it."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.cli.options import ConfigOption, OutputOption, TimeoutOption, deadline
from controller.cli.output import Output, emit, emit_json, say
from controller.cli.status import instant

if TYPE_CHECKING:
    from controller.reconcile.places import Place
    from controller.reconcile.trace import Event, Signed, Trace, Traced


def trace(
    key: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY", help="TABLE/KEY, SCHEME/VALUE or iin/DIGITS; bare where it is clear."
        ),
    ],
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            metavar="WHEN",
            help="What production served then: a day (2027-01-01) or a UTC instant.",
        ),
    ] = None,
    revision: Annotated[
        int | None,
        typer.Option("--revision", metavar="N", min=1, help="What this revision served."),
    ] = None,
    config: ConfigOption = None,
    output: OutputOption = Output.TEXT,
    timeout: TimeoutOption = None,
) -> None:
    """Show where a row comes from: line, version, signers, release, revision, audit commit.

    Rows that are gone are shown as well, with who removed them and where they stood last. A key is
    written as `participants/harbour-bank`, `identifiers/bic/HARBNL2A`, `ranges/990100-990104`.
    Exit 1: there never was such a row, or it was not served then.
    """
    from controller.adapters.clock import SystemClock
    from controller.app import settings, wiring
    from controller.kernel.instants import parse_when
    from controller.reconcile.keys import asked
    from controller.reconcile.trace import trace as find

    named = settings.load(settings.named_file(config))
    with deadline(timeout):
        when = parse_when(at) if at is not None else None
        meant = asked(wiring.schemes(), "/".join(key))
        with wiring.world(named) as world:
            found = find(world, meant, SystemClock().now(), at=when, revision=revision)
    if output is Output.JSON:
        emit_json(_as_json(found))
    elif found.rows:
        _as_text(found)
    if not found.rows:
        _say_nothing(found)
        raise typer.Exit(1)


def _say_nothing(found: "Trace") -> None:
    scheme, value = found.asked.scheme, found.asked.value
    what = f"{scheme} {value}".strip()
    if found.key is None:
        say(f"no row was ever known as {what}")
    elif found.served is not None:
        number = found.served.revision.revision
        say(f"{what} was not in production in revision {number}")
        say(f"hint: it was at other times: countersign trace {found.key}")


# JSON


def _as_json(found: "Trace") -> dict[str, Any]:
    asked = found.asked
    return {
        "query": {
            "scheme": asked.scheme or None,
            "value": asked.value,
            "key": str(found.key) if found.key else None,
            "at": instant(found.at),
        },
        "served": _event_json(found, found.served) if found.served else None,
        "rows": [_row_json(found, one) for one in found.rows],
    }


def _row_json(found: "Trace", one: "Traced") -> dict[str, Any]:
    from controller.reconcile.trace import columns_of

    row, place = one.row, one.place
    return {
        "table": row.table,
        "state": "gone" if one.left else "applied",
        "visibility": one.visibility.value,
        "cells": columns_of(row),
        "effective_from": instant(row.window.start),
        "effective_to": instant(row.window.end),
        "commit": place.commit.hex(),
        "file": place.path,
        "line": place.line,
        "bundle": {
            "bundle": place.bundle,
            "version": place.version,
            "sha256": place.sha256,
            "signers": _people(found, one.signers),
        },
        "applied": _event_json(found, one.came),
        "removed": _removed_json(found, one, one.left) if one.left else None,
    }


def _removed_json(found: "Trace", one: "Traced", left: "Event") -> dict[str, Any]:
    last = one.last
    return {
        **_event_json(found, left),
        "replaced": one.replaced,
        "bundles": [_signed_json(found, version) for version in one.left_with],
        "last": last and {"commit": last.commit.hex(), "file": last.path, "line": last.line},
    }


def _signed_json(found: "Trace", one: "Signed") -> dict[str, Any]:
    return {
        "bundle": one.bundle,
        "version": one.version,
        "sha256": one.sha256,
        "signers": _people(found, one.signers),
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


# Text


def _as_text(found: "Trace") -> None:
    if found.served is not None:
        _event_text(found, "served", found.served)
        emit("")
    for number, one in enumerate(found.rows):
        if number:
            emit("")
        _row_text(found, one)


def _row_text(found: "Trace", one: "Traced") -> None:
    from controller.reconcile.trace import columns_of

    row, place = one.row, one.place
    cells = " ".join(f"{name}={cell}" for name, cell in columns_of(row).items())
    emit(f"{row.table}  {cells}")
    start, end = instant(row.window.start) or "…", instant(row.window.end) or "…"
    if row.window.start or row.window.end:
        emit(f"  window    {start} to {end}{_beside(found, one)}")
    _place_text("line", place)
    version = f"{place.bundle}@{place.version}"
    emit(f"  bundle    {version}, signed by {_names(found, one.signers)}")
    _event_text(found, "came", one.came)
    if one.left:
        _event_text(found, "replaced" if one.replaced else "left", one.left)
        for version_left in one.left_with:
            who = _names(found, version_left.signers)
            emit(f"            by {version_left.bundle}@{version_left.version}, signed by {who}")
        if one.last is not None:
            _place_text("last", one.last)


def _beside(found: "Trace", one: "Traced") -> str:
    words = {"visible": "", "not_begun": ", not begun", "ended": ", ended"}
    said = words[one.visibility.value]
    return f"{said} at {instant(found.at)}" if said else ""


def _place_text(word: str, place: "Place") -> None:
    emit(f"  {word:<9} {place.path}:{place.line}")
    emit(f"            git show {place.commit.hex()}:{place.path}")


def _event_text(found: "Trace", word: str, event: "Event") -> None:
    revision = event.revision
    emit(
        f"  {word:<9} revision {revision.revision} ({revision.kind.value}) "
        f"at {instant(revision.applied_at)}, commit {revision.commit.hex()}"
    )
    emit(f"            release {revision.serial}, signed by {_names(found, event.signers)}")
    commit = event.audit_commit.hex() if event.audit_commit else "waits"
    emit(f"            audit record {event.audit_seq}, commit {commit}")


def _names(found: "Trace", signers: tuple[str, ...]) -> str:
    """Return who signed, each with the key's id, as `countersign root show` lists them."""
    people = sorted((found.owners.get(key, "unknown"), key) for key in signers)
    return ", ".join(f"{owner} ({key})" for owner, key in people) or "unknown keys"
