"""An embedded PostgreSQL 18: found running or started, owned, and gone when its owner is gone.

The binaries come from a Python package; how they are run is ours. Whoever starts the server owns
it: it is a child in the foreground, asked by the kernel to shut down when the owner dies, however
it dies. Others who open the same state directory join it, and start it where nobody `keeps` it: a
keeper starts it again when it ends, so that it belongs to nobody who comes and goes. An owner that
stops in order waits for those who are connected, and lets nobody in meanwhile; one that is killed
takes the server with it.

Three locks in the state directory, all released by the kernel and so never stale:
  start.lock   held while looking and starting: one process at a time;
  keeper.lock  held by a keeper for as long as it runs;
  alive.lock   inherited by every process of the server: free means that none of them is left,
               whatever a pid file says.
That a server is up is proven by logging in, never by a pid.

It is for a laptop, for tests and for one host. Production gets a URL.
"""

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote, urlencode

from controller.adapters import embedded_home as home
from controller.adapters.postgres import DatabaseCrowded, DatabaseUnavailable, Limits, connect
from controller.kernel.errors import ControllerError, Corrupt, DeadlinePassed, Refused, Unavailable

START_TIMEOUT_SECONDS: Final = 300
STOP_TIMEOUT_SECONDS: Final = 60
# Less than others wait for a start: they wait while the server goes down, too.
GUESTS_TIMEOUT_SECONDS: Final = 120

KEEPER_TIMEOUT_SECONDS: Final = 10
"""How long others wait for a keeper to start a server that has ended."""

_LAUNCHER: Final = Path(__file__).with_name("launcher.py")
_LOG: Final = "postgresql.log"
_ALIVE, _KEEPER = "alive.lock", "keeper.lock"
_LOG_BYTES_MAX: Final = 16 * 1024 * 1024
_TAIL_LINES: Final = 15
_FREE_BYTES_MIN: Final = 256 * 1024 * 1024
_PAUSE_SECONDS: Final = 0.02
_MEBIBYTE: Final = 1024 * 1024
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class WrongMajorVersion(Refused):
    """The data directory was made by another major version of PostgreSQL."""

    code = "embedded.wrong_version"

    def __init__(self, data: Path, found: str) -> None:
        super().__init__(
            f"{data} holds PostgreSQL {found}, the embedded server is {home.MAJOR}",
            hint="dump it with the old version and restore it into a new state directory",
        )
        self.data, self.found = data, found


class ServerFailed(Unavailable):
    """PostgreSQL stopped instead of becoming ready; the end of its log is in the message."""

    code = "embedded.failed"

    def __init__(self, log: Path, tail: str) -> None:
        super().__init__(f"PostgreSQL did not start:\n{tail}", hint=f"the whole log is {log}")
        self.log, self.tail = log, tail


class DataDamaged(Corrupt):
    """PostgreSQL finds its data directory damaged, or half of it is missing."""

    code = "embedded.damaged"

    def __init__(self, log: Path, tail: str) -> None:
        super().__init__(
            f"the embedded database is damaged:\n{tail}",
            hint=f"keep a copy before anything else; the whole log is {log}",
        )
        self.log, self.tail = log, tail


class NoSpace(Unavailable):
    """There is no disk space for the database."""

    code = "embedded.no_space"

    def __init__(self, place: Path) -> None:
        super().__init__(
            f"no space left for the database in {place}", hint="free disk space, then try again"
        )
        self.place = place


class StateUnusable(Unavailable):
    """The operating system does not let us use the state directory."""

    code = "embedded.state_unusable"

    def __init__(self, state_dir: Path, error: OSError) -> None:
        where = error.filename or state_dir
        super().__init__(
            f"cannot use the state directory {state_dir}: {where}: {error.strerror}",
            hint="let controller.state_dir name a folder that this user may write to",
        )
        self.state_dir = state_dir


class NotReady(DeadlinePassed):
    """The server, or the process that is starting it, took longer than it may."""

    code = "embedded.not_ready"


