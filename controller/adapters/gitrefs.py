"""Moving a reference: compare and set, also past a lock that somebody left behind by dying.

Git and libgit2 hold `<ref>.lock` while they move a reference, for milliseconds, and a process that
is killed meanwhile leaves the file for ever. Nobody would ever write that reference again. So a
lock that stays, unchanged and with nobody who has it open, is taken away; whoever does hold it
loses nothing, because its own move fails when it comes back.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pygit2

from controller.adapters.gitfaults import RepositoryBusy, common_dir, ref_read, why_no_ref, written
from controller.kernel.errors import Unavailable
from controller.kernel.objects import Oid

PATIENCE_SECONDS = 1.0
"""How long a lock has to stay as it is before it counts as left behind."""

_LOOK_SECONDS = 0.1


class RefMoved(Unavailable):
    """A ref is not where it was when we looked: somebody else moved it first."""

    code = "git.ref_moved"

    def __init__(self, ref: str, *, expected: Oid | None, found: Oid | None) -> None:
        names = [oid.hex()[:12] if oid else "nothing" for oid in (expected, found)]
        super().__init__(
            f"{ref} is at {names[1]}, not at {names[0]}", hint="look again and try again"
        )
        self.ref, self.expected, self.found = ref, expected, found


def target(repository: pygit2.Repository, git_dir: Path, ref: str) -> Oid | None:
    """Return what a full ref name points to; `None` when there is no such reference."""
    with ref_read(git_dir, ref):
        try:
            found = repository.lookup_reference(ref)
        except KeyError:
            fault = why_no_ref(git_dir, ref)
            if fault is not None:
                raise fault from None
            return None
        try:
            pointed = found.resolve().target
        except KeyError:
            return None  # a name for a branch that has no commit yet
    return Oid(pointed.raw) if isinstance(pointed, pygit2.Oid) else None


def move(repository: pygit2.Repository, git_dir: Path, ref: str, old: Oid | None, new: Oid) -> None:
    """Move a ref from `old` (`None`: it is not there yet) to `new`.

    Raises `RefMoved` when it is elsewhere, `RepositoryBusy` when somebody living holds its lock.
    """
    lock = common_dir(git_dir) / f"{ref}.lock"
    try:
        _move(repository, git_dir, ref, old, new)
    except RepositoryBusy as busy:
        if not _take_away(lock):
            raise RepositoryBusy(
                f"another program holds {lock}",
                hint="try again; if no git and no Countersign runs on this repository, remove it",
            ) from busy
        _move(repository, git_dir, ref, old, new)


def _move(
    repository: pygit2.Repository, git_dir: Path, ref: str, old: Oid | None, new: Oid
) -> None:
    here = target(repository, git_dir, ref)
    if here != old:
        raise RefMoved(ref, expected=old, found=here)
    try:
        with written(git_dir):
            if old is None:
                repository.references.create(ref, pygit2.Oid(raw=new), force=False)
                return
            # libgit2 compares again, under the ref's lock, with what this object was read as.
            repository.lookup_reference(ref).set_target(pygit2.Oid(raw=new))
    except RepositoryBusy:
        here = target(repository, git_dir, ref)
        if here != old:
            raise RefMoved(ref, expected=old, found=here) from None
        raise


def _take_away(lock: Path) -> bool:
    """Remove a lock that was left behind; return whether the way is free now."""
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


def _open_files() -> Iterator[tuple[int, int]]:
    """Yield device and number of what processes of this machine have open, as far as we may see."""
    for descriptors in Path("/proc").glob("[0-9]*/fd"):
        try:
            for one in descriptors.iterdir():
                found = one.stat()
                yield found.st_dev, found.st_ino
        except OSError:
            continue  # it has ended, has closed it, or is another user's
