"""The bundle statement: these bytes are version `v` of a bundle, for these environments and times.

It names one files root; the git tree id beside it only helps to find the tree and proves nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from controller.artifacts import wire
from controller.artifacts.layout import BundleId, files_path
from controller.artifacts.merkle import Counts
from controller.kernel.canonical import Digest, Json
from controller.kernel.instants import Window, format_instant
from controller.kernel.objects import Oid

PREDICATE_TYPE = "urn:countersign:bundle:v1"


@dataclass(frozen=True, slots=True)
class PreviousVersion:
    """The version before, and the digest of its statement's payload."""

    version: int
    sha256: Digest


@dataclass(frozen=True, slots=True)
class BundleStatement:
    """What a bundle's signers sign."""

    repository: str
    bundle: BundleId
    version: int
    previous: PreviousVersion | None
    window: Window
    environments: tuple[str, ...]
    files_root: Digest
    git_tree: Oid
    tables: Mapping[str, Counts]
    documents: Mapping[str, Counts]

    def payload(self) -> bytes:
        """Return the bytes that are signed, and written to `bundle.json`."""
        start, end = self.window.start, self.window.end
        previous = self.previous
        return wire.statement(
            PREDICATE_TYPE,
            [
                {
                    "name": files_path(self.bundle),
                    "digest": {
                        "countersignTree1": self.files_root,
                        "gitTree": self.git_tree.hex(),
                    },
                }
            ],
            {
                "repository": self.repository,
                "rail": self.bundle.rail,
                "name": self.bundle.name,
                "version": self.version,
                "previous": {"version": previous.version, "sha256": previous.sha256}
                if previous
                else None,
                "effective_from": format_instant(start) if start else None,
                "effective_to": format_instant(end) if end else None,
                "environments": list(self.environments),
                "tables": {name: _table(counts) for name, counts in self.tables.items()},
                "documents": {name: _document(counts) for name, counts in self.documents.items()},
            },
        )


def parse(payload: bytes) -> BundleStatement:
    """Read a verified payload."""
    return wire.read_document(_Statement, _build, payload, "bundle statement")


class _Digests(wire.Wire):
    countersign_tree_1: wire.Sha256Text = Field(alias="countersignTree1")
    git_tree: wire.Sha1Text = Field(alias="gitTree")


class _Subject(wire.Wire):
    name: str
    digest: _Digests


class _Previous(wire.Wire):
    version: wire.Number
    sha256: wire.Sha256Text


class _TableCounts(wire.Wire):
    files: wire.Count
    rows: wire.Count
    bytes: wire.Count


class _DocumentCounts(wire.Wire):
    files: wire.Count
    bytes: wire.Count


class _Predicate(wire.WindowText):
    repository: wire.UuidText
    rail: wire.Segment
    name: wire.Segment
    version: wire.Number
    previous: _Previous | None
    environments: wire.Environments
    tables: dict[wire.Segment, _TableCounts]
    documents: dict[wire.Segment, _DocumentCounts]


class _Statement(wire.StatementWire):
    predicate_type: Literal["urn:countersign:bundle:v1"] = Field(alias="predicateType")
    subject: list[_Subject]
    predicate: _Predicate


def _build(document: _Statement) -> BundleStatement:
    said = document.predicate
    bundle = BundleId(said.rail, said.name)
    subject: _Subject = wire.only(document.subject, files_path(bundle))
    if (said.previous.version if said.previous else 0) != said.version - 1:
        raise wire.Fault("/predicate/previous", "not the version before this one")
    return BundleStatement(
        repository=said.repository,
        bundle=bundle,
        version=said.version,
        previous=PreviousVersion(said.previous.version, Digest(said.previous.sha256))
        if said.previous
        else None,
        window=wire.window("/predicate/effective_to", said.effective_from, said.effective_to),
        environments=tuple(said.environments),
        files_root=Digest(subject.digest.countersign_tree_1),
        git_tree=Oid(bytes.fromhex(subject.digest.git_tree)),
        tables={name: Counts(one.files, one.rows, one.bytes) for name, one in said.tables.items()},
        documents={name: Counts(one.files, 0, one.bytes) for name, one in said.documents.items()},
    )


def _table(counts: Counts) -> dict[str, Json]:
    return {"files": counts.files, "rows": counts.rows, "bytes": counts.bytes}


def _document(counts: Counts) -> dict[str, Json]:
    return {"files": counts.files, "bytes": counts.bytes}
