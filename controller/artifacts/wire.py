"""What the signed documents have in common on the wire: strict models, exact places of faults.

A wire model mirrors its document and forbids what it does not know. It becomes a domain value
before anyone else sees it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from controller.artifacts.layout import VERSION_MAX, is_segment
from controller.kernel.canonical import Json, readable
from controller.kernel.errors import Refused
from controller.kernel.instants import EmptyWindow, NotAnInstant, Window, parse_instant
from controller.kernel.strictjson import TOKENS_MAX, escape, locate, parse

PAYLOAD_TYPE = "application/vnd.in-toto+json"
"""The DSSE payload type of every statement; `predicateType` tells them apart."""

PAYLOAD_SIZE_MAX_BYTES = 3 * 1024 * 1024
SUBJECTS_MAX = 10_000
REASON_MAX = 500

_STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SHA1 = re.compile(r"[0-9a-f]{40}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


class BadDocument(Refused):
    """A document is strict JSON but not what it should be; `pointer` and `line` say where."""

    code = "document.malformed"

    def __init__(self, what: str, reason: str, *, pointer: str = "", line: int = 1) -> None:
        super().__init__(f"{what}: line {line}, {pointer or '/'}: {reason}")
        self.what, self.reason, self.pointer, self.line = what, reason, pointer, line


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if pattern.fullmatch(text) is None:
            raise ValueError(f"not {what}")
        return text

    return check


def _segment(text: str) -> str:
    if not is_segment(text):
        raise ValueError("not a name: lower-case letters, digits, . _ - (64 at most)")
    return text


def _instant(text: str) -> str:
    try:
        parse_instant(text)
    except NotAnInstant as error:
        raise ValueError(f"not an instant; {error.hint}") from None
    return text


def _reason(text: str) -> str:
    if text != text.strip() or _UNPRINTABLE.search(text):
        raise ValueError("plain printable text without white space at its edges")
    return text


def _environments(names: list[str]) -> list[str]:
    if len(set(names)) != len(names):
        raise ValueError("an environment that stands twice")
    return names


Segment = Annotated[str, AfterValidator(_segment)]
Sha256Text = Annotated[str, AfterValidator(_matching(_SHA256, "64 lower-case hex digits"))]
Sha1Text = Annotated[str, AfterValidator(_matching(_SHA1, "40 lower-case hex digits"))]
UuidText = Annotated[str, AfterValidator(_matching(_UUID, "a lower-case UUID"))]
InstantText = Annotated[str, AfterValidator(_instant)]
ReasonText = Annotated[str, Field(min_length=1, max_length=REASON_MAX), AfterValidator(_reason)]
Number = Annotated[int, Field(ge=1, le=VERSION_MAX)]
Count = Annotated[int, Field(ge=0)]
Environments = Annotated[
    list[Segment], Field(min_length=1, max_length=64), AfterValidator(_environments)
]


class Wire(BaseModel):
    """A document or a part of one: exactly these members, exactly these types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class StatementWire(Wire):
    """The outside of an in-toto Statement v1."""

    type_: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")


class Sha256Set(Wire):
    """An in-toto digest set of one SHA-256."""

    sha256: Sha256Text


class WindowText(Wire):
    """The two ends of a window; `null` leaves one open."""

    effective_from: InstantText | None
    effective_to: InstantText | None


_Model = TypeVar("_Model", bound=Wire)
_Value = TypeVar("_Value")


def read_document(
    model: type[_Model],
    build: Callable[[_Model], _Value],
    data: bytes,
    what: str,
    *,
    tokens_max: int = TOKENS_MAX,
) -> _Value:
    """Return the domain value of a document's bytes, or refuse with pointer and line."""
    value = parse(data, size_max_bytes=PAYLOAD_SIZE_MAX_BYTES, tokens_max=tokens_max)
    try:
        return build(model.model_validate(value))
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        pointer = "".join("/" + escape(str(part)) for part in fault["loc"] if part != "[key]")
        reason = fault["msg"].removeprefix("Value error, ")
    except Fault as fault_found:
        pointer, reason = fault_found.pointer, fault_found.reason
    raise BadDocument(what, reason, pointer=pointer, line=locate(data, pointer).line)


class Fault(Exception):
    """Two members of a document contradict each other; `read_document` adds the line."""

    def __init__(self, pointer: str, reason: str) -> None:
        super().__init__(reason)
        self.pointer, self.reason = pointer, reason


def statement(predicate_type: str, subject: Sequence[Json], predicate: Mapping[str, Json]) -> bytes:
    """Return the bytes of an in-toto Statement v1 as they are signed and written."""
    return readable(
        {
            "_type": _STATEMENT_TYPE,
            "predicateType": predicate_type,
            "subject": subject,
            "predicate": predicate,
        }
    )


def only(subjects: Sequence[Any], name: str) -> Any:
    """Return the one subject of a statement, which has this name."""
    if len(subjects) != 1:
        raise Fault("/subject", "exactly one subject belongs here")
    if subjects[0].name != name:
        raise Fault("/subject/0/name", f"the predicate speaks of {name}")
    return subjects[0]


def window(pointer: str, start: str | None, end: str | None) -> Window:
    """Return the window of two wire instants."""
    try:
        return Window.parse(start, end)
    except EmptyWindow as error:
        raise Fault(pointer, str(error)) from None


def expiry(created: datetime, expires: datetime) -> datetime:
    """Return when a statement ends, which is after it was made."""
    if expires <= created:
        raise Fault("/predicate/expires", "not later than created")
    return expires
