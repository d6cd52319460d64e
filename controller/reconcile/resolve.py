"""Who can be reached under an identifier, now or at a date: what a resolver answers.

Every answer says which revision it is of, which bundle version it comes from, and until when it
holds. Everything is read from one state of the database.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from controller.adapters import migrations
from controller.adapters.postgres import Connection
from controller.kernel.canonical import Digest
from controller.kernel.errors import Refused
from controller.kernel.instants import Window
from controller.kernel.objects import Oid
from controller.plan.rows import SourceFile
from controller.policy.identifiers import Scheme, canonical
from controller.stores.control import store as control
from controller.stores.control.model import Applied
from controller.stores.directory import store as directory
from controller.stores.directory.model import (
    ANYTHING,
    Endpoint,
    Gone,
    IdentifierMatch,
    RangeMatch,
    Reach,
)

IIN = "iin"
"""The scheme whose values are looked up among card ranges."""

_LONG_NUMBER = re.compile(r"[0-9](?:[ .-]*[0-9]){11,}")


class TooManyDigits(Refused):
    """A value could be a card number."""

    code = "resolve.too_many_digits"

    def __init__(self) -> None:
        # The value is not repeated: it could be a whole card number.
        super().__init__(
            "a number of 12 or more digits is not looked up: it could be a card number",
            hint="ask with the leading 6 to 11 digits: countersign resolve iin 45717360",
        )


class NothingApplied(Refused):
    """There is no production to ask yet."""

    code = "resolve.nothing_applied"

    def __init__(self, environment: str) -> None:
        super().__init__(
            f"nothing has been applied to {environment} yet",
            hint="run `countersign reconcile --once`",
        )


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: `value` in its scheme's canonical form, as of an instant."""

    scheme: str
    value: str
    at: datetime
    reach: Reach = ANYTHING


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an answer comes from: the revision, and the bundle version that holds the match."""

    revision: int
    commit: Oid
    serial: int
    bundle: str
    version: int | None
    sha256: Digest | None
    window: Window


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found, who it is, and where they can be reached until when."""

    question: Question
    match: IdentifierMatch | RangeMatch | Gone
    endpoints: tuple[Endpoint, ...]
    valid_until: datetime | None
    origin: Origin


def question(
    schemes: Mapping[str, Scheme],
    scheme: str,
    value: str,
    at: datetime,
    *,
    reach: Reach = ANYTHING,
) -> Question:
    """Return what somebody typed as a question; refuse what could be a card number."""
    if could_be_a_card(value):
        raise TooManyDigits
    return Question(scheme, canonical(schemes, scheme, value), at, reach)


def could_be_a_card(text: str) -> bool:
    """Whether a text is a number of 12 or more digits, however it is spaced."""
    return _LONG_NUMBER.fullmatch(text.strip()) is not None


def resolve(connection: Connection[Any], environment: str, asked: Question) -> Answer | None:
    """Return the answer as of the asked instant, `None` when nobody is known by this value.

    A removed identifier is an answer too: its match is `Gone`. `connection` must not be inside a
    transaction.
    """
    migrations.check(connection)
    with directory.moment(connection):
        applied = control.read_applied(connection, environment)
        if applied is None:
            raise NothingApplied(environment)
        match = _match(connection, asked)
        if match is None:
            return None
        endpoints = _endpoints(connection, asked, match)
        ends = [match.valid_until, *(endpoint.valid_until for endpoint in endpoints)]
        until = min((end for end in ends if end is not None), default=None)
        return Answer(asked, match, endpoints, until, _origin(connection, applied, match, asked.at))


def _match(
    connection: Connection[Any], asked: Question
) -> IdentifierMatch | RangeMatch | Gone | None:
    if asked.scheme == IIN:
        return directory.resolve_iin(connection, asked.value, asked.at)
    return directory.resolve_identifier(connection, asked.scheme, asked.value, asked.at)


def _endpoints(
    connection: Connection[Any], asked: Question, match: IdentifierMatch | RangeMatch | Gone
) -> tuple[Endpoint, ...]:
    if isinstance(match, Gone) or match.participant is None:
        return ()
    return directory.endpoints_of(
        connection,
        match.participant.id,
        asked.at,
        reach=asked.reach,
    )


def _origin(
    connection: Connection[Any],
    applied: Applied,
    match: IdentifierMatch | RangeMatch | Gone,
    at: datetime,
) -> Origin:
    source = _source(match)
    live = next(
        (
            one
            for one in control.live_bundles(connection, applied.environment)
            if one.bundle == source.bundle and one.window.contains(at)
        ),
        None,
    )
    return Origin(
        applied.revision,
        applied.commit,
        applied.serial_current,
        source.bundle,
        live.version if live else None,
        live.payload_sha256 if live else None,
        live.window if live else Window(),
    )


def _source(match: IdentifierMatch | RangeMatch | Gone) -> SourceFile:
    return match.range.source if isinstance(match, RangeMatch) else match.identifier.source
