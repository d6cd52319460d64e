"""Answers as they go out: version 1, how long they hold, and whether they may be old."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from controller.kernel.instants import format_instant
from controller.reconcile.keeper import State

JSON = "application/json"
STALE_SINCE = "countersign-stale-since"
NO_STORE = {"cache-control": "no-store"}


def versioned(members: bytes) -> bytes:
    """Return a JSON object with `"version": 1` before its members."""
    assert members.startswith(b"{"), "an object"
    return b'{"version":1,' + members[1:]


def answer(members: Mapping[str, Any], *, status: int = 200) -> Response:
    """Return members that nobody should keep."""
    body = json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(versioned(body), status, media_type=JSON, headers=NO_STORE)


def kept(
    request: Request, members: bytes, *, status: int, etag: str, seconds: int, state: State
) -> Response:
    """Return an answer that may be used again, or 304 when the client has it.

    One from a copy that may be behind says since when, and is not to be kept.
    """
    if state.stale_since is not None:
        return _stale(members, status, state.stale_since)
    headers = {"etag": etag, "cache-control": f"max-age={seconds}"}
    if status == 200 and _knows(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(versioned(members), status, media_type=JSON, headers=headers)


def _stale(members: bytes, status: int, since: datetime) -> Response:
    text = format_instant(since)
    body = b'%b,"stale_since":"%b"}' % (versioned(members)[:-1], text.encode())
    return Response(body, status, media_type=JSON, headers={**NO_STORE, STALE_SINCE: text})


def _knows(request: Request, etag: str) -> bool:
    given = ", ".join(request.headers.getlist("if-none-match"))
    plain = etag.removeprefix("W/")
    return given.strip() == "*" or plain in {
        one.strip().removeprefix("W/") for one in given.split(",")
    }
