"""What a record has to say beside the artifact repository: its release, and the roots there.

A record names a source commit. The release that stands there says which repository, environment
and serial it is of, and which bundles were signed; the roots there, which one was in force at
least. A record that says anything else is refused, whoever signed it.
"""

from dataclasses import dataclass, field
from typing import Protocol

from controller.artifacts import layout, levels, walk
from controller.artifacts import release as releases
from controller.audit import trail
from controller.audit.course import Before
from controller.audit.record import AuditRecord
from controller.kernel.canonical import Digest, sha256
from controller.kernel.objects import Objects, Oid
from controller.stores.control.model import RevisionKind

RELEASE_BYTES_MAX = 4 << 20


class Source(Objects, Protocol):
    """The artifact repository, read only."""

    def tree_of(self, commit: Oid) -> Oid: ...

    def is_ancestor(self, ancestor: Oid, descendant: Oid) -> bool: ...


@dataclass(slots=True)
class Releases:
    """The releases and roots of a repository; `version` is that of the root in force."""

    source: Source
    version: int
    _versions: dict[Oid, int] = field(default_factory=dict)

    def check(self, here: trail.Here, record: AuditRecord) -> None:
        """Check a record against the release in its source commit.

        Raises `LinkSource`, `LinkRelease` or `LinkStatement`.
        """
        path = layout.release_path(record.environment)
        with here.blaming(trail.LinkSource):
            payload = self._release(record.commit, record.environment)
            if payload is None:
                raise here.broken(trail.LinkSource, f"no {path} in {record.commit.hex()}")
        found = sha256(payload)
        if found != record.release_sha256:
            raise here.broken(trail.LinkRelease, found)
        with here.blaming(trail.LinkStatement):
            _check_statement(here, record, releases.parse(payload))

    def check_since(self, here: trail.Here, record: AuditRecord, before: Before) -> None:
        """Check a record's commits and root against those of the record before.

        Raises `LinkAncestry` or `LinkRoot`.
        """
        with here.blaming(trail.LinkAncestry):
            self._check_ancestry(here, record, before)
        with here.blaming(trail.LinkRoot):
            self._check_root(here, record, before.record)

    def _check_ancestry(self, here: trail.Here, record: AuditRecord, before: Before) -> None:
        parent, last = record.parent_commit, before.record
        if parent is None:
            return
        if not self._descends(parent, record.commit):
            told = f"{record.commit.hex()} did not grow out of {parent.hex()}"
            raise here.broken(trail.LinkAncestry, told)
        # What is applied moves on without a record while the release stays the same.
        if last is None or parent == last.commit:
            return
        if not self._descends(last.commit, parent):
            told = f"{parent.hex()} did not grow out of {last.commit.hex()}"
            raise here.broken(trail.LinkAncestry, told)
        if before.is_next and self._digest(parent, record.environment) != last.release_sha256:
            told = f"{parent.hex()} does not hold release {last.serial}"
            raise here.broken(trail.LinkAncestry, told)

    def _check_root(self, here: trail.Here, record: AuditRecord, last: AuditRecord | None) -> None:
        version, held = record.root_version, self._newest_root(record.commit)
        least = max(held, last.root_version if last is not None else 0)
        # Only a host's pin leads to a root that its commit does not hold.
        by_pin = last is None or record.kind is RevisionKind.REPIN
        if version < least or (version > least and not by_pin):
            told = f"root {version}, its commit and the record before tell of root {least}"
            raise here.broken(trail.LinkRoot, told)
        if record.kind is RevisionKind.REPIN and last is not None and version == last.root_version:
            raise here.broken(trail.LinkRoot, f"a repin to root {version}, which it followed")
        if version > max(held, self.version):
            told = f"root {version}, the root in force is {self.version}"
            raise here.broken(trail.LinkRoot, told)

    def _newest_root(self, commit: Oid) -> int:
        folder = walk.find(self.source, self.source.tree_of(commit), layout.ROOT_DIR)
        if folder is None or not folder.is_tree:
            return 0
        if folder.oid not in self._versions:
            names = levels.children(self.source, folder.oid, layout.ROOT_DIR)
            paths = (f"{layout.ROOT_DIR}/{file.name}" for file in names)
            self._versions[folder.oid] = max(map(layout.parse_root_path, paths), default=0)
        return self._versions[folder.oid]

    def _descends(self, ancestor: Oid, descendant: Oid) -> bool:
        return ancestor == descendant or self.source.is_ancestor(ancestor, descendant)

    def _digest(self, commit: Oid, environment: str) -> Digest | None:
        payload = self._release(commit, environment)
        return None if payload is None else sha256(payload)

    def _release(self, commit: Oid, environment: str) -> bytes | None:
        path = layout.release_path(environment)
        entry = walk.find(self.source, self.source.tree_of(commit), path)
        if entry is None or entry.is_tree:
            return None
        return walk.read_blob(self.source, entry.oid, path, RELEASE_BYTES_MAX)


def _check_statement(
    here: trail.Here, record: AuditRecord, statement: releases.ReleaseStatement
) -> None:
    said = {
        "repository": (record.repository, statement.repository),
        "environment": (record.environment, statement.environment),
        "serial": (record.serial, statement.serial),
    }
    for member, (recorded, released) in said.items():
        if recorded != released:
            told = f"{member} is {recorded}, the release says {released}"
            raise here.broken(trail.LinkStatement, told)
    if not all(record.signers.values()):
        raise here.broken(trail.LinkStatement, "something was signed by nobody")
    if record.kind is not RevisionKind.REPIN:  # Its signers are those of the record before.
        _check_signed(here, record, statement)


def _check_signed(
    here: trail.Here, record: AuditRecord, statement: releases.ReleaseStatement
) -> None:
    live = {f"{one.bundle}@{one.version}" for one in statement.bundles}
    odd = min(record.signers.keys() ^ (live | {"release"}), default=None)
    if odd is not None:
        told = "it names no signers of" if odd not in record.signers else "it names signers of"
        raise here.broken(trail.LinkStatement, f"{told} {odd[:200]}")
