"""What stood at one path, commit by commit: read where it differs, and only within bounds.

Every folder on the way is judged as anywhere else. One that is larger than any real one is refused
by its header (`TooLarge`); a history of too many large ones as a whole (`HistoryTooWide`).
"""

from controller.artifacts import levels, walk
from controller.artifacts.levels import Entry, Level
from controller.kernel.objects import History, Oid
from controller.source.budget import FOLDER_SIZE_MAX_BYTES, Budget


class Lookback:
    """A look along the commits of a history, newest first or oldest first."""

    def __init__(self, history: History, path: str) -> None:
        self._history = history
        self._parts = path.split("/")
        self._last: dict[int, tuple[Oid, Entry | None]] = {}
        self._budget = Budget(history)

    def find(self, commit: Oid) -> Entry | None:
        """Return what stands at the path in a commit's tree; raise what `walk.find` would."""
        self._budget.reach(commit)
        folder = self._history.tree_of(commit)
        for depth in range(len(self._parts)):
            last = self._last.get(depth)
            if last is None or last[0] != folder:
                last = self._last[depth] = folder, self._entry(folder, depth)
            found = last[1]
            if found is None or depth + 1 == len(self._parts):
                return found
            if not found.is_tree:
                return None
            folder = found.oid
        raise AssertionError("a path has a part")

    def level(self, folder: Oid, path: str) -> Level:
        """Return what stands in a folder of the commit that was looked at last."""
        self._budget.allows(folder)
        return levels.level(
            levels.read_tree(self._history, folder, path, FOLDER_SIZE_MAX_BYTES), path
        )

    def spend(self, size_bytes: int) -> None:
        """Pay for a file that is read."""
        self._budget.spend(size_bytes)

    def _entry(self, folder: Oid, depth: int) -> Entry | None:
        name = self._parts[depth]
        if depth == 0:
            self._budget.allows(folder)
            return walk.find(self._history, folder, name)
        level = self.level(folder, "/".join(self._parts[:depth]))
        return level.named(name, is_tree=False) or level.named(name, is_tree=True)
