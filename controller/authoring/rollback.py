"""Roll back: a signed commit that brings an earlier release back, bytes and envelopes unchanged.

A controller goes back only when a rollback key signed the commit that did it, or a rollback
statement stands beside the release. Everything it would refuse is refused here first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.adapters.gitcli import ChildEnvironment, child_environment, commit_paths
from controller.artifacts.layout import (
    RELEASE_STEM,
    is_envelope_name,
    release_dir,
    rollback_path,
)
from controller.artifacts.rollback import RollbackStatement
from controller.authoring.promote import check_release
from controller.authoring.releases import (
    Found,
    NoRelease,
    by_serial,
    current,
    release_files,
    release_in,
)
from controller.authoring.trusted import signing_key
from controller.authoring.versions import envelopes_in
from controller.authoring.view import Workspace
from controller.kernel.canonical import sha256
from controller.kernel.errors import Refused, Untrusted
from controller.kernel.objects import Oid
from controller.trust.core import require
from controller.trust.envelope import IN_TOTO
from controller.trust.keys import PublicLine
from controller.trust.rollback import by_commit
from controller.trust.root import Root
from controller.trust.sign import Signer, sign_envelope
from controller.trust.verify import verify

STATEMENT_HOURS = 24
"""How long a rollback statement lets a controller go back, unless it is said."""


class AlreadyThere(Refused):
    """The release to go back to is the one in force."""

    code = "authoring.already_there"


class BelowFloor(Untrusted):
    """The root no longer lets anybody go back that far."""

    code = "authoring.below_floor"


class NeedsStatement(Untrusted):
    """One signed commit is not enough for this rollback role."""

    code = "authoring.needs_statement"


@dataclass(frozen=True, slots=True)
class CommitKey:
    """A key that git will sign a commit with: its public half, and what git calls it."""

    public: PublicLine
    git_name: str


@dataclass(frozen=True, slots=True)
class RolledBack:
    """The release that is in force again, by this commit."""

    release: Found
    commit: Oid
    message: str
    owners: frozenset[str]


def find_target(workspace: Workspace, environment: str, to: str) -> Found:
    """Return the release of a serial, or the one at a tag of this branch's history."""
    if to.isdecimal():
        return by_serial(workspace, environment, int(to))
    commit = workspace.repository.resolve(to)
    if commit is None or not workspace.repository.is_ancestor(commit, workspace.tip()):
        raise NoRelease(
            f"{to!r} is neither a serial nor a tag or commit of this branch",
            hint="give a serial (2), a tag (production-2) or BUNDLE@V",
        )
    found = release_in(workspace.at(commit), commit, environment)
    if found is None:
        raise NoRelease(f"there is no release of {environment} at {to}")
    return found


def roll_back(
    workspace: Workspace,
    root: Root,
    environment: str,
    target: Found,
    key: CommitKey,
    *,
    now: datetime,
    git: ChildEnvironment | None = None,
) -> RolledBack:
    """Commit the files of an earlier release again, signed by a rollback key."""
    _check_target(workspace, root, environment, target, now)
    role = root.rollback_role(environment).role
    mine = signing_key(root, role.keys, key.public, f"rollbacks of {environment}", now)
    if role.threshold > 1:
        raise NeedsStatement(
            f"rollbacks of {environment} need {role.threshold} owners, a commit has one signature",
            hint="name every key and --statement",
        )
    message = _message(environment, target)
    commit_paths(
        workspace.folder,
        _changes(workspace, environment, target),
        message,
        env=_signing(git, key),
    )
    commit = workspace.tip()
    by_commit(workspace.repository.raw_commit(commit), role, now)
    return RolledBack(target, commit, message, frozenset({mine.owner}))


def roll_back_by_statement(  # noqa: PLR0913
    workspace: Workspace,
    root: Root,
    environment: str,
    target: Found,
    signers: Sequence[Signer],
    reason: str,
    *,
    now: datetime,
    expires: datetime | None = None,
    git: ChildEnvironment | None = None,
) -> RolledBack:
    """Commit an earlier release again beside a statement that its rollback keys signed."""
    _check_target(workspace, root, environment, target, now)
    role = root.rollback_role(environment).role
    keys = [
        signing_key(root, role.keys, one.public, f"rollbacks of {environment}", now)
        for one in signers
    ]
    require(role, {key.id for key in keys}, now=now)
    payload = RollbackStatement(
        repository=root.repository,
        environment=environment,
        to_serial=target.statement.serial,
        to_sha256=sha256(target.payload),
        reason=reason,
        created=now,
        expires=expires or now + timedelta(hours=STATEMENT_HOURS),
    ).payload()
    pairs = [(one, key.scheme) for one, key in zip(signers, keys, strict=True)]
    changes = _changes(workspace, environment, target)
    changes[rollback_path(environment)] = sign_envelope(IN_TOTO, payload, pairs).to_bytes()
    message = f"{_message(environment, target)}\n\n{reason}"
    commit_paths(workspace.folder, changes, message, env=git)
    owners = frozenset(key.owner for key in keys)
    return RolledBack(target, workspace.tip(), message, owners)


def _check_target(
    workspace: Workspace, root: Root, environment: str, target: Found, now: datetime
) -> None:
    """Judge the earlier release as a controller will when it comes back."""
    serial = target.statement.serial
    present = current(workspace, environment)
    if present is not None and present.ref == target.ref:
        raise AlreadyThere(f"release {serial} is the one in force")
    if serial < root.serial_floor(environment):
        floor = root.serial_floor(environment)
        raise BelowFloor(f"release {serial} is below the root's floor {floor}")
    held = envelopes_in(workspace.at(target.commit), release_dir(environment), RELEASE_STEM)
    verify(list(held.values()), root.release_role(environment), payload_type=IN_TOTO, now=now)
    check_release(workspace, target.statement, root, now)


def _changes(workspace: Workspace, environment: str, target: Found) -> dict[str, bytes | None]:
    folder = release_dir(environment)
    gone: dict[str, bytes | None] = {
        f"{folder}/{entry.name}": None
        for entry in workspace.committed().children(folder)
        if is_envelope_name(entry.name, RELEASE_STEM)
    }
    return gone | release_files(workspace.at(target.commit), environment)


def _message(environment: str, target: Found) -> str:
    return f"Roll {environment} back to release {target.statement.serial}"


def _signing(git: ChildEnvironment | None, key: CommitKey) -> ChildEnvironment:
    """Return an environment in which git signs with this key, whatever else is configured."""
    settings = {
        "gpg.format": "ssh",
        "user.signingkey": key.git_name,
        "commit.gpgsign": "true",
    }
    words = {"GIT_CONFIG_COUNT": str(len(settings))}
    for at, (name, value) in enumerate(settings.items()):
        words |= {f"GIT_CONFIG_KEY_{at}": name, f"GIT_CONFIG_VALUE_{at}": value}
    return ChildEnvironment({**(git or child_environment()), **words})
