"""What goes wrong between us and a remote repository, each thing as an error of its own.

Git says it in words alone, in English when it is told to. What it says may repeat what a server
sent, so little of it is shown: printable, short, and never a secret.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from controller.adapters.gitfaults import RepositoryFull
from controller.adapters.remoteaddress import Remote
from controller.kernel.errors import (
    ControllerError,
    DeadlinePassed,
    Refused,
    Unavailable,
    Untrusted,
)

SHOWN_MAX = 300

_NOT_SHOWN = re.compile(r"[^\x20-\x7e]+")


class RemoteUnreachable(Unavailable):
    """A remote did not answer, or stopped in the middle."""

    code = "remote.unreachable"

    def __init__(self, remote: Remote, reason: str) -> None:
        super().__init__(
            f"{remote.name} ({remote.shown}): {reason}",
            hint="it is tried again by itself; if it stays: `countersign doctor`",
        )
        self.remote, self.reason = remote, reason


class RemoteDeadline(DeadlinePassed):
    """A remote took longer than it may, and the child that talked to it was killed."""

    code = "remote.deadline"

    def __init__(self, remote: Remote, doing: str, reason: str) -> None:
        super().__init__(
            f"{remote.name} ({remote.shown}): {doing} {reason}",
            hint="it is tried again by itself; a first fetch that is large needs more: "
            "remote.deadline_seconds",
        )
        self.remote, self.doing = remote, doing


class HostKeyRefused(Untrusted):
    """The host at the other end is not the one whose key we were given."""

    code = "remote.host_key_refused"

    def __init__(self, remote: Remote) -> None:
        super().__init__(
            f"{remote.name} ({remote.shown}): its host key is not in {remote.known_hosts}",
            hint="get the host's key another way (its operator, its page), compare, and write it "
            "there; never take what `ssh-keyscan` says unseen",
        )
        self.remote = remote


class CertificateRefused(Untrusted):
    """The host at the other end shows no certificate that we trust."""

    code = "remote.certificate_refused"

    def __init__(self, remote: Remote) -> None:
        trusted = f"by {remote.ca_file}" if remote.ca_file else "by this host's list of CAs"
        super().__init__(
            f"{remote.name} ({remote.shown}): its certificate is not vouched for {trusted}",
            hint="is it the right host, and its certificate in time? A CA of your own is named by "
            "remote.ca_file",
        )
        self.remote = remote


class CredentialsRefused(Refused):
    """The remote did not let us in with the key or the token that we were given."""

    code = "remote.credentials_refused"

    def __init__(self, remote: Remote) -> None:
        secret = remote.ssh_key or remote.token_file
        super().__init__(
            f"{remote.name} ({remote.shown}) does not let us in with "
            f"{secret or 'no key and no token'}",
            hint="is it in time, may it read (for the trail: write) this repository, and is an SSH "
            "key without passphrase?",
        )
        self.remote = remote


class BadToken(Refused):
    """A token's file holds something else than one line."""

    code = "remote.bad_token"

    def __init__(self, file: Path) -> None:
        super().__init__(
            f"{file} does not hold a token", hint="one line of printable characters, nothing else"
        )
        self.file = file


class RedirectRefused(Refused):
    """The remote sends us elsewhere, and we do not go there with a token."""

    code = "remote.redirect_refused"

    def __init__(self, remote: Remote) -> None:
        super().__init__(
            f"{remote.name} ({remote.shown}) sends us to another address",
            hint="if the repository has moved, set its new address",
        )
        self.remote = remote


class RemoteAbsent(Refused):
    """There is no repository at the address, or none that we may see."""

    code = "remote.absent"

    def __init__(self, remote: Remote) -> None:
        super().__init__(
            f"{remote.name}: no repository at {remote.shown}",
            hint="is the address right? Forges answer the same to a token that may not see it",
        )
        self.remote = remote


class BranchGone(Refused):
    """The branch is not at the remote: nothing is declared, which is not empty."""

    code = "remote.branch_gone"

    def __init__(self, remote: Remote, ref: str) -> None:
        super().__init__(
            f"{remote.name} ({remote.shown}) has no {ref}",
            hint="push the branch again from a clone that has it, or set repository.branch; "
            "what was applied goes on being served",
        )
        self.remote, self.ref = remote, ref


class RemoteTooLarge(Refused):
    """The remote sent more than we take."""

    code = "remote.too_large"

    def __init__(self, remote: Remote, limit_bytes: int) -> None:
        super().__init__(
            f"{remote.name} ({remote.shown}) sends more than {limit_bytes:,} bytes, or what takes "
            "too much memory to look at",
            hint="who pushed what? A repository that is rightly so large needs remote.max_bytes",
        )
        self.remote, self.limit_bytes = remote, limit_bytes


