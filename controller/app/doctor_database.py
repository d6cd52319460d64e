"""What a host's database is like: server, schema, rights, clocks, and what it says of the root."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from controller.adapters import migrations, queries
from controller.adapters.postgres import Connection, dict_row, scalar_row
from controller.app import host, wiring
from controller.app.doctor_files import disk
from controller.app.doctor_look import Check, Verdict, fail, look, ok, refused, warn
from controller.app.settings import Settings
from controller.kernel.errors import ControllerError
from controller.kernel.instants import Clock, format_instant
from controller.stores.control import outbox
from controller.stores.control import store as control
from controller.stores.control.model import OutboxKind
from controller.stores.directory import store as directory
from controller.trust import root as roots

POSTGRES_MIN = 160000
CLOCK_WARN, CLOCK_FAIL = timedelta(seconds=2), timedelta(seconds=60)
WAITING_WARN = 100
STATEMENT_SECONDS = 10

_QUERIES = {
    name: text.encode() for name, text in queries.load("controller.app", "doctor.sql").items()
}
_Looks = tuple[tuple[str, Callable[[], Check]], ...]


def database(settings: Settings, clock: Clock, seconds: float) -> Iterator[Check]:
    """Yield what is found; once the server stops to answer, it is not asked on."""
    try:
        with wiring.database(settings, migrate=False) as connection:
            connection.execute(f"SET statement_timeout = '{STATEMENT_SECONDS}s'".encode())
            for name, at in _looks(settings, connection, clock):
                check = look(name, at, seconds=seconds)
                yield check
                if (
                    connection.closed
                    or check.late
                    or (name == "migrations" and check.verdict is not Verdict.OK)
                ):
                    return
    except ControllerError as error:
        yield refused("database", error)


def _looks(settings: Settings, connection: Connection[Any], clock: Clock) -> _Looks:
    return (
        ("database", lambda: _server(settings, connection)),
        ("encoding", lambda: _encoding(connection)),
        ("database disk", lambda: _disk(connection)),
        ("durability", lambda: _durability(connection)),
        ("clock", lambda: _clock(connection, clock)),
        ("rights", lambda: _rights(settings, connection)),
        ("migrations", lambda: _migrations(settings, connection)),
        ("time", lambda: _time(settings, connection, clock.now())),
        ("known root", lambda: _known_root(settings, connection)),
        ("audit lag", lambda: _lag(settings, connection)),
        ("digests", lambda: _digests(connection)),
    )


def _server(settings: Settings, connection: Connection[Any]) -> Check:
    number = connection.info.server_version
    kind = "embedded" if settings.database_url() is None else "external"
    about = f"PostgreSQL {number // 10_000}.{number % 10_000}, {kind}"
    if number < POSTGRES_MIN:
        return fail("database", about, "use PostgreSQL 16 or later")
    return ok("database", about)


def _encoding(connection: Connection[Any]) -> Check:
    found = _one(connection, "encoding")
    if found != "UTF8":
        return fail(
            "encoding",
            f"the database holds {found}: names that are not ASCII cannot be stored",
            "make another one: createdb --encoding=UTF8 --template=template0 NAME",
        )
    return ok("encoding", "UTF8")


def _durability(connection: Connection[Any]) -> Check:
    off = _all(connection, "durability")
    if off:
        names = ", ".join(off)
        return warn(
            "durability",
            f"{names} off: a crash of the server can lose what was applied",
            f"ALTER SYSTEM SET {off[0]} = on; SELECT pg_reload_conf()",
        )
    return ok("durability", "fsync, full_page_writes and synchronous_commit are on")


def _disk(connection: Connection[Any]) -> Check:
    """Look at the server's own disk, where it is on this host and may be known."""
    found = _one(connection, "data_directory")
    if not connection.info.host.startswith("/"):
        return ok("database disk", "the server is reached by network: look at its disk there")
    if found is None:
        return ok("database disk", "this role may not know where the server keeps its files")
    return disk("database disk", Path(found))


