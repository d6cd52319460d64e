"""What a record has to say beside the artifact repository: its release, and the roots there.

A record names a source commit, which has to be in the history of the branch that is followed. The
release that stands there says which repository, environment and serial it is of, and which bundles
were signed; the roots there, which one was in force at least. A record that says anything else is
refused, whoever signed it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from controller.artifacts import layout, levels, walk
from controller.artifacts import release as releases
from controller.audit import signed, trail
from controller.audit.course import Before
from controller.audit.followed import Followed
from controller.audit.record import AuditRecord
from controller.kernel.canonical import Digest, sha256
from controller.kernel.objects import Objects, Oid
from controller.stores.control.model import RevisionKind

RELEASE_BYTES_MAX = 4 << 20


class Source(Objects, Protocol):
    """The artifact repository, read only."""

    def tree_of(self, commit: Oid) -> Oid: ...

    def parents_of(self, commit: Oid) -> tuple[Oid, ...]: ...

    def is_ancestor(self, ancestor: Oid, descendant: Oid) -> bool: ...


class _History:
    """What a commit grew out of, over any parents; walked once, as far as anybody asked."""

    def __init__(self, source: Source, head: Oid) -> None:
        self._seen = {head}
        self._rest = self._walk(source, head)

    def holds(self, commit: Oid) -> bool:
        return commit in self._seen or commit in self._rest

    def _walk(self, source: Source, head: Oid) -> Iterator[Oid]:
        waiting = [head]
        while waiting:
            for parent in source.parents_of(waiting.pop()):
                if parent not in self._seen:
                    self._seen.add(parent)
                    waiting.append(parent)
                    yield parent


@dataclass(slots=True)
class Releases:
    """The releases and roots of a repository, and the branch of it that is followed."""

    source: Source
    followed: Followed
    _history: _History = field(init=False)
    _versions: dict[Oid, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Nothing is walked before somebody asks."""
        self._history = _History(self.source, self.followed.head)

    def check(self, here: trail.Here, record: AuditRecord) -> None:
        """Check a record against the release in its source commit.

        Raises `LinkSource`, `LinkRelease`, `LinkStatement` or `LinkSigners`.
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
            statement = releases.parse(payload)
            _check_statement(here, record, statement)
        with here.blaming(trail.LinkSource):
            if not self._history.holds(record.commit):
                told = f"{record.commit.hex()} is not in the history of the followed branch"
                raise here.broken(trail.LinkSource, told)
        root = self.followed.roots.get(record.root_version)
        if root is not None:  # Others are older than the pinned one, or refused below.
            signed.check(here, self.source, self.source.tree_of(record.commit), record, root)
            if record.kind is not RevisionKind.HEAL:
                signed.check_bundles(here, record, statement, root)

    def check_since(self, here: trail.Here, record: AuditRecord, before: Before) -> None:
        """Check a record's commits and root against those of the record before.

        Raises `LinkAncestry` or `LinkRoot`.
        """
        with here.blaming(trail.LinkAncestry):
            self._check_ancestry(here, record, before)
        if record.kind is RevisionKind.HEAL and not before.is_next:
            self._check_signed_anew(here, record)
        with here.blaming(trail.LinkRoot):
            self._check_root(here, record, before.record)

    def _check_signed_anew(self, here: trail.Here, record: AuditRecord) -> None:
        """Check the signers of a heal that no record before it stands for."""
        root = self.followed.roots.get(record.root_version)
        payload = self._release(record.commit, record.environment)
        if root is not None and payload is not None:
            tree = self.source.tree_of(record.commit)
            signed.check_release(here, self.source, tree, record, root)
            signed.check_bundles(here, record, releases.parse(payload), root)

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
        newest, named = self.followed.root.version, self.followed.roots.get(version)
        least = max(held, last.root_version if last is not None else 0)
        # Only a host's pin leads to a root that its commit does not hold.
        by_pin = last is None or record.kind is RevisionKind.REPIN
        if version < least or (version > least and not by_pin):
            told = f"root {version}, its commit and the record before tell of root {least}"
            raise here.broken(trail.LinkRoot, told)
        if record.kind is RevisionKind.REPIN and last is not None and version == last.root_version:
            raise here.broken(trail.LinkRoot, f"a repin to root {version}, which it followed")
        if version > newest:
            raise here.broken(trail.LinkRoot, f"root {version}, the root in force is {newest}")
        is_named = named is None or named.digest == record.plan_digest
        if record.kind is RevisionKind.REPIN and not is_named:
            told = f"a repin to {record.plan_digest}, which is not root {version}"
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
