"""Commits that were pushed since the accepted one carry the signatures that this host asks for.

A commit's signature covers its tree, its parents and its message, not the branch it came to; so it
adds to what documents are signed for and stands for none of it. Keys are those of the root's role
`commit`, judged at the pass's instant: a date in a commit is whatever its author typed.
"""

import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from controller.adapters.git import GitRepository
from controller.kernel.errors import Untrusted
from controller.kernel.objects import Oid
from controller.source.commits import Verify, commits_after, read_commits
from controller.trust.commit import (
    CommitNotSigned,
    MalformedCommit,
    named_key,
    parse_commit,
    verify_commit,
)
from controller.trust.core import Role, reason_not_in_force
from controller.trust.keys import PublicKey
from controller.trust.root import Root

RECORDS_MAX = 100_000


class NobodySignsCommits(Untrusted):
    """This host wants signed commits, and the root lets nobody sign them."""

    code = "commits.no_role"

    def __init__(self, verify: Verify, root: int) -> None:
        super().__init__(
            f"commits.verify is {verify}, and root {root} grants the role `commit` to nobody",
            hint="let a new root name the keys (`countersign root propose`), or set commits.verify "
            "to none",
        )
        self.verify, self.root = verify, root


class OneSignatureOnly(Untrusted):
    """The root asks for more owners than can sign one commit."""

    code = "commits.threshold"

    def __init__(self, threshold: int) -> None:
        super().__init__(
            f"the role `commit` needs {threshold} owners, and a commit carries one signature",
            hint="let a new root set its threshold to 1; several owners sign documents",
        )
        self.threshold = threshold


class CommitRefused(Untrusted):
    """A commit that came since the accepted one is not signed as this host asks for."""

    code = "commits.refused"

    def __init__(self, commit: "Named", reason: str, *, hint: str) -> None:
        super().__init__(f"commit {commit.oid.hex()[:12]} by {commit.author} {reason}", hint=hint)
        self.commit, self.author, self.key, self.reason = *commit, reason


class UnsignedCommit(CommitRefused):
    """It carries no SSH signature."""

    code = "commits.unsigned"


class UntrustedCommit(CommitRefused):
    """Its signature is bad, or not by a key that may sign commits now; `key` is who it names."""

    code = "commits.untrusted"


class OddCommit(CommitRefused):
    """It is not a commit as git writes it."""

    code = "commits.malformed"


class Named(NamedTuple):
    """A commit as an error names it: its id, its author, and the key its signature names."""

    oid: Oid
    author: str
    key: str


class VerifiedCommits:
    """Which key signed a commit, by the root in force and the commit's bytes.

    Whether a signature is good never changes, whether its key counts does: that is judged anew.
    """

    def __init__(self, *, records_max: int = RECORDS_MAX) -> None:
        self._signed: dict[bytes, PublicKey] = {}
        self._records_max = records_max

    def get(self, root: Root, raw: bytes) -> PublicKey | None:
        """Return the key that signed a commit, where that is known."""
        return self._signed.get(_record(root, raw))

    def put(self, root: Root, raw: bytes, key: PublicKey) -> None:
        """Keep it; when there are too many, begin anew."""
        if len(self._signed) >= self._records_max:
            self._signed.clear()
        self._signed[_record(root, raw)] = key


def check_commits(
    repository: GitRepository,
    root: Root,
    tip: Oid,
    *,
    since: Oid | None,
    verify: Verify,
    now: datetime,
    memory: VerifiedCommits,
) -> None:
    """Raise for the oldest commit after `since` that is not signed as asked.

    `since` is the commit that was accepted, the baseline at first; `None` asks for all there are.
    """
    for refusal in refused_commits(
        repository, root, tip, since=since, verify=verify, now=now, memory=memory
    ):
        raise refusal


def refused_commits(
    repository: GitRepository,
    root: Root,
    tip: Oid,
    *,
    since: Oid | None,
    verify: Verify,
    now: datetime,
    memory: VerifiedCommits,
) -> Iterator[CommitRefused]:
    """Yield why each commit after `since` is refused that is not signed as asked, oldest first."""
    commits = commits_after(repository, since, tip, verify)
    role = _role(root, verify) if commits else None
    for oid, raw in read_commits(repository, commits):
        assert role is not None, "without commits there is nothing to read"
        try:
            _check(root, role, oid, raw, now, memory)
        except CommitRefused as refusal:
            yield refusal


def _role(root: Root, verify: Verify) -> Role[PublicKey]:
    if root.commit is None:
        raise NobodySignsCommits(verify, root.version)
    if root.commit.threshold > 1:
        raise OneSignatureOnly(root.commit.threshold)
    return root.commit


def _check(
    root: Root,
    role: Role[PublicKey],
    oid: Oid,
    raw: bytes,
    now: datetime,
    memory: VerifiedCommits,
) -> None:
    known = memory.get(root, raw)
    if known is not None and not reason_not_in_force(known, now):
        return
    try:
        signer = verify_commit(raw, role.keys, now)
    except Untrusted as error:
        raise _refusal(oid, raw, error, role) from error
    memory.put(root, raw, next(key for key in role.keys if key.id == signer))


def _refusal(oid: Oid, raw: bytes, error: Untrusted, role: Role[PublicKey]) -> CommitRefused:
    if isinstance(error, MalformedCommit):
        return OddCommit(
            Named(oid, "somebody", ""),
            f"is not as git writes it: {error}",
            hint=f"write it again with git ({_REWRITE})",
        )
    commit = parse_commit(raw)
    if isinstance(error, CommitNotSigned):
        merges = len(commit.parents) > 1
        kind = "a merge, is" if merges else "is"
        said = f"{kind} not signed with SSH"
        return UnsignedCommit(
            Named(oid, commit.author, ""), said, hint=_MERGE if merges else _UNSIGNED
        )
    key = named_key(commit)
    able = ", ".join(sorted({one.owner for one in role.keys}))
    owner = next((f" ({one.owner})" for one in role.keys if one.id == key), "")
    reason = str(error).removeprefix("commit signature refused: ")
    who = f", signed by {key}{owner}" if key else ""
    return UntrustedCommit(
        Named(oid, commit.author, key),
        f"is refused{who}: {reason}",
        hint=f"those who may sign commits: {able}; let one of them sign it ({_REWRITE}), or let a "
        "new root name the key",
    )


_REWRITE = (
    "git rebase --exec 'git commit --amend --no-edit -S' <accepted commit>, with gpg.format=ssh; "
    "what is not accepted yet may be pushed anew"
)
_UNSIGNED = f"git config gpg.format ssh, commit.gpgsign true; then {_REWRITE}"
_MERGE = (
    "the button of a forge signs with no key of yours: merge at your desk (git merge -S) or let "
    "the forge only fast-forward; a forge that signs with SSH can be named in the role `commit`"
)


def _record(root: Root, raw: bytes) -> bytes:
    return hashlib.sha256(root.digest.encode() + raw).digest()
