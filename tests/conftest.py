"""What every test may ask for."""

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.adapters.embedded import EmbeddedPostgres
from controller.adapters.migrations import migrate
from controller.adapters.postgres import Connection, TupleRow, connect, with_database
from tests.support import world
from tests.support.world import Shop

_SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Return the folder of real data and other people's vectors, or skip where it is absent."""
    if not _SHARED.is_dir():
        pytest.skip("needs ../shared (real data and other people's test vectors)")
    return _SHARED


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """Return the URL of an embedded server that lives as long as this test process."""
    with tempfile.TemporaryDirectory(prefix="countersign-tests-") as scratch:
        # Root's server runs as another user, who has to pass through a folder of ours.
        Path(scratch).chmod(0o711)
        with EmbeddedPostgres(Path(scratch) / "state", fsync=False) as server:
            yield server.url


@pytest.fixture(scope="session")
def template_database(server_url: str) -> str:
    """Return the name of a migrated database to copy; nobody stays connected to it."""
    name = "template_migrated"
    with connect(server_url, application_name="tests", autocommit=True) as administrator:
        administrator.execute(f"CREATE DATABASE {name}")
    with connect(with_database(server_url, name), application_name="tests") as connection:
        migrate(connection)
    return name


_NUMBERS = itertools.count(1)


@pytest.fixture
def database_url(server_url: str, template_database: str) -> Iterator[str]:
    """Return the URL of a fresh migrated database, dropped after the test."""
    name = f"test_{next(_NUMBERS)}"
    with connect(server_url, application_name="tests", autocommit=True) as administrator:
        copy = f"CREATE DATABASE {name} TEMPLATE {template_database} STRATEGY FILE_COPY"
        administrator.execute(copy)
        yield with_database(server_url, name)
        administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(database_url: str) -> Iterator[Connection[TupleRow]]:
    """Return a connection to a fresh migrated database; what a test leaves open is rolled back."""
    connection = connect(database_url, application_name="tests")
    yield connection
    connection.close()


# Shops: a repository with people and keys, with a database or without


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
    home, name = tmp_path_factory.mktemp("second-day"), "template_second_day"
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
    name = "second_day_copy"
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
