"""Promote: make the next release of an environment, sign it, and commit exactly its files.

Every version is judged as the controller will judge it, before anybody signs: its signatures, its
repository and place, its environments, the root's floors, and that history holds its files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from controller.adapters.gitcli import ChildEnvironment, commit_paths, run_git
from controller.artifacts import bundle as bundles
from controller.artifacts import release as statements
from controller.artifacts.layout import (
    RELEASE_STEM,
    envelope_name,
    files_path,
    is_envelope_name,
    release_dir,
    release_path,
)
from controller.artifacts.merkle import DictMemory
from controller.artifacts.release import LiveBundle, ReleaseStatement
from controller.authoring.compose import (
    Before,
    Promoted,
    Wanted,
    next_live,
    next_release,
    says_the_same,
)
from controller.authoring.growing import Base, base
from controller.authoring.rails import overridden, rails_of
from controller.authoring.releases import Found
from controller.authoring.signing import envelope_file
from controller.authoring.together import Part, check_together
from controller.authoring.trusted import signing_key
from controller.authoring.versions import (
    StatementDiffers,
    VerifiedVersion,
    envelopes_in,
    latest,
    pinned,
    verified_version,
)
from controller.authoring.view import View, Workspace
from controller.kernel.canonical import sha256
from controller.kernel.errors import Refused, Untrusted
from controller.kernel.instants import Window
from controller.kernel.objects import Oid
from controller.reconcile.admit import NotForEnvironment, WindowsOverlap, find_files
from controller.reconcile.filestrees import FilesTrees
from controller.trust.core import ThresholdNotMet, tally
from controller.trust.envelope import IN_TOTO, Envelope, merge
from controller.trust.history import check_bundles
from controller.trust.root import Root
from controller.trust.sign import Signer, sign_envelope
from controller.trust.verify import accepted, verify

SHOWN_MAX = 4
"""So many changes a commit's message names."""


class NothingToRelease(Refused):
    """The next release would say what the current one says."""

    code = "authoring.nothing_to_release"


class FilesNotCommitted(Refused):
    """A version pins files that no commit of this branch holds."""

    code = "authoring.files_not_committed"


class ReleaseOutdated(Refused):
    """A release that waits for signatures no longer follows the newest one."""

    code = "authoring.release_outdated"


class NotWaiting(Refused):
    """No release waits for a signature."""

    code = "authoring.not_waiting"

    def __init__(self, environment: str) -> None:
        super().__init__(
            f"there is no {release_path(environment)}",
            hint="propose a release: `countersign promote BUNDLE@V --key FILE --partial`",
        )


