"""What the directory is asked over HTTP: who is reached where, and who somebody is."""

import json
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from controller.kernel.errors import Refused
from controller.kernel.instants import format_instant
from controller.reconcile.answer import document
from controller.reconcile.resolve import (
    IIN,
    Question,
    TooManyDigits,
    could_be_a_card,
    question,
    resolve,
)
from controller.reconcile.snapshot import FOUND, FRESH_SECONDS_MAX, GONE, Snapshot
from controller.stores.directory.model import Gone, Reach
from controller.stores.directory.resolve import DIGITS_MAX, DIGITS_MIN, NotAnIin
from controller.stores.directory.snapshot_records import moment_of
from controller.web import problems, reading
from controller.web.access import Scope
from controller.web.envelope import NO_STORE, kept, versioned
from controller.web.problems import BadRequest, NotServing, RequestRefused
from controller.web.reading import Wire
from controller.web.services import Services

QUESTIONS_MAX = 1_000
BATCH_MAX_BYTES = 512 * 1024
UNKNOWN_SECONDS = 5
"""How long a client may believe that somebody is unknown: they may come with the next revision."""

When = Annotated[str, Field(max_length=20, description="a UTC instant, or a day: its first moment")]
Word = Annotated[str, Field(max_length=200)]


class Unknown(RequestRefused):
    """Nobody is known by this value then."""

    code = "resolve.unknown"
    status = HTTPStatus.NOT_FOUND

    def __init__(self, what: str, *, hint: str = "") -> None:
        keep = {"cache-control": f"max-age={UNKNOWN_SECONDS}"}
        super().__init__(what, hint=hint, headers=keep)


class ResolveQuery(Wire):
    """What narrows a question: an instant, and which endpoints are asked for."""

    at: When | None = Field(default=None, description="as of when; now by default")
    capability: Word | None = Field(
        default=None, description="only endpoints that take this message or document"
    )
    currency: Word | None = Field(default=None, description="only endpoints that take it")
    rail: Word | None = Field(default=None, description="only endpoints of this rail's bundles")


class BatchQuestion(ResolveQuery):
    """One question of many."""

    scheme: Word
    value: Word


class Batch(Wire):
    """Questions that are answered together, all of one revision."""

    questions: list[BatchQuestion] = Field(max_length=QUESTIONS_MAX)


class AtQuery(Wire):
    """As of when something is asked."""

    at: When | None = Field(default=None, description="as of when; now by default")


