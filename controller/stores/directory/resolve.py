"""Answers as of an instant: identifiers, card numbers, participants, endpoints.

An instant is an argument: now, or a date in the future to try what is scheduled. An answer is good
until the first of the windows it used ends (or a narrower range begins): `valid_until`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from controller.adapters.postgres import Connection, dict_row
from controller.artifacts.tables import row_key, span
from controller.kernel.errors import Refused
from controller.kernel.instants import Window
from controller.plan.rows import SourceFile
from controller.stores.directory.model import (
    ANYTHING,
    REMOVED,
    CardRange,
    Endpoint,
    Gone,
    Identifier,
    IdentifierMatch,
    Participant,
    RangeMatch,
    Reach,
)
from controller.stores.directory.sql import QUERIES

DIGITS_MIN, DIGITS_MAX = 6, 11
_Row = Mapping[str, Any]


class NotAnIin(Refused):
    """A text is not the leading digits of a card number."""

    code = "directory.not_an_iin"

    def __init__(self) -> None:
        # The text is not repeated: it could be a whole card number.
        super().__init__(
            f"not {DIGITS_MIN} to {DIGITS_MAX} digits",
            hint="ask with the leading 6 to 11 digits; whole card numbers are not accepted",
        )


def resolve_identifier(
    connection: Connection[Any], scheme: str, value: str, at: datetime
) -> IdentifierMatch | Gone | None:
    """Return who an identifier stands for at an instant; `value` is in its canonical form.

    A removed identifier is `Gone`, with its successor. Any other that names a successor that is
    visible is followed to it, one hop and no further.
    """
    asked = _identifier_at(connection, scheme, value, at)
    if asked is None:
        return None
    if asked.status == REMOVED:
        return Gone(asked, asked.window.end)
    found, redirected_from = asked, None
    if asked.successor is not None:
        successor = _identifier_at(connection, *asked.successor, at)
        if successor is not None and successor.status != REMOVED:
            found, redirected_from = successor, asked
    who = participant(connection, found.participant_id, at)
    windows = [one.window for one in (asked, found, who) if one is not None]
    return IdentifierMatch(found, who, redirected_from, _earliest(w.end for w in windows))


def resolve_iin(connection: Connection[Any], digits: str, at: datetime) -> RangeMatch | None:
    """Return the smallest range visible at an instant that holds every number with these digits."""
    if not (digits.isascii() and digits.isdecimal() and DIGITS_MIN <= len(digits) <= DIGITS_MAX):
        raise NotAnIin
    lo, hi = span(digits, digits)
    cursor = connection.cursor(row_factory=dict_row)
    cursor.execute(QUERIES["ranges_around"], {"lo": lo, "hi": hi, "at": at})
    coming: list[datetime | None] = []
    for row in cursor:  # smallest first
        window = Window(row["starts"], row["ends"])
        if not window.contains(at):
            coming.append(window.start)
            continue
        found = _card_range(row)
        who = None
        if found.participant_id:
            who = participant(connection, found.participant_id, at)
        ends = [window.end, who.window.end if who else None, *coming]
        return RangeMatch(found, who, _earliest(ends))
    return None


def participant(connection: Connection[Any], identifier: str, at: datetime) -> Participant | None:
    """Return a participant as it is at an instant."""
    row = _one(
        connection,
        "participant_at",
        {"key": row_key("participants", (identifier,)), "id": identifier, "at": at},
    )
    if row is None:
        return None
    return Participant(
        **_texts(row, "id name legal_name country parent_id contact"),
        roles=_list(row["roles"]),
        currencies=_list(row["currencies"]),
        **_common(row),
    )


def endpoints_of(
    connection: Connection[Any],
    participant_id: str,
    at: datetime,
    *,
    reach: Reach = ANYTHING,
) -> tuple[Endpoint, ...]:
    """Return a participant's endpoints in use at an instant, by (priority, id).

    `reach.capability` is a message or a document type an endpoint must understand; a capability
    without a currency holds for all of them. An endpoint is of the rail of the bundle it stands in.
    """
    cursor = connection.cursor(row_factory=dict_row)
    cursor.execute(
        QUERIES["endpoints_at"],
        {
            "key": row_key("participants", (participant_id,)),
            "participant_id": participant_id,
            "at": at,
            "capability": reach.capability,
            "currency": reach.currency,
            "rail": reach.rail,
        },
    )
    asked = reach.capability is not None or reach.currency is not None
    found = []
    for row in cursor:
        endpoint = _endpoint(row)
        if asked:
            until = _earliest((endpoint.window.end, row["able_until"]))
            endpoint = replace(endpoint, valid_until=until)
        found.append(endpoint)
    return tuple(found)


def rules_at(connection: Connection[Any], at: datetime) -> tuple[str, ...]:
    """Return the routing rules visible at an instant as canonical JSON, by (priority, id)."""
    cursor = connection.cursor(row_factory=dict_row)
    return tuple(row["document"] for row in cursor.execute(QUERIES["rules_at"], {"at": at}))


def next_boundary(connection: Connection[Any], now: datetime) -> datetime | None:
    """Return the next instant at which something becomes visible or stops being so."""
    row = _one(connection, "next_boundary", {"now": now})
    assert row is not None
    boundary: datetime | None = row["boundary"]
    return boundary


def _identifier_at(
    connection: Connection[Any], scheme: str, value: str, at: datetime
) -> Identifier | None:
    key = row_key("identifiers", (scheme, value))
    values = {"key": key, "scheme": scheme, "value": value, "at": at}
    row = _one(connection, "identifier_at", values)
    if row is None:
        return None
    successor = None
    if row["successor_scheme"] and row["successor_value"]:
        successor = (row["successor_scheme"], row["successor_value"])
    return Identifier(
        **_texts(row, "scheme value participant_id usage removal_date"),
        primary=None if row["primary"] is None else row["primary"] == "true",
        successor=successor,
        **_common(row),
    )


def _card_range(row: _Row) -> CardRange:
    return CardRange(
        **_texts(
            row,
            "iin_start iin_end number_length number_luhn scheme brand type prepaid country "
            "currency participant_id",
        ),
        window=Window(row["starts"], row["ends"]),
        source=SourceFile(row["file_bundle"], row["file_path"]),
    )


def _endpoint(row: _Row) -> Endpoint:
    return Endpoint(
        **_texts(
            row,
            "id participant_id protocol transport_profile address certificate_fingerprint_sha256 "
            "certificate_subject certificate_not_before certificate_not_after priority weight "
            "require_business_level_signature",
        ),
        **_common(row),
        valid_until=row["ends"],
    )


def _one(connection: Connection[Any], name: str, values: Mapping[str, Any]) -> _Row | None:
    cursor = connection.cursor(row_factory=dict_row)
    return cursor.execute(QUERIES[name], values).fetchone()


def _texts(row: _Row, names: str) -> dict[str, Any]:
    return {name: row[name] or "" for name in names.split()}


def _common(row: _Row) -> dict[str, Any]:
    return {
        "status": row["status"] or "active",
        "window": Window(row["starts"], row["ends"]),
        "source": SourceFile(row["file_bundle"], row["file_path"]),
    }


def _list(cell: str | None) -> tuple[str, ...]:
    return tuple(cell.split("|")) if cell else ()


def _earliest(instants: Iterable[datetime | None]) -> datetime | None:
    return min((instant for instant in instants if instant is not None), default=None)
