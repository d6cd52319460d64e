"""Look over a deploy host: everything a controller needs, each with how to mend it.

Nothing is changed, except that the embedded database is started where none is running.
"""

import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from controller.adapters import migrations
from controller.adapters.git import GitRepository
from controller.adapters.gitcli import run_git
from controller.adapters.postgres import Connection, scalar_row
from controller.app import host, wiring
from controller.app.settings import Settings, load, named_file
from controller.app.signers import load_signer
from controller.kernel.errors import ControllerError
from controller.kernel.instants import Clock, format_instant
from controller.kernel.objects import Oid
from controller.reconcile.proof import branch_root
from controller.reconcile.world import NoBaseline
from controller.source.repository import Source
from controller.stores.control import store as control
from controller.trust.root import Pin, Root

PYTHON_MIN = (3, 11)
GIT_MIN = (2, 30)
POSTGRES_MIN = 160000
FREE_FAIL_BYTES, FREE_WARN_BYTES = 256 * 1024**2, 2 * 1024**3
EXPIRY_WARN = timedelta(days=30)
CLOCK_WARN, CLOCK_FAIL = timedelta(seconds=2), timedelta(seconds=60)
_GIT_SECONDS = 10.0
_GIT_VERSION = re.compile(rb"git version (\d+)\.(\d+)")


class Verdict(StrEnum):
    """How a check went."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, how it is, and how to mend it."""

    name: str
    verdict: Verdict
    message: str
    hint: str = ""


def examine(config: Path | None, clock: Clock) -> Iterator[Check]:
    """Yield one check after the other; what cannot be looked at without settings is left out."""
    yield _python()
    yield _guarded("git", _git)
    yield _ssh_keygen()
    try:
        settings = load(named_file(config))
        settings.database_url()
    except ControllerError as error:
        yield _failed("settings", error)
        return
    serves = f"{settings.controller.name} serves {settings.controller.environment}"
    yield Check("settings", Verdict.OK, serves)
    yield from _trust(settings, clock.now())
    yield _guarded("disk", lambda: _disk(settings.path(settings.controller.state_dir)))
    yield from _database(settings, clock)


def _python() -> Check:
    found = platform.python_version()
    if sys.version_info >= PYTHON_MIN:
        return Check("python", Verdict.OK, found)
    return Check("python", Verdict.FAIL, found, "install Python 3.11 or later")


def _git() -> Check:
    said = run_git(["version"], Path("/"), timeout_seconds=_GIT_SECONDS).stdout
    match = _GIT_VERSION.match(said)
    shown = said.decode("utf-8", "replace").strip()
    if match is None or (int(match[1]), int(match[2])) < GIT_MIN:
        return Check("git", Verdict.FAIL, shown, "install git 2.30 or later")
    return Check("git", Verdict.OK, shown)


def _ssh_keygen() -> Check:
    found = shutil.which("ssh-keygen")
    if found is not None:
        return Check("ssh-keygen", Verdict.OK, found)
    return Check(
        "ssh-keygen",
        Verdict.WARN,
        "not found: git cannot sign commits here, nor can FIDO2 or encrypted keys be used",
        "install OpenSSH; key files and ssh-agent work without it",
    )


def _trust(settings: Settings, now: datetime) -> Iterator[Check]:
    """Look at the pin, the repository and the audit key: each needs what comes before."""
    try:
        repository = host.artifact_repository(settings)
        source = Source(repository, settings.repository.branch)
        head = source.head().commit
    except ControllerError as error:
        yield _failed("repository", error)
        return
    yield _guarded("repository", lambda: _repository(settings, repository, head))
    try:
        pin = host.pin(settings)
        held = branch_root(repository, pin, settings.repository.branch, now)
    except ControllerError as error:
        yield _failed("root", error)
        return
    yield _root(pin, held.root, now)
    yield _guarded("audit key", lambda: _audit_key(settings, held.root))


def _repository(settings: Settings, repository: GitRepository, head: Oid) -> Check:
    branch, baseline = settings.repository.branch, settings.repository.baseline
    if baseline is None:
        return _failed("repository", NoBaseline())
    start = Oid(bytes.fromhex(baseline))
    if not repository.has(start) or not repository.is_ancestor(start, head):
        return Check(
            "repository",
            Verdict.FAIL,
            f"{branch} does not descend from the baseline {baseline[:12]}",
            "the branch was rewritten, the clone is shallow, or it is another repository",
        )
    return Check("repository", Verdict.OK, f"{branch} is at {head.hex()[:12]}")


