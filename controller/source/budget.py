"""How much of a history's trees is read: none that is larger than any real one, and not all.

A git tree of megabytes that changes in every commit packs into nearly nothing, and whoever looks
through the history would unpack all of them. Headers tell sizes before anything is read.
"""

from controller.kernel.errors import Refused
from controller.kernel.objects import Objects, Oid

FOLDER_SIZE_MAX_BYTES = 256 * 1024
"""One folder on a path of ours in a history: some 7,000 roots, 2,800 names of full length."""

HISTORY_BYTES = 16 * 1024 * 1024
COMMIT_BYTES = 16 * 1024
"""So much may be read of a whole history, and so much more for each of its commits.

A commit changes the top of the repository and a folder or four below it: some 2 to 8 KiB.
"""

READ_BYTES = 1024
"""What finding an object costs, however small it is."""


class HistoryTooWide(Refused):
    """The folders of a history are larger, commit for commit, than those of any real one."""

    code = "history.too_wide"

    def __init__(self, commit: Oid, size_bytes: int) -> None:
        super().__init__(
            f"{size_bytes:,} bytes of folders that changed up to commit {commit.hex()[:12]}: "
            "more than we read of a history",
            hint="keep generated files out of this repository; a branch that holds them has to "
            "start anew before them",
        )
        self.commit, self.size_bytes = commit, size_bytes


class Budget:
    """What one look through a history may still read."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._spent, self._most = 0, HISTORY_BYTES
        self._commit = Oid(b"")

    def reach(self, commit: Oid) -> None:
        """Say which commit is looked at now; each may cost something."""
        self._commit = commit
        self._most += COMMIT_BYTES

    def allows(self, oid: Oid) -> bool:
        """Whether an object is one to read: then it is paid for. Raise when all is spent."""
        size_bytes = self._objects.header(oid).size_bytes
        if size_bytes > FOLDER_SIZE_MAX_BYTES:
            return False
        self.spend(size_bytes)
        return True

    def spend(self, size_bytes: int) -> None:
        """Pay for an object that is read."""
        self._spent += size_bytes + READ_BYTES
        if self._spent > self._most:
            raise HistoryTooWide(self._commit, self._spent)
