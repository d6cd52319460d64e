"""The directory's tables: columns, keys and the narrow numbers that stand for keys.

Every cell is text; the empty text means absent. A rail may leave columns out, never reorder them.
"""

import hashlib
import sys
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_UNIT = "\x1f"
_DIGEST = type(hashlib.sha256()).digest


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the directory: its columns in file order and the columns of its key."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]


def _table(name: str, columns: str, key: str) -> Table:
    columns += ",effective_from,effective_to"
    return Table(name, tuple(columns.split(",")), tuple(key.split(",")))


TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        _table(
            "participants",
            "id,name,legal_name,country,roles,currencies,parent_id,contact,status",
            "id",
        ),
        _table(
            "identifiers",
            "participant_id,scheme,value,usage,primary,successor_scheme,successor_value,"
            "removal_date,status",
            "scheme,value",
        ),
        _table(
            "endpoints",
            "id,participant_id,protocol,transport_profile,address,certificate_fingerprint_sha256,"
            "certificate_subject,certificate_not_before,certificate_not_after,priority,weight,"
            "require_business_level_signature,status",
            "id",
        ),
        _table(
            "capabilities",
            "endpoint_id,document_type_scheme,document_type,process_scheme,process,message,"
            "currency,status",
            "endpoint_id,document_type_scheme,document_type,process_scheme,process,message,currency",
        ),
        _table(
            "ranges",
            "iin_start,iin_end,number_length,number_luhn,scheme,brand,type,prepaid,country,"
            "currency,participant_id",
            "iin_start,iin_end",
        ),
    )
}
"""By name, in the order rows are put: what is referred to comes before what refers to it."""


def row_key(table: str, parts: Sequence[str]) -> int:
    """Return the signed 64-bit number that stands for a key.

    The first eight bytes, big endian, of SHA-256 over the table's name and the key's cells, each
    behind a unit separator (which no cell may hold). Two keys with one number are refused.
    """
    text = _UNIT.join((table, *parts)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big", signed=True)


def row_keys(table: str, parts: Sequence[Sequence[str]]) -> list[int]:
    """Return the numbers of many keys, given column by column: the same as `row_key` of each.

    `parts` are the key's columns, all of one length; a cell never holds a line feed.
    """
    keys: Sequence[str] = parts[0]
    if len(parts) > 1:
        keys = list(map(_UNIT.join, zip(*parts, strict=True)))
    if not keys:
        return []
    begin = f"{table}{_UNIT}"
    # All keys as one text between line feeds: it is made and encoded in one go.
    texts = (begin + f"\n{begin}".join(keys)).encode().split(b"\n")
    hashes = map(hashlib.sha256, texts)
    numbers = array("q", b"".join(map(_DIGEST, hashes)))
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers[:: hashlib.sha256().digest_size // numbers.itemsize].tolist()


def span(iin_start: str, iin_end: str) -> tuple[int, int]:
    """Return a card range's first and last number, both padded to 12 digits."""
    return int(iin_start.ljust(12, "0")), int((iin_end or iin_start).ljust(12, "9"))
