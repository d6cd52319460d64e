"""What somebody types to name a row, and the keys that it can stand for.

A key is written TABLE/KEY: `participants/harbour-bank`, `identifiers/bic/HARBNL2A`,
`ranges/990100-990104`, `rules/swift-iso20022/correspondents/usd-direct`. SCHEME/VALUE and
`iin/DIGITS` are short for identifiers and for the range that holds the digits. Anything else is
tried in every table. What could be a whole card number is looked up only where a table is named,
and is never repeated.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, islice

from controller.artifacts.tables import span
from controller.kernel.errors import Refused
from controller.plan.rows import STORED_TABLES
from controller.policy.identifiers import Scheme, canonical
from controller.reconcile.resolve import IIN, TooManyDigits

SPLITS_MAX = 10_000
"""A key of many parts that hold slashes can be read in many ways; so many are tried."""

_SHORT = {"participant": "participants", "endpoint": "endpoints"}
_LONG_NUMBER = re.compile(r"[0-9](?:[ .-]*[0-9]){11,}")
_DIGITS = re.compile(r"[0-9]{6,11}")
_RANGE = re.compile(r"([0-9]{1,12})(?:-([0-9]{1,12}))?")
_SPAN = re.compile(r"([0-9]{12})/([0-9]{12})")


class BadKey(Refused):
    """A key does not have the form of its table's keys."""

    code = "trace.bad_key"


class AmbiguousKey(Refused):
    """Rows of several keys are meant by one text."""

    code = "trace.ambiguous_key"

    def __init__(self, keys: Iterable["Key"]) -> None:
        texts = sorted(str(key) for key in keys)
        super().__init__(
            f"this can be {', '.join(texts)}", hint=f"name the table: countersign trace {texts[0]}"
        )
        self.keys = tuple(texts)


@dataclass(frozen=True, slots=True)
class Key:
    """One key of one table; a range's parts are the first and last number of its padded span."""

    table: str
    parts: tuple[str, ...]

    def __str__(self) -> str:
        """Return the key as it may be typed."""
        return "/".join((self.table, *self.parts))


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed, the keys it can stand for, and the digits if it can be part of a number.

    `rule` is the id of a routing rule, whose bundle only the store knows. `scheme` and `value` are
    the two words of it, as they were typed; a value that could be a card number is left out.
    """

    scheme: str
    value: str
    keys: tuple[Key, ...]
    digits: str = ""
    rule: str = ""


def asked(schemes: Mapping[str, Scheme], text: str) -> Asked:
    """Return what a text can stand for; refuse what could be a whole card number."""
    first, slash, rest = text.strip().partition("/")
    table = _SHORT.get(first, first)
    if slash and table in STORED_TABLES:
        return _of_table(schemes, first, table, rest)
    if any(_LONG_NUMBER.fullmatch(part.strip()) for part in (text, rest)):
        raise TooManyDigits
    if slash and first == IIN:
        return Asked(first, rest, (), digits=rest)
    if slash and first in schemes:
        value = canonical(schemes, first, rest)
        return Asked(first, value, (Key("identifiers", (first, value)),))
    return _of_any(schemes, text.strip())


def _of_table(schemes: Mapping[str, Scheme], word: str, table: str, rest: str) -> Asked:
    if not rest:
        raise BadKey(f"{word}/ names no row", hint=_EXAMPLES[table])
    if table == "ranges":
        return Asked(word, rest, (Key(table, _span_of(rest)),))
    keys = tuple(_canonical(schemes, key) for key in _splits(table, rest))
    if not keys:
        columns = "/".join(STORED_TABLES[table].key)
        raise BadKey(f"a key of {table} is {table}/{columns}", hint=_EXAMPLES[table])
    return Asked(word, _shown(rest), keys)


def _of_any(schemes: Mapping[str, Scheme], text: str) -> Asked:
    named = [
        Key("identifiers", (name, scheme.canonical(text)))
        for name, scheme in schemes.items()
        if scheme.matches(scheme.canonical(text))
    ]
    tables = ("participants", "identifiers", "endpoints", "capabilities", "rules")
    split = [key for table in tables for key in _splits(table, text)]
    digits = text if _DIGITS.fullmatch(text) else ""
    return Asked("", text, tuple(dict.fromkeys((*named, *split))), digits, text)


def _shown(text: str) -> str:
    """Return a text as it may be repeated."""
    return "…" if _LONG_NUMBER.search(text) else text


def _splits(table: str, text: str) -> Iterator[Key]:
    """Yield every way to read a text as a key: parts may hold slashes themselves."""
    words, wanted = text.split("/"), len(STORED_TABLES[table].key)
    cuts = combinations(range(1, len(words)), wanted - 1)
    for cut in islice(cuts, SPLITS_MAX):
        edges = (0, *cut, len(words))
        parts = ("/".join(words[edges[at] : edges[at + 1]]) for at in range(wanted))
        yield Key(table, tuple(parts))


def _canonical(schemes: Mapping[str, Scheme], key: Key) -> Key:
    if key.table != "identifiers":
        return key
    scheme, value = key.parts
    return Key(key.table, (scheme, canonical(schemes, scheme, value)))


def _span_of(text: str) -> tuple[str, str]:
    """Return the padded span of a range that is written START, START-END or LO/HI."""
    if padded := _SPAN.fullmatch(text):
        lo, hi = int(padded[1]), int(padded[2])
    elif (match := _RANGE.fullmatch(text)) and len(max(match[1], match[2] or "", key=len)) < 12:
        lo, hi = span(match[1], match[2] or "")
    else:
        # Not repeated: it could be a whole card number.
        raise BadKey(
            "a key of ranges is ranges/START, ranges/START-END or ranges/LO/HI",
            hint=_EXAMPLES["ranges"],
        )
    return (str(lo), str(hi))


_EXAMPLES = {
    "participants": "for example: countersign trace participants/harbour-bank",
    "identifiers": "for example: countersign trace identifiers/bic/HARBNL2A",
    "endpoints": "for example: countersign trace endpoints/alder-bank-api",
    "capabilities": "`countersign plan` and `diff` show keys; empty parts are written, too: "
    "countersign trace capabilities/alder-bank-api/////pacs.008.001.08/EUR",
    "ranges": "for example: countersign trace ranges/990100-990104, or iin/990102",
    "rules": "for example: countersign trace rules/swift-iso20022/correspondents/usd-direct",
}
