"""Requests into values: parameters and bodies, strictly, and without repeating what they hold."""

import asyncio
import re
from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect, Request

from controller.kernel import strictjson
from controller.kernel.instants import NotAnInstant, parse_when
from controller.kernel.strictjson import MalformedJson
from controller.web.problems import BadRequest, BodyTooLarge, BodyTooSlow, WrongMediaType

BODY_SECONDS = 30.0
_JSON = "application/json"


class Wire(BaseModel):
    """A document as clients send it; what it does not know, it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _digits(value: object) -> object:
    """Let through only what is written as a whole number is."""
    if isinstance(value, str) and not re.fullmatch(r"-?[0-9]{1,19}", value):
        raise ValueError("not a whole number")
    return value


Whole = Annotated[int, BeforeValidator(_digits)]
"""A whole number in a query; no blanks, signs of grouping or fractions."""

Number = Annotated[int, Field(ge=0, le=99_999_999_999), BeforeValidator(_digits)]
"""A number of a revision or an event: one of twelve digits could be a card's."""

Model = TypeVar("Model", bound=BaseModel)


def parameters(request: Request, model: type[Model]) -> Model:
    """Return the query of a request; a name that is unknown or stands twice is refused."""
    pairs = request.query_params.multi_items()
    words = dict(pairs)
    if len(words) != len(pairs):
        raise BadRequest("a parameter stands twice")
    return _valid(model, words)


async def document(request: Request, model: type[Model], *, size_max_bytes: int) -> Model:
    """Return the JSON body of a request."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _JSON:
        raise WrongMediaType(f"send {_JSON}", headers={"accept": _JSON})
    data = await body(request, size_max_bytes=size_max_bytes)
    try:
        members: Any = strictjson.parse(data, size_max_bytes=size_max_bytes)
    except MalformedJson as error:
        raise BadRequest("the body is not an object in strict JSON", hint=error.hint) from None
    return _valid(model, members)


async def body(request: Request, *, size_max_bytes: int, seconds: float = BODY_SECONDS) -> bytes:
    """Return the body of a request; it is refused before it is kept, or when it takes too long."""
    said = request.headers.get("content-length", "")
    if said.isascii() and said.isdecimal() and int(said) > size_max_bytes:
        raise BodyTooLarge(size_max_bytes)
    found = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                found += chunk
                if len(found) > size_max_bytes:
                    raise BodyTooLarge(size_max_bytes)
    except TimeoutError:
        raise BodyTooSlow(seconds) from None
    except ClientDisconnect:
        raise BadRequest("the body broke off") from None
    return bytes(found)


def instant(text: str) -> datetime:
    """Return the instant of a parameter; a day is its first moment."""
    try:
        return parse_when(text)
    except NotAnInstant as error:
        raise NotAnInstant("at: this is not an instant", hint=error.hint) from None


def _valid(model: type[Model], members: Any) -> Model:
    try:
        return model.model_validate(members)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False, include_context=False)
        raise BadRequest("; ".join(_words(model, one) for one in problems[:10])) from None


def _words(model: type[BaseModel], problem: Any) -> str:
    """Return what is wrong, in words of the model alone: a name may be anything, too."""
    if problem["type"] == "extra_forbidden":
        place = ".".join(str(part) for part in problem["loc"][:-1])
        return f"{place or 'there'}: a name that is not known here"
    place = ".".join(str(part) for part in problem["loc"]) or model.__name__
    return f"{place}: {problem['msg']}"
