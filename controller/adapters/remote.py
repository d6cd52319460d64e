"""The network: ask a remote where a branch stands, fetch it, push a branch of ours.

All of it through the git program as a child that can be killed. It gets no settings of the host's
or of anybody's home, follows no redirect, runs no hook, asks nobody, and talks to no other program
than ssh, with exactly the key and the known hosts that it is given. What it fetches is checked
object by object before a reference of ours names it.
"""

import base64
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from controller.adapters.children import Bounds, Stopped
from controller.adapters.gitcli import (
    ChildEnvironment,
    GitDeadline,
    GitFailed,
    GitResult,
    GitSaidTooMuch,
    child_environment,
    run_git,
)
from controller.adapters.keyfiles import read_secret
from controller.adapters.remoteaddress import PROTOCOLS, Remote, branch_ref
from controller.adapters.remotefaults import (
    BadToken,
    RemoteDeadline,
    RemoteTooLarge,
    remote_fault,
)
from controller.kernel.objects import Oid

SAID_MAX_BYTES = 1024 * 1024
"""What git may write while it talks to a remote; one branch is a line of 60 bytes."""

LOOK_MEMORY_BYTES = 512 * 1024**2
FETCH_MEMORY_BYTES = 2 * 1024**3

SLOW_BYTES_PER_SECOND, SLOW_SECONDS = 1000, 20

_STREAMED_BYTES = 16 * 1024**2  # git looks at larger files piece by piece
_OFF = os.devnull
# The token goes from its file to git through a pipe of the shell's own: no argument, no variable.
_CREDENTIALS = (
    '!f() { test "$1" = get && test -n "$COUNTERSIGN_TOKEN_FILE" && '
    "printf 'username=%s\\npassword=%s\\n' "
    '"$COUNTERSIGN_TOKEN_USER" "$(cat "$COUNTERSIGN_TOKEN_FILE")"; }; f'
)
_SETTINGS = {
    "core.askPass": "",
    "core.bigFileThreshold": str(_STREAMED_BYTES),
    "core.fsync": "all",
    "core.hooksPath": _OFF,
    "credential.helper": "",
    "fetch.fsckObjects": "true",
    "fetch.recurseSubmodules": "false",
    "fetch.unpackLimit": "1",  # unpacking would hold a hundred objects in memory, however large
    "gc.auto": "0",
    "http.followRedirects": "false",
    "http.lowSpeedLimit": str(SLOW_BYTES_PER_SECOND),
    "http.lowSpeedTime": str(SLOW_SECONDS),
    "http.sslVerify": "true",
    "maintenance.auto": "false",
    "protocol.version": "2",
    "push.gpgSign": "false",
    "push.recurseSubmodules": "no",
    "transfer.bundleURI": "false",
    "transfer.fsckObjects": "true",
}
_SSH_OPTIONS = {
    "BatchMode": "yes",
    "CheckHostIP": "no",
    "ClearAllForwardings": "yes",
    "ConnectionAttempts": "1",
    "ConnectTimeout": "10",
    "ControlPath": "none",
    "ForwardAgent": "no",
    "GlobalKnownHostsFile": _OFF,
    "IdentitiesOnly": "yes",
    "IdentityAgent": "none",
    "LogLevel": "ERROR",
    "PermitLocalCommand": "no",
    "PreferredAuthentications": "publickey",
    "ServerAliveCountMax": "3",
    "ServerAliveInterval": "5",
    "StrictHostKeyChecking": "yes",
    "UpdateHostKeys": "no",
}


def ls_remote(remote: Remote, ref: str, *, stopped: Stopped | None = None) -> Oid | None:
    """Return where a branch stands at a remote; `None` where the remote has no such branch.

    `ref` is a full name; a tag of that name is another thing. Nothing is written, here or there.
    Raises the errors of `remotefaults`, and `GitStopped` soon after `stopped` says so.
    """
    said = _git(
        ["ls-remote", "--quiet", "--refs", "--", remote.url, branch_ref(ref)],
        remote,
        Path(_OFF),  # it takes no repository of ours, so none can lead it elsewhere
        seconds=remote.look_seconds,
        bounds=Bounds(
            SAID_MAX_BYTES, memory_bytes=LOOK_MEMORY_BYTES, terminal=True, stopped=stopped
        ),
        ref=ref,
    ).stdout
    for line in said.decode("ascii", "replace").splitlines():
        oid, _, name = line.partition("\t")
        if name == ref:  # git also lists names that only end like this one
            return Oid(bytes.fromhex(oid))
    return None


