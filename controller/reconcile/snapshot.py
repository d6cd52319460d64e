"""What a resolver answers from memory: the same words as `resolve` and `answer` give from the
database, made of ready pieces.

A snapshot is one revision and never changes. Answers are bytes: nothing is parsed or rendered on
the way but the few texts that an answer has of its own.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from controller.artifacts.tables import row_key, span
from controller.kernel.instants import format_instant
from controller.policy.identifiers import Scheme, canonical
from controller.reconcile.resolve import IIN, Question
from controller.reconcile.snapshot_facts import Facts, Files, quoted
from controller.reconcile.snapshot_text import instant_json, reach_json
from controller.stores.directory.model import ANYTHING, Reach
from controller.stores.directory.resolve import DIGITS_MAX, DIGITS_MIN, NotAnIin
from controller.stores.directory.snapshot import Rows
from controller.stores.directory.snapshot_records import (
    NEVER,
    NOT_IN_USE,
    REMOVED,
    UNIT,
    Record,
    moment_of,
    read,
)

FOUND, GONE = 200, 410
FRESH_SECONDS_MAX = 60
_SECOND = 1_000_000


class Found(NamedTuple):
    """An answer but for the instant it is of, which stands between `before` and `after`.

    `status` is 200, or 410 for an identifier that was removed; `until` is its `valid_until`, in
    microseconds since 2000.
    """

    status: int
    before: bytes
    after: bytes
    until: int

    def body(self, at: bytes) -> bytes:
        """Return the answer as of an instant, written as instants are."""
        return b"%b%b%b" % (self.before, at, self.after)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as a client gets it; `fresh_seconds` is how long it may be used again."""

    status: int
    body: bytes
    etag: str
    fresh_seconds: int


class _Match(NamedTuple):
    """Who was found, before anybody asks where they are reached."""

    status: int
    matched: Record
    redirected: Record | None
    participant: Record | None
    until: int


