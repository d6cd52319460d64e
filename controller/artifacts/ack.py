"""The acknowledgement: people accept exactly this plan, though a guard stopped it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import Field

from controller.artifacts import wire
from controller.kernel.canonical import Digest
from controller.kernel.instants import format_instant, parse_instant

PREDICATE_TYPE = "urn:countersign:ack:v1"


@dataclass(frozen=True, slots=True)
class AckStatement:
    """What those sign who acknowledge a plan; it holds for no other plan."""

    repository: str
    environment: str
    plan: Digest
    reason: str
    created: datetime

    def payload(self) -> bytes:
        """Return the bytes that are signed."""
        return wire.statement(
            PREDICATE_TYPE,
            [{"name": _subject_name(self.environment), "digest": {"sha256": self.plan}}],
            {
                "repository": self.repository,
                "environment": self.environment,
                "reason": self.reason,
                "created": format_instant(self.created),
            },
        )


def parse(payload: bytes) -> AckStatement:
    """Read a verified payload."""
    return wire.read_document(_Statement, _build, payload, "acknowledgement")


class _Subject(wire.Wire):
    name: str
    digest: wire.Sha256Set


class _Predicate(wire.Wire):
    repository: wire.UuidText
    environment: wire.Segment
    reason: wire.ReasonText
    created: wire.InstantText


class _Statement(wire.StatementWire):
    predicate_type: Literal["urn:countersign:ack:v1"] = Field(alias="predicateType")
    subject: list[_Subject]
    predicate: _Predicate


def _build(document: _Statement) -> AckStatement:
    said = document.predicate
    subject: _Subject = wire.only(document.subject, _subject_name(said.environment))
    return AckStatement(
        repository=said.repository,
        environment=said.environment,
        plan=Digest(subject.digest.sha256),
        reason=said.reason,
        created=parse_instant(said.created),
    )


def _subject_name(environment: str) -> str:
    return f"environments/{environment}/plan"
