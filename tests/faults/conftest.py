"""Worlds in which things go wrong, and how much of the campaign a run goes through."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import tracer, world
from tests.support.mortal import Mortals, mortals
from tests.support.world import Shop


def pytest_addoption(parser: pytest.Parser) -> None:
    """`pytest tests/faults --campaign` dies at every effect of every story: `make faults`."""
    group = parser.getgroup("faults")
    group.addoption("--campaign", action="store_true", help="die everywhere, not only in the slice")
    group.addoption("--freeze", action="store_true", help="write tests/faults/effects.txt anew")


@pytest.fixture(scope="session")
def campaign(request: pytest.FixtureRequest) -> bool:
    """Whether every effect of every story is to be deadly once, on both sides."""
    # A run of all tests reads this file too late to know the option.
    return bool(request.config.getoption("--campaign", default=False))


@pytest.fixture(scope="session")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the home of the shop that all others are copies of."""
    return world.start(tmp_path_factory.mktemp("first-day"))


@pytest.fixture(scope="session")
def deadly(first_day: Path) -> Iterator[Mortals]:
    """Return the process that watched acts are forked from."""
    if not tracer.available():
        pytest.skip("needs ptrace on Linux x86-64 to see every effect of a process")
    with mortals(first_day) as found:
        yield found


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
