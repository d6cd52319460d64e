"""Beat: say, signed, that the newest commit here is the newest there is.

Whoever runs it from a schedule has just fetched the branch. It replaces the heartbeat before it,
so a repository holds one; the commit is made like any other, with git's own settings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.adapters.gitcli import ChildEnvironment, commit_paths
from controller.artifacts import heartbeat
from controller.artifacts.heartbeat import Heartbeat
from controller.artifacts.layout import heartbeat_path
from controller.authoring.trusted import signing_key
from controller.authoring.view import Workspace
from controller.kernel.errors import Refused
from controller.kernel.objects import Oid
from controller.trust.core import require
from controller.trust.envelope import IN_TOTO
from controller.trust.root import NoRole, Root
from controller.trust.sign import Signer, sign_envelope

LASTS = timedelta(hours=2)
"""How long a heartbeat says that it holds: one that is missed, of one an hour, is forgiven."""


class NoTime(Refused):
    """A heartbeat has to hold for a while."""

    code = "authoring.no_time"

    def __init__(self, lasts: timedelta) -> None:
        super().__init__(
            f"a heartbeat that holds for {lasts} says nothing",
            hint="give at least one hour: --hours 2",
        )
        self.lasts = lasts


@dataclass(frozen=True, slots=True)
class Beat:
    """A heartbeat that was committed."""

    heartbeat: Heartbeat
    path: str
    commit: Oid
    owners: frozenset[str]


def beat(
    workspace: Workspace,
    root: Root,
    environment: str,
    signers: Sequence[Signer],
    *,
    now: datetime,
    lasts: timedelta = LASTS,
    git: ChildEnvironment | None = None,
) -> Beat:
    """Sign a heartbeat of the newest commit and commit it on top."""
    role = root.heartbeat
    if role is None:
        raise NoRole("heartbeats")
    if lasts <= timedelta(0):
        raise NoTime(lasts)
    what = f"heartbeats of {environment}"
    keys = [signing_key(root, role.keys, one.public, what, now) for one in signers]
    count = require(role, {key.id for key in keys}, now=now)
    said = Heartbeat(root.repository, environment, workspace.tip(), now, now + lasts)
    payload = said.payload()
    heartbeat.parse(payload)
    pairs = [(signer, key.scheme) for signer, key in zip(signers, keys, strict=True)]
    path = heartbeat_path(environment)
    envelope = sign_envelope(IN_TOTO, payload, pairs).to_bytes()
    message = f"Heartbeat of {environment} at {said.commit.hex()[:12]}"
    commit_paths(workspace.folder, {path: envelope}, message, env=git)
    return Beat(said, path, workspace.tip(), count.owners)
