"""What goes wrong with a git repository on disk, each thing as an error of its own.

libgit2 says "not found" of an object that is gone, of one that it may not open and of a whole pack
that it cannot read, and skips a reference that it cannot parse. Whoever believed that would take a
failed read for "nothing is there". So when something is not found we look why, and only a sound
repository that does not hold it has answered. Looking costs nothing as long as things are found.
"""

import errno
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pygit2

from controller.kernel.errors import ControllerError, Corrupt, Refused, Unavailable
from controller.kernel.objects import MissingObject, Oid

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_PACK_MIN_BYTES = 12 + 20  # a header and a checksum
_INDEX_MIN_BYTES = 8 + 256 * 4 + 2 * 20
_HASH_BYTES = 20
_LOOKS, _LOOK_SECONDS = 10, 0.05
_NAMED = re.compile(r"no match for id \(([0-9a-f]{40})\)")
_PACKED = re.compile(r"[0-9a-f]{40} (refs/\S+)")


class NoRepository(Refused):
    """A path holds no git repository that we can read."""

    code = "git.no_repository"


class NotStarted(Refused):
    """No repository can be made at a path."""

    code = "git.not_started"


class RepositoryGone(Unavailable):
    """The repository was there when it was opened, and is not any more."""

    code = "git.gone"

    def __init__(self, git_dir: Path) -> None:
        super().__init__(
            f"the repository {git_dir} is gone",
            hint="is its disk mounted? put it back, or clone it there again",
        )
        self.git_dir = git_dir


class RepositoryNotAllowed(Unavailable):
    """The operating system does not let us read or write a file of the repository."""

    code = "git.not_allowed"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path}: {reason}",
            hint="let the user that runs Countersign read and write the repository, all of it",
        )
        self.path = path


class RepositoryFull(Unavailable):
    """There is no disk space for what was to be written into the repository."""

    code = "git.full"

    def __init__(self, git_dir: Path, reason: str) -> None:
        super().__init__(
            f"cannot write into {git_dir}: {reason}",
            hint="free disk space (or the quota) there, then run this again",
        )
        self.git_dir = git_dir


class RepositoryBusy(Unavailable):
    """Another program holds a lock of the repository."""

    code = "git.busy"


class ObjectDamaged(Corrupt):
    """An object is there and its bytes are not what was written."""

    code = "git.object_damaged"

    def __init__(self, oid: Oid, reason: str) -> None:
        super().__init__(
            f"object {oid.hex()} is damaged: {reason}",
            hint="copy the object from another clone; `git fsck --full` names all that are damaged",
        )
        self.oid = oid


class PackDamaged(Corrupt):
    """A pack and its index do not belong together, or one of them is missing or cut off."""

    code = "git.pack_damaged"

    def __init__(self, pack: Path, reason: str) -> None:
        super().__init__(
            f"{pack}: {reason}",
            hint="clone the repository again beside this one, or copy the pack from another clone",
        )
        self.pack = pack


class AlternateGone(Unavailable):
    """Objects are borrowed from another repository, and that is not there."""

    code = "git.alternate_gone"

    def __init__(self, git_dir: Path, alternate: Path) -> None:
        super().__init__(
            f"{git_dir} borrows objects from {alternate}, which is not there",
            hint="bring it back (is its disk mounted?), or clone again without --shared",
        )
        self.alternate = alternate


class ShallowHistory(Refused):
    """The clone was cut off: history goes on where it has no more commits."""

    code = "git.shallow"

    def __init__(self, git_dir: Path, commit: Oid) -> None:
        super().__init__(
            f"{git_dir} is a shallow clone, it ends at {commit.hex()[:12]}",
            hint="git fetch --unshallow (in CI: fetch with full depth)",
        )
        self.commit = commit


class RefDamaged(Corrupt):
    """A reference is there and names no object."""

    code = "git.ref_damaged"

    def __init__(self, ref: str, reason: str) -> None:
        super().__init__(
            f"{ref}: {reason}",
            hint="write it anew with `git update-ref`, from the reflog or from another clone",
        )
        self.ref = ref


OBJECT_ERRORS = (KeyError, pygit2.GitError, OSError)
"""What libgit2 raises when it cannot read an object."""


@contextmanager
def object_read(git_dir: Path, oid: Oid) -> Iterator[None]:
    """Raise what keeps libgit2 from an object as an error of ours."""
    try:
        yield
    except OBJECT_ERRORS as error:
        raise object_fault(git_dir, oid, error) from error


