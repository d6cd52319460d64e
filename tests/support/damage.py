"""Ways to break a repository on disk, each as it happens: what a crash, a disk or a person does."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pygit2
import pytest
from pygit2.enums import ConfigLevel

from controller.adapters.git import GitRepository
from controller.adapters.gitcli import run_git
from controller.kernel.objects import Oid

Break = Callable[[GitRepository, Oid], None]
"""Break a repository where it holds an object."""

NOBODY = 65534


def loose(repository: GitRepository, oid: Oid) -> Path:
    """Return the file of an object that is not packed."""
    name = oid.hex()
    return repository.git_dir / "objects" / name[:2] / name[2:]


def remove(repository: GitRepository, oid: Oid) -> None:
    """Lose the object."""
    loose(repository, oid).unlink()


def scramble(repository: GitRepository, oid: Oid) -> None:
    """Let the object's file hold other bytes."""
    _write(loose(repository, oid), b"no object")


def empty(repository: GitRepository, oid: Oid) -> None:
    """Let the object's file hold nothing, as after a power cut without fsync."""
    _write(loose(repository, oid), b"")


def cut_pack(repository: GitRepository, oid: Oid) -> None:
    """Pack everything, and lose the second half of the pack."""
    pack = _packed(repository, oid)
    _write(pack, pack.read_bytes()[: pack.stat().st_size // 2])


def scramble_pack(repository: GitRepository, oid: Oid) -> None:
    """Pack everything, and flip every bit between the pack's header and its checksum."""
    pack = _packed(repository, oid)
    data = pack.read_bytes()
    _write(pack, data[:12] + bytes(byte ^ 0xFF for byte in data[12:-20]) + data[-20:])


def lose_index(repository: GitRepository, oid: Oid) -> None:
    """Pack everything, and lose the index of the pack."""
    _packed(repository, oid).with_suffix(".idx").unlink()


def cut_index(repository: GitRepository, oid: Oid) -> None:
    """Pack everything, and lose the end of the pack's index."""
    index = _packed(repository, oid).with_suffix(".idx")
    _write(index, index.read_bytes()[:500])


def lose_alternate(repository: GitRepository, oid: Oid) -> None:
    """Borrow every object from a repository that is not there."""
    del oid
    objects = repository.git_dir / "objects"
    for folder in [*objects.glob("??"), objects / "pack"]:
        shutil.rmtree(folder, ignore_errors=True)
    (objects / "info").mkdir(exist_ok=True)
    (objects / "info" / "alternates").write_text("../../away/objects\n")


def lose_repository(repository: GitRepository, oid: Oid) -> None:
    """Lose all of it."""
    del oid
    shutil.rmtree(repository.git_dir)


def close_objects(repository: GitRepository, oid: Oid) -> None:
    """Let nobody read the folder that the object is in."""
    loose(repository, oid).parent.chmod(0)


def close_object(repository: GitRepository, oid: Oid) -> None:
    """Let nobody read the object's file."""
    loose(repository, oid).chmod(0)


@contextmanager
def as_ordinary_user(*places: Path) -> Iterator[None]:
    """Give places to an ordinary user and be that user: root may read what nobody may."""
    if os.geteuid() != 0:
        yield
        return
    for place in places:
        for path in (place, *place.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    paths = pygit2.settings.search_path
    levels = (ConfigLevel.GLOBAL, ConfigLevel.XDG)
    before = {level: paths[level] for level in levels}
    with pytest.MonkeyPatch.context() as home:
        home.setenv("HOME", str(places[0]))
        for level in levels:
            paths[level] = str(places[0])
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(0)
            for level in levels:
                paths[level] = before[level]


def _packed(repository: GitRepository, oid: Oid) -> Path:
    run_git(["repack", "-adq"], repository.git_dir, timeout_seconds=60)
    assert not loose(repository, oid).exists()
    (pack,) = (repository.git_dir / "objects" / "pack").glob("*.pack")
    return pack


def _write(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)
