"""A pass that kills itself: `python -m tests.support.mortal HOME`, then one line of JSON per pass.

Each line on stdin names a shop, its database, an instant and a number n. A fork of this process
runs passes there and dies by SIGKILL right before its n-th effect: a statement or a COPY, the
commit of a transaction, writing a git object, moving a ref. What became of it (0, or the signal's
negative) is answered on stdout. Forking spares each pass the imports and the reading of rails.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from controller.adapters.git import GitRepository
from controller.adapters.postgres import Cursor
from controller.reconcile.cycle import converge
from tests.support.world import Shop, open_connection

GIT_EFFECTS = frozenset({"empty_tree", "write_blob", "write_tree", "write_commit", "move"})


class Fate:
    """Counts effects and strikes before the deadly one."""

    def __init__(self, deadly_effect: int) -> None:
        self._left = deadly_effect

    def tempt(self) -> None:
        """Count one effect."""
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class MortalRepository(GitRepository):
    """A repository whose writes are effects."""

    fate: Fate

    def __getattribute__(self, name: str) -> Any:
        found = object.__getattribute__(self, name)
        if name not in GIT_EFFECTS:
            return found
        call: Callable[..., Any] = found

        def tempting(*args: Any, **kwargs: Any) -> Any:
            self.fate.tempt()
            return call(*args, **kwargs)

        return tempting


class MortalConnection:
    """A connection whose statements and commits are effects."""

    def __init__(self, target: Any, fate: Fate) -> None:
        self._target, self._fate = target, fate
        target.cursor_factory = mortal_cursor(fate)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit as an effect of its own."""
        with self._target.transaction():
            yield
            self._fate.tempt()


def mortal_cursor(fate: Fate) -> type[Cursor[Any]]:
    """Return a class of cursors whose statements are effects."""

    class MortalCursor(Cursor[Any]):
        def execute(self, *args: Any, **kwargs: Any) -> Any:
            fate.tempt()
            return super().execute(*args, **kwargs)

        def executemany(self, *args: Any, **kwargs: Any) -> None:
            fate.tempt()
            super().executemany(*args, **kwargs)

        def copy(self, *args: Any, **kwargs: Any) -> Any:
            fate.tempt()
            return super().copy(*args, **kwargs)

    return MortalCursor


def reconcile(home: Path, url: str, deadly_effect: int, now: datetime) -> None:
    """Bring production to the branch, or die."""
    fate = Fate(deadly_effect)
    with open_connection(url) as connection:
        shop = Shop.open(home)
        shop.clock.instant = now
        repository = MortalRepository.open(shop.folder)
        repository.fate = fate
        mortal: Any = MortalConnection(connection, fate)
        list(converge(shop.world(mortal, repository=repository)))


def main(home: Path) -> None:
    """Read the rails of some shop, then run passes as they are asked for."""
    shop = Shop.open(home)
    rails = shop.rails.at(shop.repository, shop.tree)
    for name in rails.names:
        rails.rail(name)
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            now = datetime.fromisoformat(asked["now"])
            reconcile(Path(asked["home"]), asked["url"], asked["deadly_effect"], now)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