class RemoteMalformed(Refused):
    """The remote sent objects that git's own checks refuse."""

    code = "remote.malformed"

    def __init__(self, remote: Remote, reason: str) -> None:
        super().__init__(
            f"{remote.name} ({remote.shown}) sends objects that are refused: {reason}",
            hint="run `git fsck --full --strict` where the repository is kept; nothing of it was "
            "taken",
        )
        self.remote, self.reason = remote, reason


class PushRefused(Refused):
    """The remote does not take what we push."""

    code = "remote.push_refused"

    def __init__(self, remote: Remote, ref: str, reason: str) -> None:
        super().__init__(
            f"{remote.name} ({remote.shown}) does not take {ref}: {reason}",
            hint="may the key or token write this branch? Look at the forge's rules for it",
        )
        self.remote, self.ref = remote, ref


class PushOvertaken(Unavailable):
    """The branch at the remote moved while we pushed it."""

    code = "remote.push_overtaken"

    def __init__(self, remote: Remote, ref: str) -> None:
        super().__init__(
            f"{remote.name} ({remote.shown}): {ref} is not where it was a moment ago",
            hint="it is tried again by itself; one controller alone writes its trail",
        )
        self.remote, self.ref = remote, ref


@dataclass(frozen=True, slots=True)
class _Said:
    """What git said of a remote, and what it was about."""

    remote: Remote
    git_dir: Path
    ref: str
    words: str


_MEANINGS: tuple[tuple[str, Callable[[_Said], ControllerError]], ...] = (
    (
        r"No space left on device|Disk quota exceeded",
        lambda said: RepositoryFull(said.git_dir, "no space left"),
    ),
    (
        r"died of signal 25\b|File too large|[Oo]ut of memory|malloc failed|mmap failed",
        lambda said: RemoteTooLarge(said.remote, said.remote.size_max_bytes),
    ),
    (
        r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED",
        lambda said: HostKeyRefused(said.remote),
    ),
    (
        r"SSL certificate problem|certificate verif|certificate subject name|CAfile",
        lambda said: CertificateRefused(said.remote),
    ),
    (
        r"\(stale info\)|\(fetch first\)|\(non-fast-forward\)|failed to update ref",
        lambda said: PushOvertaken(said.remote, said.ref),
    ),
    (
        r"! \[(?:remote )?rejected\]",
        lambda said: PushRefused(said.remote, said.ref, said.words),
    ),
    (
        (
            r"Authentication failed|could not read (?:Username|Password)|returned error: 40[13]"
            r"|Permission denied \(|Too many authentication failures|dubious ownership"
        ),
        lambda said: CredentialsRefused(said.remote),
    ),
    (
        r"returned error: 30\d|unable to update url base from redirection",
        lambda said: RedirectRefused(said.remote),
    ),
    (r"couldn't find remote ref", lambda said: BranchGone(said.remote, said.ref)),
    (
        (
            r"fsck error|pack has bad object|pack is corrupted|SHA1 COLLISION|inflate returned"
            r"|did not send all necessary objects|^error: object "
        ),
        lambda said: RemoteMalformed(said.remote, said.words),
    ),
    (
        r"Operation too slow|Operation timed out|timed out after",
        lambda said: RemoteDeadline(said.remote, "talking to it", "went too slowly"),
    ),
    (  # also of a pack that was cut off in its first bytes
        r"unexpected disconnect|early EOF|hung up unexpectedly|RPC failed",
        lambda said: RemoteUnreachable(said.remote, said.words),
    ),
    (
        (
            r"bad object|unresolved deltas|bad pack header|pack signature mismatch|pack version"
            r"|object corrupt|cannot unpack"
        ),
        lambda said: RemoteMalformed(said.remote, said.words),
    ),
    (
        (
            r"returned error: 404|[Rr]epository '?[^\n]*not found|not a git repository"
            r"|does not appear to be a git repository"
        ),
        lambda said: RemoteAbsent(said.remote),
    ),
)
"""The first that git's words match is what they mean: what is ours comes before what is theirs."""


def remote_fault(
    remote: Remote, git_dir: Path, said: str, *, ref: str = "", secrets: Iterable[str] = ()
) -> ControllerError:
    """Return what git's words about a remote mean; `RemoteUnreachable` for all that is unknown."""
    # What the server says of itself proves nothing.
    own = "\n".join(line for line in said.splitlines() if not line.startswith("remote: "))
    facts = _Said(remote, git_dir, ref, shown(own, secrets))
    for pattern, meaning in _MEANINGS:
        if re.search(pattern, own, re.MULTILINE):
            return meaning(facts)
    return RemoteUnreachable(remote, facts.words)


def shown(said: str, secrets: Iterable[str] = ()) -> str:
    """Return the end of what a program said, as one printable line without secrets."""
    for secret in secrets:
        said = said.replace(secret, "***")
    return _NOT_SHOWN.sub(" ", said).strip()[-SHOWN_MAX:] or "no reason was given"
