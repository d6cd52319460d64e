"""The only door to psycopg: opening connections, transactions, and what failures mean.

Everything the database can refuse becomes one of our errors by its SQLSTATE; nobody reads a
message to decide. Rules of ours are raised inside the database with a SQLSTATE `CSxxx`; whoever
owns such a rule says here, with `register`, which refusal it becomes. What is left over (a syntax
error, a bad cast) is a mistake in this program and passes through as psycopg raised it.

A password never reaches an error: connection strings are taken apart before anything is said.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

from psycopg import Connection, Cursor, Error, IsolationLevel, Notify, OperationalError, errors, sql
from psycopg import ProgrammingError as _ProgrammingError
from psycopg import connect as _connect
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import PGconn, Ping, PipelineStatus, TransactionStatus
from psycopg.rows import DictRow, TupleRow, class_row, dict_row, scalar_row, tuple_row
from psycopg.types.json import Jsonb

from controller.kernel.errors import ControllerError, Corrupt, DeadlinePassed, Refused, Unavailable

__all__ = [
    "BadDatabaseUrl",
    "Connection",
    "Cursor",
    "DatabaseBusy",
    "DatabaseCorrupt",
    "DatabaseCrowded",
    "DatabaseFull",
    "DatabaseMessage",
    "DatabaseReadOnly",
    "DatabaseUnavailable",
    "DictRow",
    "IntegrityRefused",
    "IsolationLevel",
    "Jsonb",
    "Limits",
    "LoginRefused",
    "Notify",
    "PermissionRefused",
    "RuleRefused",
    "SchemaDiffers",
    "StatementTimedOut",
    "TupleRow",
    "class_row",
    "connect",
    "dict_row",
    "errors",
    "explain",
    "is_idle",
    "pipelined",
    "reading",
    "register",
    "scalar_row",
    "sketching",
    "sql",
    "transaction",
    "translated",
    "tuple_row",
    "with_database",
]


@dataclass(frozen=True, slots=True)
class DatabaseMessage:
    """What the database said, field by field, as it said it."""

    sqlstate: str
    primary: str
    detail: str
    constraint: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a connection waits; 0 means without limit.

    `vanished_seconds`, at least 6, is how long either end believes in another one whose machine
    does not answer any more; `watch_ms` how often the server looks for us while a statement runs.
    """

    connect_seconds: int = 10
    lock_ms: int = 10_000
    statement_ms: int = 0
    idle_in_transaction_ms: int = 120_000
    vanished_seconds: int = 30
    watch_ms: int = 10_000

    @property
    def keepalives(self) -> dict[str, int]:
        """When the kernel asks whether the other end is there, and how often before it gives up."""
        idle, interval = self.vanished_seconds // 3, self.vanished_seconds // 6
        return {"idle": idle, "interval": interval, "count": _PROBES}


class _Said:
    """What the errors below share: they stand before a branch of the tree and repeat the fields."""

    def __init__(self, message: DatabaseMessage, *, hint: str = "") -> None:
        text = message.primary or f"SQLSTATE {message.sqlstate}"
        super().__init__(text, hint=hint)  # type: ignore[call-arg]  # the branch comes next
        self.sqlstate = message.sqlstate
        self.detail = message.detail
        self.constraint = message.constraint


class DatabaseUnavailable(_Said, Unavailable):
    """The database cannot be reached, or went away in the middle.

    A transaction is whole or not there; whether the last one is, the next look tells.
    """

    code = "database.unavailable"


class DatabaseReadOnly(DatabaseUnavailable):
    """The database only reads: it is a standby, or was told to."""

    code = "database.read_only"


class DatabaseCrowded(DatabaseUnavailable):
    """The database takes no more connections."""

    code = "database.too_many_connections"


class DatabaseBusy(_Said, Unavailable):
    """A lock, a deadlock or a serialization failure was in the way; trying again is right."""

    code = "database.busy"


class DatabaseFull(_Said, Unavailable):
    """The database has no disk space left."""

    code = "database.full"


class StatementTimedOut(_Said, DeadlinePassed):
    """A statement took longer than `statement_timeout` allows, or was cancelled."""

    code = "database.statement_timed_out"


class DatabaseCorrupt(_Said, Corrupt):
    """The database found its own files damaged, or itself in a state that cannot be."""

    code = "database.corrupt"


class SchemaDiffers(_Said, Corrupt):
    """A table, a column or a function of ours is not in the database."""

    code = "database.schema_differs"


class LoginRefused(_Said, Refused):
    """The server answers, but refuses this role, password or database name."""

    code = "database.login_refused"


class PermissionRefused(_Said, Refused):
    """The role we connect as may not do this."""

    code = "database.permission_refused"


class IntegrityRefused(_Said, Refused):
    """A constraint of the schema refused a row; `constraint` names it."""

    code = "database.integrity_refused"


