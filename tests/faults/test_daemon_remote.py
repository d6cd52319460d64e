"""A remote that is silent, drips, rewrites or loses its branch; a git that dies; a full disk."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.adapters.mirror import RESERVE_BYTES
from tests.faults.conftest import Tell
from tests.faults.living import living, seen
from tests.support.chronicle import Stopwatch, Told
from tests.support.followed import Followed
from tests.support.gitservers import Manner, https_server, make_authority
from tests.support.world import MAIN, NEW_RANGE, OTHER_RANGE

LARGE_BYTES = 300_000
"""More than git passes on at once, so that half a pack is on the disk."""

ROOM_BYTES = 32 * 1024**2


@contextmanager
def served_by_https(
    followed: Followed, folder: Path, **more: Any
) -> Iterator[tuple[Followed, Manner]]:
    """Put a real git server between people's repository and the host."""
    manner = Manner()
    authority, certificate = make_authority(folder)
    with https_server(followed.people.folder, manner, certificate) as address:
        asked = {"ca_file": authority, **more}
        yield replace(followed, address=f"{address}/.git", more=asked), manner


@pytest.mark.parametrize(
    ("story", "is_silent"),
    [
        ("The git server accepts connections and says nothing", True),
        ("The git server drips: two bytes of the pack a second", False),
    ],
    ids=["silent", "dripping"],
)
def test_a_server_that_holds_a_connection_is_given_up_and_asked_again(
    story: str, is_silent: bool, followed: Followed, database_url: str, tmp_path: Path, told: Tell
) -> None:
    watch = Stopwatch()
    limits = {"seconds": 1.5, "look_seconds": 1.5}
    with (
        served_by_https(followed, tmp_path, **limits) as (through, manner),
        living(through, database_url, watch) as life,
    ):
        manner.is_silent, manner.drips = is_silent, not is_silent
        followed.people.publish(add=[NEW_RANGE])
        life.waits_for("remote.deadline")
        manner.is_silent = manner.drips = False
    done = "A release is pushed; the deadline of git is 1.5 s."
    back = "git is killed at its deadline, and the remote asked again after a pause that grows."
    told(Told(story, done, tuple(life.seen), back, watch.seconds))


def test_a_git_that_is_killed_in_the_middle_of_a_fetch_is_started_again(
    followed: Followed, database_url: str, tmp_path: Path, told: Tell
) -> None:
    watch, packs = Stopwatch(), followed.git_dir / "objects" / "pack"
    with (
        served_by_https(followed, tmp_path) as (through, manner),
        living(through, database_url, watch) as life,
    ):
        manner.drips = True
        followed.people.commit({"README.md": os.urandom(LARGE_BYTES)})
        followed.people.publish(add=[NEW_RANGE])
        life.loop.until(lambda: list(packs.glob("tmp_pack_*")), "half a pack")
        for pid in children_of(os.getpid(), b"git"):
            os.killpg(pid, signal.SIGKILL)
        life.waits_for("remote.unreachable")
        manner.drips = False
    assert not list(packs.glob("tmp_*"))
    story = "git is killed (`kill -9`) in the middle of a fetch"
    done = "Half of the pack has come when it dies; a server that drips sees to that."
    back = "What git left is cleared, and it is fetched again after a pause that grows."
    told(Told(story, done, tuple(life.seen), back, watch.seconds))


def children_of(pid: int, name: bytes) -> list[int]:
    """Return the processes below one that run a program of this name."""
    found = []
    for facts in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((facts / "stat").read_text().rpartition(")")[2].split()[1])
            words = (facts / "cmdline").read_bytes().split(b"\0")
        except (OSError, IndexError):
            continue  # it has ended meanwhile
        if parent == pid and any(name in one for one in words[:3]):
            found.append(int(facts.name))
    return found


def test_a_branch_that_was_forced_back_is_not_followed_until_it_grows_from_what_was_accepted(
    followed: Followed, database_url: str, told: Tell
) -> None:
    watch, people = Stopwatch(), followed.people
    with living(followed, database_url, watch) as life:
        people.publish(add=[NEW_RANGE])
        life.loop.settles()
        accepted = people.tip
        people.commit({"README.md": b"rewritten\n"}, onto=people.baseline)
        life.stalls("trust.history_rewritten")
        people.force(accepted)
        people.publish(add=[OTHER_RANGE])
    done = "`git push --force` to a commit beside the accepted one."
    back = "A person pushes what was accepted again; the next commit on it is applied."
    told(Told("The branch is rewritten", done, tuple(life.seen), back, watch.seconds))


def test_a_branch_that_is_gone_is_not_an_empty_one(
    followed: Followed, database_url: str, told: Tell
) -> None:
    watch, people = Stopwatch(), followed.people
    with living(followed, database_url, watch) as life:
        tip = people.tip
        people.git("update-ref", "-d", MAIN)
        life.stalls("remote.branch_gone")
        people.git("update-ref", MAIN, tip.hex())
        people.publish(add=[NEW_RANGE])
    done = "`git push --delete` of the branch that is followed."
    back = "A person pushes the branch again."
    told(Told("The branch is deleted", done, tuple(life.seen), back, watch.seconds))


def test_a_tag_with_the_name_of_the_branch_changes_nothing(
    followed: Followed, database_url: str, told: Tell
) -> None:
    watch, people = Stopwatch(), followed.people
    with living(followed, database_url, watch) as life:
        for name in ("main", "heads/main"):
            people.git("update-ref", f"refs/tags/{name}", people.baseline.hex())
        turns = len(life.loop.turns)
        life.turns_by()
        assert all(one.settled for one in life.loop.turns[turns:])
        life.seen.append(seen(life.loop))
        people.publish(add=[NEW_RANGE])
    done = "Tags `main` and `heads/main` are pushed, at older commits."
    back = "Nothing has to come back: the next release is applied."
    told(Told("A tag has the name of the branch", done, tuple(life.seen), back, watch.seconds))


def test_a_mirror_without_room_waits_for_room(
    followed: Followed, database_url: str, tmp_path: Path, told: Tell
) -> None:
    watch = Stopwatch()
    with small_disk(tmp_path / "small", RESERVE_BYTES + 2 * ROOM_BYTES) as disk:
        small = replace(followed, state=disk)
        with living(small, database_url, watch) as life:
            ballast = disk / "ballast"
            ballast.write_bytes(bytes(2 * ROOM_BYTES))
            followed.people.publish(add=[NEW_RANGE])
            life.waits_for("git.full")
            ballast.unlink()
    done = "The disk under the state folder fills up; a release is pushed."
    back = "Somebody makes room; the remote is asked again after a pause that grows."
    told(Told("The disk of the mirror is full", done, tuple(life.seen), back, watch.seconds))


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[Path]:
    """Mount a small file system, or skip."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)
