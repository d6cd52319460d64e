"""A client's connection: uvicorn's own, with the resolver's short cut before its parser.

It also bounds what a client may send before a body, and how long that may take; and it refuses a
target that could hold a card number before anybody could log it.
"""

from asyncio import AbstractEventLoop, TimerHandle, Transport
from typing import Any, ClassVar

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from controller.web.hot import PREFIX, REQUEST_MAX_BYTES, Answers, holds_a_card

HEAD_MAX_BYTES = 64 * 1024
HEAD_SECONDS = 10.0
"""How long a connection may take to send what stands before a body."""

_NOT_COUNTED = -1

_REFUSAL = (
    b'{"type":"about:blank","title":"Bad Request","status":400,'
    b'"code":"resolve.too_many_digits","detail":"a number of 12 or more digits is not looked up: '
    b'it could be a card number"}'
)
TOO_MANY_DIGITS = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\n"
    b"content-length: %d\r\ncache-control: no-store\r\nconnection: close\r\n\r\n%b"
) % (len(_REFUSAL), _REFUSAL)


HEAD_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


def protocol(answers: Answers) -> type["HotProtocol"]:
    """Return the protocol class that uvicorn makes of each connection."""

    class Answering(HotProtocol):
        pass

    Answering.answers = answers
    return Answering


class HotProtocol(HttpToolsProtocol):
    """One connection; `protocol` makes the class that has answers."""

    answers: ClassVar[Answers]

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._between, self._refused = True, False
        self._head_bytes = _NOT_COUNTED
        self._head_timer: TimerHandle | None = None
        self._last_answer = 0.0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_a_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._has_a_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self._between and data.startswith(PREFIX) and self._is_idle():
            response = self.answers.respond(data) if len(data) <= REQUEST_MAX_BYTES else None
            if response is not None:
                self._sent(response)
                return
        if self._head_bytes >= 0:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_MAX_BYTES:
                # The parser has no bound of its own; what comes with the first read is let through.
                self._refuse(HEAD_TOO_LARGE)
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        self._between, self._head_bytes = False, 0
        self._expect_a_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._has_a_head()
        self._head_bytes = _NOT_COUNTED
        if self._refused:
            return
        if holds_a_card(self.url):
            # The target goes no further: not into a scope, a log, or a message.
            self.url = b"/"
            self._refuse(TOO_MANY_DIGITS)
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._between = True
        if not self._refused:
            super().on_message_complete()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection; one that was answered in between waits anew."""
        left = self._last_answer + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self.timeout_keep_alive_task = self.loop.call_later(
                left, self.timeout_keep_alive_handler
            )
        else:
            super().timeout_keep_alive_handler()

    def _sent(self, response: bytes) -> None:
        self.transport.write(response)
        self.server_state.total_requests += 1
        self._last_answer = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._has_a_head()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _is_idle(self) -> bool:
        cycle = self.cycle
        return (
            (cycle is None or cycle.response_complete)
            and not self.flow.write_paused
            and not self.transport.is_closing()
        )

    def _expect_a_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._close)

    def _has_a_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _close(self) -> None:
        self._head_timer = None
        self.transport.close()

    def _refuse(self, response: bytes) -> None:
        self._refused = True
        self._has_a_head()
        if self._is_idle():  # else it would look like the answer to an earlier request
            self.transport.write(response)
        self.transport.close()
