"""The `git` program as a child that can be killed, shielded from `GIT_*` of the environment.

What libgit2 cannot do as well runs here: streaming many blobs, and commits in a person's own work
tree with their own settings and hooks. The child has a process group of its own, an absolute
deadline, and no terminal to ask questions on.
"""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NewType

from controller.adapters import children, gitfaults, gitleft
from controller.adapters.children import Bounds
from controller.adapters.files import write_file
from controller.adapters.gitfaults import RepositoryBusy
from controller.kernel.errors import DeadlinePassed, Refused, Unavailable

OUTPUT_SHOWN_MAX = 2000
_HELD = re.compile(rb"Unable to create '([^']+\.lock)': File exists")
_STATUS = ("--porcelain=v1", "-z", "--no-renames")


ChildEnvironment = NewType("ChildEnvironment", dict[str, str])
"""An environment made by `child_environment`."""


class GitMissing(Refused):
    """There is no `git` program to run."""

    code = "git.missing"


class GitFailed(Unavailable):
    """The `git` program said no; `stderr` holds its words."""

    code = "git.failed"

    def __init__(self, args: Sequence[str], *, status: int, stderr: str) -> None:
        verb = _verb(args)
        shown = stderr.strip()[-OUTPUT_SHOWN_MAX:]
        super().__init__(f"git {verb} ended with {status}: {shown}", hint=f"run git {verb} by hand")
        self.verb, self.status, self.stderr = verb, status, stderr


class GitDeadline(DeadlinePassed):
    """The `git` program took longer than it may and was killed."""

    code = "git.deadline"


class GitStopped(Unavailable):
    """The `git` program was killed because nobody wanted its answer any more."""

    code = "git.stopped"


class GitSaidTooMuch(Refused):
    """The `git` program wrote more than we read, and was killed."""

    code = "git.said_too_much"

    def __init__(self, verb: str, limit_bytes: int) -> None:
        super().__init__(
            f"git {verb} wrote more than {limit_bytes:,} bytes",
            hint=f"run git {verb} by hand and look what it writes",
        )
        self.limit_bytes = limit_bytes


class WouldOverwrite(Refused):
    """A file of the work tree holds changes that a commit of ours would wipe out."""

    code = "git.would_overwrite"

    def __init__(self, paths: Sequence[str]) -> None:
        super().__init__(
            f"uncommitted changes in {', '.join(paths)}",
            hint="commit them, or undo them with `git restore`, and run the command again",
        )
        self.paths = tuple(paths)


@dataclass(frozen=True, slots=True)
class GitResult:
    """What a child wrote before it ended with status 0."""

    stdout: bytes
    stderr: bytes


def git_program() -> str:
    """Return the path of `git`."""
    found = shutil.which("git")
    if found is None:
        raise GitMissing("git is not installed", hint="install git 2.30 or later")
    return found


def child_environment(
    ambient: Mapping[str, str] | None = None, settings: Mapping[str, str] | None = None
) -> ChildEnvironment:
    """Return a child's environment: `ambient` without `GIT_*`, then ours, then `settings` as given.

    Without `ambient` only the search path and the home folder are kept.
    """
    kept = {"PATH": os.pathsep.join(os.get_exec_path()), "HOME": str(Path("~").expanduser())}
    kept |= {name: value for name, value in (ambient or {}).items() if name[:4] != "GIT_"}
    ours = {"GIT_TERMINAL_PROMPT": "0", "GIT_NO_REPLACE_OBJECTS": "1", "LC_ALL": "C.UTF-8"}
    return ChildEnvironment(kept | ours | dict(settings or {}))


