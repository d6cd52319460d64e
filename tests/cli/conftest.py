"""Deploy hosts for commands to run on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.adapters.embedded import remove
from tests.support.commands import Desk
from tests.support.postgres import passable_folder


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


@pytest.fixture
def laptop() -> Iterator[Desk]:
    """Return a host without a database of its own: it gets the embedded one."""
    with passable_folder() as home:
        desk = Desk.make(home)
        yield desk
        remove(home / "keys" / "state")
