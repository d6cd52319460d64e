"""What the directory can be asked, and what it answers. Every answer says where it comes from."""

from dataclasses import dataclass
from datetime import datetime

from controller.kernel.instants import Window, format_instant
from controller.plan.rows import SourceFile

ACTIVE, DEPRECATED, SUSPENDED, REMOVED = "active", "deprecated", "suspended", "removed"


@dataclass(frozen=True, slots=True)
class RowFacts:
    """A row as an error or a trace names it."""

    table: str
    key: tuple[str, ...]
    window: Window
    source: SourceFile

    @property
    def name(self) -> str:
        """The key as people write it."""
        return "/".join(self.key)

    @property
    def place(self) -> str:
        """The file the row stands in."""
        return self.source.path

    @property
    def window_text(self) -> str:
        """The window as people write it."""
        start, end = self.window.start, self.window.end
        return f"{format_instant(start) if start else '…'} to {format_instant(end) if end else '…'}"


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody who can be reached."""

    id: str
    name: str
    legal_name: str
    country: str
    roles: tuple[str, ...]
    currencies: tuple[str, ...]
    parent_id: str
    contact: str
    status: str
    window: Window
    source: SourceFile


@dataclass(frozen=True, slots=True)
class Identifier:
    """What a participant is known by."""

    scheme: str
    value: str
    participant_id: str
    usage: str
    primary: bool | None
    successor: tuple[str, str] | None
    removal_date: str
    status: str
    window: Window
    source: SourceFile


@dataclass(frozen=True, slots=True)
class CardRange:
    """A range of card numbers: digits `iin_start` to `iin_end`, as the file writes them."""

    iin_start: str
    iin_end: str
    number_length: str
    number_luhn: str
    scheme: str
    brand: str
    type: str
    prepaid: str
    country: str
    currency: str
    participant_id: str
    window: Window
    source: SourceFile


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a participant can be reached; `valid_until` also counts the capability asked for."""

    id: str
    participant_id: str
    protocol: str
    transport_profile: str
    address: str
    certificate_fingerprint_sha256: str
    certificate_subject: str
    certificate_not_before: str
    certificate_not_after: str
    priority: str
    weight: str
    require_business_level_signature: str
    status: str
    window: Window
    valid_until: datetime | None
    source: SourceFile


@dataclass(frozen=True, slots=True)
class Reach:
    """Which endpoints are asked for: all, or those that take a message, a currency, a rail's."""

    capability: str | None = None
    currency: str | None = None
    rail: str | None = None


ANYTHING = Reach()


@dataclass(frozen=True, slots=True)
class IdentifierMatch:
    """The answer for an identifier; `redirected_from` is the one that was asked, after a hop."""

    identifier: Identifier
    participant: Participant | None
    redirected_from: Identifier | None
    valid_until: datetime | None


@dataclass(frozen=True, slots=True)
class Gone:
    """The identifier was removed; its successor, if it has one, is in `identifier.successor`."""

    identifier: Identifier
    valid_until: datetime | None


@dataclass(frozen=True, slots=True)
class RangeMatch:
    """The answer for card number digits: the smallest visible range that holds them all."""

    range: CardRange
    participant: Participant | None
    valid_until: datetime | None


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One stored row, now or before: the line's cells and the revisions that put and dropped it."""

    table: str
    key: tuple[str, ...]
    cells: tuple[str, ...]
    window: Window
    source: SourceFile
    revision: int
    until_revision: int | None


@dataclass(frozen=True, slots=True)
class TableDigest:
    """What a table adds up to. `digest` finds accidents, not an attacker: it has no key."""

    table: str
    rows: int
    digest: int
    algorithm: str


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply did to one table, in stored rows."""

    table: str
    strategy: str
    dropped: int
    put: int