def object_fault(git_dir: Path, oid: Oid, error: Exception) -> ControllerError:
    """Return what keeps libgit2 from an object as an error of ours."""
    if isinstance(error, KeyError) or "object not found" in str(error):
        # Whoever walks meets other objects than the one that was asked for.
        met = _NAMED.search(str(error))
        return why_missing(git_dir, Oid(bytes.fromhex(met[1])) if met is not None else oid)
    return _system(git_dir, error) or ObjectDamaged(oid, _words(error))


@contextmanager
def ref_read(git_dir: Path, ref: str) -> Iterator[None]:
    """Raise what keeps libgit2 from a reference as an error of ours."""
    try:
        yield
    except (KeyError, ValueError, pygit2.GitError, OSError) as error:
        fault = why_nothing(git_dir) or _system(git_dir, error)
        raise fault or RefDamaged(ref, _words(error)) from error


@contextmanager
def written(git_dir: Path) -> Iterator[None]:
    """Raise what keeps libgit2 from writing as an error of ours."""
    try:
        yield
    except (pygit2.GitError, OSError) as error:
        fault = why_nothing(git_dir) or _system(git_dir, error)
        if fault is None and isinstance(error, OSError) and error.errno is not None:
            raise  # not libgit2's, which gives no number
        if fault is None:
            raise RepositoryBusy(f"{git_dir}: {_words(error)}", hint="try again") from error
        raise fault from error


@contextmanager
def started(path: Path) -> Iterator[None]:
    """Raise what keeps libgit2 from making a repository as an error of ours."""
    try:
        yield
    except pygit2.GitError as error:
        raise _system(path, error) or NotStarted(
            f"{path}: {_words(error)}", hint="name a folder whose parents are folders"
        ) from error


def why_closed(path: Path, error: Exception) -> ControllerError:
    """Return why a repository cannot be opened."""
    closed = (one for one in (*reversed(path.absolute().parents), path, path / "HEAD"))
    for one in closed:
        if one.exists() and not os.access(one, os.R_OK if one.is_file() else os.X_OK):
            return RepositoryNotAllowed(one, os.strerror(errno.EACCES))
    reason = _words(error).removeprefix(f"{path}: ")
    return _system(path, error) or NoRepository(
        f"{path}: {reason}", hint="give the path of a git repository (SHA-1 ids)"
    )


def why_missing(git_dir: Path, oid: Oid) -> ControllerError:
    """Return why an object is not found; `MissingObject` when nothing else is wrong."""
    name = oid.hex()
    loose = git_dir / "objects" / name[:2] / name[2:]
    if os.path.lexists(loose):
        if not os.access(loose, os.R_OK):
            return RepositoryNotAllowed(loose, os.strerror(errno.EACCES))
        return ObjectDamaged(oid, "it is no plain file that can be opened")
    return why_nothing(git_dir) or MissingObject(oid)


def why_nothing(git_dir: Path) -> ControllerError | None:
    """Return what is wrong with a repository so that things in it are not found, if it is that."""
    try:
        if not (git_dir / "HEAD").is_file():
            return RepositoryGone(git_dir)
        common = common_dir(git_dir)
        for folder in (common, common / "refs", common / "objects", common / "objects" / "pack"):
            if folder.exists() and not os.access(folder, os.R_OK | os.X_OK):
                return RepositoryNotAllowed(folder, os.strerror(errno.EACCES))
        alternate = _lost_alternate(common / "objects")
        if alternate is not None:
            return AlternateGone(git_dir, alternate)
        return _closed_folder(common / "objects") or _damaged_pack(common / "objects" / "pack")
    except OSError as error:
        return _system(git_dir, error) or RepositoryNotAllowed(git_dir, _words(error))


def why_no_ref(git_dir: Path, ref: str) -> ControllerError | None:
    """Return why a reference is not found, if it is for another reason than that there is none."""
    if not (git_dir / "HEAD").is_file():
        return RepositoryGone(git_dir)
    common = common_dir(git_dir)
    loose = common / ref
    folders = (one for one in loose.parents if one.is_relative_to(common))
    for path in (common / "packed-refs", *reversed(list(folders)), loose):
        if os.path.lexists(path) and not os.access(path, os.R_OK):
            return RepositoryNotAllowed(path, os.strerror(errno.EACCES))
    # libgit2 says once that packed-refs cannot be parsed, and "not found" from then on.
    if loose.is_file() or ref in _packed(common):
        return RefDamaged(ref, "it is there, and git does not see it")
    return None


def check_depth(git_dir: Path, commit: Oid) -> None:
    """Raise `ShallowHistory` when a commit without parents is where the clone was cut off."""
    if commit.hex() in _shallow(git_dir):
        raise ShallowHistory(git_dir, commit)


def check_whole(git_dir: Path) -> None:
    """Raise `ShallowHistory` when any history in the clone was cut off."""
    for commit in sorted(_shallow(git_dir)):
        raise ShallowHistory(git_dir, Oid(bytes.fromhex(commit)))


