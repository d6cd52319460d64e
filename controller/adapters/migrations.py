"""Apply numbered .sql files once each, in order, under a lock.

A file is `NNNN_name.sql`; versions run from 1 without a gap. What was applied is kept with the
SHA-256 of the file, in a schema of our own that no file touches. A file is applied in one
transaction, whole or not at all, and never changes afterwards: whoever edits an applied file is
refused, and so is a program older than its database.

Many processes may start at once. They take turns under a transaction-level advisory lock: a
session lock would be stranded behind a connection pooler.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, Final

from controller.adapters.postgres import Connection, is_idle, transaction, tuple_row
from controller.kernel.errors import Refused

_FILE_NAME: Final = re.compile(r"([0-9]{4})_([a-z][a-z0-9_]*)\.sql", re.ASCII)
# Any constant will do, as long as every version of this program takes the same.
_LOCK_KEY: Final = 0x636F756E746572
_TURN_TIMEOUT_MS: Final = 120_000

_EXISTS: Final = "SELECT to_regclass('migrations.applied') IS NOT NULL"
_CREATE: Final = """
CREATE SCHEMA IF NOT EXISTS migrations;
CREATE TABLE IF NOT EXISTS migrations.applied (
    version integer PRIMARY KEY CHECK (version >= 1),
    name text NOT NULL,
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""
_READ: Final = "SELECT version, name, sha256 FROM migrations.applied ORDER BY version"
_RECORD: Final = "INSERT INTO migrations.applied (version, name, sha256) VALUES (%s, %s, %s)"
_LIMIT: Final = (
    "SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true)"
)


class BadMigrations(Refused):
    """The folder of migrations is not a gapless row of `NNNN_name.sql`."""

    code = "migrations.invalid"


class MigrationEdited(Refused):
    """An applied file no longer has the bytes that were applied."""

    code = "migrations.edited"

    def __init__(self, name: str, *, applied: str, found: str) -> None:
        super().__init__(
            f"migration {name} was changed after it was applied",
            hint="put the file back as it was and write the change as a new migration",
        )
        self.name, self.applied, self.found = name, applied, found


class MigrationNotWhole(Refused):
    """A file ended the transaction it runs in."""

    code = "migrations.not_whole"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"migration {name} commits or rolls back by itself",
            hint="a migration is one transaction: remove its BEGIN, COMMIT or ROLLBACK",
        )
        self.name = name


class DatabaseNewer(Refused):
    """The database was migrated by a newer version of this program."""

    code = "migrations.database_newer"

    def __init__(self, *, have: int, known: int) -> None:
        super().__init__(
            f"the database is at migration {have}, this program knows {known}",
            hint="run the version of countersign that migrated the database, or a newer one",
        )
        self.have, self.known = have, known


class MigrationsPending(Refused):
    """The database is older than this program; nothing is read or written until it is migrated."""

    code = "migrations.pending"

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            f"{len(names)} migrations are not applied: {', '.join(names)}",
            hint="run `countersign migrate`",
        )
        self.names = tuple(names)


@dataclass(frozen=True, slots=True)
class Applied:
    """One file as it was applied."""

    version: int
    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Migration:
    """One file as it stands in the folder."""

    version: int
    name: str
    sha256: str
    text: bytes


def shipped() -> Traversable:
    """Return the folder of the migrations that come with this program."""
    return resources.files("controller").joinpath("stores", "migrations")


def read_folder(folder: Traversable) -> tuple[Migration, ...]:
    """Return the migrations of `folder` in order; raise `BadMigrations`."""
    found = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if not entry.name.endswith(".sql"):
            continue
        match = _FILE_NAME.fullmatch(entry.name)
        if match is None:
            raise BadMigrations(f"{entry.name} is not named NNNN_name.sql")
        text = entry.read_bytes()
        digest = hashlib.sha256(text).hexdigest()
        found.append(Migration(int(match[1]), entry.name.removesuffix(".sql"), digest, text))
    for expected, migration in enumerate(found, start=1):
        if migration.version != expected:
            raise BadMigrations(f"{migration.name} stands where {expected:04} should")
    return tuple(found)


def pending(
    connection: Connection[Any], folder: Traversable | None = None
) -> tuple[Migration, ...]:
    """Return what is not applied yet; refuse edited files and a database newer than the folder."""
    files = read_folder(folder or shipped())
    with transaction(connection):
        return _pending(files, _applied(connection))


def check(connection: Connection[Any], folder: Traversable | None = None) -> None:
    """Make sure that the database has exactly our schema; raise `MigrationsPending` otherwise."""
    left = pending(connection, folder)
    if left:
        raise MigrationsPending([migration.name for migration in left])


def migrate(
    connection: Connection[Any],
    folder: Traversable | None = None,
    *,
    lock_timeout_ms: int = 4_000,
    statement_timeout_ms: int = 60_000,
) -> tuple[Applied, ...]:
    """Apply what is pending, a transaction per file, and return what this call applied.

    `connection` must not be inside a transaction. A file that waits longer than `lock_timeout_ms`
    for a table gives up, so that readers queue behind it no longer than that.
    """
    assert is_idle(connection), "inside a transaction nothing here would be committed"
    files = read_folder(folder or shipped())
    done: list[Applied] = []
    limits = (str(lock_timeout_ms), str(statement_timeout_ms))
    while (step := _apply_next(connection, files, limits)) is not None:
        done.append(step)
    return tuple(done)


def _apply_next(
    connection: Connection[Any], files: Sequence[Migration], limits: tuple[str, str]
) -> Applied | None:
    with transaction(connection):
        # Waiting for our turn is no harm to anybody; the files' own limits come after it.
        connection.execute(_LIMIT, (str(_TURN_TIMEOUT_MS), "0"))
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK_KEY,))
        left = _pending(files, _applied(connection))
        if not left:
            return None
        connection.execute(_CREATE)
        connection.execute(_LIMIT, limits)
        migration = left[0]
        before = _transaction_id(connection)
        connection.execute(migration.text)
        if _transaction_id(connection) != before:
            raise MigrationNotWhole(migration.name)
        row = (migration.version, migration.name, migration.sha256)
        connection.execute(_RECORD, row)
        return Applied(*row)


def _transaction_id(connection: Connection[Any]) -> object:
    with connection.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute("SELECT pg_current_xact_id()").fetchone()


def _applied(connection: Connection[Any]) -> tuple[Applied, ...]:
    with connection.cursor(row_factory=tuple_row) as cursor:
        if cursor.execute(_EXISTS).fetchone() != (True,):
            return ()
        return tuple(Applied(*row) for row in cursor.execute(_READ))


def _pending(files: Sequence[Migration], applied: Sequence[Applied]) -> tuple[Migration, ...]:
    if len(applied) > len(files):
        raise DatabaseNewer(have=applied[-1].version, known=len(files))
    for migration, row in zip(files, applied, strict=False):
        if (migration.version, migration.sha256) != (row.version, row.sha256):
            raise MigrationEdited(migration.name, applied=row.sha256, found=migration.sha256)
    return tuple(files[len(applied) :])
