"""Plain files: read a small folder whole; write one file so that a crash leaves old or new."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from controller.kernel.errors import Refused

FILES_MAX = 10_000
TOTAL_SIZE_MAX_BYTES = 64 * 1024 * 1024


class FolderTooBig(Refused):
    """A folder holds more than we read whole."""

    code = "files.folder_too_big"


def read_folder(folder: Path) -> dict[str, bytes]:
    """Return every plain file below a folder by its path there, in order; links are not followed.

    For folders that ship with the program or that an operator configures, never for strangers'.
    """
    found: dict[str, bytes] = {}
    size_bytes = 0
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        size_bytes += path.stat().st_size
        if len(found) >= FILES_MAX or size_bytes > TOTAL_SIZE_MAX_BYTES:
            raise FolderTooBig(
                f"{folder} holds more than {FILES_MAX:,} files or {TOTAL_SIZE_MAX_BYTES:,} bytes"
            )
        found[path.relative_to(folder).as_posix()] = path.read_bytes()
    return found


def write_file(path: Path, data: bytes, *, mode: int = 0o644, scratch: Path | None = None) -> None:
    """Put a file in place whole: write beside it, fsync, rename, fsync the folder.

    `scratch` is a folder of the same file system where a crash may leave the half-written file;
    without it that is beside the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=scratch or path.parent, prefix=".", suffix=".part")
    half = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        half.replace(path)
    except BaseException:
        half.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_exclusive(path: Path, data: bytes, *, mode: int) -> None:
    """Create a file with exactly these bytes, or leave nothing; raise `FileExistsError`."""
    # Written under no name, or under one of its own: whoever dies leaves no half of it in place.
    descriptor, half = _nameless(path.parent)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(data)
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # With a folder's descriptor Python follows the link that /proc keeps to the file.
            os.link(half or f"/proc/self/fd/{descriptor}", path.name, dst_dir_fd=folder)
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        os.close(descriptor)
        if half is not None:
            half.unlink(missing_ok=True)


def _nameless(folder: Path) -> tuple[int, Path | None]:
    """Open a new file without a name; where that cannot be, with one nobody else has."""
    if hasattr(os, "O_TMPFILE"):
        with suppress(OSError):  # not every file system can; mkstemp says what else is wrong
            return os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600), None
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=".", suffix=".part")
    return descriptor, Path(name)


def sync_folder(path: Path) -> None:
    """See the names in a folder on disk."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
