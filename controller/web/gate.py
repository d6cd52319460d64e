"""What every request passes first: refused here, it is seen by nobody else.

A target that could hold a card number, one that is too long, headers that are too large, and more
requests at once than may be. Errors that nobody expected end here
too: the client gets a problem document, the log where it happened, and neither gets a value.
"""

import asyncio
import logging
import re
import traceback
from collections.abc import Callable
from contextlib import suppress
from time import perf_counter
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.kernel.errors import ControllerError, Corrupt
from controller.reconcile.resolve import TooManyDigits
from controller.web import problems
from controller.web.hot import holds_a_card
from controller.web.meters import Meters

TARGET_MAX_BYTES = 8 * 1024
HEADERS_MAX_BYTES = 32 * 1024
LINGER_SECONDS = 1.0
LINGER_MAX_BYTES = 4 * 1024 * 1024
_LONG_NUMBER = re.compile(r"[0-9](?:[ .-]?[0-9]){11,}")
_WITHOUT_BODY = {"GET", "HEAD", "OPTIONS"}
_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)


class Unexpected(Corrupt):
    """A mistake in this program; the log says where."""

    code = "api.unexpected"


class Gate:
    """The outermost application. `name` gives each request the name it has in answers and logs."""

    def __init__(
        self, app: ASGIApp, *, meters: Meters, name: Callable[[], str], requests_max: int
    ) -> None:
        self._app, self._meters, self._name = app, meters, name
        self._requests_max = requests_max
        self._at_work = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through, or answer it."""
        if scope["type"] != "http":
            raise RuntimeError("only HTTP is served")
        request = _Request(scope, send, self._name())
        began = perf_counter()
        self._at_work += 1
        try:
            error = self._refusal(scope)
            if error is None:
                await self._app(request.inner, receive, request.send)
            else:
                await request.refuse(error, receive)
        except ControllerError as error:
            _tell(error, request.name)
            await request.refuse(error, receive)
        except Exception as error:  # noqa: BLE001  whatever it was, its words go nowhere
            _tell(error, request.name)
            await request.refuse(Unexpected("see the log"), receive)
        finally:
            self._at_work -= 1
            self._meters.answered(request.route, request.status, perf_counter() - began)

    def _refusal(self, scope: Scope) -> ControllerError | None:
        target = scope.get("raw_path") or scope["path"].encode()
        if scope["query_string"]:
            target = b"%b?%b" % (target, scope["query_string"])
        if holds_a_card(target):
            return TooManyDigits()
        if len(target) > TARGET_MAX_BYTES:
            return problems.TargetTooLong(f"a target holds at most {TARGET_MAX_BYTES} bytes")
        headers = scope["headers"]
        if sum(len(name) + len(value) for name, value in headers) > HEADERS_MAX_BYTES:
            return problems.HeadersTooLarge(f"headers hold at most {HEADERS_MAX_BYTES} bytes")
        if self._at_work > self._requests_max:
            return problems.TooBusy(f"{self._requests_max} requests are worked on already")
        return None


class _Request:
    """One request on its way: what its answer began with, and its name."""

    def __init__(self, scope: Scope, send: Send, name: str) -> None:
        self.name, self.status = name, 0
        self._send, self._started = send, False
        self.inner: dict[str, Any] = dict(scope)
        if scope["method"] == "HEAD":
            # The server drops the body: it knows what was asked for.
            self.inner["method"] = "GET"

    @property
    def route(self) -> str:
        """The route's pattern, never the path: a value could be in that."""
        route = self.inner.get("route")
        return getattr(route, "path", "none").replace(":path}", "}")

    async def send(self, message: Message) -> None:
        """Send a part of the answer."""
        if message["type"] == "http.response.start":
            self._started, self.status = True, message["status"]
            name = (b"x-request-id", self.name.encode())
            message = {**message, "headers": [*message["headers"], *_ALWAYS, name]}
        await self._send(message)

    async def refuse(self, error: ControllerError, receive: Receive) -> None:
        """Answer with an error; when an answer has begun, break it off."""
        if self._started:
            raise RuntimeError("an answer broke off") from None
        if self.inner["method"] in _WITHOUT_BODY:
            await problems.response(error, self.name)(self.inner, receive, self.send)
            return
        answer = problems.response(error, self.name, problems.CLOSE)
        start = {"type": "http.response.start", "status": answer.status_code}
        await self.send({**start, "headers": answer.raw_headers})
        await self.send({"type": "http.response.body", "body": answer.body, "more_body": True})
        # Closed at once, a client that still sends would be cut off before it reads the answer.
        await _let_run(receive)
        await self.send({"type": "http.response.body", "body": b""})


async def _let_run(receive: Receive) -> None:
    """Pass over a little of what is left of a body."""
    passed = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while passed < LINGER_MAX_BYTES:
                message = await receive()
                passed += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return


def _tell(error: Exception, name: str) -> None:
    """Log what is wrong on our side: where, and of what kind, but no value of a request."""
    log = logging.getLogger("countersign.api")
    if not isinstance(error, ControllerError):
        places = "".join(traceback.format_tb(error.__traceback__))
        log.error("request %s: unexpected %s\n%s", name, type(error).__name__, places)
    elif problems.status_of(error) >= 500:
        log.error("request %s: %s: %s", name, error.code, _LONG_NUMBER.sub("…", str(error)))
