"""A controller on a real PostgreSQL, with fsync on, that follows a published repository."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.publish import BRANCH, CONTROLLER, ENVIRONMENT, Published, key
from controller.adapters import migrations
from controller.adapters.clock import SystemClock
from controller.adapters.git import GitRepository
from controller.adapters.postgres import Connection, connect, with_database
from controller.adapters.shipped import shipped
from controller.audit.commit import reference
from controller.kernel.canonical import Digest
from controller.kernel.objects import Oid
from controller.reconcile.leading import Lead
from controller.reconcile.rails import Rails
from controller.reconcile.world import World
from controller.trust.root import Pin

REF = f"refs/heads/{BRANCH}"


@contextmanager
def connection_to(url: str) -> Iterator[Connection[Any]]:
    """Open a connection that commits by itself outside of transactions."""
    connection = connect(url, application_name="countersign-bench", autocommit=True)
    try:
        yield connection
    finally:
        connection.close()


def fresh_database(url: str, name: str, *, migrate: bool) -> str:
    """Make an empty database, in the place of an older one of that name; return its URL."""
    with connection_to(url) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
        connection.execute(f"CREATE DATABASE {name}".encode())
        connection.execute(b"CHECKPOINT")
    made = with_database(url, name)
    if migrate:
        with connection_to(made) as connection:
            migrations.migrate(connection)
    return made


def rewind(published: Published) -> None:
    """Put a repository's branch back to its baseline, and forget its audit branch."""
    repository = GitRepository.open(published.path)
    repository.move(REF, repository.target(REF), oid(published.baseline))
    for name in repository.references(reference(CONTROLLER)):
        (published.path / name).unlink(missing_ok=True)


@contextmanager
def world(published: Published, url: str) -> Iterator[World]:
    """Open everything that the running controller works with; it leads, as `run` does."""
    with connection_to(url) as connection:
        lead = Lead(ENVIRONMENT, holder=CONTROLLER, process="benchmark")
        lead.take(connection)
        yield World(
            controller=CONTROLLER,
            environment=ENVIRONMENT,
            repository=GitRepository.open(published.path),
            branch=BRANCH,
            baseline=oid(published.baseline),
            connection=connection,
            clock=SystemClock(),
            pin=Pin(published.root.encode(), Digest(published.root_sha256)),
            rails=Rails(shipped("policies")),
            signer=key("audit"),
            lead=lead,
        )
        lead.give_back(connection)


def oid(text: str) -> Oid:
    """Return the id that hex digits name."""
    return Oid(bytes.fromhex(text))


def wal_bytes(connection: Connection[Any]) -> int:
    """Return how much write-ahead log the server has written since its beginning."""
    return _number(
        connection, b"SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"
    )


def _number(connection: Connection[Any], query: bytes) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])
