"""Shops for passes to work in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import world
from tests.support.world import Shop


@pytest.fixture(scope="session")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the home of the shop that all others are copies of."""
    return world.start(tmp_path_factory.mktemp("first-day"))


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
def shop(new_shop: Shop) -> Shop:
    """Return a shop whose first release is applied."""
    new_shop.reconcile()
    return new_shop