class RuleRefused(_Said, Refused):
    """A rule of ours inside the database refused, and nobody registered a better name for it."""

    code = "database.rule_refused"


class BadDatabaseUrl(Refused):
    """The database URL cannot be read. It is never repeated: it may hold a password."""

    code = "database.bad_url"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"the database URL cannot be read: {why}",
            hint="postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with @ : / in a password "
            "written as %40 %3A %2F",
        )


_PROBES: Final = 4
_LIMITS: Final = Limits()
# Where the server's system cannot tell whether a client is still there (Windows), it refuses the
# setting, and does without.
_WATCH: Final = """
BEGIN
    PERFORM set_config('client_connection_check_interval', '{}', false);
EXCEPTION WHEN invalid_parameter_value THEN NULL;
END
"""
_Maker = Callable[[DatabaseMessage], ControllerError]


def _hinting(kind: Callable[..., ControllerError], hint: str) -> _Maker:
    return lambda message: kind(message, hint=hint)


_UNAVAILABLE: Final = _hinting(
    DatabaseUnavailable, "is the server running, and is it healthy? then run this again"
)
_BUSY: Final = _hinting(DatabaseBusy, "somebody else is at work on the same rows; run this again")
_DIFFERS: Final = _hinting(
    SchemaDiffers,
    "somebody changed the schema by hand: put back what is gone, or restore a backup",
)

# Whole SQLSTATEs are looked up first, then their class (the first two characters).
_MEANINGS: dict[str, _Maker] = {
    "08": _UNAVAILABLE,
    "23": IntegrityRefused,
    # A standby, perhaps: the writer moved, and a new connection will find it.
    "25006": _hinting(
        DatabaseReadOnly,
        "name the server that writes, or look at default_transaction_read_only there",
    ),
    "25P03": _UNAVAILABLE,
    "28": LoginRefused,
    "3D000": LoginRefused,
    "3F000": _DIFFERS,
    "40": _BUSY,
    "42501": _hinting(PermissionRefused, "grant it to the role that Countersign connects as"),
    "42703": _DIFFERS,
    "42883": _DIFFERS,
    "42P01": _DIFFERS,
    "53": _UNAVAILABLE,
    "53100": _hinting(
        DatabaseFull, "free disk space where the database keeps its data, then run this again"
    ),
    "53300": _hinting(
        DatabaseCrowded, "close other sessions, or raise the limit of the server or of the role"
    ),
    "55P03": _BUSY,
    "57": _UNAVAILABLE,
    "57014": _hinting(
        StatementTimedOut,
        "raise database.statement_timeout_seconds, or look what the server waits for",
    ),
    "58": _UNAVAILABLE,
    "CS": RuleRefused,
    "XX": _hinting(
        DatabaseCorrupt,
        "stop writing, keep a copy of the data directory, and look at the server log",
    ),
}
# A refused login comes without its SQLSTATE, so these words are all that tells it from others.
_CROWDED: Final = (b"too many clients", b"too many connections", b"remaining connection slots")


def register(sqlstate: str, refusal: _Maker) -> None:
    """Say which refusal a SQLSTATE of ours becomes; each has exactly one meaning."""
    assert sqlstate.startswith("CS"), "only SQLSTATEs of ours are given away"
    assert len(sqlstate) == 5, "a SQLSTATE has five characters"
    assert sqlstate not in _MEANINGS, f"{sqlstate} means something already"
    _MEANINGS[sqlstate] = refusal


def explain(error: Error) -> ControllerError | None:
    """Return the error of ours that `error` means, or None for a mistake in this program."""
    diagnosis = error.diag
    message = DatabaseMessage(
        sqlstate=error.sqlstate or "",
        primary=diagnosis.message_primary or "",
        detail=diagnosis.message_detail or "",
        constraint=diagnosis.constraint_name or "",
    )
    if error.sqlstate is None:
        # Without a SQLSTATE it was the client that noticed: the connection is gone.
        lost = DatabaseMessage("", "the connection to the database was lost", "", "")
        return _UNAVAILABLE(lost) if isinstance(error, OperationalError) else None
    maker = _MEANINGS.get(error.sqlstate) or _MEANINGS.get(error.sqlstate[:2])
    return None if maker is None else maker(message)


@contextmanager
def translated() -> Iterator[None]:
    """Raise what the database refuses inside this block as errors of ours."""
    try:
        yield
    except Error as error:
        meaning = explain(error)
        if meaning is None:
            raise
        raise meaning from error


@contextmanager
def transaction(connection: Connection[Any]) -> Iterator[None]:
    """Commit everything inside the block together, or nothing of it; failures become ours.

    Inside another transaction this is a savepoint.
    """
    with translated(), connection.transaction():
        yield


