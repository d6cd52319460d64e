"""Deploy hosts for commands to run on."""

from pathlib import Path

import pytest

from tests.support.commands import Desk


@pytest.fixture(scope="session")
def first_desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the home of the deploy host that all others are copies of."""
    return Desk.make(tmp_path_factory.mktemp("first-desk")).home


@pytest.fixture
def desk(first_desk: Path, tmp_path: Path, database_url: str) -> Desk:
    """Return a deploy host with an empty database."""
    return Desk(first_desk).copy(tmp_path, database_url)


@pytest.fixture
def paper_desk(first_desk: Path, tmp_path: Path) -> Desk:
    """Return a deploy host whose database cannot be reached: for what needs none."""
    return Desk(first_desk).copy(tmp_path, "postgresql://nobody@127.0.0.1:1/nothing")
