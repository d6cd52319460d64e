"""Errors as clients get them: problem documents (RFC 9457) made of our error tree.

What a request did wrong is told in full, except for its own values: any of them could be a card
number. What is wrong on our side is told by its code alone; the words go to the log.
"""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from starlette.responses import Response

from controller.kernel.errors import (
    ControllerError,
    DeadlinePassed,
    Held,
    Refused,
    Unavailable,
    Unclean,
    Untrusted,
)
from controller.reconcile.changes import UnknownRevision

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5
_NO_STORE = {"cache-control": "no-store"}


class RequestRefused(Refused):
    """A request asks for what there is not, or not in a form that we take; `status` says which."""

    code = "api.refused"
    status: HTTPStatus = HTTPStatus.BAD_REQUEST

    def __init__(
        self, message: str, *, hint: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.headers = dict(headers or {})


class BadRequest(RequestRefused):
    """A parameter or a body is not what the route takes."""

    code = "api.bad_request"


class NoSuchRoute(RequestRefused):
    """Nothing is served under this path."""

    code = "api.no_such_route"
    status = HTTPStatus.NOT_FOUND


class MethodNotAllowed(RequestRefused):
    """The path is served, but not by this method."""

    code = "api.method_not_allowed"
    status = HTTPStatus.METHOD_NOT_ALLOWED


class BodyTooLarge(RequestRefused):
    """A body is larger than the route takes."""

    code = "api.body_too_large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE

    def __init__(self, size_max_bytes: int) -> None:
        super().__init__(f"a body here holds at most {size_max_bytes} bytes", headers=CLOSE)


class BodyTooSlow(RequestRefused):
    """A body did not arrive in time."""

    code = "api.body_too_slow"
    status = HTTPStatus.REQUEST_TIMEOUT

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the body did not arrive within {seconds:g} s", headers=CLOSE)


class WrongMediaType(RequestRefused):
    """A body comes as something that the route does not read."""

    code = "api.wrong_media_type"
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class TargetTooLong(RequestRefused):
    """Path and query together are too long."""

    code = "api.target_too_long"
    status = HTTPStatus.REQUEST_URI_TOO_LONG


class HeadersTooLarge(RequestRefused):
    """The headers together are too large."""

    code = "api.headers_too_large"
    status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


class TooBusy(Unavailable):
    """As many requests as may be are worked on already."""

    code = "api.too_busy"


class NotServing(Unavailable):
    """There is nothing to answer from yet, or the database cannot be asked."""

    code = "api.not_serving"


CLOSE = {"connection": "close"}


def status_of(error: ControllerError) -> HTTPStatus:
    """Return the status that an error is answered with: its own, or its branch's."""
    if isinstance(error, RequestRefused):
        return error.status
    return next((status for branch, status in _BRANCHES if isinstance(error, branch)), _OURS)


def document(error: ControllerError, instance: str = "") -> dict[str, object]:
    """Return an error as the members of a problem document."""
    status = status_of(error)
    ours = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    told = not ours or isinstance(error, TooBusy | NotServing)
    members: dict[str, object] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": int(status),
        "code": error.code,
        "detail": str(error) if told else "the request is good, but it cannot be answered now",
    }
    if error.hint and told:
        members["hint"] = error.hint
    if instance:
        members["instance"] = f"urn:countersign:request:{instance}"
    return members


def response(
    error: ControllerError, instance: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    """Return an error as a response; `instance` names the request, here and in the log."""
    status = status_of(error)
    own = error.headers if isinstance(error, RequestRefused) else {}
    wait = {"retry-after": str(RETRY_SECONDS)} if status in _RETRIED else {}
    return Response(
        rendered(document(error, instance)),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers={**_NO_STORE, **wait, **own, **(headers or {})},
    )


def rendered(members: Mapping[str, object]) -> bytes:
    """Return members as JSON."""
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()


_OURS = HTTPStatus.INTERNAL_SERVER_ERROR
_BRANCHES: Sequence[tuple[type[ControllerError], HTTPStatus]] = (
    (UnknownRevision, HTTPStatus.CONFLICT),
    (DeadlinePassed, HTTPStatus.GATEWAY_TIMEOUT),
    (Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (Untrusted, HTTPStatus.FORBIDDEN),
    (Held, HTTPStatus.CONFLICT),
    (Unclean, HTTPStatus.UNPROCESSABLE_ENTITY),
    (Refused, HTTPStatus.BAD_REQUEST),
)
_RETRIED = frozenset({HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})
