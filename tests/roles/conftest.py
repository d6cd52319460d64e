"""Shops for controllers that go on running."""

from collections.abc import Iterator
from pathlib import Path

import pygit2
import pytest

from controller.adapters.postgres import connect, with_database
from tests.support import world
from tests.support.world import Shop


@pytest.fixture(scope="package", autouse=True)
def unsynced() -> Iterator[None]:
    """Let git's objects wait for the disk's own time: nobody pulls the plug in here."""
    pygit2.settings.enable_fsync_gitdir(False)
    yield
    pygit2.settings.enable_fsync_gitdir(True)


@pytest.fixture(scope="session")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the home of the shop that all others are copies of."""
    return world.start(tmp_path_factory.mktemp("first-day"))


@pytest.fixture(scope="session")
def second_day(
    first_day: Path,
    tmp_path_factory: pytest.TempPathFactory,
    server_url: str,
    template_database: str,
) -> tuple[Path, str]:
    """Return the home of a shop whose first release is applied, and its database's name."""
    home, name = tmp_path_factory.mktemp("second-day"), "template_roles_day"
    with connect(server_url, application_name="tests", autocommit=True) as administrator:
        administrator.execute(f"CREATE DATABASE {name} TEMPLATE {template_database}")
    with world.open_connection(with_database(server_url, name)) as connection:
        Shop.copy(first_day, home, connection).reconcile()
    return home, name


@pytest.fixture
def drawer(first_day: Path, tmp_path: Path) -> Shop:
    """Return a shop without a database: what can be judged from git alone."""
    return Shop.copy(first_day, tmp_path)


@pytest.fixture
def new_shop(first_day: Path, tmp_path: Path, database_url: str) -> Iterator[Shop]:
    """Return a shop whose database is empty."""
    with world.open_connection(database_url) as connection:
        yield Shop.copy(first_day, tmp_path, connection)


@pytest.fixture
def shop_url(server_url: str, second_day: tuple[Path, str]) -> Iterator[str]:
    """Return the URL of a database in which the first release is applied."""
    name = "roles_day_copy"
    with connect(server_url, application_name="tests", autocommit=True) as administrator:
        copy = f"CREATE DATABASE {name} TEMPLATE {second_day[1]} STRATEGY FILE_COPY"
        administrator.execute(copy)
        yield with_database(server_url, name)
        administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def shop(second_day: tuple[Path, str], tmp_path: Path, shop_url: str) -> Iterator[Shop]:
    """Return a shop whose first release is applied."""
    with world.open_connection(shop_url) as connection:
        yield Shop.copy(second_day[0], tmp_path, connection)