def _root(pin: Pin, root: Root, now: datetime) -> Check:
    about = (
        f"version {root.version} until {format_instant(root.expires)}, pinned {pin.sha256[:12]}…"
    )
    if root.expires - now < EXPIRY_WARN:
        return Check(
            "root",
            Verdict.WARN,
            about,
            "it expires soon: `countersign root propose`, let owners sign it, and commit it",
        )
    return Check("root", Verdict.OK, about)


def _audit_key(settings: Settings, root: Root) -> Check:
    name = settings.controller.name
    if settings.audit.key is None:
        return Check(
            "audit key",
            Verdict.WARN,
            "none is set: audit records wait and are not published",
            "set audit.key to a key of the root's audit role",
        )
    signer = load_signer(settings.path(settings.audit.key))
    if signer.public.id not in {key.id for key in root.audit_keys(name)}:
        return Check(
            "audit key",
            Verdict.FAIL,
            f"{signer.public.id} is not in the audit role of {name}",
            "use the right key, or let a new root list this one (`countersign root propose`)",
        )
    return Check("audit key", Verdict.OK, f"{signer.public.id} signs audit/{name}")


def _disk(state_dir: Path) -> Check:
    place = next(one for one in (state_dir, *state_dir.parents) if one.exists())
    free = shutil.disk_usage(place).free
    about = f"{free // 1024**2:,} MiB free at {place}"
    if free < FREE_FAIL_BYTES:
        return Check("disk", Verdict.FAIL, about, "free disk space: nothing can be applied")
    if free < FREE_WARN_BYTES:
        return Check("disk", Verdict.WARN, about, "free disk space before it runs out")
    return Check("disk", Verdict.OK, about)


def _database(settings: Settings, clock: Clock) -> Iterator[Check]:
    try:
        with wiring.database(settings, migrate=False) as connection:
            yield _server(settings, connection)
            yield _guarded("clock", lambda: _clock(connection, clock))
            schema = _guarded("migrations", lambda: _migrations(settings, connection))
            yield schema
            if schema.verdict is Verdict.OK:
                yield _guarded("time", lambda: _time(settings, connection, clock.now()))
    except ControllerError as error:
        yield _failed("database", error)


def _server(settings: Settings, connection: Connection[Any]) -> Check:
    number = connection.info.server_version
    kind = "embedded" if settings.database_url() is None else "external"
    about = f"PostgreSQL {number // 10_000}.{number % 10_000}, {kind}"
    if number < POSTGRES_MIN:
        return Check("database", Verdict.FAIL, about, "use PostgreSQL 16 or later")
    return Check("database", Verdict.OK, about)


def _clock(connection: Connection[Any], clock: Clock) -> Check:
    with connection.cursor(row_factory=scalar_row) as cursor:
        before = clock.now()
        theirs = cursor.execute("SELECT clock_timestamp()").fetchone()
        after = clock.now()
    assert theirs is not None, "a SELECT without FROM has one row"
    ours = before + (after - before) / 2
    apart = abs(theirs - ours)
    about = f"{apart.total_seconds():.3f} s apart from the database's"
    if apart > CLOCK_FAIL:
        return Check("clock", Verdict.FAIL, about, "set both clocks by NTP")
    if apart > CLOCK_WARN:
        return Check("clock", Verdict.WARN, about, "set both clocks by NTP")
    return Check("clock", Verdict.OK, about)


def _migrations(settings: Settings, connection: Connection[Any]) -> Check:
    pending = [one.name for one in migrations.pending(connection)]
    if not pending:
        return Check("migrations", Verdict.OK, "the schema is up to date")
    about = f"pending: {', '.join(pending)}"
    if settings.database_url() is None:
        return Check("migrations", Verdict.WARN, about, "the next command applies them")
    return Check("migrations", Verdict.FAIL, about, "run `countersign migrate`")


def _time(settings: Settings, connection: Connection[Any], now: datetime) -> Check:
    applied = control.read_applied(connection, settings.controller.environment)
    if applied is None:
        return Check("time", Verdict.OK, "nothing has been applied yet")
    about = f"the last pass was at {format_instant(applied.max_time_seen)}"
    if applied.max_time_seen > now + CLOCK_WARN:
        return Check(
            "time",
            Verdict.FAIL,
            f"{about}, later than this host's clock",
            "set the clock: the controller does not go back in time",
        )
    return Check("time", Verdict.OK, about)


def _guarded(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except ControllerError as error:
        return _failed(name, error)


def _failed(name: str, error: ControllerError) -> Check:
    return Check(name, Verdict.FAIL, str(error), error.hint)
