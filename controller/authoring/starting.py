"""Start an artifact repository: drafts, git settings and, for a trial, keys and a release.

The demo's keys make a complete world on one machine: three owners, a rollback key that git signs
commits with, an audit key, and the settings of a deploy host that pins the root and the first
commit. In earnest the keys are made where their owners are, and only the root's envelope travels.
"""

import json
import os
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from controller.adapters.git import GitRepository
from controller.adapters.gitcli import ChildEnvironment, GitFailed, run_git
from controller.adapters.keyfiles import write_new
from controller.adapters.shipped import shipped
from controller.artifacts.layout import ROOT_DIR, bundle_dir, root_path
from controller.authoring.compose import Wanted
from controller.authoring.draft import bundles_of
from controller.authoring.places import make_empty, starting_at
from controller.authoring.promote import Request, propose, sign_release
from controller.authoring.rails import rails_of
from controller.authoring.rootdoc import FirstRoot, KeyOf
from controller.authoring.signing import sign_bundle
from controller.authoring.trusted import trusted_root
from controller.authoring.view import View, Workspace
from controller.kernel.canonical import Digest
from controller.kernel.objects import Oid
from controller.trust import root as roots
from controller.trust.envelope import ROOT
from controller.trust.envelope import parse as parse_envelope
from controller.trust.root import Root
from controller.trust.sign import Signer, sign_envelope, usual_scheme

PEOPLE = ("alice", "bob", "carol")
ROLLBACK, CONTROLLER, ENVIRONMENT, BRANCH = "rollback", "countersign", "production", "main"
AUDIT = "countersign-audit"
TRIAL_DAYS = 5 * 365

WriteKey: TypeAlias = Callable[[Path, str], Signer]
"""Makes a key pair at a path, with a comment."""

_GIT_SECONDS = 60.0
_ATTRIBUTES = b"""\
# What is signed is bytes: git must never change line ends, nor anything else.
* -text
"""


@dataclass(frozen=True, slots=True)
class Started:
    """A new repository; without a root it waits for one."""

    folder: Path
    root_sha256: Digest | None
    commit: Oid | None
    settings: Path | None = None
    notes: tuple[str, ...] = ()


def new_repository_id() -> str:
    """Return a random UUID, which every statement of the repository will name."""
    return str(uuid.UUID(bytes=os.urandom(16), version=4))


def start(
    folder: Path, root_envelope: bytes | None, now: datetime, *, git: ChildEnvironment | None = None
) -> Started:
    """Start a repository with a root that owners have signed elsewhere, or without one."""
    digest = None
    if root_envelope is not None:
        digest = parse_envelope(root_envelope).digest
        roots.extend(roots.pin(root_envelope, digest), [], now)
    with starting_at(folder):
        make_empty(folder)
        workspace = _skeleton(folder, root_envelope)
        if root_envelope is None:
            (folder / ROOT_DIR).mkdir(parents=True)
            return Started(folder, None, None)
    _name_somebody(workspace, git)
    commit = _commit(workspace, "Start from the reference bundles", git)
    return Started(folder, digest, commit)


def start_demo(
    folder: Path,
    keys: Path,
    write_key: WriteKey,
    now: datetime,
    *,
    git: ChildEnvironment | None = None,
) -> Started:
    """Start a repository with keys, a signed root, version 1 of each bundle and release 1.

    The settings are written last: where they stand, all of it does.
    """
    with starting_at(folder):
        make_empty(folder, keys)
        names = (*PEOPLE, ROLLBACK, AUDIT)
        signers = {name: write_key(keys / name, name) for name in names}
        envelope = _demo_root(signers, now)
        digest = parse_envelope(envelope).digest
        workspace = _skeleton(folder, envelope)
        notes = _set_up_git(workspace, keys, signers, git)
        baseline = _baseline(workspace, [signers[name] for name in PEOPLE[:2]], now, git)
        write_new(keys / "1.root.json", envelope, mode=0o644)
        settings = keys / "countersign.toml"
        write_new(settings, _settings(folder, keys, digest, baseline).encode(), mode=0o644)
    return Started(folder, digest, baseline, settings, notes)


def _demo_root(signers: Mapping[str, Signer], now: datetime) -> bytes:
    owners = tuple(KeyOf.usual(name, signers[name].public) for name in PEOPLE)
    payload = FirstRoot(
        repository=new_repository_id(),
        owners=owners,
        created=now,
        expires=now + timedelta(days=TRIAL_DAYS),
        root_threshold=2,
        bundle_threshold=2,
        release_threshold=2,
        environments=(ENVIRONMENT,),
        rails=shipped_rails(),
        rollback=(KeyOf.usual(ROLLBACK, signers[ROLLBACK].public),),
        audit={CONTROLLER: KeyOf.usual(AUDIT, signers[AUDIT].public)},
    ).payload()
    pairs = [(signers[name], usual_scheme(signers[name])) for name in PEOPLE[:2]]
    return sign_envelope(ROOT, payload, pairs).to_bytes()


