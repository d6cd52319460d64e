"""Passes that nobody pulls the plug on."""

from collections.abc import Iterator

import pygit2
import pytest


@pytest.fixture(scope="package", autouse=True)
def unsynced() -> Iterator[None]:
    """Let git's objects wait for the disk's own time: nobody pulls the plug in here."""
    pygit2.settings.enable_fsync_gitdir(False)
    yield
    pygit2.settings.enable_fsync_gitdir(True)
