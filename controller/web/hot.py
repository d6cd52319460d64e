"""The resolver's hot route: bytes of `GET /v1/resolve/…` become bytes of an answer.

A request that is one plain piece (a GET, no body, nothing unusual among its headers) is answered
at once from the snapshot, or from answers that are ready. Everything else, and every answer but
200 and 304, is left to the application, as if this were not here: the two must agree, and the
strict parser there has the last word on what a request is.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import parse_qsl, unquote_plus

from controller.kernel.errors import Refused
from controller.kernel.instants import Clock, format_instant
from controller.reconcile.resolve import could_be_a_card
from controller.reconcile.snapshot import FOUND, FRESH_SECONDS_MAX, Found, Snapshot
from controller.stores.directory.model import ANYTHING, Reach
from controller.stores.directory.snapshot_records import moment_of
from controller.web.envelope import versioned

ANSWERS_MAX = 50_000
"""So many ready answers are kept; when there are more, all are dropped."""

REQUEST_MAX_BYTES = 8 * 1024
PREFIX = b"GET /v1/resolve/"

_PLAIN = re.compile(
    rb"GET /v1/resolve/(([A-Za-z0-9._:~-]+)/([A-Za-z0-9._:~-]+)(?:\?([A-Za-z0-9._:~&=-]*))?)"
    rb" HTTP/1\.1\r\n(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*\r\n)*\r\n"
)
# What changes how a request is framed or answered; `keep-alive` says what HTTP/1.1 does anyway.
_ODD = re.compile(
    rb"\n(?:content-length|transfer-encoding|expect|upgrade|range|x-http-method-override|"
    rb"connection:(?![ \t]*keep-alive[ \t]*\r)|accept:(?![^\r]*(?:application/json|\*/\*)))",
    re.IGNORECASE,
)
_IF_NONE_MATCH = re.compile(rb"\nif-none-match:[ \t]*([^\r]*)\r", re.IGNORECASE)
_NOT_DIGITS = bytes(set(range(256)) - set(b"0123456789"))
_CARD_DIGITS_MIN = 12
_REACH = frozenset({"capability", "currency", "rail"})


class Answers:
    """Ready answers of the current snapshot, dropped with it and at the next boundary.

    `current` returns the snapshot; `is_open` tells whether this route may answer at all (without
    asking who is there); `counted` is told the status of each answer.
    """

    def __init__(
        self,
        current: Callable[[], Snapshot | None],
        clock: Clock,
        *,
        is_open: Callable[[], bool] = lambda: True,
        counted: Callable[[int], None] = lambda _status: None,
    ) -> None:
        self._current, self._clock = current, clock
        self._is_open, self._counted = is_open, counted
        self._snapshot: Snapshot | None = None
        self._ready: dict[bytes, Found] = {}
        # The second that answers are of now, and the boundaries around it.
        self._since = self._until = datetime.min.replace(tzinfo=UTC)
        self._second = self._from = self._before = 0
        self._at = self._etag = self._head = self._not_modified = b""

    def respond(self, request: bytes) -> bytes | None:
        """Return the whole response to a whole request; `None` leaves it to the application."""
        match = _PLAIN.fullmatch(request)
        if match is None or _ODD.search(request) is not None or not self._is_open():
            return None
        now, snapshot = self._clock.now(), self._current()
        if snapshot is None:
            return None
        if snapshot is not self._snapshot or not self._since <= now < self._until:
            self._turn(snapshot, now)
        target = match[1]
        found = self._ready.get(target)
        if found is None:
            found = self._answer(snapshot, match)
            if found is None:
                return None
            if len(self._ready) >= ANSWERS_MAX:
                self._ready.clear()
            self._ready[target] = found
        if b"one-" in request or b"ONE-" in request:
            known = _IF_NONE_MATCH.search(request)
            if known is not None and (self._etag in known[1] or known[1].strip() == b"*"):
                self._counted(304)
                return self._not_modified
        self._counted(200)
        size = len(found.before) + len(self._at) + len(found.after)
        return b"%b%d\r\n\r\n%b%b%b" % (self._head, size, found.before, self._at, found.after)

    def _turn(self, snapshot: Snapshot, now: datetime) -> None:
        """Begin another second, or another snapshot; forget what that makes old."""
        self._since = now.replace(microsecond=0)
        self._until = self._since + timedelta(seconds=1)
        self._second = moment_of(self._since)
        if snapshot is not self._snapshot or not self._from <= self._second < self._before:
            self._ready.clear()
            self._snapshot = snapshot
            self._from, self._before = snapshot.around(self._second)
            self._etag = snapshot.etag(self._second).encode()
        self._at = format_instant(now).encode()
        common = b"date: %b\r\netag: %b\r\ncache-control: max-age=%d\r\n" % (
            format_datetime(self._since, usegmt=True).encode(),
            self._etag,
            min(FRESH_SECONDS_MAX, (self._before - self._second) // 1_000_000),
        )
        self._not_modified = b"HTTP/1.1 304 Not Modified\r\n%b\r\n" % common
        self._head = (
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n%bcontent-length: "
        ) % common

    def _answer(self, snapshot: Snapshot, match: re.Match[bytes]) -> Found | None:
        reach = _reach(match[4])
        if reach is None:
            return None
        scheme, value = match[2].decode(), match[3].decode()
        if could_be_a_card(value):
            return None
        try:
            value = snapshot.canonical(scheme, value)
            found = snapshot.find(scheme, value, self._second, reach)
        except Refused:
            return None  # the application says why
        if found is None or found.status != FOUND:
            return None
        return found._replace(before=versioned(found.before))


def _reach(query: bytes | None) -> Reach | None:
    """Return which endpoints a query asks for; `None` for anything the application has to judge."""
    if not query:
        return ANYTHING
    pairs = parse_qsl(query.decode(), keep_blank_values=True)
    words = dict(pairs)
    if len(words) != len(pairs) or not words.keys() <= _REACH:
        return None
    return Reach(**words)


def holds_a_card(target: bytes) -> bool:
    """Whether a part of a request's target could be a card number, written plainly or escaped."""
    if len(target.translate(None, _NOT_DIGITS)) < _CARD_DIGITS_MIN:
        return False
    path, _, query = target.partition(b"?")
    words = [*path.split(b"/"), *(pair.partition(b"=")[2] for pair in query.split(b"&"))]
    return any(could_be_a_card(unquote_plus(word.decode("latin-1"))) for word in words)
