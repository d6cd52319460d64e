"""Files that hold secrets: read only when nobody else can, written once and never over another.

Knows nothing of what is in them.
"""

import errno
import os
import shlex
import stat
from pathlib import Path

from controller.adapters import acls
from controller.adapters.files import write_exclusive
from controller.kernel.errors import Refused

SECRET_MAX_BYTES = 64 * 1024
_SECRET_MODE = 0o600
_PUBLIC_MODE = 0o644
_OTHERS = 0o077

_LOOK = "look at the file and at the folders on its way"
_UNREAD = {
    errno.ENOENT: "there is no such file: is its name right, and the folder?",
    errno.ELOOP: "name a plain file, not a link",
    errno.EACCES: "let the user that runs this read it, and nobody else",
}


class UnsafeKeyFile(Refused):
    """A secret's file is missing, not a plain file, or open to other users."""

    code = "keyfiles.unsafe"


class KeyFileExists(Refused):
    """A file that should be made is there already."""

    code = "keyfiles.exists"


def read_secret(path: Path) -> bytes:
    """Return a secret's bytes; refuse links, other kinds of file, and group or world access."""
    return _read(path, secret=True)


def read_public(path: Path) -> str:
    """Return the text of a public key file."""
    return _read(path, secret=False).decode(errors="replace")


def write_pair(path: Path, *, secret: bytes, public: str) -> None:
    """Write a private key and, beside it, `<path>.pub`; refuse when either exists.

    The public one comes first: whoever dies in between leaves no private key that nobody knows.
    """
    public_path = path.with_name(path.name + ".pub")
    if os.path.lexists(path):
        raise KeyFileExists(f"{path} exists already", hint="choose another name")
    if os.path.lexists(public_path):
        raise KeyFileExists(
            f"{public_path} exists already, and no private key beside it",
            hint="choose another name; where making a key was cut off, remove it: "
            f"rm {shlex.quote(str(public_path))}",
        )
    write_new(public_path, public.encode(), mode=_PUBLIC_MODE)
    try:
        write_new(path, secret, mode=_SECRET_MODE)
    except BaseException:
        public_path.unlink()
        raise


def write_new(path: Path, data: bytes, *, mode: int) -> None:
    """Create a file with exactly these bytes, on disk when this returns."""
    try:
        write_exclusive(path, data, mode=mode)
    except FileExistsError:
        raise KeyFileExists(f"{path} exists already", hint="choose another name") from None
    except OSError as error:
        raise UnsafeKeyFile(
            f"cannot write {path}: {error.strerror}", hint="is there room, and may we write there?"
        ) from error


def _read(path: Path, *, secret: bool) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise UnsafeKeyFile(
            f"cannot read {path}: {error.strerror}", hint=_UNREAD.get(error.errno or 0, _LOOK)
        ) from error
    try:
        _check(path, handle, secret=secret)
        with os.fdopen(handle, "rb", closefd=False) as file:
            data = file.read(SECRET_MAX_BYTES + 1)
    finally:
        os.close(handle)
    if len(data) > SECRET_MAX_BYTES:
        raise UnsafeKeyFile(
            f"{path} is larger than {SECRET_MAX_BYTES} bytes", hint="is it a key at all?"
        )
    return data


def _check(path: Path, handle: int, *, secret: bool) -> None:
    facts = os.fstat(handle)
    if not stat.S_ISREG(facts.st_mode):
        raise UnsafeKeyFile(f"{path} is not a plain file", hint="put the key's file there")
    if secret and facts.st_mode & _OTHERS and not acls.is_ours_alone(handle):
        raise UnsafeKeyFile(
            f"{path} can be read by other users (mode {stat.S_IMODE(facts.st_mode):04o})",
            hint=f"chmod 600 {path}",
        )
