"""Build a controller from settings; the only place that knows every concrete part."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import timedelta
from fractions import Fraction
from typing import Any

from controller.adapters import migrations
from controller.adapters.clock import SystemClock
from controller.adapters.embedded import EmbeddedPostgres
from controller.adapters.postgres import (
    Connection,
    DatabaseUnavailable,
    Limits,
    connect,
    translated,
)
from controller.adapters.shipped import shipped
from controller.app import holding, host
from controller.app.settings import Settings
from controller.kernel.objects import Oid
from controller.plan import guards
from controller.policy.identifiers import Scheme
from controller.reconcile.rails import Rails, RailSet
from controller.reconcile.world import World
from controller.source.commits import Verify
from controller.stores.control.clock import DatabaseClock

APPLICATION = "countersign"
JOIN_TRIES = 5


@contextmanager
def database(settings: Settings, *, migrate: bool = True) -> Iterator[Connection[Any]]:
    """Open production's database: the one the settings name, or the embedded one.

    The embedded one is ours, so its schema is brought up to date when it is opened; another one is
    migrated by `countersign migrate` alone.
    """
    url = settings.database_url()
    if url is not None:
        with connection_to(url, settings) as connection:
            yield connection
        return
    state = settings.path(settings.controller.state_dir)
    with (
        EmbeddedPostgres(state, run_as=settings.database.run_as) as server,
        closing(_joined(server, settings)) as connection,
        translated(),
    ):
        if migrate:
            migrations.migrate(connection)
        yield connection


@contextmanager
def connection_to(url: str, settings: Settings) -> Iterator[Connection[Any]]:
    """Open a connection that commits by itself outside of transactions."""
    connection = _connected(url, settings)
    try:
        # A server that goes away in the middle of a look-up is our error too, not a traceback.
        with translated():
            yield connection
    finally:
        connection.close()


@contextmanager
def plain_connection(url: str) -> Iterator[Connection[Any]]:
    """Open a database that no settings name, with the usual limits."""
    connection = connect(url, application_name=APPLICATION, autocommit=True)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def world(settings: Settings, *, signs: bool = False) -> Iterator[World]:
    """Open everything one controller works with.

    `signs`: it may publish, with the audit key if this host names one. Whoever only looks needs no
    key, and is not kept from looking by one that is gone or that others hold.
    """
    repository = host.artifact_repository(settings)
    pinned = host.pin(settings)
    with database(settings) as connection:
        migrations.check(connection)
        baseline = settings.repository.baseline
        yield World(
            controller=settings.controller.name,
            environment=settings.controller.environment,
            repository=repository,
            branch=settings.repository.branch,
            baseline=Oid(bytes.fromhex(baseline)) if baseline is not None else None,
            connection=connection,
            clock=SystemClock(),
            pin=pinned,
            rails=Rails(shipped("policies")),
            signer=host.audit_signer(settings) if signs else None,
            limits=guards.Limits(
                removed_share=Fraction(settings.guards.removed_share),
                removed_rows=settings.guards.removed_rows,
                small_rows=settings.guards.small_rows,
            ),
            verify=Verify(settings.commits.verify),
            max_staleness=timedelta(seconds=settings.heartbeat.max_staleness_seconds),
            witness=DatabaseClock(connection),
            windows=holding.change_windows(settings),
            host_folder=holding.host_folder(settings),
        )


def _joined(server: EmbeddedPostgres, settings: Settings) -> Connection[Any]:
    """Connect to the embedded server; when the one we joined just went away, to the next one."""
    for _ in range(JOIN_TRIES - 1):
        try:
            return _connected(server.url, settings)
        except DatabaseUnavailable:
            if server.owns:
                raise
            server.start()
    return _connected(server.url, settings)


def _connected(url: str, settings: Settings) -> Connection[Any]:
    limits = Limits(
        lock_ms=settings.database.lock_timeout_seconds * 1000,
        statement_ms=settings.database.statement_timeout_seconds * 1000,
        idle_in_transaction_ms=settings.database.idle_in_transaction_timeout_seconds * 1000,
    )
    return connect(url, application_name=APPLICATION, autocommit=True, limits=limits)


def schemes() -> Mapping[str, Scheme]:
    """Return the identifier schemes; they come with Countersign and no repository changes them."""
    rails = RailSet(shipped("policies"), {})
    return rails.rail(rails.names[0]).schemes