def _clock(connection: Connection[Any], clock: Clock) -> Check:
    before = clock.now()
    theirs: datetime = _one(connection, "clock")
    after = clock.now()
    apart = abs(theirs - (before + (after - before) / 2))
    about = f"{apart.total_seconds():.3f} s apart from the database's"
    if connection.info.host.startswith("/"):
        about += (
            ", which is on this host and has the same clock: whether it is right, only NTP can tell"
        )
    mend = "set both clocks by NTP: timedatectl set-ntp true"
    if apart > CLOCK_FAIL:
        return fail("clock", about, mend)
    if apart > CLOCK_WARN:
        return warn("clock", about, mend)
    return ok("clock", about)


def _migrations(settings: Settings, connection: Connection[Any]) -> Check:
    pending = [one.name for one in migrations.pending(connection)]
    if not pending:
        return ok("migrations", "the schema is up to date")
    about = f"pending: {', '.join(pending)}"
    if settings.database_url() is None:
        return warn("migrations", about, "the next command applies them")
    return fail("migrations", about, "run `countersign migrate`")


def _rights(settings: Settings, connection: Connection[Any]) -> Check:
    with connection.cursor(row_factory=dict_row) as cursor:
        role = cursor.execute(_QUERIES["role"]).fetchone()
    assert role is not None, "whoever asks is a role"
    name, wide = role["rolname"], role["wide"]
    lacking = _all(connection, "lacking")
    if lacking:
        return fail(
            "rights",
            f"role {name} lacks {lacking[0]}" + f" and {len(lacking) - 1} more" * bool(lacking[1:]),
            f"let the role that migrates be the role that runs, or GRANT what is lacking TO {name}",
        )
    if wide and settings.database_url() is not None:
        return warn(
            "rights",
            f"role {name} may more than a controller needs: {', '.join(wide)}",
            f"ALTER ROLE {name} " + " ".join(f"NO{word}" for word in wide),
        )
    return ok("rights", f"role {name}")


def _time(settings: Settings, connection: Connection[Any], now: datetime) -> Check:
    applied = control.read_applied(connection, settings.controller.environment)
    if applied is None:
        return ok("time", "nothing has been applied yet")
    about = f"the last pass was at {format_instant(applied.max_time_seen)}"
    if applied.max_time_seen > now + CLOCK_WARN:
        return fail(
            "time",
            f"{about}, later than this host's clock",
            "set the clock: the controller does not go back in time",
        )
    return ok("time", about)


def _known_root(settings: Settings, connection: Connection[Any]) -> Check:
    """Hold the pinned root against the one of its version that this database has accepted."""
    pin = host.pin(settings)
    version = roots.pin(pin.envelope, pin.sha256).root.version
    known = {one.version: one.sha256 for one in control.roots(connection)}
    if version in known and known[version] != pin.sha256:
        return fail(
            "known root",
            f"the database accepted another root {version}: {known[version]}",
            "compare both by voice: countersign root show FILE; pin the right one",
        )
    newest = f"{max(known)}" if known else "none"
    return ok("known root", f"pinned {version}, newest accepted {newest}")


def _lag(settings: Settings, connection: Connection[Any]) -> Check:
    name = settings.controller.name
    waiting = outbox.queued(connection, OutboxKind.AUDIT_COMMIT, controller=name)
    about = f"{waiting} audit records wait for their commit"
    if waiting >= WAITING_WARN or (waiting and settings.audit.key is not None):
        return warn("audit lag", about, "countersign reconcile --once")
    return ok("audit lag", about)


def _digests(connection: Connection[Any]) -> Check:
    """Look at which version of PostgreSQL made the digests that `audit verify` compares."""
    now = directory.algorithm(connection)
    others = sorted({one.algorithm for one in directory.kept(connection).values()} - {now})
    if others:
        return warn(
            "digests",
            f"kept as {', '.join(others)}; this server makes {now}: until the next revision "
            "`audit verify` may say audit.table_not_comparable",
            "countersign audit verify; docs/runbooks/audit-broken.md",
        )
    return ok("digests", f"made by this server's version: {now}")


def _one(connection: Connection[Any], name: str) -> Any:
    return _all(connection, name)[0]


def _all(connection: Connection[Any], name: str) -> list[Any]:
    with connection.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(_QUERIES[name]).fetchall()
