"""Strict JSON: RFC 8259 with everything refused that two parsers could read differently.

Refused: a byte order mark, anything but UTF-8, duplicate keys, floats and exponents (read as
`Decimal` where a caller asks for decimals), `NaN` and `Infinity`, integers beyond 2^53 - 1, lone
surrogates, nesting or words beyond the limits, and anything after the document. Every refusal names
line and column, both from 1.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from controller.kernel.canonical import INTEGER_MAX
from controller.kernel.errors import Refused

SIZE_MAX_BYTES = 4 * 1024 * 1024
DEPTH_MAX = 32
TOKENS_MAX = 500_000
"""Brackets, commas, colons, texts and numbers: what a value costs in time and memory. A release of
10,000 bundles has 300,000."""

_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[\]{}:,]|[^\s\[\]{}:,"]+', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
_DECIMAL_LENGTH_MAX = 128
_INTEGER_DIGITS_MAX = len(str(INTEGER_MAX)) + 1


class MalformedJson(Refused):
    """Bytes are not the strict JSON we read."""

    code = "json.malformed"

    def __init__(self, reason: str, *, line: int = 1, column: int = 1, hint: str = "") -> None:
        super().__init__(f"line {line} column {column}: {reason}", hint=hint)
        self.reason, self.line, self.column = reason, line, column


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value or a key starts, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    offset: int
    pointer: str
    is_key: bool


def parse(
    data: bytes,
    *,
    size_max_bytes: int = SIZE_MAX_BYTES,
    depth_max: int = DEPTH_MAX,
    tokens_max: int = TOKENS_MAX,
    decimals: bool = False,
) -> Any:
    """Return the value of `data` as dict, list, str, int, bool, None (and `Decimal` on request)."""
    if len(data) > size_max_bytes:
        reason = f"{len(data)} bytes is more than the {size_max_bytes} we read"
        raise MalformedJson(reason, hint="split the document")
    text = _decode(data)
    _refuse_many(text, depth_max, tokens_max)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_float=_decimal if decimals else _refuse_float,
            parse_int=_integer,
            parse_constant=_refuse_constant,
        )
    except json.JSONDecodeError as error:
        hint = "see the commas, quotes and brackets here and just before"
        raise MalformedJson(error.msg, line=error.lineno, column=error.colno, hint=hint) from None
    except _Unacceptable as bad:
        token = next((token for token in _scan(text) if bad.is_at(token)), None)
        place = _place(text, token.offset if token else 0)
        raise MalformedJson(
            bad.reason, line=place.line, column=place.column, hint=bad.hint
        ) from None
    # Raw surrogates are not UTF-8, so only an escape can smuggle one in.
    if "\\u" in text and _SURROGATE.search(json.dumps(value, ensure_ascii=False, default=str)):
        token = next(token for token in _scan(text) if _holds_surrogate(token.text))
        place = _place(text, token.offset)
        reason, hint = "a lone surrogate is not text", "write the character itself"
        raise MalformedJson(reason, line=place.line, column=place.column, hint=hint)
    return value


def locate(data: bytes, pointer: str) -> Place:
    """Return where the value at an RFC 6901 pointer stands in a document that `parse` accepted.

    The key's place where the value is a member; the start of the document when nothing is there.
    """
    text = data.decode()
    for token in _scan(text):
        if token.pointer == pointer:
            return _place(text, token.offset)
    return Place(1, 1)


def locate_all(data: bytes, pointers: Collection[str]) -> dict[str, Place]:
    """Return where the values at some pointers stand, as `locate` does, in one look."""
    text = data.decode()
    found: dict[str, Place] = {}
    for token in _scan(text):
        if token.pointer in pointers and token.pointer not in found:
            found[token.pointer] = _place(text, token.offset)
    return {pointer: found.get(pointer, Place(1, 1)) for pointer in pointers}


def escape(part: str) -> str:
    """Return one reference token of an RFC 6901 pointer."""
    return part.replace("~", "~0").replace("/", "~1")


class _Unacceptable(Exception):
    def __init__(self, reason: str, is_at: Callable[[_Token], bool], hint: str = "") -> None:
        self.reason, self.is_at, self.hint = reason, is_at, hint


def _decode(data: bytes) -> str:
    if data.startswith(b"\xef\xbb\xbf"):
        raise MalformedJson("a byte order mark", hint="save the file as UTF-8 without BOM")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = error.start - (before.rfind(b"\n") + 1) + 1
        raise MalformedJson(
            "not UTF-8", line=line, column=column, hint="save the file as UTF-8"
        ) from None


def _refuse_many(text: str, depth_max: int, tokens_max: int) -> None:
    opened = text.count("[") + text.count("{")
    signs = opened + text.count("]") + text.count("}") + text.count(",") + text.count(":")
    if opened <= depth_max and 2 * signs < tokens_max:
        return  # what is nested deeper holds more brackets; at most one word stands after each sign
    depth = 0
    for number, match in enumerate(_TOKEN.finditer(text)):
        if number >= tokens_max:
            place = _place(text, match.start())
            reason = f"more than the {tokens_max:,} words and signs we read"
            hint = "split the document"
            raise MalformedJson(reason, line=place.line, column=place.column, hint=hint)
        if match[0] in ("[", "{"):
            depth += 1
            if depth > depth_max:
                place = _place(text, match.start())
                reason, hint = f"nested deeper than {depth_max}", "write it with fewer levels"
                raise MalformedJson(reason, line=place.line, column=place.column, hint=hint)
        elif match[0] in ("]", "}"):
            depth -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Unacceptable(
            "a key that stands twice in one object", _second_time(), "write every key once"
        )
    return members


def _second_time() -> Callable[[_Token], bool]:
    seen: set[str] = set()

    def is_at(token: _Token) -> bool:
        if token.is_key and token.pointer in seen:
            return True
        if token.is_key:
            seen.add(token.pointer)
        return False

    return is_at


def _integer(text: str) -> int:
    if len(text) > _INTEGER_DIGITS_MAX or abs(int(text)) > INTEGER_MAX:
        raise _Unacceptable(
            "an integer beyond 2^53 - 1", lambda token: token.text == text, "write it as a string"
        )
    return int(text)


def _refuse_float(text: str) -> Any:
    raise _Unacceptable(
        "a number with a fraction or an exponent",
        lambda token: token.text == text,
        "write amounts as decimal strings",
    )


def _decimal(text: str) -> Decimal:
    if len(text) > _DECIMAL_LENGTH_MAX:
        raise _Unacceptable("a number too long to read", lambda token: token.text == text)
    try:
        return Decimal(text)
    except InvalidOperation:
        raise _Unacceptable("a number out of range", lambda token: token.text == text) from None


def _refuse_constant(text: str) -> Any:
    hint = "leave the member out, or write null"
    raise _Unacceptable(f"{text} is not JSON", lambda token: token.text == text, hint)


def _holds_surrogate(token: str) -> bool:
    return token.startswith('"') and _SURROGATE.search(json.loads(token, strict=False)) is not None


def _place(text: str, offset: int) -> Place:
    return Place(text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))


def _scan(text: str) -> Iterator[_Token]:
    """Yield every key and value of a document with its pointer, as far as it can be read."""
    stack: list[tuple[str, list[Any]]] = []  # (pointer of the container, [kind, key or index])
    expects_key = False
    for match in _TOKEN.finditer(text):
        word, here = match[0], _pointer(stack)
        if word in ("]", "}"):
            if stack:
                stack.pop()
            expects_key = False
        elif word == ",":
            if stack and stack[-1][1][0] == "[":
                stack[-1][1][1] += 1
            else:
                expects_key = True
        elif word == ":":
            expects_key = False
        elif expects_key and stack:
            key = _unquoted(word)
            if key is None:
                return
            stack[-1][1][1] = key
            yield _Token(word, match.start(), _pointer(stack), is_key=True)
        else:
            yield _Token(word, match.start(), here, is_key=False)
            if word in ("[", "{"):
                stack.append((here, [word, 0 if word == "[" else ""]))
                expects_key = word == "{"


def _unquoted(word: str) -> str | None:
    """Return a key as a pointer has it; `None` where its escapes are none, so nobody can go on."""
    if word[0] != '"':
        return word
    try:
        return escape(json.loads(word, strict=False))
    except json.JSONDecodeError:
        return None  # what is reported stands before it, or at the start


def _pointer(stack: list[tuple[str, list[Any]]]) -> str:
    return f"{stack[-1][0]}/{stack[-1][1][1]}" if stack else ""
