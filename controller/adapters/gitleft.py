"""What a commit of ours leaves in somebody's work tree when it dies, and how the next one goes on.

Before a file of the work tree is touched, a note in the git folder says which files will hold
what. Whoever comes next and finds a note knows that its writer is dead, because the writer holds
the folder's lock as long as it lives: what the note describes was written by us, so it may be
written over, and git's own locks that nobody holds any more were its child's.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from controller.adapters.files import sync_folder, write_file
from controller.adapters.gitfaults import RepositoryBusy, common_dir
from controller.kernel.errors import Corrupt

NOTE: Final = "countersign-commit.json"
LOCKS: Final = ("index.lock", "HEAD.lock")
PATIENCE_SECONDS: Final = 1.0
"""How long a lock has to stay as it is before it counts as left behind."""

_LOOK_SECONDS: Final = 0.1
_BYTES_MAX: Final = 1024 * 1024


class NoteDamaged(Corrupt):
    """The note about an unfinished commit cannot be read."""

    code = "git.note_damaged"

    def __init__(self, note: Path) -> None:
        super().__init__(
            f"{note} does not say what an unfinished commit wrote",
            hint="look at `git status`, keep or restore what it shows, and remove the note",
        )
        self.note = note


class Left:
    """What an earlier commit of ours left in a work tree: nothing, as a rule."""

    def __init__(self, git_dir: Path) -> None:
        self._git_dir, self._note = git_dir, git_dir / NOTE
        self._written = self._read()

    def is_ours(self, path: str, data: bytes) -> bool:
        """Whether a file holds exactly what an earlier commit of ours wrote there."""
        return self._written.get(path) == sha256(data).hexdigest()

    @property
    def paths(self) -> list[str]:
        """The files that an earlier commit of ours wrote, or was about to."""
        return sorted(self._written)

    def note(self, changes: Mapping[str, bytes | None]) -> None:
        """Say what is about to be written, and see it on disk."""
        new = {path: sha256(data).hexdigest() for path, data in changes.items() if data is not None}
        self._written |= new
        text = json.dumps(self._written, indent=2, sort_keys=True) + "\n"
        write_file(self._note, text.encode())

    def forget(self) -> None:
        """Say that the commit is made."""
        self._note.unlink(missing_ok=True)
        sync_folder(self._git_dir)

    def clear(self, top: Path) -> None:
        """Take away the locks of git's that a dead commit of ours left; leave those of others.

        Raises `RepositoryBusy` while its git is still at work: it may outlive us.
        """
        if self._written:
            if _git_works_in(top):
                raise RepositoryBusy(f"a git is still at work in {top}", hint="try again")
            branches = (common_dir(self._git_dir) / "refs" / "heads").rglob("*.lock")
            for lock in [*(self._git_dir / name for name in LOCKS), *branches]:
                take_away(lock)

    def _read(self) -> dict[str, str]:
        try:
            with self._note.open("rb") as file:
                found = json.loads(file.read(_BYTES_MAX))
        except FileNotFoundError:
            return {}
        except ValueError:
            raise NoteDamaged(self._note) from None
        if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
            raise NoteDamaged(self._note)
        return found


@contextmanager
def alone(git_dir: Path, top: Path) -> Iterator[Left]:
    """Be the only one of us who commits in a work tree; see what the one before left."""
    folder = os.open(git_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RepositoryBusy(
                f"another Countersign is committing in {git_dir}", hint="try again"
            ) from None
        left = Left(git_dir)
        left.clear(top)
        yield left
    finally:
        os.close(folder)


def take_away(lock: Path) -> bool:
    """Remove a lock that stays as it is and that nobody has open; return whether the way is free.

    Git and libgit2 hold a lock for milliseconds, and a process that is killed meanwhile leaves the
    file for ever. Whoever does hold it loses nothing: its own move fails when it comes back.
    """
    seen = _look(lock)
    for _ in range(int(PATIENCE_SECONDS / _LOOK_SECONDS)):
        if seen is None:
            return True
        time.sleep(_LOOK_SECONDS)
        now = _look(lock)
        if now != seen:
            return now is None
    if seen is not None and seen[0] in _open_files():
        return False
    lock.unlink(missing_ok=True)
    return True


def _look(path: Path) -> tuple[tuple[int, int], int, int] | None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return (found.st_dev, found.st_ino), found.st_size, found.st_mtime_ns


def _git_works_in(top: Path) -> bool:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            is_git = (process / "comm").read_text().strip() == "git"
            if is_git and (process / "cwd").readlink().is_relative_to(top):
                return True
        except OSError:
            continue  # it has ended, or is another user's
    return False


def _open_files() -> Iterator[tuple[int, int]]:
    """Yield device and number of what processes of this machine have open, as far as we may see."""
    for descriptors in Path("/proc").glob("[0-9]*/fd"):
        try:
            numbers = list(descriptors.iterdir())
        except OSError:
            continue  # it has ended, or is another user's
        for one in numbers:
            # One that closes meanwhile, like ours that listed them, says nothing of the others.
            with suppress(OSError):
                found = one.stat()
                yield found.st_dev, found.st_ino
