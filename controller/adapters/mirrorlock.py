"""One lock of a folder or a file, held until the last child that inherited it has ended.

A controller that is killed leaves a git at work, perhaps for as long as a server drips. That git
has the lock still open and its controller has not: whoever comes next ends it.
"""

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from controller.adapters.gitfaults import RepositoryBusy

_END_SECONDS = 2.0
_LOOK_SECONDS = 0.02
_CHILDREN = ("git", "sh")  # git, git-remote-https, and the shell that hands git a token


@contextmanager
def held(lock: Path, *, wait_seconds: float = 0.0) -> Iterator[int]:
    """Hold the lock while the block runs; raise `RepositoryBusy` when somebody living keeps it.

    The descriptor that comes with it is for children to inherit. Linux alone tells who has a file
    open: elsewhere a child that was left behind has to end by itself.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY if lock.is_dir() else os.O_RDWR | os.O_CREAT
    handle = os.open(lock, flags | os.O_CLOEXEC, 0o600)
    try:
        until = time.monotonic() + wait_seconds
        while not _locked(handle) and not (_orphans_ended(lock) and _locked(handle)):
            if time.monotonic() >= until:
                raise RepositoryBusy(f"another Countersign holds {lock}", hint="try again")
            time.sleep(_LOOK_SECONDS)
        try:
            yield handle
        finally:
            # Said aloud, because closing would not do: a grandchild may have it open for a while.
            fcntl.flock(handle, fcntl.LOCK_UN)
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _orphans_ended(lock: Path) -> bool:
    """End what holds a lock if that is only children of a controller that is gone."""
    until = time.monotonic() + _END_SECONDS
    while time.monotonic() < until:
        holders = _holders(lock)
        ours = holders.pop(os.getpid(), 0)
        if ours != 1 or not all(_is_child(pid) for pid in holders):
            return False
        if not holders:
            return True
        for pid in holders:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_LOOK_SECONDS)
    return False


def _holders(lock: Path) -> dict[int, int]:
    """Return which processes have a file open, as far as we may see, and how many times."""
    wanted = lock.stat()
    found: dict[int, int] = {}
    for descriptors in Path("/proc").glob("[0-9]*/fd"):
        with suppress(OSError):  # it has ended, or is another user's
            times = sum(_is_same(one, wanted) for one in descriptors.iterdir())
            if times:
                found[int(descriptors.parent.name)] = times
    return found


def _is_same(descriptor: Path, wanted: os.stat_result) -> bool:
    try:
        return os.path.samestat(descriptor.stat(), wanted)
    except OSError:
        return False  # closed meanwhile


def _is_child(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().startswith(_CHILDREN)
    except OSError:
        return True  # it has ended