class Snapshot:
    """One revision of the directory, and what is applied with it."""

    def __init__(
        self, rows: Rows, facts: Facts, files: Files, schemes: Mapping[str, Scheme]
    ) -> None:
        self.rows, self.facts, self.files, self.schemes = rows, facts, files, schemes
        self._files = files.by_number
        self._origins = facts.origins()
        self._edges = facts.boundaries

    def resolve(self, asked: Question) -> Reply | None:
        """Answer a question; `None` when nobody is known by this value.

        Raises `NotAnIin` for digits that are not the beginning of a card number.
        """
        at = moment_of(asked.at)
        found = self.find(asked.scheme, asked.value, at, asked.reach)
        if found is None:
            return None
        body = found.body(format_instant(asked.at).encode())
        return Reply(found.status, body, self.etag(at), self.fresh_seconds(at))

    def batch(self, questions: Iterable[Question]) -> list[Reply | None]:
        """Answer questions, all of this revision, in their order."""
        return [self.resolve(asked) for asked in questions]

    def canonical(self, scheme: str, value: str) -> str:
        """Return a value as questions hold it."""
        return canonical(self.schemes, scheme, value)

    def find(self, scheme: str, value: str, at: int, reach: Reach = ANYTHING) -> Found | None:
        """Answer for a value in its canonical form, at an instant in microseconds since 2000."""
        match = self._range(value, at) if scheme == IIN else self._identifier(scheme, value, at)
        if match is None:
            return None
        status, matched, redirected, participant, until = match
        endpoints, until = self._endpoints(participant, at, reach, until)
        before = b'{"query":{"scheme":%b,"value":%b,"at":"' % (quoted(scheme), quoted(value))
        after = b"".join(
            (
                reach_json(reach),
                b'"found","matched":' if status == FOUND else b'"removed","matched":',
                self._json(matched),
                b'},"redirected_from":',
                b"null" if redirected is None else self._json(redirected) + b"}",
                b',"participant":',
                b"null" if participant is None else self._json(participant) + b"}",
                b',"endpoints":[',
                endpoints,
                b'],"valid_until":',
                instant_json(until),
                b',"revision":',
                self._origin(matched.file, at),
                b"}",
            )
        )
        return Found(status, before, after, until)

    def participant(self, identifier: str, at: int) -> bytes | None:
        """Return a participant as it is at an instant, with identifiers and endpoints, as JSON.

        Identifiers come by scheme and value, those that were removed among them; endpoints as in
        an answer. `None` when there is no such participant then.
        """
        who = self._participant(identifier, row_key("participants", (identifier,)), at)
        if who is None:
            return None
        named = [
            record
            for record in map(read, self.rows.find("identifiers_of", who.key))
            if record.more.split(UNIT)[0] == who.name and record.holds(at)
        ]
        named.sort(key=lambda record: record.name)
        endpoints, until = self._endpoints(who, at, ANYTHING, who.ends)
        until = min([until, *(record.ends for record in named)])
        return b"".join(
            (
                b'{"participant":',
                self._json(who),
                b'},"identifiers":[',
                b",".join([self._json(record) + b"}" for record in named]),
                b'],"endpoints":[',
                endpoints,
                b'],"valid_until":',
                instant_json(until),
                b',"revision":',
                self._origin(who.file, at),
                b"}",
            )
        )

    def around(self, at: int) -> tuple[int, int]:
        """Return the interval around an instant in which no answer changes: from, and before."""
        last, following = self.rows.around(at)
        index = bisect_right(self._edges, at)
        if index > 0:
            last = max(last, self._edges[index - 1])
        if index < len(self._edges):
            following = min(following, self._edges[index])
        return last, following

    def etag(self, at: int) -> str:
        """Return the weak tag of answers at an instant.

        Between two boundaries of one revision nothing changes but the instant an answer repeats.
        """
        last, _ = self.around(at)
        return f'W/"{self.facts.revision}-{self.facts.commit[:12]}-{last // _SECOND}"'

    def fresh_seconds(self, at: int) -> int:
        """Return how long answers at an instant may be used again: at most to the next boundary."""
        _, following = self.around(at)
        return min(FRESH_SECONDS_MAX, (following - at) // _SECOND)

    def _identifier(self, scheme: str, value: str, at: int) -> _Match | None:
        asked = self._known(scheme, value, at)
        if asked is None:
            return None
        if asked.number == REMOVED:
            return _Match(GONE, asked, None, None, asked.ends)
        found, redirected, until = asked, None, asked.ends
        named, *successor = asked.more.split(UNIT)
        if successor:
            other = self._known(successor[0].decode(), successor[1].decode(), at)
            if other is not None and other.number != REMOVED:
                found, redirected, until = other, asked, min(until, other.ends)
                named = other.more.split(UNIT)[0]
        who = self.rows.visible("participants", found.ref, named, at)
        if who is not None and who.ends < until:
            until = who.ends
        return _Match(FOUND, found, redirected, who, until)

    def _range(self, digits: str, at: int) -> _Match | None:
        if not (
            digits.isascii() and digits.isdecimal() and DIGITS_MIN <= len(digits) <= DIGITS_MAX
        ):
            raise NotAnIin
        until = NEVER
        for _, starts, record in self.rows.ranges_around(*span(digits, digits)):
            if record.ends <= at:
                continue
            if starts > at:  # a smaller range that is to come
                until = min(until, starts)
                continue
            who = None
            if record.name:
                name = record.name.decode()
                who = self._participant(name, row_key("participants", (name,)), at)
            until = min(until, record.ends, who.ends if who is not None else NEVER)
            return _Match(FOUND, record, None, who, until)
        return None

    def _known(self, scheme: str, value: str, at: int) -> Record | None:
        name = f"{scheme}\x1f{value}".encode()
        key = row_key("identifiers", (scheme, value))
        return self.rows.visible("identifiers", key, name, at)

    def _participant(self, identifier: str, key: int, at: int) -> Record | None:
        return self.rows.visible("participants", key, identifier.encode(), at)

    def _endpoints(
        self, who: Record | None, at: int, reach: Reach, until: int
    ) -> tuple[bytes, int]:
        """Return a participant's endpoints as JSON, and until when they and the rest stay so."""
        if who is None:
            return b"", until
        name = who.name
        some = [
            record
            for record in map(read, self.rows.find("endpoints", who.key))
            if record.name == name
            and record.starts <= at < record.ends
            and record.number != NOT_IN_USE
        ]
        if len(some) > 1:
            some.sort(key=_by_priority)
        parts = []
        for record in some:
            end = record.ends if reach is ANYTHING else self._reached(record, at, reach)
            if end is not None:
                until = min(until, end)
                text = self._files[record.file].text
                parts.append(b'%b%b,"valid_until":%b}' % (record.document, text, instant_json(end)))
        return b",".join(parts), until

    def _reached(self, endpoint: Record, at: int, reach: Reach) -> int | None:
        """Return until when an endpoint takes what is asked for; `None` when it does not."""
        if reach.rail is not None and self._files[endpoint.file].rail != reach.rail:
            return None
        if reach.capability is None and reach.currency is None:
            return endpoint.ends
        ends = [
            capability.ends
            for capability in self.rows.named("capabilities", endpoint.key, endpoint.more)
            if capability.holds(at)
            and capability.number != NOT_IN_USE
            and _takes(capability, reach)
        ]
        return min(endpoint.ends, max(ends)) if ends else None

    def _json(self, record: Record) -> bytes:
        """Return a record's part of an answer without its last brace."""
        return record.document + self._files[record.file].text

    def _origin(self, file: int, at: int) -> bytes:
        bundle = self._files[file].bundle
        for starts, ends, origin in self._origins.get(bundle, ()):
            if starts <= at < ends:
                return origin
        return self.facts.origin(bundle)


def _by_priority(record: Record) -> tuple[int, bytes]:
    return record.number, record.more


def _takes(capability: Record, reach: Reach) -> bool:
    message, document_type, currency = capability.more.decode().split("\x1f")
    wanted = reach.capability
    if wanted is not None and (not wanted or wanted not in {message, document_type}):
        return False
    return reach.currency is None or not currency or currency == reach.currency
