"""Where a controller keeps files: room, syncs, and who may read secrets or change the pin."""

import os
import stat
import statistics
import tempfile
import time
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

from controller.app.doctor_look import Check, fail, ok, warn
from controller.app.settings import Settings

FREE_FAIL_BYTES, FREE_WARN_BYTES = 256 * 1024**2, 2 * 1024**3
FREE_FAIL_INODES, FREE_WARN_INODES = 1_000, 50_000
SYNC_WARN_SECONDS = 0.05
_SYNCS = 5
_OTHERS_WRITE = 0o022
_OTHERS = 0o077


def disk(name: str, path: Path) -> Check:
    """Look at the room where a folder stands, or will: bytes and inodes."""
    place = _standing(path)
    facts = os.statvfs(place)
    free, nodes = facts.f_bavail * facts.f_frsize, facts.f_favail
    about = f"{free // 1024**2:,} MiB and {nodes:,} inodes free at {place}"
    if facts.f_files == 0:  # this file system makes inodes as it needs them
        nodes, about = FREE_WARN_INODES, f"{free // 1024**2:,} MiB free at {place}"
    mend = f"free room: du -x --max-depth=1 {place} | sort -n"
    if free < FREE_FAIL_BYTES or nodes < FREE_FAIL_INODES:
        return fail(name, f"{about}: nothing can be applied", mend)
    if free < FREE_WARN_BYTES or nodes < FREE_WARN_INODES:
        return warn(name, about, mend)
    return ok(name, about)


def sync(path: Path) -> Check:
    """Write a small file where a folder stands, or will, and see how long the disk takes."""
    place = _standing(path)
    with tempfile.TemporaryFile(dir=place) as file:
        took = statistics.median(_synced(file.fileno()) for _ in range(_SYNCS))
    about = f"a synced write takes {took * 1000:.2f} ms at {place}"
    if took > SYNC_WARN_SECONDS:
        return warn("fsync", about, "every pass waits for a few of these: use a faster disk")
    return ok("fsync", about)


def secrets(settings: Settings, named: Path) -> Check:
    """Look at who may read the database's password; `named` is the settings file."""
    file = _secret_file(settings, named)
    if file is None:
        return ok("secrets", "no file holds a password of the database")
    facts = file.stat()
    if facts.st_mode & _OTHERS:
        mode = f"{stat.S_IMODE(facts.st_mode):04o}"
        return fail(
            "secrets",
            f"{file} holds a password and others may read it ({mode})",
            f"chmod 600 {file}",
        )
    return owned("secrets", file) or ok("secrets", f"{file} is ours alone")


def settings_file(named: Path) -> Check:
    """Look at who may change the settings: pin, baseline and the audit key's path stand there.

    Whoever may write a folder on the way can put another file in its place, unless the folder is
    sticky, as `/tmp` is.
    """
    file = named.resolve()
    for place in (file, *file.parents):
        mode = place.stat().st_mode
        is_sticky = stat.S_ISDIR(mode) and mode & stat.S_ISVTX
        if mode & _OTHERS_WRITE and not is_sticky:
            what = "it" if place == file else f"{file}, through {place},"
            return fail(
                "settings file",
                f"{place}: others may change {what} ({stat.S_IMODE(mode):04o}): whom this host "
                "trusts stands there",
                f"chmod go-w {place}",
            )
        wrong = owned("settings file", place)
        if wrong is not None:
            return wrong
    return ok("settings file", f"{file} can be changed by us alone")


def pin_file(settings: Settings) -> Check:
    """Look at who may change the pinned root."""
    file = settings.path(settings.trust.root)
    mode = file.stat().st_mode
    if mode & _OTHERS_WRITE:
        return fail(
            "root file",
            f"{file} can be changed by others ({stat.S_IMODE(mode):04o})",
            f"chmod 644 {file}",
        )
    return owned("root file", file) or ok("root file", f"{file}")


def owned(name: str, file: Path) -> Check | None:
    """Return what is wrong with a file's owner: it is ours or root's."""
    owner, me = file.stat().st_uid, os.geteuid()
    if owner in {me, 0}:
        return None
    return fail(name, f"{file} belongs to user {owner}, not to {me}", f"chown {me} {file}")


def _secret_file(settings: Settings, named: Path) -> Path | None:
    if settings.database.url_file is not None:
        return settings.path(settings.database.url_file)
    written = tomllib.loads(named.read_text(encoding="utf-8")).get("database", {}).get("url")
    return named if isinstance(written, str) and _has_password(written) else None


def _has_password(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return True  # not to be told: look at the file as if it had one
    return bool(parts.password) or "password=" in url


def _standing(path: Path) -> Path:
    """Return the nearest folder that is there."""
    return next(one for one in (path, *path.parents) if one.is_dir())


def _synced(file: int) -> float:
    start = time.perf_counter()
    os.pwrite(file, b"\0" * 4096, 0)
    os.fsync(file)
    return time.perf_counter() - start
