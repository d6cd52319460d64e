"""A freeze that is a file on the host: it holds while no database answers.

`FREEZE.json` says who and why; a plain `FREEZE`, as `touch` makes it, says nothing and holds all
the same. What cannot be read holds, too: a freeze is lifted by taking the file away, never by
damage. Only this host's controller and commands see it.
"""

import os
import stat
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from controller.adapters.files import sync_folder, write_exclusive, write_file
from controller.kernel import strictjson
from controller.kernel.canonical import canonical
from controller.kernel.errors import Refused
from controller.kernel.instants import format_instant, parse_instant
from controller.stores.control.holds import AlreadyHeld, HoldKind, NotHeld, Wanted

DOCUMENT, PLAIN = "FREEZE.json", "FREEZE"
_SIZE_MAX_BYTES = 64 * 1024
_MODE = 0o644
_MEMBERS = {"actor", "reason", "placed_at", "expires_at"}


@dataclass(frozen=True, slots=True)
class HostFreeze:
    """A file that holds; `actor` is empty where it does not say who."""

    reason: str
    actor: str = ""
    placed_at: datetime | None = None
    expires_at: datetime | None = None


class _Damaged(Exception):
    """A file says something else than a freeze does."""


def read(folder: Path, now: datetime) -> HostFreeze | None:
    """Return the freeze of a host, or `None` where nothing holds; raises nothing."""
    try:
        found = _document(folder / DOCUMENT, now)
        if found is None and _is_there(folder / PLAIN):
            found = HostFreeze(f"the file {folder / PLAIN} is there")
    except OSError as error:
        return HostFreeze(f"{folder} cannot be looked into: {error.strerror}")
    return found


def place(folder: Path, wanted: Wanted) -> Path:
    """Freeze this host; raise `AlreadyHeld` where it is frozen. What dies leaves no half file."""
    assert wanted.kind is HoldKind.FREEZE, "a file only freezes"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / DOCUMENT
    standing = read(folder, wanted.placed_at)
    if standing is not None:
        raise _already(standing)
    document = {
        "actor": wanted.actor,
        "reason": wanted.reason,
        "placed_at": format_instant(wanted.placed_at),
        "expires_at": format_instant(wanted.expires_at) if wanted.expires_at is not None else None,
    }
    data = canonical(document) + b"\n"
    if _is_there(file):  # one that has expired
        write_file(file, data, mode=_MODE)
        return file
    try:
        write_exclusive(file, data, mode=_MODE)
    except FileExistsError:
        raise _already(read(folder, wanted.placed_at) or HostFreeze("placed just now")) from None
    return file


def lift(folder: Path) -> None:
    """Take every freeze of this host away; raise `NotHeld` where there is none."""
    there = [file for file in (folder / DOCUMENT, folder / PLAIN) if _is_there(file)]
    if not there:
        raise NotHeld(f"freeze file in {folder}")
    for file in there:
        file.unlink(missing_ok=True)
    sync_folder(folder)


def _already(standing: HostFreeze) -> AlreadyHeld:
    by = f" by {standing.actor}" if standing.actor else ""
    return AlreadyHeld(f"host-freeze{by}: {standing.reason}")


def _is_there(file: Path) -> bool:
    """Whether anything has that name, also a link to nowhere; raise `OSError` when not known."""
    try:
        file.lstat()
    except FileNotFoundError:
        return False
    return True


def _document(file: Path, now: datetime) -> HostFreeze | None:
    """Return what the file says; `None` where there is none, or where its time is over."""
    if not _is_there(file):
        return None
    try:
        found, is_trusted = _parsed(file)
    except (_Damaged, Refused, OSError) as error:
        return HostFreeze(f"{file} is there and cannot be read: {error}")
    if found.expires_at is None or now < found.expires_at:
        return found
    if is_trusted:
        return None
    # Whoever may write it could end the freeze: only whoever takes it away does.
    words = f"{found.reason} (expired, but others may write {file}: not believed)"
    return HostFreeze(words, found.actor, found.placed_at)


def _parsed(file: Path) -> tuple[HostFreeze, bool]:
    """Return what a file says, and whether only root and we may have written it."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as opened:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise _Damaged("it is no plain file")
        data = opened.read(_SIZE_MAX_BYTES + 1)
    if len(data) > _SIZE_MAX_BYTES:
        raise _Damaged("it is too large")
    written_by_others = facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    is_trusted = facts.st_uid in {0, os.geteuid()} and not written_by_others
    found = _freeze(strictjson.parse(data))
    if not is_trusted:
        owner = f"owner {facts.st_uid}, mode {stat.S_IMODE(facts.st_mode):04o}"
        reason = f"{found.reason} ({file} may be written by others: {owner})"
        found = HostFreeze(reason, found.actor, found.placed_at, found.expires_at)
    return found, is_trusted


def _freeze(document: Any) -> HostFreeze:
    if not isinstance(document, dict) or document.keys() != _MEMBERS:
        raise _Damaged("it has other members than actor, reason, placed_at and expires_at")
    actor, reason = document["actor"], document["reason"]
    if not isinstance(actor, str) or not isinstance(reason, str):
        raise _Damaged("actor and reason are texts")
    placed, expires = document["placed_at"], document["expires_at"]
    if not isinstance(placed, str) or not isinstance(expires, str | None):
        raise _Damaged("placed_at is an instant, expires_at one or null")
    until = parse_instant(expires) if expires is not None else None
    return HostFreeze(reason, actor, parse_instant(placed), until)
