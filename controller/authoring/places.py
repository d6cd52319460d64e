"""Where a new repository and its keys may stand, and what to remove where a start was cut off."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from os.path import realpath
from pathlib import Path

from controller.kernel.errors import Refused


class FolderNotEmpty(Refused):
    """A repository, or its keys, should start where something stands already."""

    code = "authoring.folder_not_empty"

    def __init__(self, *folders: Path) -> None:
        super().__init__(
            f"not empty: {', '.join(map(str, folders))}",
            hint="name a new folder; where an `init` that was cut off left it, remove it: "
            f"rm -r {shlex.join(map(str, folders))}",
        )
        self.folders = folders


class KeysInRepository(Refused):
    """Private keys would stand where git commits everything."""

    code = "authoring.keys_in_repository"

    def __init__(self, keys: Path, folder: Path) -> None:
        super().__init__(
            f"the keys would stand in the repository: {keys} is in {folder}",
            hint="name a folder beside it",
        )
        self.keys, self.folder = keys, folder


class CannotStart(Refused):
    """The file system does not let a repository be made somewhere."""

    code = "authoring.cannot_start"

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(
            f"cannot start {folder}: {reason}",
            hint="name a folder whose parents are folders, on a disk that can be written and has "
            "room",
        )
        self.folder = folder


@contextmanager
def starting_at(folder: Path) -> Iterator[None]:
    """Raise what the operating system refuses while a repository is made as `CannotStart`."""
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise CannotStart(folder, f"{where}{error.strerror or error}") from error


def make_empty(folder: Path, keys: Path | None = None) -> None:
    """Make both folders; raise `FolderNotEmpty`, `KeysInRepository`, or what the system says.

    Both are looked at before one is made, so that a refusal leaves nothing behind.
    """
    folders = [folder, *([keys] if keys is not None else [])]
    # Not by `Path.resolve`, which has an error of its own for links that lead in a circle.
    if keys is not None and Path(realpath(keys)).is_relative_to(realpath(folder)):
        raise KeysInRepository(keys, folder)
    used = [one for one in folders if _is_used(one)]
    if used:
        raise FolderNotEmpty(*used)
    for one in folders:
        one.mkdir(parents=True, exist_ok=True)


def _is_used(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())
