"""The release statement: the complete list of bundle versions that an environment runs.

A bundle that is not named is not live. A release may narrow the window a version was signed for,
never widen it: that is how an open-ended version hands over to the next one at a date.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field

from controller.artifacts import wire
from controller.artifacts.layout import (
    BadName,
    BundleId,
    parse_statement_path,
    statement_path,
)
from controller.kernel.canonical import Digest, Json
from controller.kernel.errors import Refused
from controller.kernel.instants import EmptyWindow, Window, format_instant, parse_instant

PREDICATE_TYPE = "urn:countersign:release:v1"


class WidensWindow(Refused):
    """A release gives a version times that its signers did not."""

    code = "release.widens_window"


@dataclass(frozen=True, slots=True)
class ReleaseRef:
    """Another release: its serial, and the digest of its payload."""

    serial: int
    sha256: Digest


@dataclass(frozen=True, slots=True)
class LiveBundle:
    """A bundle version that is live; `window` narrows the signed one, `None` leaves it."""

    bundle: BundleId
    version: int
    payload_sha256: Digest
    window: Window | None = None

    @property
    def path(self) -> str:
        """The subject's name: where the bundle statement stands."""
        return statement_path(self.bundle, self.version)

    def effective(self, signed: Window) -> Window:
        """Return the window in force, given the one that the bundle's signers signed."""
        if self.window is None:
            return signed
        start, end = self.window.start, self.window.end
        if (start and signed.start and start < signed.start) or (
            end and signed.end and end > signed.end
        ):
            raise WidensWindow(
                f"{self.path}: the release says {_shown(self.window)}, "
                f"but its signers said {_shown(signed)}",
                hint="a release may only narrow the signed window; sign another version",
            )
        narrowed = signed.intersect(self.window)
        if narrowed is None:
            raise EmptyWindow(f"{self.path}: the release leaves no time of the signed window")
        return narrowed


@dataclass(frozen=True, slots=True)
class ReleaseStatement:
    """What a release's signers sign."""

    repository: str
    environment: str
    serial: int
    previous: ReleaseRef | None
    rollback_of: ReleaseRef | None
    created: datetime
    expires: datetime | None
    policies: Mapping[str, Digest]
    bundles: tuple[LiveBundle, ...]

    def payload(self) -> bytes:
        """Return the bytes that are signed, and written to `release.json`."""
        ordered = sorted(self.bundles, key=lambda live: live.path)
        return wire.statement(
            PREDICATE_TYPE,
            [_subject(live) for live in ordered],
            {
                "repository": self.repository,
                "environment": self.environment,
                "serial": self.serial,
                "previous": _reference(self.previous),
                "rollback_of": _reference(self.rollback_of),
                "created": format_instant(self.created),
                "expires": format_instant(self.expires) if self.expires else None,
                "policies": dict(self.policies),
            },
        )


def parse(payload: bytes) -> ReleaseStatement:
    """Read a verified payload."""
    return wire.read_document(_Statement, _build, payload, "release statement")


class _Annotations(wire.Wire):
    effective_from: wire.InstantText | None = None
    effective_to: wire.InstantText | None = None


class _Subject(wire.Wire):
    name: str
    digest: wire.Sha256Set
    annotations: _Annotations | None = None


class _Reference(wire.Wire):
    serial: wire.Number
    sha256: wire.Sha256Text


class _Predicate(wire.Wire):
    repository: wire.UuidText
    environment: wire.Segment
    serial: wire.Number
    previous: _Reference | None
    rollback_of: _Reference | None
    created: wire.InstantText
    expires: wire.InstantText | None
    policies: dict[wire.Segment, wire.Sha256Text]


class _Statement(wire.StatementWire):
    predicate_type: Literal["urn:countersign:release:v1"] = Field(alias="predicateType")
    subject: Annotated[list[_Subject], Field(max_length=wire.SUBJECTS_MAX)]
    predicate: _Predicate


def _build(document: _Statement) -> ReleaseStatement:
    said = document.predicate
    names = [subject.name for subject in document.subject]
    for index, (left, right) in enumerate(pairwise(names), start=1):
        if left >= right:
            raise wire.Fault(f"/subject/{index}/name", "subjects in order of names, none twice")
    if (said.serial == 1) != (said.previous is None):
        raise wire.Fault("/predicate/previous", "null for serial 1 and for no other")
    for member, other in (("previous", said.previous), ("rollback_of", said.rollback_of)):
        if other is not None and other.serial >= said.serial:
            raise wire.Fault(f"/predicate/{member}/serial", "not before this serial")
    created = parse_instant(said.created)
    return ReleaseStatement(
        repository=said.repository,
        environment=said.environment,
        serial=said.serial,
        previous=_built_reference(said.previous),
        rollback_of=_built_reference(said.rollback_of),
        created=created,
        expires=wire.expiry(created, parse_instant(said.expires)) if said.expires else None,
        policies={rail: Digest(root) for rail, root in said.policies.items()},
        bundles=tuple(_live(index, subject) for index, subject in enumerate(document.subject)),
    )


def _live(index: int, subject: _Subject) -> LiveBundle:
    try:
        bundle, version = parse_statement_path(subject.name)
    except BadName as error:
        raise wire.Fault(f"/subject/{index}/name", str(error)) from None
    narrowing = None
    notes = subject.annotations
    if notes is not None:
        pointer = f"/subject/{index}/annotations"
        if not notes.model_fields_set or None in (
            getattr(notes, name) for name in notes.model_fields_set
        ):
            raise wire.Fault(pointer, "an end of the window that is not narrowed is left out")
        narrowing = wire.window(pointer, notes.effective_from, notes.effective_to)
    return LiveBundle(bundle, version, Digest(subject.digest.sha256), narrowing)


def _subject(live: LiveBundle) -> dict[str, Json]:
    subject: dict[str, Json] = {"name": live.path, "digest": {"sha256": live.payload_sha256}}
    ends = (
        ("effective_from", live.window.start if live.window else None),
        ("effective_to", live.window.end if live.window else None),
    )
    notes = {name: format_instant(end) for name, end in ends if end is not None}
    return subject | {"annotations": notes} if notes else subject


def _reference(reference: ReleaseRef | None) -> Json:
    return {"serial": reference.serial, "sha256": reference.sha256} if reference else None


def _built_reference(said: _Reference | None) -> ReleaseRef | None:
    return ReleaseRef(said.serial, Digest(said.sha256)) if said else None


def _shown(window: Window) -> str:
    start = format_instant(window.start) if window.start else "…"
    end = format_instant(window.end) if window.end else "…"
    return f"[{start}, {end})"