class NoSigner(Refused):
    """Nobody was named to sign."""

    code = "authoring.no_signer"

    def __init__(self) -> None:
        super().__init__("no key was named", hint="--key FILE, --agent or --ssh-keygen FILE")


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody wants of the next release."""

    environment: str
    promoted: tuple[Wanted, ...] = ()
    dropped: tuple[Wanted, ...] = ()
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """The next release, judged, before anybody signs it."""

    release: ReleaseStatement
    payload: bytes
    current: Found | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Released:
    """A release that was signed; `commit` is `None` while signatures are missing."""

    release: ReleaseStatement
    owners: frozenset[str]
    threshold: int
    commit: Oid | None
    message: str
    written: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def missing(self) -> int:
        """Return how many more owners have to sign."""
        return max(0, self.threshold - len(self.owners))


def propose(workspace: Workspace, root: Root, request: Request, now: datetime) -> Proposal:
    """Return the next release, or raise what its controller would raise."""
    view = workspace.committed()
    grown = base(workspace, root, request.environment)
    present = grown.present
    live = present.statement.bundles if present else ()
    listed = next_live(
        live,
        {(one.bundle, one.version): _signed_window(view, one) for one in live},
        [_promoted(view, wanted, root, now) for wanted in request.promoted],
        request.dropped,
    )
    release = next_release(
        Before(
            present.statement if present else None,
            grown.present_ref,
            grown.newest,
        ),
        listed,
        repository=root.repository,
        environment=request.environment,
        policies=overridden(view),
        created=now,
        expires=request.expires,
    )
    is_same = present is not None and says_the_same(release, present.statement)
    if present is not None and is_same and not grown.starts_again:
        raise NothingToRelease(
            f"release {present.statement.serial} of {request.environment} says this already"
        )
    parts = check_release(workspace, release, root, now)
    check_together(view.objects, parts, rails_of(view))
    notes = _started_again(root, grown) or _doubts(view, present, root, now)
    return Proposal(release, release.payload(), present, notes)


def check_release(
    workspace: Workspace, release: ReleaseStatement, root: Root, now: datetime
) -> list[Part]:
    """Judge every version of a release as the controller will; raise the first refusal.

    Return what the release would bring to life.
    """
    view = workspace.committed()
    verified = []
    for live in release.bundles:
        version = verified_version(view, live.bundle, live.version, root, now)
        if version.digest != live.payload_sha256:
            raise StatementDiffers(f"{live.path} is not the version that the release lists")
        if release.environment not in version.statement.environments:
            raise NotForEnvironment(live.path, release.environment, version.statement.environments)
        verified.append((live, version))
    offered = {(str(live.bundle), live.version): version.digest for live, version in verified}
    check_bundles({}, offered, floors=root.bundle_floors)
    _check_windows(verified)
    return [
        Part(
            live.bundle,
            live.effective(version.statement.window),
            _check_files(workspace, version),
        )
        for live, version in verified
    ]


def sign_release(
    workspace: Workspace,
    root: Root,
    proposal: Proposal,
    signers: Sequence[Signer],
    *,
    now: datetime,
    partial: bool = False,
    git: ChildEnvironment | None = None,
) -> Released:
    """Sign a proposed release and commit exactly its files.

    With `partial` a release that still lacks signatures is written and not committed; others add
    theirs with `add_signature`. Without, too few signatures are refused and nothing is written.
    """
    if not signers:
        raise NoSigner
    environment = proposal.release.environment
    role = root.release_role(environment)
    keys = [
        signing_key(root, role.keys, signer.public, f"releases of {environment}", now)
        for signer in signers
    ]
    pairs = [(signer, key.scheme) for signer, key in zip(signers, keys, strict=True)]
    envelope = sign_envelope(IN_TOTO, proposal.payload, pairs)
    complete = _is_complete(envelope, root, environment, now=now)
    if not complete and not partial:
        verify([envelope], role, payload_type=IN_TOTO, now=now)
    folder = release_dir(environment)
    changes: dict[str, bytes | None] = {
        f"{folder}/{entry.name}": None
        for view in (workspace.committed(), workspace.edited())
        for entry in view.children(folder)
        if is_envelope_name(entry.name, RELEASE_STEM)
    }
    changes[release_path(environment)] = proposal.payload
    changes[f"{folder}/{envelope_name(RELEASE_STEM)}"] = envelope.to_bytes()
    message = _message(proposal)
    if not complete:
        _write(workspace, changes)
        return _released(proposal, root, envelope, now=now, message=message, written=changes)
    commit_paths(workspace.folder, changes, message, env=git)
    released = _released(proposal, root, envelope, now=now, message=message, written=changes)
    return replace(released, commit=workspace.tip())


def add_signature(
    workspace: Workspace, root: Root, environment: str, signer: Signer, *, now: datetime
) -> Released:
    """Sign the release that waits in the work tree; write the envelope, commit nothing.

    The release has to be the next one still, and each of its versions is judged again: whoever
    signs has seen the same checks as whoever proposed.
    """
    view = workspace.edited()
    payload = view.read(release_path(environment))
    if payload is None:
        raise NotWaiting(environment)
    release = statements.parse(payload)
    role = root.release_role(environment)
    key = signing_key(root, role.keys, signer.public, f"releases of {environment}", now)
    newest = base(workspace, root, environment).newest
    is_newest = newest is not None and newest.sha256 == sha256(payload)
    if not is_newest and release.previous != newest:
        raise ReleaseOutdated(
            f"release {release.serial} of {environment} does not follow the newest one",
            hint="propose it again: `countersign promote`",
        )
    if release.repository != root.repository or release.environment != environment:
        raise StatementDiffers(f"{release_path(environment)} speaks of something else")
    parts = check_release(workspace, release, root, now)
    check_together(workspace.repository, parts, rails_of(workspace.committed()))
    held = envelopes_in(view, release_dir(environment), RELEASE_STEM)
    before = merge([Envelope(IN_TOTO, payload, ()), *held.values()])
    proposal = Proposal(release, payload, None, ())
    if accepted(before, [key]):
        return _released(proposal, root, before, now=now)
    envelope = sign_envelope(IN_TOTO, payload, [(signer, key.scheme)])
    path = f"{release_dir(environment)}/{envelope_file(RELEASE_STEM, key, held)}"
    workspace.write(path, envelope.to_bytes())
    whole = merge([before, envelope])
    return _released(proposal, root, whole, now=now, written={path: b""})


def tag_release(
    workspace: Workspace, released: Released, *, git: ChildEnvironment | None = None
) -> str:
    """Make an annotated tag `<environment>-<serial>` at a release's commit and return its name."""
    assert released.commit is not None  # only a committed release is tagged
    name = f"{released.release.environment}-{released.release.serial}"
    run_git(
        ["tag", "--annotate", "--message", released.message, name, released.commit.hex()],
        workspace.folder,
        timeout_seconds=60,
        env=git,
    )
    return name


