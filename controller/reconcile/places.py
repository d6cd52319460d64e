"""Where a row stood in git: the commit, file and line, in a bundle version that somebody signed.

Found by content: a row that was moved to another file since stands where it stood at the revision
in question. A file is read only from the tree that its version pins, after its bytes gave the
signed digest; the commit named is the newest one, up to the revision's, that shows that tree.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from controller.adapters.git import GitRepository
from controller.artifacts import bundle as bundles
from controller.artifacts import layout, release, walk
from controller.artifacts.bundle import BundleStatement
from controller.artifacts.layout import BundleId
from controller.artifacts.merkle import MerkleMemory
from controller.artifacts.release import LiveBundle
from controller.kernel.canonical import Digest, sha256
from controller.kernel.errors import Corrupt
from controller.kernel.instants import Window
from controller.kernel.objects import Oid
from controller.plan.changes import FILE_SIZE_MAX_BYTES, table_of
from controller.plan.lines import line_of
from controller.plan.rows import RULES
from controller.reconcile.admit import find_files
from controller.reconcile.filestrees import FilesTrees
from controller.stores.control.model import AppliedRevision
from controller.stores.directory.model import TraceRow
from controller.trust.envelope import SIZE_MAX_BYTES


class NotWhatWasApplied(Corrupt):
    """The repository no longer holds what a revision was made of."""

    code = "trace.not_what_was_applied"

    def __init__(self, path: str, commit: Oid) -> None:
        super().__init__(
            f"{path} of commit {commit.hex()[:12]} is not what was applied",
            hint="`countersign audit verify` names the first link that does not hold",
        )
        self.path, self.commit = path, commit


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands: a line, counted from 1, of a file of a commit, in a bundle version."""

    commit: Oid
    path: str
    line: int
    bundle: str
    version: int
    sha256: Digest


@dataclass(frozen=True, slots=True)
class Version:
    """A bundle version as a release listed it, with the window in which it counted."""

    live: LiveBundle
    statement: BundleStatement
    window: Window

    @property
    def name(self) -> str:
        """The version as audit records name it."""
        return f"{self.live.bundle}@{self.live.version}"


class Places:
    """Finds rows in the versions of revisions; what was read once is not read again."""

    def __init__(self, repository: GitRepository, environment: str, memory: MerkleMemory) -> None:
        self._repository, self._environment, self._memory = repository, environment, memory
        self._versions: dict[int, tuple[Version, ...]] = {}
        self._trees: dict[tuple[Oid, str], tuple[Oid, Oid]] = {}

    def place(self, row: TraceRow, revision: AppliedRevision, at: datetime | None = None) -> Place:
        """Return where a row that a revision served stands.

        Of several versions that hold it, the one that counts at the instant, else the earliest.
        """
        mine = [
            one
            for one in self.versions(revision)
            if one.window.overlaps(row.window) and _may_hold(one, row)
        ]
        for version in sorted(mine, key=lambda one: _nearness(one, row, at)):
            found = self._in_version(row, version, revision.commit)
            if found is not None:
                return found
        raise NotWhatWasApplied(row.source.path, revision.commit)

    def versions(self, revision: AppliedRevision) -> tuple[Version, ...]:
        """Return the versions that a revision's release listed."""
        if revision.revision not in self._versions:
            self._versions[revision.revision] = tuple(self._listed(revision))
        return self._versions[revision.revision]

    def _listed(self, revision: AppliedRevision) -> Iterator[Version]:
        path, commit = layout.release_path(self._environment), revision.commit
        payload = self._read(commit, path)
        if payload is None or sha256(payload) != revision.release_sha256:
            raise NotWhatWasApplied(path, commit)
        for live in release.parse(payload).bundles:
            signed = self._read(commit, live.path)
            if signed is None or sha256(signed) != live.payload_sha256:
                raise NotWhatWasApplied(live.path, commit)
            statement = bundles.parse(signed)
            yield Version(live, statement, live.effective(statement.window))

    def _in_version(self, row: TraceRow, version: Version, commit: Oid) -> Place | None:
        live = version.live
        shown, tree = self._tree(version, commit)
        prefix = layout.files_path(live.bundle)
        for path, oid in _candidates(self._repository, tree, prefix, row):
            data = walk.read_blob(self._repository, oid, path, FILE_SIZE_MAX_BYTES)
            line = line_of(row.table, data, row.cells)
            if line:
                bundle = str(live.bundle)
                return Place(shown, path, line, bundle, live.version, live.payload_sha256)
        return None

    def _tree(self, version: Version, commit: Oid) -> tuple[Oid, Oid]:
        """Return the files tree of a version, and the newest commit that shows it as its files."""
        key = (commit, version.name)
        if key not in self._trees:
            trees = FilesTrees.of_one(self._repository, commit, version.statement)
            tree = find_files(self._repository, version.statement, trees, self._memory)
            self._trees[key] = (self._showing(commit, version.live.bundle, tree), tree)
        return self._trees[key]

    def _showing(self, commit: Oid, bundle: BundleId, tree: Oid) -> Oid:
        repository, path = self._repository, layout.files_path(bundle)
        for one in repository.first_parents(commit):
            if repository.entry(repository.tree_of(one), path) == tree:
                return one
        raise NotWhatWasApplied(path, commit)

    def _read(self, commit: Oid, path: str) -> bytes | None:
        repository = self._repository
        entry = walk.find(repository, repository.tree_of(commit), path)
        if entry is None or entry.is_tree:
            return None
        return walk.read_blob(repository, entry.oid, path, SIZE_MAX_BYTES)


def _may_hold(version: Version, row: TraceRow) -> bool:
    """Whether a row can be from a version: a rule's key names its bundle, other rows may move."""
    return row.table != RULES.name or row.key[0] == str(version.live.bundle)


def _nearness(version: Version, row: TraceRow, at: datetime | None) -> tuple[bool, bool, str, int]:
    bundle = str(version.live.bundle)
    counts = at is not None and version.window.contains(at)
    return (bundle != row.source.bundle, not counts, bundle, version.live.version)


def _candidates(
    repository: GitRepository, tree: Oid, prefix: str, row: TraceRow
) -> Iterator[tuple[str, Oid]]:
    """Yield the files that may hold a row: the one it stands in now, then all of its table."""
    known = row.source.path
    if known.startswith(f"{prefix}/"):
        entry = walk.find(repository, tree, known.removeprefix(f"{prefix}/"))
        if entry is not None and not entry.is_tree:
            yield known, entry.oid
    for file in walk.files(repository, tree, prefix):
        if file.path != known and table_of(file.path, prefix) == row.table:
            yield file.path, file.oid
