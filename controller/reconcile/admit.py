"""A signed release becomes an admitted one: every bundle verified, in place, and in its limits.

The order for each bundle: the role from the path it stands at, the signatures, and only then the
statement; its place, its floor and its history; its files, by their hash. What was admitted and
applied before, byte for byte and under the same rails, is not looked at again.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, combinations, islice
from typing import NamedTuple

from controller.artifacts import bundle as bundles
from controller.artifacts import layout, walk
from controller.artifacts.bundle import BundleStatement
from controller.artifacts.layout import BundleId
from controller.artifacts.merkle import FilesSummary, MerkleMemory
from controller.artifacts.pinned import find_files_tree, hinted
from controller.artifacts.release import LiveBundle
from controller.audit.size import check_signers
from controller.kernel.canonical import Digest
from controller.kernel.errors import Refused, Untrusted
from controller.kernel.instants import Window
from controller.kernel.objects import History, Objects, Oid
from controller.plan.live import LiveVersion
from controller.reconcile import signed
from controller.reconcile.filestrees import FilesTrees
from controller.reconcile.rails import RailSet
from controller.reconcile.succession import SignedRelease
from controller.stores.control.model import AppliedBundle
from controller.trust import history
from controller.trust.keys import KeyId
from controller.trust.memory import VerifiedMemory
from controller.trust.root import Root
from controller.trust.verify import Verified


class BundleMissing(Refused):
    """A release names a bundle version that the repository does not hold."""

    code = "admit.bundle_missing"

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} is not in the repository", hint="commit the signed version")
        self.path = path


class BundleDiffers(Untrusted):
    """A release pins other bytes than the bundle version has."""

    code = "admit.bundle_differs"

    def __init__(self, path: str, *, pinned: Digest, found: Digest) -> None:
        super().__init__(f"{path} is {found[:12]}…, the release pins {pinned[:12]}…")
        self.path, self.pinned, self.found = path, pinned, found


class NotForEnvironment(Refused):
    """A bundle's signers did not sign it for this environment."""

    code = "admit.not_for_environment"

    def __init__(self, path: str, environment: str, signed_for: tuple[str, ...]) -> None:
        super().__init__(
            f"{path} is signed for {', '.join(signed_for)}, not for {environment}",
            hint="name the environment in draft.json and sign the next version",
        )
        self.path, self.environment = path, environment


class CountsDiffer(Refused):
    """The files of a bundle are the signed ones, but their counts are not."""

    code = "admit.counts_differ"

    def __init__(self, path: str) -> None:
        super().__init__(f"{path}: the signed counts are not those of the files")
        self.path = path


class WindowsOverlap(Refused):
    """Two versions of one bundle are live at one time."""

    code = "admit.windows_overlap"

    def __init__(self, bundle: BundleId, versions: tuple[int, int]) -> None:
        super().__init__(
            f"{bundle}: versions {versions[0]} and {versions[1]} are live at the same time",
            hint="let the windows adjoin: the later version starts when the earlier one ends",
        )
        self.bundle, self.versions = bundle, versions


@dataclass(frozen=True, slots=True)
class AdmittedBundle:
    """One live version: what was signed, by whom, its verified files and its window here."""

    statement: BundleStatement
    payload_sha256: Digest
    signers: frozenset[KeyId]
    live: LiveVersion

    @property
    def name(self) -> str:
        """The version as people write it: `card-bin/binlist@2`."""
        return f"{self.statement.bundle}@{self.statement.version}"


@dataclass(frozen=True, slots=True)
class Admitted:
    """A release whose bundles are all verified. Only `admit` makes one."""

    release: SignedRelease
    bundles: tuple[AdmittedBundle, ...]
    rails: RailSet
    policies_digest: Digest

    @property
    def live(self) -> tuple[LiveVersion, ...]:
        """The live versions."""
        return tuple(bundle.live for bundle in self.bundles)

    @property
    def applied_bundles(self) -> tuple[AppliedBundle, ...]:
        """The bundles as the store remembers them."""
        return tuple(
            AppliedBundle(
                bundle=str(one.statement.bundle),
                version=one.statement.version,
                payload_sha256=one.payload_sha256,
                files_root=one.statement.files_root,
                files_tree=one.live.files_tree,
                window=one.live.window,
                policy_digest=self.rails.rail(one.statement.bundle.rail).digest,
            )
            for one in self.bundles
        )

    @property
    def signers(self) -> dict[str, tuple[str, ...]]:
        """Who signed what, by what they signed."""
        found: dict[str, tuple[str, ...]] = {
            one.name: tuple(sorted(one.signers)) for one in self.bundles
        }
        return found | {"release": tuple(sorted(self.release.verified.signers))}


class Memories(NamedTuple):
    """What need not be done twice: trees that were hashed, signatures that were good."""

    hashed: MerkleMemory
    verified: VerifiedMemory = signed.NOTHING_REMEMBERED


class _Asked(NamedTuple):
    """What is the same for every bundle of a release."""

    repository: History
    release: SignedRelease
    memories: Memories
    trees: FilesTrees
    known: Mapping[tuple[str, int], Digest]
    now: datetime


