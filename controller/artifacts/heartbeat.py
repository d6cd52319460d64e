"""The heartbeat: somebody saw this commit as the newest of its branch, at this instant.

It lets nothing in and keeps nothing out. Where no new one comes, or where one names a commit that
the branch does not hold, whoever follows the branch may be shown an old one.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import Field

from controller.artifacts import wire
from controller.kernel.instants import format_instant, parse_instant
from controller.kernel.objects import Oid

PREDICATE_TYPE = "urn:countersign:heartbeat:v1"


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What is signed again and again; another one is due before it expires."""

    repository: str
    environment: str
    commit: Oid
    created: datetime
    expires: datetime

    def payload(self) -> bytes:
        """Return the bytes that are signed."""
        return wire.statement(
            PREDICATE_TYPE,
            [{"name": _subject_name(self.environment), "digest": {"gitCommit": self.commit.hex()}}],
            {
                "repository": self.repository,
                "environment": self.environment,
                "created": format_instant(self.created),
                "expires": format_instant(self.expires),
            },
        )


def parse(payload: bytes) -> Heartbeat:
    """Read a verified payload."""
    return wire.read_document(_Statement, _build, payload, "heartbeat")


class _Digests(wire.Wire):
    git_commit: wire.Sha1Text = Field(alias="gitCommit")


class _Subject(wire.Wire):
    name: str
    digest: _Digests


class _Predicate(wire.Wire):
    repository: wire.UuidText
    environment: wire.Segment
    created: wire.InstantText
    expires: wire.InstantText


class _Statement(wire.StatementWire):
    predicate_type: Literal["urn:countersign:heartbeat:v1"] = Field(alias="predicateType")
    subject: list[_Subject]
    predicate: _Predicate


def _build(document: _Statement) -> Heartbeat:
    said = document.predicate
    subject: _Subject = wire.only(document.subject, _subject_name(said.environment))
    created = parse_instant(said.created)
    return Heartbeat(
        repository=said.repository,
        environment=said.environment,
        commit=Oid(bytes.fromhex(subject.digest.git_commit)),
        created=created,
        expires=wire.expiry(created, parse_instant(said.expires)),
    )


def _subject_name(environment: str) -> str:
    return f"environments/{environment}/head"