def fetch(
    remote: Remote,
    ref: str,
    *,
    git_dir: Path,
    into: str,
    bounds: Bounds,
    keep: Sequence[int] = (),
) -> None:
    """Fetch a branch with all its history, check every object, and let `into` name it.

    `bounds` are those that git gets, `keep` are descriptors that it inherits. Whoever is killed
    meanwhile leaves `into` as it was, and files that `mirror` clears.
    """
    _git(
        [
            "fetch",
            *("--quiet", "--force", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance"),
            *("--no-recurse-submodules", "--no-show-forced-updates"),
            *("--", remote.url, f"+{branch_ref(ref)}:{into}"),
        ],
        remote,
        git_dir,
        seconds=remote.seconds,
        bounds=bounds,
        keep=keep,
        ref=ref,
    )


def fetch_bounds(*, file_bytes: int | None = None, stopped: Stopped | None = None) -> Bounds:
    """Return the bounds of a git that handles objects; no file of it gets larger than this."""
    return Bounds(
        SAID_MAX_BYTES,
        file_bytes=file_bytes,
        memory_bytes=FETCH_MEMORY_BYTES,
        terminal=True,  # it asks nobody
        stopped=stopped,
    )


def push(
    remote: Remote, ref: str, *, git_dir: Path, old: Oid | None, stopped: Stopped | None = None
) -> None:
    """Push a branch of ours if the remote's is still at `old` (`None`: it has none).

    Whether the new tip grew out of `old` is for the caller to know.
    """
    lease = old.hex() if old is not None else ""
    _git(
        [
            "push",
            *("--quiet", "--no-verify", "--no-follow-tags", "--recurse-submodules=no"),
            f"--force-with-lease={branch_ref(ref)}:{lease}",
            *("--", remote.url, f"{ref}:{ref}"),
        ],
        remote,
        git_dir,
        seconds=remote.seconds,
        bounds=fetch_bounds(stopped=stopped),
        ref=ref,
    )


def _git(
    args: Sequence[str],
    remote: Remote,
    git_dir: Path,
    *,
    seconds: float,
    bounds: Bounds,
    keep: Sequence[int] = (),
    ref: str = "",
) -> GitResult:
    secrets = _checked(remote)
    doing = args[0]
    settings = {**_SETTINGS, "safe.directory": str(git_dir)}
    if remote.ca_file is not None:
        settings["http.sslCAInfo"] = str(remote.ca_file)
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    if remote.token_file is not None:
        options += ["-c", f"credential.helper={_CREDENTIALS}"]
    try:
        return run_git(
            [*options, f"--git-dir={git_dir}", *args],
            Path("/"),
            timeout_seconds=seconds,
            env=_environment(remote),
            bounds=bounds,
            keep=keep,
        )
    except GitDeadline:
        raise RemoteDeadline(remote, doing, f"took longer than {seconds:g} s") from None
    except GitSaidTooMuch:
        raise RemoteTooLarge(remote, bounds.output_bytes) from None
    except GitFailed as error:
        raise remote_fault(remote, git_dir, error.stderr, ref=ref, secrets=secrets) from None


def _checked(remote: Remote) -> tuple[str, ...]:
    """Look at the files that a remote takes; return what must not be shown."""
    if remote.ssh_key is not None:
        read_secret(remote.ssh_key)
    if remote.token_file is None:
        return ()
    token = read_secret(remote.token_file).decode("ascii", "replace").rstrip("\r\n")
    if not token or not token.isascii() or not token.isprintable():
        raise BadToken(remote.token_file)
    basic = base64.b64encode(f"{remote.user}:{token}".encode()).decode()
    return (token, basic)


def _environment(remote: Remote) -> ChildEnvironment:
    settings = {
        "GIT_ALLOW_PROTOCOL": ":".join(PROTOCOLS),
        "GIT_ASKPASS": "",
        "GIT_CONFIG_GLOBAL": _OFF,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_SSH_COMMAND": _ssh(remote),
        "GIT_SSH_VARIANT": "ssh",
        "HOME": _OFF,  # curl looks for passwords there
        "SSH_ASKPASS": "",
    }
    if remote.token_file is not None:
        settings["COUNTERSIGN_TOKEN_FILE"] = str(remote.token_file)
        settings["COUNTERSIGN_TOKEN_USER"] = remote.user
    return child_environment(settings=settings)


def _ssh(remote: Remote) -> str:
    """Return the command that git runs for ssh; of no use where the remote is no ssh one."""
    if remote.ssh_key is None or remote.known_hosts is None:
        return "false"
    named = {
        "IdentityFile": _quoted(remote.ssh_key),
        "UserKnownHostsFile": _quoted(remote.known_hosts),
    }
    options = [f"-o{name}={value}" for name, value in {**_SSH_OPTIONS, **named}.items()]
    return shlex.join(["ssh", "-F", _OFF, *options])


def _quoted(path: Path) -> str:
    """Return a path as ssh reads it in a setting: `%` begins a token, a blank ends a name."""
    return '"' + str(path).replace("%", "%%").replace('"', '\\"') + '"'