@contextmanager
def pipelined(connection: Connection[Any]) -> Iterator[None]:
    """Send the statements of the block without waiting for each answer.

    An answer is waited for where it is asked for, with all that was sent before it; a refusal comes
    up there or at the end of the block. Inside another such block this is part of that one.
    """
    if connection.pgconn.pipeline_status != PipelineStatus.OFF:
        yield
        return
    with connection.pipeline():
        yield


@contextmanager
def reading(connection: Connection[Any]) -> Iterator[None]:
    """See one state of the database in every query of the block, and write nothing.

    `connection` must not be inside a transaction.
    """
    with transaction(connection):
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


@contextmanager
def sketching(connection: Connection[Any]) -> Iterator[None]:
    """See one state of the database in every query of the block, and undo whatever it writes.

    `connection` must not be inside a transaction.
    """
    with translated(), connection.transaction(force_rollback=True):
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield


def connect(
    url: str,
    *,
    application_name: str,
    role: str | None = None,
    autocommit: bool = False,
    limits: Limits = _LIMITS,
) -> Connection[TupleRow]:
    """Open a connection whose waits are bounded, also when the other end's machine vanishes.

    `role` is taken on with SET ROLE, so that one login can serve several jobs. Time and text are
    in UTC and UTF-8 whatever the server's defaults are. Raises `BadDatabaseUrl`, `LoginRefused`
    or `DatabaseUnavailable`.
    """
    alive = limits.keepalives
    facts = {
        **{f"keepalives_{name}": value for name, value in alive.items()},
        "tcp_user_timeout": limits.vanished_seconds * 1000,
        **_facts(url),
        "application_name": application_name,
        "connect_timeout": limits.connect_seconds,
        "client_encoding": "utf8",
    }
    # Settings are sent as statements, not as `options`: PgBouncer refuses options it does not know.
    settings = {
        "timezone": "UTC",
        "lock_timeout": str(limits.lock_ms),
        "statement_timeout": str(limits.statement_ms),
        "idle_in_transaction_session_timeout": str(limits.idle_in_transaction_ms),
        # They say nothing on a Unix socket, where the kernel knows who is there.
        **{f"tcp_keepalives_{name}": str(value) for name, value in alive.items()},
        "tcp_user_timeout": f"{limits.vanished_seconds}s",
    }
    try:
        connection = _connect(make_conninfo(**facts), autocommit=True)
    except OperationalError as error:
        raise _login_failure(error, facts) from error
    with translated():
        _configure(connection, settings, role, _WATCH.format(limits.watch_ms))
        connection.autocommit = autocommit
    return connection


def is_idle(connection: Connection[Any]) -> bool:
    """Tell whether the connection is alive and outside of any transaction."""
    return connection.info.transaction_status == TransactionStatus.IDLE


def with_database(url: str, database: str) -> str:
    """Return the URL of another database of the server that `url` (any form libpq reads) names."""
    return "postgresql://?" + urlencode(_facts(url) | {"dbname": database}, quote_via=quote)


def _configure(
    connection: Connection[TupleRow], settings: dict[str, str], role: str | None, watch: str
) -> None:
    calls = sql.SQL(", ").join(
        sql.SQL("set_config({}, {}, false)").format(sql.Literal(name), sql.Literal(value))
        for name, value in settings.items()
    )
    connection.execute(sql.SQL("SELECT {}; DO {}").format(calls, sql.Literal(watch)))
    if role is not None:
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))


def _facts(url: str) -> dict[str, Any]:
    try:
        facts = conninfo_to_dict(url)
    except _ProgrammingError:
        # The driver repeats the string in its message, so neither message nor cause is kept.
        raise BadDatabaseUrl("it is not a connection string") from None
    if "@" in str(facts.get("host", "")):
        raise BadDatabaseUrl("there is more than one @ before the host")
    return facts


def _login_failure(error: OperationalError, facts: dict[str, Any]) -> ControllerError:
    where = f"host {facts.get('host', '(default)')}, database {facts.get('dbname', '(default)')}"
    # libpq gives no SQLSTATE for a failed login. That the password was asked for and that the
    # server takes connections are facts it does give, and together they mean a refusal.
    said_last = error.pgconn.error_message if error.pgconn is not None else b""
    if any(words in said_last for words in _CROWDED):
        said = f"{where}: no connection is left for role {facts.get('user', '(default)')}"
        return _MEANINGS["53300"](DatabaseMessage("53300", said, "", ""))
    asked = error.pgconn is not None and error.pgconn.used_password
    if asked and PGconn.ping(make_conninfo(**facts).encode()) == Ping.OK:
        said = f"{where}: the server answers but refuses role {facts.get('user', '(default)')}"
        message = DatabaseMessage("28000", said, "", "")
        return LoginRefused(message, hint="look at the role, its password and the database name")
    message = DatabaseMessage("08001", f"no connection to {where}", "", "")
    return DatabaseUnavailable(message, hint="is the server running, and is the URL right?")