def run_git(
    args: Sequence[str],
    cwd: Path,
    *,
    timeout_seconds: float,
    stdin: bytes = b"",
    env: ChildEnvironment | None = None,
    bounds: Bounds = Bounds(),  # noqa: B008  frozen
    keep: Sequence[int] = (),
) -> GitResult:
    """Run `git ARGS` in a folder and return what it wrote; kill it and its children when late.

    `keep` are descriptors that git and its children inherit.
    """
    verb = _verb(args)
    try:
        ended = children.run(
            [git_program(), *args],
            cwd=cwd,
            env=child_environment() if env is None else env,
            seconds=timeout_seconds,
            stdin=stdin,
            bounds=bounds,
            keep=keep,
        )
    except children.Late:
        raise GitDeadline(f"git {verb} took longer than {timeout_seconds:g} s") from None
    except children.GaveUp:
        raise GitStopped(f"git {verb} was stopped in order") from None
    except children.TooMuch:
        raise GitSaidTooMuch(verb, bounds.output_bytes) from None
    if ended.status != 0:
        lock = _HELD.search(ended.stderr)
        if lock is not None:
            raise RepositoryBusy(
                f"another program holds {os.fsdecode(lock[1])}",
                hint="try again; if no git runs there, one that was killed left it: remove it",
            )
        said = ended.stderr.decode("utf-8", "replace")
        raise GitFailed(args, status=ended.status, stderr=said)
    return GitResult(ended.stdout, ended.stderr)


def commit_paths(
    worktree: Path,
    changes: Mapping[str, bytes | None],
    message: str,
    *,
    timeout_seconds: float = 60.0,
    env: ChildEnvironment | None = None,
) -> None:
    """Write files (`None` deletes) and commit exactly them, with the person's own git settings.

    Whatever else is edited or staged stays edited or staged. A file that holds other uncommitted
    changes is not overwritten: `WouldOverwrite`. When nothing differs, nothing is committed.
    Whoever dies here leaves the commit or none, and the same call again finishes; see `gitleft`.
    """
    paths = sorted(changes)

    def git(*args: str) -> bytes:
        return run_git(
            ["--no-optional-locks", "--literal-pathspecs", *args],
            worktree,
            timeout_seconds=timeout_seconds,
            env=env,
        ).stdout

    top, git_dir = _places(git("rev-parse", "--show-toplevel", "--absolute-git-dir"))
    with gitleft.alone(git_dir, top) as left:
        if left.paths:
            # It may have died between its commit and the index that goes with it.
            git("reset", "--quiet", "--", *left.paths)
        changed = _changed(git("status", *_STATUS, "--untracked-files=all", "--", *paths))
        found = {path: _contents(top / path) for path in changed}
        lost = [
            path
            for path, data in found.items()
            if data not in (None, changes.get(path)) and not left.is_ours(path, data)
        ]
        if lost:
            raise WouldOverwrite(lost)
        with gitfaults.written(git_dir):
            left.note(changes)
            for path, data in changes.items():
                _put(top / path, data, git_dir)
        written = [path for path in paths if changes[path] is not None]
        dropped = [path for path in paths if changes[path] is None]
        if written:
            git("add", "--force", "--", *written)
        if dropped:
            git("rm", "--quiet", "--cached", "--ignore-unmatch", "--", *dropped)
        staged = _changed(git("status", *_STATUS, "--untracked-files=no", "--", *paths))
        if staged:
            git("commit", "--quiet", "--only", "--message", message, "--", *staged)
        left.forget()


def _verb(args: Sequence[str]) -> str:
    """Return git's own command among its arguments: what is no option nor an option's value."""
    words = iter(args)
    for word in words:
        if word in {"-c", "-C"}:
            next(words, None)
        elif not word.startswith("-"):
            return word
    return ""


def _places(answer: bytes) -> tuple[Path, Path]:
    top, git_dir = answer.rstrip(b"\n").split(b"\n")
    return Path(os.fsdecode(top)), Path(os.fsdecode(git_dir))


def _changed(status: bytes) -> list[str]:
    return [os.fsdecode(entry[3:]) for entry in status.split(b"\0") if entry]


def _contents(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _put(path: Path, data: bytes | None, git_dir: Path) -> None:
    if data is None:
        path.unlink(missing_ok=True)
        return
    write_file(path, data, scratch=git_dir)