def check_refs(git_dir: Path, known: set[str]) -> None:
    """Raise when there are references of which libgit2 says nothing: it skips what it cannot parse.

    `known` are those that it named.
    """
    common = common_dir(git_dir)
    for ref in sorted(_packed(common) - known):
        raise RefDamaged(ref, "it is in packed-refs, and git does not see it")
    for folder, _, names in os.walk(common / "refs", onerror=_raise):
        for name in sorted(names):
            ref = (Path(folder) / name).relative_to(common).as_posix()
            if not name.endswith(".lock") and ref not in known:
                raise RefDamaged(ref, "its file cannot be read as a reference")


def _packed(common: Path) -> set[str]:
    """Return the references in packed-refs; raise `RefDamaged` when it cannot be parsed."""
    packed, found = common / "packed-refs", set[str]()
    for line in packed.read_text(errors="replace").splitlines() if packed.exists() else ():
        match = _PACKED.fullmatch(line)
        if match is not None:
            found.add(match[1])
        elif line[:1] not in {"#", "^"}:
            raise RefDamaged("packed-refs", f"{line[:60]!r} is no reference")
    return found


def _raise(error: OSError) -> None:
    raise error


def common_dir(git_dir: Path) -> Path:
    """Return where objects and branches are: elsewhere, in a linked work tree."""
    link = git_dir / "commondir"
    return (git_dir / link.read_text().strip()).resolve() if link.is_file() else git_dir


def _shallow(git_dir: Path) -> frozenset[str]:
    try:
        return frozenset((common_dir(git_dir) / "shallow").read_text().split())
    except FileNotFoundError:
        return frozenset()
    except OSError as error:
        raise RepositoryNotAllowed(git_dir / "shallow", _words(error)) from error


def _lost_alternate(objects: Path) -> Path | None:
    listed = objects / "info" / "alternates"
    if not listed.is_file():
        return None
    lines = (line for line in listed.read_text().splitlines() if line and line[0] != "#")
    places = (objects / line for line in lines)
    return next((place for place in places if not place.is_dir()), None)


def _closed_folder(objects: Path) -> ControllerError | None:
    for folder in objects.iterdir():
        if folder.is_dir() and not os.access(folder, os.R_OK | os.X_OK):
            return RepositoryNotAllowed(folder, os.strerror(errno.EACCES))
    return None


def _damaged_pack(folder: Path) -> ControllerError | None:
    for pack in sorted(folder.glob("pack-*.pack")):
        try:
            fault = _pack_fault(pack, pack.with_suffix(".idx"))
        except FileNotFoundError:
            if pack.exists():
                raise
            continue  # A larger pack has taken its place meanwhile; it went before its index.
        if fault is not None:
            return fault
    return None


def _pack_fault(pack: Path, index: Path) -> ControllerError | None:
    for one in (pack, index):
        if one.exists() and not os.access(one, os.R_OK):
            return RepositoryNotAllowed(one, os.strerror(errno.EACCES))
    if _stays_without(pack, index):
        return PackDamaged(pack, "its index is missing; `git index-pack` makes it again")
    if pack.stat().st_size < _PACK_MIN_BYTES or index.stat().st_size < _INDEX_MIN_BYTES:
        return PackDamaged(pack, "it or its index was cut off")
    # An index ends with the checksum of its pack, which is also how the pack ends.
    if _tail(pack, _HASH_BYTES) != _tail(index, 2 * _HASH_BYTES)[:_HASH_BYTES]:
        return PackDamaged(pack, "it and its index do not belong together, or one was cut off")
    return None


def _stays_without(pack: Path, index: Path) -> bool:
    """Whether a pack has no index: git puts the pack in place first, and removes either first."""
    for _ in range(_LOOKS):
        if index.is_file() or not pack.exists():
            return False
        time.sleep(_LOOK_SECONDS)
    return True


def _tail(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        file.seek(-count, os.SEEK_END)
        return file.read(count)


def _system(git_dir: Path, error: Exception) -> ControllerError | None:
    """Return what the operating system refused, if it was that.

    libgit2 hands the number on as words alone, at the end of its message.
    """
    number = error.errno if isinstance(error, OSError) else None
    said = str(error)

    def was(numbers: tuple[int, ...]) -> str | None:
        return next(
            (os.strerror(n) for n in numbers if n == number or os.strerror(n) in said), None
        )

    full, forbidden = was(_FULL), was(_FORBIDDEN)
    if full is not None:
        return RepositoryFull(git_dir, full)
    return RepositoryNotAllowed(git_dir, _words(error)) if forbidden is not None else None


def _words(error: Exception) -> str:
    return str(error).strip().strip("\"'").rstrip(": ")
