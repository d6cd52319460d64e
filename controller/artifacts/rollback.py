"""The rollback statement: an environment may go back to exactly this earlier release.

It stands for a signature on the reverting commit where commits are not signed (a forge's button).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import Field

from controller.artifacts import wire
from controller.artifacts.layout import release_path
from controller.kernel.canonical import Digest
from controller.kernel.instants import format_instant, parse_instant

PREDICATE_TYPE = "urn:countersign:rollback:v1"


@dataclass(frozen=True, slots=True)
class RollbackStatement:
    """What those sign who allow a rollback; the permission always ends."""

    repository: str
    environment: str
    to_serial: int
    to_sha256: Digest
    reason: str
    created: datetime
    expires: datetime

    def payload(self) -> bytes:
        """Return the bytes that are signed."""
        return wire.statement(
            PREDICATE_TYPE,
            [{"name": release_path(self.environment), "digest": {"sha256": self.to_sha256}}],
            {
                "repository": self.repository,
                "environment": self.environment,
                "to_serial": self.to_serial,
                "reason": self.reason,
                "created": format_instant(self.created),
                "expires": format_instant(self.expires),
            },
        )


def parse(payload: bytes) -> RollbackStatement:
    """Read a verified payload."""
    return wire.read_document(_Statement, _build, payload, "rollback statement")


class _Subject(wire.Wire):
    name: str
    digest: wire.Sha256Set


class _Predicate(wire.Wire):
    repository: wire.UuidText
    environment: wire.Segment
    to_serial: wire.Number
    reason: wire.ReasonText
    created: wire.InstantText
    expires: wire.InstantText


class _Statement(wire.StatementWire):
    predicate_type: Literal["urn:countersign:rollback:v1"] = Field(alias="predicateType")
    subject: list[_Subject]
    predicate: _Predicate


def _build(document: _Statement) -> RollbackStatement:
    said = document.predicate
    subject: _Subject = wire.only(document.subject, release_path(said.environment))
    created = parse_instant(said.created)
    return RollbackStatement(
        repository=said.repository,
        environment=said.environment,
        to_serial=said.to_serial,
        to_sha256=Digest(subject.digest.sha256),
        reason=said.reason,
        created=created,
        expires=wire.expiry(created, parse_instant(said.expires)),
    )
