"""The mirror: a full bare copy of a remote repository, kept under the state folder for months.

One lock stands for whoever fetches or tidies. The git child inherits it, so it is held until the
last process of that child has ended, also when we were killed; whoever comes next ends such
children, which nobody waits for any more, and clears what they left. Every fetch brings a pack, so
small packs are rolled up into larger ones, and what a roll-up replaced is removed by the next one:
whoever opened the mirror in between finds either. Nothing is ever pruned here. The mirror may be
thrown away as long as nobody has it open: all of it can be fetched, or written, again.
"""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from controller.adapters import gitfaults, mirrorlock, mirrorpacks, remote
from controller.adapters.children import Stopped
from controller.adapters.files import sync_folder
from controller.adapters.git import GitRepository
from controller.adapters.gitcli import run_git
from controller.adapters.gitfaults import NoRepository, RepositoryBusy, RepositoryFull
from controller.adapters.gitleft import take_away
from controller.adapters.remoteaddress import Remote, branch_ref
from controller.adapters.remotefaults import RemoteTooLarge
from controller.kernel.objects import Oid

QUARANTINE = "refs/quarantine/"
RESERVE_BYTES = 256 * 1024**2
"""So much of the disk is left to others: the database may stand on it, too."""

_LOCK = "countersign-mirror.lock"
_SECONDS = 30.0
_TIDYING_SECONDS = 10.0  # a thread of ours may just roll up small packs
_LEFT = ("tmp_*", "pack/tmp_*", "pack/.tmp-*", "pack/pack_git2_*", "??/tmp_obj_*")
_HALF = ".new-"
_SETTINGS = {
    "core.fsync": "all",
    "core.hooksPath": os.devnull,
    "core.logAllRefUpdates": "false",
    "fetch.fsckObjects": "true",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "transfer.fsckObjects": "true",
}


class MirrorAbsent(NoRepository):
    """The remote has not been fetched on this host yet."""

    code = "mirror.absent"

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"there is no mirror in {path} yet", hint="`countersign run controller` fetches it"
        )


class Mirror:
    """A bare repository of ours that follows one branch of others."""

    def __init__(self, repository: GitRepository) -> None:
        self.repository = repository
        self.git_dir = repository.git_dir

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the mirror that is there, to read it; raise `MirrorAbsent` where there is none."""
        if not path.exists():
            raise MirrorAbsent(path)
        return cls(GitRepository.open(path))

    @classmethod
    def made(cls, path: Path, branch: str) -> Self:
        """Open the mirror, making it first where there is none, and clear what a dead one left.

        What another process holds just now is left to that process.
        """
        ref = branch_ref(f"refs/heads/{branch}")
        if not path.exists():
            _make(path, branch)
        mirror = cls(GitRepository.open(path))
        if mirror.repository.head_ref() != ref:
            mirror._git("symbolic-ref", "HEAD", ref)
        with suppress(RepositoryBusy), mirror.held():
            mirror._clear()
        return mirror

    @contextmanager
    def held(self, *, wait_seconds: float = 0.0) -> Iterator[int]:
        """Be the only one who fetches or tidies; the descriptor is for children to inherit.

        Children that outlived their own controller are ended. Raises `RepositoryBusy` when somebody
        living has it for longer than `wait_seconds`.
        """
        with mirrorlock.held(self.git_dir / _LOCK, wait_seconds=wait_seconds) as handle:
            yield handle

    def fetch(
        self,
        source: Remote,
        ref: str,
        *,
        reserve_bytes: int = RESERVE_BYTES,
        stopped: Stopped | None = None,
    ) -> Oid:
        """Fetch a branch of a remote into quarantine, every object checked; return its tip.

        Nothing that others read names it; `reserve_bytes` of the disk stay free. What a killed
        fetch left is cleared before this raises.
        """
        into = quarantined(source)
        room = shutil.disk_usage(self.git_dir).free - reserve_bytes
        if room <= 0:
            raise RepositoryFull(self.git_dir, f"less than {reserve_bytes:,} bytes are free")
        with self.held(wait_seconds=_TIDYING_SECONDS) as lock:
            try:
                remote.fetch(
                    source,
                    ref,
                    git_dir=self.git_dir,
                    into=into,
                    bounds=remote.fetch_bounds(
                        file_bytes=min(source.size_max_bytes, room), stopped=stopped
                    ),
                    keep=(lock,),
                )
            except RemoteTooLarge:
                self._clear()
                if room < source.size_max_bytes:
                    raise RepositoryFull(self.git_dir, f"room for {room:,} bytes alone") from None
                raise
            except BaseException:
                self._clear()
                raise
        tip = self.repository.target(into)
        assert tip is not None  # git ended well, so it has written it
        return tip

    def fetched(self, source: Remote) -> Oid | None:
        """Return the last tip that was fetched from a remote, with all that belongs to it."""
        return self.repository.target(quarantined(source))

    def forget(self, sources: Iterable[Remote]) -> None:
        """Drop the quarantine of remotes that are none of ours any more."""
        ours = {quarantined(one) for one in sources}
        for ref in sorted(self.repository.references(QUARANTINE).keys() - ours):
            self._git("update-ref", "-d", ref)

    def tidy(self) -> bool:
        """Roll up small packs when there are many; tell whether anything was done.

        It takes as long as copying the small ones. A mirror that is held is left alone.
        """
        if not mirrorpacks.is_due(self.git_dir):
            return False
        try:
            with self.held() as lock:
                return mirrorpacks.roll_up(self.git_dir, keep=(lock,))
        except RepositoryBusy:
            return False

    def _clear(self) -> None:
        """Remove what killed children left; the lock is held, so none of them is at work."""
        with gitfaults.written(self.git_dir):
            objects = self.git_dir / "objects"
            for pattern in _LEFT:
                for one in objects.glob(pattern):
                    one.unlink(missing_ok=True)
        locks = (*self.git_dir.glob("*.lock"), *(self.git_dir / "refs").rglob("*.lock"))
        for lock in locks:
            if not lock.name.startswith("countersign-"):
                take_away(lock)

    def _git(self, *args: str) -> None:
        words = ("-c", f"safe.directory={self.git_dir}", f"--git-dir={self.git_dir}", *args)
        run_git(words, self.git_dir, timeout_seconds=_SECONDS)


def quarantined(source: Remote) -> str:
    """Return the reference that names what was last fetched from a remote, judged or not."""
    return f"{QUARANTINE}{source.name}"


def _make(path: Path, branch: str) -> None:
    """Make an empty mirror beside its place and move it there whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f"{path.name}{_HALF}*"):
        with suppress(RepositoryBusy), mirrorlock.held(left):
            shutil.rmtree(left, ignore_errors=True)
    half = Path(tempfile.mkdtemp(dir=path.parent, prefix=f"{path.name}{_HALF}"))
    with mirrorlock.held(half):
        repository = GitRepository.init(half, bare=True, branch=branch)
        for name, value in _SETTINGS.items():
            repository.config_set(name, value)
        for one in (*half.rglob("*"), half):
            if one.is_dir():
                sync_folder(one)
        try:
            half.rename(path)
        except OSError:
            shutil.rmtree(half, ignore_errors=True)
            if not path.exists():  # otherwise another process was first
                raise
    sync_folder(path.parent)
