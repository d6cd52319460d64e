"""The documents that routes answer with, as the OpenAPI page describes them.

Nothing is built or checked with these when a request is answered: answers are ready bytes. Tests
hold what is answered to what is promised here.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Instant = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$")]
Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Versioned(_Model):
    version: Literal[1]


class Problem(_Model):
    """An error (RFC 9457). `code` never changes; nobody should read `detail` to decide."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    hint: str | None = None
    instance: str | None = None


class Source(_Model):
    """The file that a row stands in."""

    bundle: str
    path: str


class _Row(_Model):
    effective_from: Instant | None
    effective_to: Instant | None
    source: Source


class Successor(_Model):
    """The identifier that took another one's place."""

    scheme: str
    value: str


class Identifier(_Row):
    """What a participant is known by."""

    scheme: str
    value: str
    participant_id: str
    usage: str
    primary: bool | None
    successor: Successor | None
    removal_date: str
    status: str


class CardRange(_Row):
    """A range of card numbers."""

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
    length: int


class Participant(_Row):
    """Somebody who can be reached."""

    id: str
    name: str
    legal_name: str
    country: str
    roles: list[str]
    currencies: list[str]
    parent_id: str
    contact: str
    status: str


class Endpoint(_Row):
    """Where a participant is reached; `valid_until` counts the capability asked for."""

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
    valid_until: Instant | None


class Query(_Model):
    """What was asked, the value in its canonical form."""

    scheme: str
    value: str
    at: Instant
    capability: str | None
    currency: str | None
    rail: str | None


class Revision(_Model):
    """The revision that an answer is of, and the bundle version that holds the match."""

    number: int
    commit: Commit
    serial: int
    bundle: str
    bundle_sha256: Sha256 | None
    effective_from: Instant | None
    effective_to: Instant | None


class PlainAnswer(_Model):
    """Who is reached under an identifier, as of an instant."""

    query: Query
    state: Literal["found", "removed"]
    matched: Identifier | CardRange
    redirected_from: Identifier | None
    participant: Participant | None
    endpoints: list[Endpoint]
    valid_until: Instant | None
    revision: Revision


class Answer(PlainAnswer):
    """An answer on its own; `stale_since` is there when the copy it is of may be behind."""

    version: Literal[1]
    stale_since: Instant | None = None


class Item(_Model):
    """The answer to one question of many: either it or a problem."""

    status: int
    answer: PlainAnswer | None
    problem: Problem | None


class Answers(_Versioned):
    """The answers, in the order of the questions."""

    revision: int
    answers: list[Item]
    stale_since: Instant | None = None


class ParticipantAnswer(_Versioned):
    """A participant with everything it is known by and reached at."""

    participant: Participant
    identifiers: list[Identifier]
    endpoints: list[Endpoint]
    valid_until: Instant | None
    revision: Revision
    stale_since: Instant | None = None


class Change(_Model):
    """What became of a key: added, modified or deleted."""

    change: Literal["A", "M", "D"]
    table: str
    key: list[str]
    revision: int


class Changes(_Versioned):
    """A page of changes; `next` is the parameter `after` of the next one."""

    since: int
    revision: int
    commit: Commit
    changes: list[Change]
    next: str | None


class Applied(_Model):
    """What is applied."""

    revision: int
    commit: Commit
    serial: int
    serial_high: int
    release_sha256: Sha256
    policies_sha256: Sha256
    applied_at: Instant


class Hold(_Model):
    """What keeps new revisions out."""

    kind: Literal["host-freeze", "freeze", "suspend", "window"]
    reason: str
    actor: str | None
    since: Instant | None
    until: Instant | None


class Leader(_Model):
    """Who leads; `holder` is null once the lease has run out."""

    holder: str | None
    process: str
    epoch: int
    expires_at: Instant


class Condition(_Model):
    """One thing that the leader said of itself."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str
    hint: str
    observed_commit: Commit | None
    since: Instant
    changed_at: Instant


class Controller(_Model):
    """What a controller that goes on running said last."""

    leader: Leader | None
    compared_at: Instant | None
    compared_seconds_ago: int | None
    conditions: list[Condition]
    look_requested: bool


class Serving(_Model):
    """What this process answers from."""

    revision: int | None
    is_current: bool
    stale_since: Instant | None
    reason: str
    checked_at: Instant | None
    mismatches: int


class Status(_Versioned):
    """How the controller stands."""

    environment: str
    sync: Literal["Synced", "OutOfSync", "Unknown"]
    applied: Applied | None
    next_boundary: Instant | None
    holds: list[Hold]
    controller: Controller
    serving: Serving


class Event(_Model):
    """Something that happened to the controller."""

    id: int
    at: Instant
    name: str
    severity: Literal["info", "warning", "error"]
    actor: str
    revision: int | None
    commit: Commit | None
    message: str
    facts: Any


class Events(_Versioned):
    """Events, the oldest first; `next` is the parameter `after` for those to come."""

    events: list[Event]
    next: int | None


class Alive(_Versioned):
    """The process runs."""

    status: Literal["ok"]


class Reason(_Model):
    """What is not as it should be, and why."""

    of: Literal["copy", "database", "keys"]
    reason: str


class Ready(_Versioned):
    """Whether requests can be answered; there may be reasons although they can."""

    status: Literal["ready", "not ready"]
    reasons: list[Reason]


class Accepted(_Versioned):
    """A webhook was taken."""

    accepted: Literal[True]