class Directory:
    """The routes; each asks for the scope `directory:read`."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def resolve(self, request: Request) -> Response:
        """Answer who is reached under an identifier."""
        await self._services.admit(request, Scope.DIRECTORY)
        query = reading.parameters(request, ResolveQuery)
        scheme, value = request.path_params["scheme"], request.path_params["value"]
        asked = self._question(scheme, value, query)
        # One look: the state of the keeper before the snapshot that it speaks of.
        state, snapshot = self._services.state(), self._services.snapshot()
        if snapshot is None:
            return await self._services.aside(self._from_database, asked)
        reply = snapshot.resolve(asked)
        if reply is None:
            raise self._unknown(asked)
        return kept(
            request,
            reply.body,
            status=reply.status,
            etag=reply.etag,
            seconds=reply.fresh_seconds,
            state=state,
        )

    async def batch(self, request: Request) -> Response:
        """Answer many questions at once, each for itself."""
        await self._services.admit(request, Scope.DIRECTORY)
        batch = await reading.document(request, Batch, size_max_bytes=BATCH_MAX_BYTES)
        return await run_in_threadpool(self._answers, batch)

    async def participant(self, request: Request) -> Response:
        """Answer who a participant is, by all identifiers and endpoints."""
        await self._services.admit(request, Scope.DIRECTORY)
        at = self._instant(reading.parameters(request, AtQuery).at)
        identifier = _text(request.path_params["id"])
        state, snapshot = self._services.state(), self._services.snapshot()
        if snapshot is None:
            raise NotServing("the copy that answers come from is not there yet")
        moment = moment_of(at)
        members = snapshot.participant(identifier, moment)
        if members is None:
            raise Unknown("there is no such participant then")
        return kept(
            request,
            members,
            status=FOUND,
            etag=snapshot.etag(moment),
            seconds=snapshot.fresh_seconds(moment),
            state=state,
        )

    def _question(self, scheme: str, value: str, query: ResolveQuery) -> Question:
        at = self._instant(query.at)
        reach = Reach(query.capability, query.currency, query.rail)
        for text in (scheme, value, reach.capability, reach.currency, reach.rail):
            _text(text or "-")
        asked = question(self._services.schemes, scheme, value, at, reach=reach)
        if not scheme or not asked.value:
            raise BadRequest("an identifier has a scheme and a value")
        if scheme == IIN and not _are_digits(asked.value):
            raise NotAnIin
        return asked

    def _instant(self, text: str | None) -> datetime:
        return reading.instant(text) if text is not None else self._services.clock.now()

    def _unknown(self, asked: Question) -> Unknown:
        known = asked.scheme == IIN or asked.scheme in self._services.schemes
        hint = "" if known else "no scheme of this name is registered"
        return Unknown("nobody is known by this value then", hint=hint)

    def _from_database(self, asked: Question) -> Response:
        """Answer from the database: slower, and only until there is a copy."""
        with self._services.database() as connection:
            found = resolve(connection, self._services.environment, asked)
        if found is None:
            raise self._unknown(asked)
        until, now = found.valid_until, self._services.clock.now()
        left = FRESH_SECONDS_MAX if until is None else int((until - now).total_seconds())
        seconds = max(0, min(FRESH_SECONDS_MAX, left))
        body = json.dumps(document(found), ensure_ascii=False, separators=(",", ":"))
        return Response(
            versioned(body.encode()),
            GONE if isinstance(found.match, Gone) else FOUND,
            media_type="application/json",
            headers={"cache-control": f"max-age={seconds}"},
        )

    def _answers(self, batch: Batch) -> Response:
        state, snapshot = self._services.state(), self._services.snapshot()
        if snapshot is None:
            raise NotServing("the copy that answers come from is not there yet")
        now = self._services.clock.now()
        parts = b",".join(self._item(snapshot, one, now) for one in batch.questions)
        head = b'{"version":1,"revision":%d,"answers":[' % snapshot.facts.revision
        stale = state.stale_since
        tail = b"]}" if stale is None else b'],"stale_since":%b}' % _quoted(stale)
        return Response(head + parts + tail, media_type="application/json", headers=NO_STORE)

    def _item(self, snapshot: Snapshot, one: BatchQuestion, now: datetime) -> bytes:
        try:
            asked = self._question(one.scheme, one.value, one)
            if one.at is None:
                asked = Question(asked.scheme, asked.value, now, asked.reach)
            reply = snapshot.resolve(asked)
            if reply is None:
                raise self._unknown(asked)
        except Refused as error:
            problem = problems.rendered(problems.document(error))
            status = problems.status_of(error)
            return b'{"status":%d,"answer":null,"problem":%b}' % (status, problem)
        return b'{"status":%d,"answer":%b,"problem":null}' % (reply.status, reply.body)


def _text(text: str) -> str:
    """Return a text of a request, or refuse it: no identifier holds control characters."""
    if could_be_a_card(text):
        raise TooManyDigits
    if not text.isprintable():
        raise BadRequest("a text holds characters that nobody could read")
    return text


def _are_digits(text: str) -> bool:
    return text.isascii() and text.isdecimal() and DIGITS_MIN <= len(text) <= DIGITS_MAX


def _quoted(instant: datetime) -> bytes:
    return b'"%b"' % format_instant(instant).encode()
