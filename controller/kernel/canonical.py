"""One canonical JSON and one digest, used by journals, plans and chains alike.

The profile is a subset of RFC 8785 on which the standard library already writes RFC 8785's bytes:
objects with ASCII keys, strings without lone surrogates, integers of at most 2^53 - 1 in size,
booleans and null. There are no floats: money is a decimal string. Signed documents are never
canonicalised for verification; `readable` only makes what we write deterministic.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NewType, TypeAlias

from controller.kernel.errors import Refused

Digest = NewType("Digest", str)
"""A SHA-256 as 64 lower-case hex digits."""

Json: TypeAlias = bool | int | str | Sequence["Json"] | Mapping[str, "Json"] | None
"""A JSON value under the profile."""

INTEGER_MAX = 2**53 - 1


class NotCanonical(Refused):
    """A value has no canonical form under the profile."""

    code = "canonical.outside_profile"


def sha256(data: bytes) -> Digest:
    """Return the SHA-256 of `data`."""
    return Digest(hashlib.sha256(data).hexdigest())


def canonical(value: Json) -> bytes:
    """Return the RFC 8785 bytes of `value`, or refuse it."""
    _check(value, "")
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode()


def readable(value: Json) -> bytes:
    """Return what people review: the same members in the same order, indented, with a final LF."""
    _check(value, "")
    return (json.dumps(value, ensure_ascii=False, sort_keys=True, indent=2) + "\n").encode()


def _check(value: object, pointer: str) -> None:
    match value:
        case None | bool():
            pass
        case int():
            if abs(value) > INTEGER_MAX:
                raise NotCanonical(f"{pointer or '/'}: an integer beyond 2^53 - 1")
        case str():
            # Asked first because it takes no time: nearly every text we write is ASCII.
            if not value.isascii() and any("\ud800" <= one <= "\udfff" for one in value):
                raise NotCanonical(f"{pointer or '/'}: a lone surrogate")
        case Mapping() | list() | tuple():
            _check_members(value, pointer)
        case _:
            raise NotCanonical(f"{pointer or '/'}: {type(value).__name__} has no canonical form")


def _check_members(
    value: Mapping[Any, object] | list[object] | tuple[object, ...], pointer: str
) -> None:
    if not isinstance(value, Mapping):
        for index, item in enumerate(value):
            _check(item, f"{pointer}/{index}")
        return
    for key, item in value.items():
        if not (isinstance(key, str) and key.isascii()):
            raise NotCanonical(f"{pointer or '/'}: a key that is not ASCII text")
        _check(item, f"{pointer}/{key}")