def _promoted(view: View, wanted: Wanted, root: Root, now: datetime) -> Promoted:
    version = wanted.version or latest(view, wanted.bundle)
    found = verified_version(view, wanted.bundle, version, root, now)
    live = LiveBundle(wanted.bundle, version, found.digest)
    return Promoted(live, found.statement.window)


def _signed_window(view: View, live: LiveBundle) -> Window:
    """Return the window of a version that the release in force pins by digest."""
    payload = pinned(view, live.bundle, live.version)
    if payload is None or sha256(payload) != live.payload_sha256:
        raise StatementDiffers(
            f"{live.path} is not the version that the release in force lists",
            hint="restore the signed bytes from history",
        )
    return bundles.parse(payload).window


def _check_windows(verified: Sequence[tuple[LiveBundle, VerifiedVersion]]) -> None:
    held: list[tuple[LiveBundle, Window]] = []
    for live, version in verified:
        window = live.effective(version.statement.window)
        for other, taken in held:
            if other.bundle == live.bundle and window.overlaps(taken):
                raise WindowsOverlap(live.bundle, (other.version, live.version))
        held.append((live, window))


def _check_files(workspace: Workspace, version: VerifiedVersion) -> Oid:
    """Return the files that a version pins, when a commit of this branch holds them.

    A tree that is only in the object database would never be pushed.
    """
    statement, repository = version.statement, workspace.repository
    trees = FilesTrees.of_one(repository, workspace.tip(), statement)
    tree = find_files(repository, statement, trees, DictMemory())
    if tree in trees.of(statement.bundle):
        return tree
    raise FilesNotCommitted(
        f"no commit of this branch holds the files of {statement.bundle}@{statement.version}",
        hint=f"commit {files_path(statement.bundle)} as it was signed, or sign it again",
    )


def _started_again(root: Root, grown: Base) -> tuple[str, ...]:
    """Say that the release grows from another one than the one in force."""
    if not grown.starts_again or grown.newest is None:
        return ()
    note = (
        f"root {root.version} lets serials start again: this release grows from release "
        f"{grown.newest.serial}, not from the one in force"
    )
    return (note,)


def _doubts(view: View, present: Found | None, root: Root, now: datetime) -> tuple[str, ...]:
    """Say why the release that this one grows from would not be believed today."""
    if present is None:
        return ()
    environment = present.statement.environment
    held = envelopes_in(view, release_dir(environment), RELEASE_STEM)
    try:
        role = root.release_role(environment)
        verified = verify(list(held.values()), role, payload_type=IN_TOTO, now=now)
        if verified.payload == view.read(release_path(environment)):
            return ()
        reason = "its release.json is not what was signed"
    except Untrusted as error:
        reason = str(error)
    return (f"look at every line: the release this one grows from is not believed now ({reason})",)


def _is_complete(envelope: Envelope, root: Root, environment: str, *, now: datetime) -> bool:
    try:
        verify([envelope], root.release_role(environment), payload_type=IN_TOTO, now=now)
    except ThresholdNotMet:
        return False
    return True


def _released(
    proposal: Proposal,
    root: Root,
    envelope: Envelope,
    *,
    now: datetime,
    message: str = "",
    written: Mapping[str, bytes | None] = MappingProxyType({}),
) -> Released:
    role = root.release_role(proposal.release.environment)
    return Released(
        proposal.release,
        owners=tally(role, accepted(envelope, role.keys), now=now).owners,
        threshold=role.threshold,
        commit=None,
        message=message,
        written=tuple(path for path, data in written.items() if data is not None),
        notes=proposal.notes,
    )


def _message(proposal: Proposal) -> str:
    """Return the commit's message: what enters, and what leaves."""
    release = proposal.release
    before = set(proposal.current.statement.bundles) if proposal.current else set()
    known, named = {one.path for one in before}, {one.bundle for one in release.bundles}
    entered = [one for one in release.bundles if one.path not in known]
    changed = [one for one in release.bundles if one not in before]
    gone = sorted({one.bundle for one in before} - named)
    parts = [f"{one.bundle}@{one.version}" for one in entered or ([] if gone else changed)]
    parts += [f"without {bundle}" for bundle in gone]
    if len(parts) > SHOWN_MAX:
        parts = [*parts[: SHOWN_MAX - 1], f"and {len(parts) - SHOWN_MAX + 1} more"]
    return f"Release {release.serial} of {release.environment}: {', '.join(parts) or 'policies'}"


def _write(workspace: Workspace, changes: Mapping[str, bytes | None]) -> None:
    for path, data in changes.items():
        if data is None:
            (workspace.folder / path).unlink(missing_ok=True)
        else:
            workspace.write(path, data)