class EmbeddedPostgres:
    """A handle on the server of one state directory.

    `fsync=False` is for tests: faster, and a power cut may lose everything. `run_as` names the
    account that root hands the server to; without it that is `countersign`, or else `nobody`.
    `guests_seconds` is how long `stop` waits for others who are connected. Who `keeps` the server
    looks at `ended` now and then, and starts it again; meanwhile nobody else does.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        fsync: bool = True,
        run_as: str | None = None,
        guests_seconds: int = GUESTS_TIMEOUT_SECONDS,
        keeps: bool = False,
    ) -> None:
        self._state_dir, self._fsync, self._run_as = state_dir, fsync, run_as
        self._guests_seconds, self._keeps = guests_seconds, keeps
        self._keeper: int | None = None
        self._child: _Child | None = None
        self._url = ""

    @property
    def url(self) -> str:
        """The URL of the running server, with its password: never log it."""
        assert self._url, "start() comes first"
        return self._url

    @property
    def owns(self) -> bool:
        """Whether this handle started the server and will stop it."""
        return self._child is not None

    @property
    def pid(self) -> int | None:
        """The postmaster's process id, for its owner only."""
        return None if self._child is None else self._child.process.pid

    @property
    def ended(self) -> bool:
        """Whether the server that we own, or keep, has ended although we did not ask it to."""
        if self._child is not None:
            return self._child.process.poll() is not None
        return self._keeper is not None and not _is_held(self._state_dir / _ALIVE)

    def start(self) -> None:
        """Join the server of this state directory, or start it, and return when it takes logins.

        A server that was joined may go down before a connection to it is made: call again then.
        Raises `NotReady` when somebody keeps the server and does not start it, `LoginRefused` when
        a server answers but not to our password, and the errors of this module and of
        `embedded_home` when none can be started.
        """
        try:
            self._start(home.open_state(self._state_dir))
        except OSError as error:
            if error.errno in _FULL:
                raise NoSpace(self._state_dir) from error
            raise StateUnusable(self._state_dir, error) from error

    def _start(self, state: Path) -> None:
        if self._keeps and self._keeper is None:
            self._keeper = _try_lock(state / _KEEPER)
        for _ in _tries(KEEPER_TIMEOUT_SECONDS):
            with _held(state / "start.lock"):
                if self._join_or_launch(state):
                    return
        raise NotReady(
            f"the server of {state} does not answer, and whoever keeps it has not started it yet",
            hint="`countersign run` keeps it: look at what it says, and try again",
        )

    def _join_or_launch(self, state: Path) -> bool:
        """Tell whether a server answers now; it does not where its keeper has to start it."""
        facts = home.read_facts(state, self._run_as)
        for _ in _tries(START_TIMEOUT_SECONDS):
            if facts.socket and _answers(_url(facts)):
                break
            if self._keeper is None and _is_held(state / _KEEPER):
                return False
            # Processes of a server that is going down still hold this one: we wait for them.
            alive = _try_lock(state / _ALIVE)
            if alive is None:
                continue
            try:
                facts = self._launch(state, facts, alive)
            finally:
                os.close(alive)
            break
        else:
            raise NotReady(f"a server of {state} neither answers nor ends")
        self._url = _url(facts)
        return True

    def stop(self) -> None:
        """Shut the server down when we own it. Safe to call twice.

        Those who are connected are waited for, up to `guests_seconds`; then they are cut off.
        Connections of our own are better closed before: they would be waited for as well.
        """
        child, self._child, self._url = self._child, None, ""
        if child is not None:
            child.stop(guests_seconds=self._guests_seconds)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            os.close(keeper)

    def _launch(self, state: Path, facts: home.Facts, alive: int) -> home.Facts:
        place, facts = home.prepare(state, facts)
        log = _Log(state / _LOG)
        if not place.data.exists():
            _initialise(place, facts, log, alive=alive, fsync=self._fsync)
        _check_version(place.data)
        _disarm_pid_file(place)
        command = _launcher(place, "postgres", "-D", str(place.data), *self._settings(place))
        child = _Child(command, log, alive, cwd=place.root)
        try:
            _wait_until_ready(child, _url(facts), log, place)
        except BaseException:
            child.stop(guests_seconds=0)
            raise
        self._child = child
        return facts

    def _settings(self, place: home.Home) -> Iterator[str]:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // _MEBIBYTE
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(place.socket),
            "unix_socket_permissions": "0700",
            "shared_buffers": f"{max(128, min(1024, memory // 8))}MB",
            "maintenance_work_mem": f"{max(64, min(512, memory // 16))}MB",
            "max_wal_size": "4GB",
            # Whole pages, written after each checkpoint, are most of a small change's log.
            "wal_compression": "on",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "logging_collector": "off",
            # The SQLSTATE in the log lets us tell a full disk from damage without reading prose.
            "log_line_prefix": "%m [%p] %e ",
            # A failed statement may hold what must not be in a log.
            "log_min_error_statement": "panic",
        }
        if not self._fsync:
            settings |= {
                "fsync": "off",
                "full_page_writes": "off",
                "synchronous_commit": "off",
                "shared_buffers": "128MB",
            }
        for name, value in settings.items():
            yield from ("-c", f"{name}={value}")


