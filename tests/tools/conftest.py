"""Shops whose branch is judged twice: by a controller, and by the file that stands alone."""

from collections.abc import Iterator
from pathlib import Path

import pygit2
import pytest

from controller.adapters.postgres import connect, with_database
from tests.support import world
from tests.support.world import Shop
from tests.tools.verdicts import fresh_copy


@pytest.fixture(scope="package", autouse=True)
def unsynced() -> Iterator[None]:
    """Let git's objects wait for the disk's own time: nobody pulls the plug in here."""
    pygit2.settings.enable_fsync_gitdir(False)
    yield
    pygit2.settings.enable_fsync_gitdir(True)


@pytest.fixture(scope="session")
def audited_day(
    tmp_path_factory: pytest.TempPathFactory, server_url: str, template_database: str
) -> tuple[Path, str]:
    """Return the home of a shop whose first release is applied, and its database's name."""
    home, name = tmp_path_factory.mktemp("audited-day"), "template_audited_day"
    world.start(home)
    with connect(server_url, application_name="tests", autocommit=True) as administrator:
        administrator.execute(f"CREATE DATABASE {name} TEMPLATE {template_database}")
    with world.open_connection(with_database(server_url, name)) as connection:
        Shop.open(home, connection).reconcile()
    return home, name


@pytest.fixture
def shop(audited_day: tuple[Path, str], tmp_path: Path, server_url: str) -> Iterator[Shop]:
    """Return a shop whose first release is applied."""
    with fresh_copy(audited_day, tmp_path, server_url) as copy:
        yield copy
