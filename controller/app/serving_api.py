"""What a process of the API role is made of: settings in, a server that runs until it is told."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

from controller import __version__
from controller.adapters import keyfiles, outbound
from controller.adapters.apimetrics import ApiMetrics
from controller.adapters.clock import SystemClock
from controller.adapters.embedded import EmbeddedPostgres
from controller.adapters.pool import Pool, Size
from controller.adapters.postgres import Connection, Limits, connect
from controller.adapters.workers import Beats
from controller.app import holding, wiring
from controller.app.settings import ApiSection, Settings
from controller.kernel.errors import Refused
from controller.kernel.instants import Clock
from controller.reconcile import snapshot_base
from controller.reconcile.keeper import Place
from controller.roles import api
from controller.web.access import Access, Open
from controller.web.jwks import DOCUMENT_MAX_BYTES, KeyStore
from controller.web.server import Listening, is_loopback
from controller.web.webhooks import Provider

COPY = "resolver"
"""The folder of the copy, in the state directory."""

_APPLICATION = "countersign api"
_ISSUER = outbound.Bounds(answer_max_bytes=DOCUMENT_MAX_BYTES)


class AuthRequired(Refused):
    """The API would be reached by others, and nobody would ask them who they are."""

    code = "api.auth_required"

    def __init__(self, host: str) -> None:
        super().__init__(
            f"{host} is reached by other hosts, and no issuer of tokens is named",
            hint="set api.oidc (issuer and audience), or listen on 127.0.0.1",
        )


class AuthNotInstalled(Refused):
    """Tokens are asked for, and what checks them is not installed."""

    code = "api.auth_not_installed"

    def __init__(self) -> None:
        super().__init__(
            "api.oidc is set, and what checks tokens is not installed",
            hint="install the extra: pip install 'countersign[auth]'",
        )


def serve_api(settings: Settings, beats: Beats, say: Callable[[str], None]) -> None:
    """Run the API role until SIGTERM or SIGINT.

    Raises `AuthRequired`, `AuthNotInstalled`, `WeakSecret`, `AddressTaken` and `BadCertificate`.
    A database that is away is waited for.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # passed on to every role; this one listens
    clock, section = SystemClock(), settings.api
    access, secrets = access_of(section, settings, clock), secrets_of(settings)
    with _database(settings) as url:
        folder = settings.path(settings.controller.state_dir) / COPY
        environment = settings.controller.environment
        limits = Limits(statement_ms=int(section.database_seconds * 1000), lock_ms=2_000)

        def connected() -> Connection[Any]:
            return connect(url, application_name=f"{_APPLICATION} copy", autocommit=True)

        def build() -> None:
            snapshot_base.build_in_child(url, None, environment, folder)

        api.Api(
            where=_listening(section, settings),
            place=Place(environment, folder, build),
            connect=connected,
            pool=Pool(
                url,
                application_name=_APPLICATION,
                limits=limits,
                size=Size(section.database_connections, section.database_seconds),
            ),
            schemes=wiring.schemes(),
            secrets=secrets,
            clock=clock,
            access=access,
            meters=ApiMetrics(__version__),
            name=lambda: token_hex(8),
            beat=beats.beat,
            say=say,
            limits=api.Limits(
                section.requests, section.database_connections, settings.webhooks.wake_seconds
            ),
            windows=holding.change_windows(settings),
            host_folder=holding.host_folder(settings),
        ).run()


def access_of(section: ApiSection, settings: Settings, clock: Clock) -> Access:
    """Return who is let in; refuse an address that others reach where nobody is asked."""
    oidc = section.oidc
    if oidc.issuer is None or oidc.audience is None:
        if not is_loopback(section.host):
            raise AuthRequired(section.host)
        return Open()
    try:
        from controller.web.auth import Tokens  # noqa: PLC0415  an extra
    except ImportError as error:
        raise AuthNotInstalled from error
    ca_file = settings.path(oidc.ca_file) if oidc.ca_file is not None else None
    route = outbound.Route("api.oidc.issuer", ca_file=ca_file, bounds=_ISSUER)
    outbound.host_of(route.name, oidc.issuer)  # refuses what we would never ask

    def fetch(url: str) -> bytes:
        return outbound.send(route, outbound.Call("GET", url)).body

    return Tokens(KeyStore(oidc.issuer, oidc.algorithms, fetch), oidc.audience, clock)


def secrets_of(settings: Settings) -> dict[Provider, bytes]:
    """Return the secret of each sender of webhooks that the settings name."""
    sections = {provider: getattr(settings.webhooks, provider.value) for provider in Provider}
    return {
        provider: keyfiles.read_secret(_beside(settings, section.secret_file)).strip()
        for provider, section in sections.items()
        if section is not None
    }


def _listening(section: ApiSection, settings: Settings) -> Listening:
    cert, key = section.cert_file, section.key_file
    if key is not None:
        keyfiles.read_secret(_beside(settings, key))  # refused where others may read it
    return Listening(
        host=section.host,
        port=section.port,
        cert_file=_beside(settings, cert) if cert is not None else None,
        key_file=_beside(settings, key) if key is not None else None,
        connections_max=section.connections,
        keep_alive_seconds=section.keep_alive_seconds,
        stop_seconds=section.stop_seconds,
    )


def _beside(settings: Settings, path: Path) -> Path:
    # Not resolved: a secret that is a link is refused, and said so.
    return settings.folder / path.expanduser()


@contextmanager
def _database(settings: Settings) -> Iterator[str]:
    """Give the URL of the database; the embedded server runs for as long as it is asked."""
    url = settings.database_url()
    if url is not None:
        yield url
        return
    state = settings.path(settings.controller.state_dir)
    with EmbeddedPostgres(state, run_as=settings.database.run_as) as server:
        yield server.url
