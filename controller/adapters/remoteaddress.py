"""Where a remote repository is and how to get in: files are named here, their secrets are not.

An address that could hold a secret, or make git run something else, is refused before any child
starts: addresses end up in argument lists, errors and logs.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from controller.kernel.errors import Refused

PROTOCOLS = ("https", "ssh", "file")
FETCH_SECONDS, LOOK_SECONDS = 300.0, 20.0
SIZE_MAX_BYTES = 2 * 1024**3

_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_HOST = re.compile(r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_PATH = re.compile(r"/[^\x00-\x20\x7f?#\\]+")
_SHORT = re.compile(r"(?:(?P<user>[^@:/\s]+)@)?(?P<host>[^@:/\s]+):(?P<path>[^:@][^@]*)")
_BRANCH = re.compile(r"refs/heads/(?!.*(?:\.\.|//|@\{|\.lock(?:/|$)))[^\x00-\x20\x7f~^:?*\[\\]+")
_PORTS = range(1, 65_536)


class BadAddress(Refused):
    """An address is none that we go to. What it was is not repeated: it may hold a secret."""

    code = "remote.bad_address"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"the address of {name}: {reason}",
            hint="https://HOST/PATH, ssh://USER@HOST/PATH or file:///PATH; "
            "a token stands in a file of its own",
        )
        self.name, self.reason = name, reason


class BadBranchName(Refused):
    """A name is no full name of a branch."""

    code = "remote.bad_branch_name"

    def __init__(self, ref: str) -> None:
        super().__init__(
            f"{ref!r} is not the full name of a branch", hint="write it as refs/heads/main"
        )
        self.ref = ref


@dataclass(frozen=True, slots=True)
class Remote:
    """One remote repository. `name` is what people read, `user` goes with the token.

    `size_max_bytes` is how large one pack from there may be; `seconds` how long a fetch or a push
    may take, `look_seconds` how long asking where a branch stands may.
    """

    name: str
    url: str
    ssh_key: Path | None = None
    known_hosts: Path | None = None
    user: str = "git"
    token_file: Path | None = None
    ca_file: Path | None = None
    seconds: float = FETCH_SECONDS
    look_seconds: float = LOOK_SECONDS
    size_max_bytes: int = SIZE_MAX_BYTES

    def __post_init__(self) -> None:
        """A remote that exists has an address we may go to, and what it takes to get in."""
        parts = _parts(self.name, self.url)
        if parts.scheme == "ssh" and not (self.ssh_key and self.known_hosts):
            raise BadAddress(self.name, "ssh takes a key file and a known-hosts file")
        if parts.scheme != "https" and (self.token_file or self.ca_file):
            raise BadAddress(self.name, "a token or a CA file is for https alone")
        if parts.scheme != "ssh" and (self.ssh_key or self.known_hosts):
            raise BadAddress(self.name, "a key or a known-hosts file is for ssh alone")
        if not _USER.fullmatch(self.user):
            raise BadAddress(self.name, "the user's name has other characters than A-Z 0-9 . _ -")

    @property
    def scheme(self) -> str:
        """`https`, `ssh` or `file`."""
        return _parts(self.name, self.url).scheme

    @property
    def shown(self) -> str:
        """Where it is, without who asks: what errors and logs say."""
        parts = _parts(self.name, self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def branch_ref(ref: str) -> str:
    """Return the full name of a branch, or refuse: a short name may be a tag's as well."""
    if not _BRANCH.fullmatch(ref) or ref.endswith(("/", ".")):
        raise BadBranchName(ref)
    return ref


def _parts(name: str, url: str) -> SplitResult:
    """Take an address apart; refuse what is none of ours."""
    if not _PRINTABLE.fullmatch(url):
        raise BadAddress(name, "it holds blanks or characters that are not ASCII")
    try:
        parts = urlsplit(_long(url))
        port = parts.port
    except ValueError:
        raise BadAddress(name, "its host or its port is none") from None
    if parts.scheme not in PROTOCOLS:
        raise BadAddress(name, f"only {', '.join(PROTOCOLS)} are followed")
    if not _PATH.fullmatch(parts.path) or parts.query or parts.fragment:
        raise BadAddress(name, "it has no path, or a part that is none")
    if parts.scheme == "file":
        if parts.netloc:
            raise BadAddress(name, "a file is on this host: three slashes, file:///PATH")
        return parts
    user, at, place = parts.netloc.rpartition("@")
    if ":" in user or (at and parts.scheme == "https"):
        raise BadAddress(name, "it holds a user or a password")
    host = re.sub(r":\d*\Z", "", place)
    if (at and not _USER.fullmatch(user)) or not _HOST.fullmatch(host):
        raise BadAddress(name, "its host or its user is none")
    if port is not None and port not in _PORTS:
        raise BadAddress(name, "its port is none")
    return parts


def _long(url: str) -> str:
    """Return ssh's short form, `git@host:path`, and a plain path in the long one."""
    if url.startswith("/"):
        return f"file://{url}"
    short = _SHORT.fullmatch(url) if "://" not in url else None
    if short is None:
        return url
    user = f"{short['user']}@" if short["user"] else ""
    return f"ssh://{user}{short['host']}/{short['path'].lstrip('/')}"
