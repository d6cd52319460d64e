"""Wake when a branch of a local repository moves: the one place that knows `watchfiles`.

A branch is a small file below `refs/heads`, or a line of `packed-refs`, both put in place by a
rename. Only the folders on the way there are watched, never the objects. What an event says is not
used: it means "look at these two files". They are also looked at every second without any event,
because some file systems, such as NFS, tell of nothing that another machine does.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import TypeAlias

from watchfiles import watch

from controller.adapters.gitfaults import RepositoryGone, common_dir
from controller.kernel.errors import Unavailable

QUIET_MS = 5
"""An event is told once nothing has followed it for so long."""

GATHERED_MS = 50
"""Events that go on and on are told after so long."""

LOOK_MS = 1000

_Stamp: TypeAlias = tuple[tuple[int, int, int] | None, ...]


class WatchUnavailable(Unavailable):
    """The operating system does not tell us of changes; looking now and then goes on."""

    code = "watch.unavailable"

    def __init__(self, git_dir: Path, reason: str) -> None:
        super().__init__(
            f"{git_dir} cannot be watched: {reason}",
            hint="raise fs.inotify.max_user_watches, fs.inotify.max_user_instances or the limit on "
            "open files; until then a change is seen at the next poll",
        )
        self.git_dir, self.reason = git_dir, reason


def watch_branch(
    git_dir: Path,
    branch: str,
    *,
    changed: Callable[[], None],
    stop: Event,
    look_ms: int = LOOK_MS,
) -> None:
    """Call `changed` whenever a branch may have moved, until `stop` is set; it blocks till then.

    Without any event it looks every `look_ms`. It is called once at the start, too: what came
    before the watch stood was not seen. Raises `WatchUnavailable`, or `RepositoryGone` when the
    repository is not there any more.
    """
    common = common_dir(git_dir)
    seen: _Stamp | None = None
    while not stop.is_set():
        folders = _folders(common, branch)
        stamp = _stamp(common, branch)
        if stamp != seen:
            seen = stamp
            changed()
        for _ in _wakes(common, folders, stop, look_ms):
            stamp = _stamp(common, branch)
            if stamp != seen:
                seen = stamp
                changed()
            if _folders(common, branch) != folders:
                break  # a folder on the way came or went: watch the others


def _wakes(common: Path, folders: list[Path], stop: Event, look_ms: int) -> Iterator[None]:
    """Yield whenever something happened in the folders, and every `look_ms`."""
    try:
        for _ in watch(
            *folders,
            watch_filter=None,
            debounce=GATHERED_MS,
            step=QUIET_MS,
            stop_event=stop,
            rust_timeout=look_ms,
            yield_on_timeout=True,
            force_polling=False,
            recursive=False,
        ):
            yield
    except FileNotFoundError:
        return  # a folder went before it was watched; the next round sees which are there
    except (OSError, RuntimeError) as error:
        raise WatchUnavailable(common, str(error)) from error


def _folders(common: Path, branch: str) -> list[Path]:
    """Return the folders whose names change when the branch moves, as far as they are there."""
    if not (common / "HEAD").is_file():
        raise RepositoryGone(common)
    loose = common / "refs" / "heads" / branch
    between = [one for one in loose.parents if one.is_relative_to(common / "refs")]
    return [one for one in (common, *between) if one.is_dir()]


def _stamp(common: Path, branch: str) -> _Stamp:
    """Return what tells one state of the branch's two files from another."""
    return tuple(_facts(one) for one in (common / "refs/heads" / branch, common / "packed-refs"))


def _facts(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
