"""Moving a reference: compare and set, also past a lock that somebody left behind by dying.

Git and libgit2 hold `<ref>.lock` while they move a reference, for milliseconds, and a process that
is killed meanwhile leaves the file for ever. Nobody would ever write that reference again. So a
lock that stays, unchanged and with nobody who has it open, is taken away; whoever does hold it
loses nothing, because its own move fails when it comes back.
"""

from pathlib import Path

import pygit2

from controller.adapters.gitfaults import RepositoryBusy, common_dir, ref_read, why_no_ref, written
from controller.adapters.gitleft import take_away
from controller.kernel.errors import Unavailable
from controller.kernel.objects import Oid


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
        if not take_away(lock):
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
