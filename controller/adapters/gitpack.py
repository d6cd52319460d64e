"""Loose objects become packs, in the background: a pass neither waits for it nor can fail by it.

Every audit commit is a file of its own at first. Some thousands of such files make a push look
through all of them, and what people pushed lies loose beside them. A packer is a process of its own
with a lock of its own; `start` begins one and goes on.

One run removes the loose files that an earlier run packed, then packs what is loose now. A file is
removed only when its pack was already on disk before the run began, so whoever opened the
repository in between finds either; packs are never merged or removed here. A packer that dies
leaves at worst a temporary file that git removes one day, and its lock dies with it. Objects are
kept whole, without deltas: shards have nothing in common, and reading them back is ten times as
slow.

`python -m controller.adapters.gitpack GIT_DIR` is one run.
"""

import fcntl
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

from controller.adapters.gitcli import child_environment, run_git
from controller.kernel.errors import ControllerError

LOOSE_MAX = 1_000
"""About so many loose objects are left alone."""

OBJECTS_MAX = 50_000
"""One run packs at most so many objects; the next one goes on."""

RUN_SECONDS = 600.0
START_SECONDS = 10.0

_LOCK = "countersign-pack.lock"
_FOLDERS = 256
_SAMPLE = ("11", "4b", "91", "e3")
_FOLDER = re.compile(r"[0-9a-f]{2}")
_REST = re.compile(r"[0-9a-f]{38}")
_NICENESS = 10
_BUSY = 2


def is_due(git_dir: Path) -> bool:
    """Whether there are about `LOOSE_MAX` loose objects or more, told from a few folders."""
    found = sum(1 for folder in _SAMPLE for _ in _names(git_dir, folder))
    return found * _FOLDERS // len(_SAMPLE) >= LOOSE_MAX


def start(git_dir: Path) -> bool:
    """Begin to pack in a process of its own when it is due; tell whether it was.

    Nobody waits for it. What goes wrong there is tried again after a later pass.
    """
    if not is_due(git_dir):
        return False
    # The shell ends at once and leaves the packer to the system: no child of ours is left over.
    command = ["/bin/sh", "-c", '"$@" &', "sh", sys.executable, "-m", __spec__.name, str(git_dir)]
    with suppress(OSError, subprocess.SubprocessError):
        subprocess.run(  # noqa: S603  fixed words, the path is an argument
            command,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=child_environment(settings={"PYTHONPATH": str(Path(__file__).parents[2])}),
            start_new_session=True,
            timeout=START_SECONDS,
        )
    return True


def pack(
    git_dir: Path, *, timeout_seconds: float = RUN_SECONDS, objects_max: int = OBJECTS_MAX
) -> int | None:
    """Make one run; return how many objects it packed, or `None` when another is at it."""
    with _held(git_dir / _LOCK) as is_ours:
        if not is_ours:
            return None
        # A pack takes the place of files that are on disk: it has to be there, too, by then.
        settings = ("-c", f"safe.directory={git_dir}", "-c", "core.fsync=all")
        git = [*settings, f"--git-dir={git_dir}"]
        run_git([*git, "prune-packed", "--quiet"], git_dir, timeout_seconds=timeout_seconds)
        loose = list(islice(_loose(git_dir), objects_max))
        if len(loose) < LOOSE_MAX:
            return 0
        run_git(
            [
                *git,
                *("pack-objects", "--quiet", "--window=0", "--threads=1"),
                str(git_dir / "objects" / "pack" / "pack"),
            ],
            git_dir,
            timeout_seconds=timeout_seconds,
            stdin="\n".join([*loose, ""]).encode(),
        )
        return len(loose)


def _loose(git_dir: Path) -> Iterator[str]:
    folders = sorted(one.name for one in (git_dir / "objects").iterdir())
    for folder in folders:
        if _FOLDER.fullmatch(folder):
            yield from (folder + rest for rest in _names(git_dir, folder))


def _names(git_dir: Path, folder: str) -> list[str]:
    try:
        names = os.listdir(git_dir / "objects" / folder)  # noqa: PTH208  only the names are asked
    except FileNotFoundError:
        return []
    return [name for name in names if _REST.fullmatch(name)]


@contextmanager
def _held(path: Path) -> Iterator[bool]:
    """Hold a lock while the block runs; tell whether it was free. It ends with the process."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(handle)


def main(git_dir: str) -> int:
    """Make one run, politely; return an exit status."""
    os.nice(_NICENESS)
    try:
        return _BUSY if pack(Path(git_dir)) is None else 0
    except (ControllerError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201  seen only when somebody runs it by hand
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
