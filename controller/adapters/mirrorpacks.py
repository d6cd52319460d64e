"""Many small packs become few: a fetch a minute brings half a million of them in a year.

A roll-up copies the objects of the smallest packs into one new pack and notes which packs that
replaces; the next roll-up removes them. So whoever looked the packs up in between finds the old or
the new ones, and a process that dies leaves both. Every object is copied, whether or not something
names it: nothing is lost here. The larger a pack, the more seldom it is copied again.
"""

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from controller.adapters.files import sync_folder, write_file
from controller.adapters.gitcli import run_git
from controller.kernel.errors import Unavailable

PACKS_MAX = 50
"""From this many packs on some are rolled up."""

INDEX_MAX_BYTES = 16 * 1024**2
"""A pack of more objects than this holds, half a million, is never rolled up."""

ROLL_UP_SECONDS = 600.0

_NOTE = "countersign-packs.json"
_NOTE_MAX_BYTES = 1024 * 1024
_PACK = re.compile(r"pack-[0-9a-f]{40}")
# The pack goes before its index: an index alone is skipped, a pack alone is damage.
_SUFFIXES = (".pack", ".rev", ".bitmap", ".idx")


class RollUpFailed(Unavailable):
    """Small packs could not be rolled up; they stay as they are."""

    code = "mirror.roll_up_failed"


def is_due(git_dir: Path) -> bool:
    """Whether there are `PACKS_MAX` packs or more that no roll-up has replaced."""
    return len(_packs(git_dir)) - len(_replaced(git_dir)) >= PACKS_MAX


def roll_up(git_dir: Path, *, keep: Sequence[int] = ()) -> bool:
    """Remove what the last roll-up replaced, then roll up the smallest packs; tell if any were.

    The caller holds the mirror's lock, `keep` is its descriptor.
    """
    _remove(git_dir)
    small = _small(_packs(git_dir))
    if not small:
        return False
    folder = git_dir / "objects" / "pack"
    made = _git(
        git_dir,
        ["pack-objects", "--quiet", "--window=0", "--threads=1", str(folder / "pack")],
        keep,
        stdin=b"".join(_names(git_dir, name, keep) for name in small),
    )
    name = f"pack-{made.decode('ascii', 'replace').strip()}"
    if not (folder / f"{name}.idx").is_file():
        raise RollUpFailed(f"git wrote no {name} in {folder}", hint="it is tried again by itself")
    sync_folder(folder)
    replaced = {"replaced": [one for one in small if one != name], "by": name}
    write_file(git_dir / _NOTE, json.dumps(replaced).encode())
    return True


def _remove(git_dir: Path) -> None:
    folder = git_dir / "objects" / "pack"
    for name in _replaced(git_dir):
        for suffix in _SUFFIXES:
            (folder / f"{name}{suffix}").unlink(missing_ok=True)
    sync_folder(folder)
    (git_dir / _NOTE).unlink(missing_ok=True)


def _replaced(git_dir: Path) -> list[str]:
    """Return the packs that the note names and that are safe to remove: their heir is there."""
    try:
        with (git_dir / _NOTE).open("rb") as file:
            note = json.loads(file.read(_NOTE_MAX_BYTES))
        heir, names = str(note["by"]), [str(one) for one in note["replaced"]]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return []  # without a note that can be read nothing is removed, and packs are copied again
    packs = _packs(git_dir)
    return [one for one in names if one in packs and one != heir] if heir in packs else []


def _packs(git_dir: Path) -> dict[str, int]:
    """Return packs and their sizes, but for large ones and those that somebody marks to keep."""
    folder = git_dir / "objects" / "pack"
    found = {}
    for index in folder.glob("pack-*.idx"):
        with suppress(FileNotFoundError):
            name = index.stem
            is_kept = (folder / f"{name}.keep").exists()
            if _PACK.fullmatch(name) and not is_kept and index.stat().st_size <= INDEX_MAX_BYTES:
                found[name] = (folder / f"{name}.pack").stat().st_size
    return found


def _small(packs: dict[str, int]) -> list[str]:
    """Return the packs to roll up: the smallest ones, up to those that outweigh all before."""
    names = sorted(packs, key=lambda name: (packs[name], name))
    sizes = [packs[name] for name in names]
    count = len(names)
    while count and sizes[count - 1] > sum(sizes[: count - 1]):
        count -= 1
    return names[:count] if count > 1 else []


def _names(git_dir: Path, pack: str, keep: Sequence[int]) -> bytes:
    index = git_dir / "objects" / "pack" / f"{pack}.idx"
    said = _git(git_dir, ["show-index"], keep, stdin=index.read_bytes())
    return b"".join(line.split()[1] + b"\n" for line in said.splitlines())


def _git(git_dir: Path, args: Sequence[str], keep: Sequence[int], *, stdin: bytes) -> bytes:
    words = ["-c", f"safe.directory={git_dir}", "-c", "core.fsync=all", f"--git-dir={git_dir}"]
    done = run_git(
        [*words, *args], git_dir, timeout_seconds=ROLL_UP_SECONDS, stdin=stdin, keep=keep
    )
    return done.stdout