def remove(state_dir: Path) -> None:
    """Delete the database of a state directory for ever; raise `NotReady` while it runs."""
    state = home.open_state(state_dir)
    with _held(state / "start.lock"):
        alive = _try_lock(state / _ALIVE)
        if alive is None:
            raise NotReady(f"the database of {state} is running", hint="stop its owner first")
        try:
            home.forget(state)
        finally:
            os.close(alive)


class _Log:
    """The server's log, and where in it our own attempt begins."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.exists() and path.stat().st_size > _LOG_BYTES_MAX:
            path.rename(path.with_suffix(".log.1"))
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        self.descriptor = os.open(path, flags, 0o600)
        self._start = path.stat().st_size

    def close(self) -> None:
        os.close(self.descriptor)

    def failure(self, place: home.Home) -> ControllerError:
        """Say why the server ended, by the SQLSTATE of what it logged last."""
        with self.path.open("rb") as file:
            file.seek(self._start)
            lines = file.read().decode(errors="replace").splitlines()
        states = {line.split()[4] for line in lines if len(line.split()) > 4}
        tail = "\n".join(lines[-_TAIL_LINES:])
        if states & {"53100"}:
            return NoSpace(place.root)
        if states & {"XX001", "XX002"}:
            return DataDamaged(self.path, tail)
        return ServerFailed(self.path, tail)


class _Child:
    """The server's process, and the thread that spawned it.

    The parent-death signal comes when the spawning thread ends, so that thread is one of ours
    that waits until we are done, whichever thread called.
    """

    def __init__(self, command: Sequence[str], log: _Log, alive: int, *, cwd: Path) -> None:
        self._done = threading.Event()
        started: Future[subprocess.Popen[bytes]] = Future()

        def keep() -> None:
            try:
                started.set_result(_spawn(command, log, alive, cwd=cwd))
            except OSError as error:
                started.set_exception(error)
                return
            self._done.wait()

        threading.Thread(target=keep, name="postgres-keeper", daemon=True).start()
        try:
            self.process = started.result()
        finally:
            log.close()

    def stop(self, *, guests_seconds: int) -> None:
        """Shut down when the last session has ended; harder and harder when that does not help."""
        steps = (
            (signal.SIGTERM, guests_seconds),
            (signal.SIGINT, STOP_TIMEOUT_SECONDS),
            (signal.SIGQUIT, 10),
            (signal.SIGKILL, 10),
        )
        try:
            for number, seconds in steps:
                self.process.send_signal(number)
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(seconds)
                    break
        finally:
            # Whoever interrupts the waiting has the kernel ask for the shutdown.
            self._done.set()


def _spawn(command: Sequence[str], log: _Log, alive: int, *, cwd: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603  (our own command line)
        command,
        cwd=cwd,
        # Nothing of the owner's environment: it may hold secrets, and PG… variables that mislead.
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=log.descriptor,
        stderr=log.descriptor,
        pass_fds=(alive,),
        # A Ctrl-C on the terminal is for the owner, who then stops the server in order.
        start_new_session=True,
    )


def _launcher(place: home.Home, program: str, *arguments: str) -> list[str]:
    owner, account = str(os.getpid()), place.account
    return [
        *(sys.executable, "-I", "-S", str(_LAUNCHER), owner, str(account.uid), str(account.gid)),
        *(str(place.binaries / program), *arguments),
    ]


def _initialise(place: home.Home, facts: home.Facts, log: _Log, *, alive: int, fsync: bool) -> None:
    """Make the data directory beside its place and move it there whole."""
    if shutil.disk_usage(place.root).free < _FREE_BYTES_MIN:
        raise NoSpace(place.root)
    new, password = place.root / "data.new", place.root / "password.new"
    shutil.rmtree(new, ignore_errors=True)
    home.write_private(password, facts.password)
    home.give(password, place.account)
    command = _launcher(
        place,
        *("initdb", "-D", str(new), "-U", "postgres", "--encoding=UTF8", "--locale=C"),
        # The builtin provider sorts by code point: no upgrade of the C library reorders an index.
        *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--data-checksums"),
        *("--auth-local=scram-sha-256", "--auth-host=scram-sha-256", f"--pwfile={password}"),
        *("--no-instructions", *(() if fsync else ("--no-sync",))),
    )
    try:
        process = _spawn(command, log, alive, cwd=place.root)
        try:
            status = process.wait(START_TIMEOUT_SECONDS)
        except BaseException:
            process.kill()
            process.wait()
            raise
    finally:
        password.unlink()
    if status != 0:
        raise log.failure(place)
    new.rename(place.data)
    home.sync_directory(place.root)


def _check_version(data: Path) -> None:
    try:
        found = (data / "PG_VERSION").read_text(encoding="ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        raise DataDamaged(data / "PG_VERSION", "PG_VERSION is missing or unreadable") from None
    if found != str(home.MAJOR):
        raise WrongMajorVersion(data, found)


def _disarm_pid_file(place: home.Home) -> None:
    """Make a pid file whose pid went to a stranger look stale to PostgreSQL.

    We hold alive.lock, so its pid is not a server of ours. PostgreSQL would believe any living
    process of that number, except its own parent: so the parent's pid is what we write. The rest
    of the file stays, and with it PostgreSQL's own check for shared memory still in use.
    """
    pid_file = place.data / "postmaster.pid"
    with suppress(FileNotFoundError):
        _, _, rest = pid_file.read_text(encoding="utf-8").partition("\n")
        new = place.data / "postmaster.pid.new"
        home.write_private(new, f"{os.getpid()}\n{rest}")
        home.give(new, place.account)
        new.rename(pid_file)


def _wait_until_ready(child: _Child, url: str, log: _Log, place: home.Home) -> None:
    for _ in _tries(START_TIMEOUT_SECONDS):
        if child.process.poll() is not None:
            raise log.failure(place)
        if _answers(url):
            return
    raise NotReady(
        f"PostgreSQL was not ready after {START_TIMEOUT_SECONDS} seconds",
        hint=f"it may be recovering from a crash: see {log.path}",
    )


def _answers(url: str) -> bool:
    try:
        connect(url, application_name="countersign-embedded", limits=Limits(5)).close()
    except DatabaseCrowded:
        return True
    except DatabaseUnavailable:
        return False
    return True


def _url(facts: home.Facts) -> str:
    # The socket may lie where others can write, so the server proves who it is as well: the
    # kernel tells its account, and SCRAM that it knows the password.
    query = {
        "host": facts.socket,
        "requirepeer": facts.account,
        "require_auth": "scram-sha-256",
    }
    return f"postgresql://postgres:{quote(facts.password)}@/postgres?{urlencode(query)}"


def _tries(seconds: int) -> Iterator[None]:
    """Yield until about `seconds` have passed, with a pause between two tries."""
    pause = threading.Event()
    for _ in range(int(seconds / _PAUSE_SECONDS)):
        yield
        pause.wait(_PAUSE_SECONDS)


def _try_lock(path: Path) -> int | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _is_held(path: Path) -> bool:
    """Whether somebody holds a lock; nothing is made where there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def _held(path: Path) -> Iterator[None]:
    for _ in _tries(START_TIMEOUT_SECONDS):
        descriptor = _try_lock(path)
        if descriptor is not None:
            break
    else:
        raise NotReady(f"another process holds {path}", hint="is it stuck? look who has it open")
    try:
        yield
    finally:
        os.close(descriptor)
