"""A server process over a small directory, for tests that only read."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.adapters.postgres import Connection, connect, with_database
from tests.support.api import ROWS, Api, serving, settings
from tests.support.resolving import Town


@pytest.fixture(scope="package")
def town_url(server_url: str, template_database: str) -> Iterator[str]:
    """Return the URL of a database that holds `ROWS`, applied, for the whole package."""
    name = "web_town"
    with connect(server_url, application_name="tests", autocommit=True) as administrator:
        administrator.execute(f"CREATE DATABASE {name} TEMPLATE {template_database}")
        url = with_database(server_url, name)
        with connect(url, application_name="tests", autocommit=True) as connection:
            Town(connection, 1).apply(list(ROWS), [])
        yield url
        administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="package")
def api(town_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Return a server that everybody may ask and nobody changes."""
    with serving(settings(tmp_path_factory.mktemp("api"), town_url)) as running:
        yield running


@pytest.fixture(scope="package")
def hearing(town_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Return a server that hears webhooks, too."""
    folder = tmp_path_factory.mktemp("hearing")
    (folder / "hook").write_text("x" * 32)
    (folder / "hook").chmod(0o600)
    with serving(
        settings(folder, town_url, '[webhooks.github]\nsecret_file = "hook"\n')
    ) as running:
        yield running


@pytest.fixture
def town(database_url: str) -> Iterator[Town]:
    """Return a directory of `ROWS` that a test may change."""
    connection: Connection[object] = connect(
        database_url, application_name="tests", autocommit=True
    )
    made = Town(connection, 1)
    made.apply(list(ROWS), [])
    yield made
    connection.close()


@pytest.fixture
def own_api(town: Town, database_url: str, tmp_path: Path) -> Iterator[Api]:
    """Return a server over that directory."""
    del town
    with serving(settings(tmp_path, database_url)) as running:
        yield running