def admit(
    repository: History,
    release: SignedRelease,
    rails: RailSet,
    memories: Memories,
    *,
    known: Mapping[tuple[str, int], Digest],
    applied: Sequence[AppliedBundle],
    now: datetime,
) -> Admitted:
    """Return the release with every bundle verified, or raise the first thing that is wrong.

    `known` are the bundle versions this controller has accepted before, and their digests;
    `applied` are those that are live now, whose hashes may be used again. Raises `RecordTooLarge`
    where so many signed that no audit record could name them all.
    """
    statement = release.statement
    used = {live.bundle.rail for live in statement.bundles}
    rails.check_pins(statement.policies, used)
    offered = {(str(live.bundle), live.version): live.payload_sha256 for live in statement.bundles}
    history.check_bundles(known, offered, floors=release.root.root.bundle_floors)
    bases = {before.bundle: before.files_tree for before in applied}
    trees = FilesTrees(repository, release.commit, (live.bundle for live in statement.bundles))
    asked = _Asked(repository, release, memories, trees, known, now)
    admitted = tuple(
        _admit_bundle(asked, live, base=bases.get(str(live.bundle))) for live in statement.bundles
    )
    _refuse_overlaps(admitted)
    found = Admitted(release, admitted, rails, rails.digest(used))
    check_signers(found.signers)
    return found


def read_bundle(
    objects: Objects,
    tree: Oid,
    root: Root,
    bundle: BundleId,
    version: int,
    now: datetime,
    *,
    memory: VerifiedMemory = signed.NOTHING_REMEMBERED,
) -> tuple[BundleStatement, Verified]:
    """Return a bundle version's statement, verified and in its place."""
    path = layout.version_dir(bundle, version)
    entry = walk.find(objects, tree, path)
    if entry is None or not entry.is_tree:
        raise BundleMissing(path)
    role = root.role_for_bundle(bundle.rail, layout.bundle_dir(bundle))
    against = signed.HeldAgainst(role, root.digest, memory)
    verified = signed.read_signed(objects, entry.oid, path, layout.BUNDLE_STEM, against, now=now)
    statement = bundles.parse(verified.payload)
    said = (statement.repository, str(statement.bundle), str(statement.version))
    place = (root.repository, str(bundle), str(version))
    if said != place:
        raise signed.WrongPlace(path, said="/".join(said), place="/".join(place))
    return statement, verified


def find_files(
    repository: History,
    statement: BundleStatement,
    trees: FilesTrees,
    memory: MerkleMemory,
    *,
    base: Oid | None = None,
) -> Oid:
    """Return the tree that a statement pins, hashed here, with the counts it promises.

    `trees` are looked through only where the hint does not lead to it.
    """
    candidates = chain(hinted(repository, statement), trees.alike(statement))
    return _whole(repository, statement, candidates, memory, base=base)


def find_committed_files(
    repository: History, statement: BundleStatement, trees: FilesTrees, memory: MerkleMemory
) -> Oid:
    """Return the tree that a statement pins, as `find_files`, where it stood in the history.

    One that is only in the object database would not be in anybody's clone.
    """
    hint = (tree for tree in trees.of(statement.bundle) if tree == statement.git_tree)
    candidates = chain(islice(hint, 1), trees.alike(statement))
    return _whole(repository, statement, candidates, memory)


def _whole(
    repository: History,
    statement: BundleStatement,
    candidates: Iterable[Oid],
    memory: MerkleMemory,
    *,
    base: Oid | None = None,
) -> Oid:
    tree, summary = find_files_tree(repository, statement, candidates, memory, base=base)
    if not _counts_agree(summary, statement):
        raise CountsDiffer(layout.statement_path(statement.bundle, statement.version))
    return tree


def _admit_bundle(asked: _Asked, live: LiveBundle, *, base: Oid | None) -> AdmittedBundle:
    release, memories = asked.release, asked.memories
    statement, verified = read_bundle(
        asked.repository,
        release.tree,
        release.root.root,
        live.bundle,
        live.version,
        asked.now,
        memory=memories.verified,
    )
    if verified.digest != live.payload_sha256:
        raise BundleDiffers(live.path, pinned=live.payload_sha256, found=verified.digest)
    _check_previous(statement, asked.known)
    environment = release.statement.environment
    if environment not in statement.environments:
        raise NotForEnvironment(live.path, environment, statement.environments)
    asked.trees.signed(statement)
    tree = find_files(asked.repository, statement, asked.trees, memories.hashed, base=base)
    window = live.effective(statement.window)
    version = LiveVersion(live.bundle, live.version, tree, window)
    return AdmittedBundle(statement, verified.digest, verified.signers, version)


def _check_previous(statement: BundleStatement, known: Mapping[tuple[str, int], Digest]) -> None:
    """Refuse a version that grew out of another past than the one this controller has seen."""
    before = statement.previous
    if before is None:
        return
    seen = known.get((str(statement.bundle), before.version), before.sha256)
    if seen != before.sha256:
        raise history.BundleEquivocation(
            str(statement.bundle), before.version, known=seen, offered=before.sha256
        )


def _counts_agree(summary: FilesSummary, statement: BundleStatement) -> bool:
    return dict(summary.tables) == dict(statement.tables) and dict(summary.documents) == dict(
        statement.documents
    )


def _refuse_overlaps(admitted: Iterable[AdmittedBundle]) -> None:
    versions: dict[BundleId, list[tuple[int, Window]]] = defaultdict(list)
    for one in admitted:
        versions[one.live.bundle].append((one.live.version, one.live.window))
    for bundle, some in versions.items():
        for (left, first), (right, second) in combinations(some, 2):
            if first.overlaps(second):
                raise WindowsOverlap(bundle, (left, right))
