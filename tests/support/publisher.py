"""A publisher that kills itself: `python -m tests.support.publisher URL REPOSITORY EFFECT`.

It dies by SIGKILL right before its EFFECT-th effect: writing the empty tree or a commit, moving
the branch, marking the row, committing the transaction. Exit status 0 means it outlived them all.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from controller.adapters.git import GitRepository
from controller.adapters.postgres import connect
from controller.audit.publish import publish
from tests.support.trail import AUDITOR


class Fate:
    """Counts effects and strikes before the deadly one."""

    def __init__(self, deadly_effect: int) -> None:
        self._left = deadly_effect

    def tempt(self) -> None:
        """Count one effect."""
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class Mortal:
    """Something whose named calls are effects."""

    def __init__(self, target: Any, fate: Fate, effects: frozenset[str]) -> None:
        self._target, self._fate, self._effects = target, fate, effects

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        return self._mortal(found) if name in self._effects else found

    def _mortal(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def tempting(*args: Any, **kwargs: Any) -> Any:
            self._fate.tempt()
            return call(*args, **kwargs)

        return tempting

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit as an effect of its own."""
        with self._target.transaction():
            yield
            self._fate.tempt()


def main(url: str, repository: str, deadly_effect: int) -> None:
    """Publish what is owed, or die."""
    fate = Fate(deadly_effect)
    branches = Mortal(
        GitRepository.open(Path(repository)),
        fate,
        frozenset({"empty_tree", "write_commit", "move"}),
    )
    with connect(url, application_name="publisher") as connection:
        mortal: Any = Mortal(connection, fate, frozenset({"execute"}))
        publish(mortal, branches, AUDITOR, "one")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
