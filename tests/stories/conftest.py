"""Deploy hosts with owners around them, for stories; the first one is built once and copied."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import Desk
from tests.support.owners import Owners, owners_of


@pytest.fixture(scope="session")
def first_host(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Return the deploy host that all others are copies of."""
    return Desk.make(tmp_path_factory.mktemp("first-host"))


@pytest.fixture
def owners(first_host: Desk, tmp_path: Path, database_url: str) -> Iterator[Owners]:
    """Return owners whose controller has applied the first release."""
    home = tmp_path / "host"
    home.mkdir()
    with owners_of(first_host.copy(home, database_url), database_url) as found:
        assert found.reconcile() == 1
        yield found
