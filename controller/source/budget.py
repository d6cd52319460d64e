"""How much of a history is read: no folder that is larger than any real one, and not all.

A git tree of megabytes that changes in every commit packs into nearly nothing, and whoever looks
through the history would unpack all of them. Headers tell sizes before anything is read. Releases
are large when they are honest, too: there the bound is on those that nobody who may sign vouches
for, because such a one costs whoever writes it nothing.
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

SIGNED_BYTES = 1024 * 1024
"""So much more may be read for each bundle version that its owners signed.

Some 16,000 changes of its own name in the folder of its rail: a rail of thousands of bundles has a
wide folder, and nobody but who signs makes one that may be read more often.
"""
SIGNED_TIMES = 16
"""And so often the size of the files that it pins: as many trees just like them may be hashed."""


RELEASES_BYTES = 16 * 1024 * 1024
"""So much may be spent on the releases of a history, beside what those that count bring in."""
JUDGED_TIMES, VOUCHED_TIMES = 8, 16
"""How often the size of a payload is spent that nobody vouches for, and brought in by another.

To check signatures and to parse takes some eight times as long as to read.
"""

BEGIN_ANEW = "let the branch begin anew beside them: docs/runbooks/wide-history.md"
"""What to do about a history that is too much to look through."""


class HistoryTooWide(Refused):
    """The folders of a history are larger, commit for commit, than those of any real one."""

    code = "history.too_wide"

    def __init__(self, commit: Oid, size_bytes: int) -> None:
        super().__init__(
            f"{size_bytes:,} bytes of folders that changed up to commit {commit.hex()[:12]}: "
            "more than we read of a history",
            hint=f"keep generated files out of this repository; {BEGIN_ANEW}",
        )
        self.commit, self.size_bytes = commit, size_bytes


class HistoryTooHeavy(Refused):
    """A history holds more of releases that nobody vouches for than any real one."""

    code = "history.too_heavy"

    def __init__(self, commit: Oid, size_bytes: int) -> None:
        super().__init__(
            f"{size_bytes:,} bytes of releases, most of them neither signed nor followed, up to "
            f"commit {commit.hex()[:12]}: more than we read of a history",
            hint=f"merge no release that its owners have not signed; {BEGIN_ANEW}",
        )
        self.commit, self.size_bytes = commit, size_bytes


TOO_COSTLY = (HistoryTooWide, HistoryTooHeavy)
"""Refusals of a history as a whole, which no commit of it is passed over for."""


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

    def signed(self, size_bytes: int) -> None:
        """Take in what a bundle version that its owners signed brings; it pins so many bytes."""
        self._most += SIGNED_BYTES + SIGNED_TIMES * size_bytes

    def spend(self, size_bytes: int) -> None:
        """Pay for an object that is read."""
        self._spent += size_bytes + READ_BYTES
        if self._spent > self._most:
            raise HistoryTooWide(self._commit, self._spent)


class ReleasesBudget:
    """What one look through the releases of a history may still read and judge."""

    def __init__(self) -> None:
        self._spent, self._most = 0, RELEASES_BYTES

    def read(self, commit: Oid, size_bytes: int) -> None:
        """Pay for an envelope that is to be read, `size_bytes` long as a file."""
        self._spend(commit, size_bytes + READ_BYTES)

    def judge(self, commit: Oid, size_bytes: int) -> None:
        """Pay for a payload that no later release names, before it is looked at."""
        self._spend(commit, JUDGED_TIMES * (size_bytes + READ_BYTES))

    def vouched(self, size_bytes: int) -> None:
        """Take in what a release brings for which its signers, or a later release, vouch."""
        self._most += VOUCHED_TIMES * (size_bytes + READ_BYTES)

    def _spend(self, commit: Oid, size_bytes: int) -> None:
        self._spent += size_bytes
        if self._spent > self._most:
            raise HistoryTooHeavy(commit, self._spent)
