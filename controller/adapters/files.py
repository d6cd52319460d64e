"""Plain files: read a small folder whole; write one file so that a crash leaves old or new."""

import os
import tempfile
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


def write_file(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Put a file in place whole: write beside it, fsync, rename, fsync the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    beside = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
