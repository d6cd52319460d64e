"""Answers as JSON: one form for the command line, the database's answers and a copy's."""

from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from controller.kernel.instants import format_instant
from controller.plan.rows import SourceFile
from controller.reconcile.resolve import Answer
from controller.stores.directory.model import (
    CardRange,
    Endpoint,
    Gone,
    Identifier,
    Participant,
    RangeMatch,
)


def document(answer: Answer) -> dict[str, Any]:
    """Return an answer as JSON members; a resolver's copy gives the same (`snapshot.py`)."""
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
            "at": text(asked.at),
            "capability": asked.reach.capability,
            "currency": asked.reach.currency,
            "rail": asked.reach.rail,
        },
        "state": "removed" if isinstance(match, Gone) else "found",
        "matched": matched,
        "redirected_from": _identifier(redirected) if redirected else None,
        "participant": _participant(participant) if participant else None,
        "endpoints": [_endpoint(one) for one in answer.endpoints],
        "valid_until": text(answer.valid_until),
        "revision": {
            "number": origin.revision,
            "commit": origin.commit.hex(),
            "serial": origin.serial,
            "bundle": f"{origin.bundle}@{origin.version}" if origin.version else origin.bundle,
            "bundle_sha256": origin.sha256,
            "effective_from": text(origin.window.start),
            "effective_to": text(origin.window.end),
        },
    }


def _plain(one: Identifier | CardRange | Participant | Endpoint) -> dict[str, Any]:
    """Return an answer's texts; its window as two instants, its source as bundle and file."""
    source: SourceFile = one.source
    words = {
        field.name: getattr(one, field.name)
        for field in fields(one)
        if field.name not in ("window", "source", "valid_until")
    }
    window = {
        "effective_from": text(one.window.start),
        "effective_to": text(one.window.end),
    }
    return {**words, **window, "source": asdict(source)}


def _identifier(one: Identifier) -> dict[str, Any]:
    successor = one.successor
    return {
        **_plain(one),
        "successor": successor and {"scheme": successor[0], "value": successor[1]},
    }


def _range(one: CardRange) -> dict[str, Any]:
    return {
        **_plain(one),
        "length": len(one.iin_start),
    }


def _participant(one: Participant) -> dict[str, Any]:
    return {**_plain(one), "roles": list(one.roles), "currencies": list(one.currencies)}


def _endpoint(one: Endpoint) -> dict[str, Any]:
    return {**_plain(one), "valid_until": text(one.valid_until)}


def text(instant: datetime | None) -> str | None:
    """Return an instant's wire form; an open end stays open."""
    return format_instant(instant) if instant is not None else None