def shipped_rails() -> tuple[str, ...]:
    """Return the rails that come with Countersign, by name."""
    folders = {path.split("/")[0] for path in shipped("policies")}
    return tuple(sorted(folder for folder in folders if not folder.startswith("_")))


def _skeleton(folder: Path, root_envelope: bytes | None) -> Workspace:
    GitRepository.init(folder, bare=False, branch=BRANCH)
    workspace = Workspace.open(folder)
    for path, data in shipped("bundles").items():
        if "/" in path:
            workspace.write(f"bundles/{path}", data)
    workspace.write(".gitattributes", _ATTRIBUTES)
    workspace.write("README.md", _readme(workspace.edited()))
    if root_envelope is not None:
        workspace.write(root_path(1), root_envelope)
    return workspace


def _baseline(
    workspace: Workspace, signers: Sequence[Signer], now: datetime, git: ChildEnvironment | None
) -> Oid:
    """Sign and commit every bundle, then release them; return the release's commit."""
    root = trusted_root(workspace.edited(), None, now).root
    for bundle in bundles_of(workspace.edited()):
        for signer in signers:
            sign_bundle(workspace, root, bundle, signer, now=now)
    _commit(workspace, "Start from the reference bundles", git)
    return _first_release(workspace, root, signers, now, git)


def _first_release(
    workspace: Workspace,
    root: Root,
    signers: Sequence[Signer],
    now: datetime,
    git: ChildEnvironment | None,
) -> Oid:
    wanted = tuple(Wanted(bundle) for bundle in bundles_of(workspace.committed()))
    proposal = propose(workspace, root, Request(ENVIRONMENT, wanted), now)
    released = sign_release(workspace, root, proposal, signers, now=now, git=git)
    assert released.commit is not None  # two of the three owners signed
    return released.commit


def _set_up_git(
    workspace: Workspace, keys: Path, signers: Mapping[str, Signer], git: ChildEnvironment | None
) -> tuple[str, ...]:
    """Let git sign commits with the rollback key, so that a plain `git revert` may roll back."""
    allowed = keys.resolve() / "allowed_signers"
    lines = [f'{name} namespaces="git" {signer.public.line}\n' for name, signer in signers.items()]
    write_new(allowed, "".join(lines).encode(), mode=0o644)
    _name_somebody(workspace, git)
    settings = {
        "gpg.format": "ssh",
        "user.signingkey": str(keys.resolve() / ROLLBACK),
        "gpg.ssh.allowedSignersFile": str(allowed),
    }
    if shutil.which("ssh-keygen") is None:
        note = "git cannot sign here: install OpenSSH, then `git config commit.gpgsign true`"
    else:
        note = ""
        settings["commit.gpgsign"] = "true"
    for name, value in settings.items():
        workspace.repository.config_set(name, value)
    return (note,) if note else ()


def _name_somebody(workspace: Workspace, git: ChildEnvironment | None) -> None:
    """Give the repository an author where git knows none."""
    for name, value in (("user.name", "Countersign trial"), ("user.email", "trial@localhost")):
        try:
            run_git(["config", name], workspace.folder, timeout_seconds=_GIT_SECONDS, env=git)
        except GitFailed:
            workspace.repository.config_set(name, value)


def _commit(workspace: Workspace, message: str, git: ChildEnvironment | None) -> Oid:
    for arguments in (["add", "--all"], ["commit", "--quiet", "--message", message]):
        run_git(arguments, workspace.folder, timeout_seconds=_GIT_SECONDS, env=git)
    return workspace.tip()


def _settings(folder: Path, keys: Path, digest: Digest, baseline: Oid) -> str:
    path = os.path.relpath(folder.resolve(), keys.resolve())
    return f"""\
# The settings of one deploy host; paths are relative to this file.

[controller]
name = {json.dumps(CONTROLLER)}
environment = {json.dumps(ENVIRONMENT)}
state_dir = "state"

[repository]
path = {json.dumps(path)}
branch = {json.dumps(BRANCH)}
# History has to descend from this commit.
baseline = {json.dumps(baseline.hex())}

[trust]
# The first root of trust: compare the digest with whoever holds its keys, by voice.
root = "1.root.json"
root_sha256 = {json.dumps(digest)}

[audit]
key = {json.dumps(AUDIT)}
"""


def _readme(view: View) -> bytes:
    rails = rails_of(view)
    listed = (f"- `{bundle_dir(one)}`: {rails[one.rail].title}\n" for one in bundles_of(view))
    bundles = "".join(listed)
    return f"""\
# Artifact repository

What stands here is signed, and Countersign brings production to it.

{bundles}
- `trust/root/`: who may sign what; a chain, never rewritten.
- `bundles/<rail>/<name>/files/`: what people edit; `versions/`: what they signed.
- `environments/<name>/release.json`: what is live.

A change goes this way:

1. Edit `files/`, then `countersign validate`.
2. `countersign sign <rail>/<name> --key FILE`, as many people as the root asks for; commit it.
3. `countersign promote <rail>/<name>@<version> --key FILE --key FILE`: release and commit.
4. To go back: `git revert` of the release's commit, or `countersign rollback`.
""".encode()
