"""The mirror: made whole, cleared of what the dead left, and few packs after many fetches."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.adapters import mirrorpacks
from controller.adapters.git import GitRepository
from controller.adapters.gitfaults import (
    PackDamaged,
    RepositoryBusy,
    RepositoryFull,
    why_nothing,
)
from controller.adapters.mirror import RESERVE_BYTES, Mirror, MirrorAbsent
from controller.adapters.remoteaddress import Remote
from controller.adapters.remotefaults import RemoteUnreachable
from controller.kernel.objects import Oid
from tests.support.gitservers import Manner, https_server, make_authority
from tests.support.house import ROOT
from tests.support.repositories import ALICE, MAIN, bare
from tests.support.trees import git

FETCH = (
    "import sys; from pathlib import Path; from controller.adapters.mirror import Mirror; "
    "from controller.adapters.remoteaddress import Remote; "
    "path, url, ca = sys.argv[1:]; "
    "Mirror.open(Path(path)).fetch(Remote('remote', url, ca_file=Path(ca)), 'refs/heads/main')"
)


@pytest.fixture
def upstream(tmp_path: Path) -> GitRepository:
    return bare(tmp_path, {"a": b"1\n"})


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return Mirror.made(tmp_path / "state" / "mirror.git", "main")


@pytest.fixture
def here(upstream: GitRepository) -> Remote:
    return Remote("remote", f"file://{upstream.path}")


def grow(upstream: GitRepository, number: int) -> Oid:
    """Add a commit that changes some files, as people do."""
    files: dict[str, bytes | None] = {
        f"f/{(number * 7) % 50}": f"{number}\n".encode() * 20,
        f"g/{number % 10}": os.urandom(200),
    }
    return upstream.commit_files(MAIN, files, message=f"change {number}", author=ALICE)


def packs(mirror: Mirror) -> int:
    return len(list((mirror.git_dir / "objects" / "pack").glob("*.pack")))


def soon(holds: Callable[[], object], seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.02)
    return False


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gits_in(mirror: Mirror) -> dict[int, str]:
    """Return the living processes whose arguments name a mirror."""
    found = {}
    for one in Path("/proc").glob("[0-9]*"):
        try:
            words = (one / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if Path(words[0]).name.startswith("git") and str(mirror.git_dir) in " ".join(words):
            found[int(one.name)] = words[0]
    return found


def tmp_packs(mirror: Mirror) -> list[Path]:
    return list((mirror.git_dir / "objects").rglob("tmp_*"))


# Making and opening


def test_a_mirror_is_made_bare_and_follows_its_branch(tmp_path: Path) -> None:
    made = Mirror.made(tmp_path / "mirror.git", "release/2026")

    assert made.repository.is_bare
    assert made.repository.head_ref() == "refs/heads/release/2026"
    assert git(made.git_dir, "config", "gc.auto") == "0"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["mirror.git"]
    assert (tmp_path / "mirror.git").stat().st_mode & 0o077 == 0

    assert Mirror.made(tmp_path / "mirror.git", "main").repository.head_ref() == MAIN


def test_a_mirror_that_was_never_made_is_not_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(MirrorAbsent):
        Mirror.open(tmp_path / "mirror.git")


def test_half_a_mirror_of_a_dead_one_goes_and_one_that_is_being_made_stays(tmp_path: Path) -> None:
    dead, living = tmp_path / "mirror.git.new-dead", tmp_path / "mirror.git.new-living"
    for one in (dead, living):
        (one / "objects").mkdir(parents=True)
    hold = (
        "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX); "
        "print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(living)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        other.stdout.readline()

        Mirror.made(tmp_path / "mirror.git", "main")

        assert not dead.exists()
        assert living.exists()
        other.communicate()


def test_what_a_dead_fetch_left_is_cleared_when_the_mirror_is_opened(
    mirror: Mirror, here: Remote
) -> None:
    mirror.fetch(here, MAIN)
    objects = mirror.git_dir / "objects"
    left = [
        objects / "pack" / "tmp_pack_x1", objects / "pack" / "tmp_idx_x1",
        objects / "pack" / "pack_git2_x1", objects / "tmp_obj_x1", objects / "ab" / "tmp_obj_y1",
        mirror.git_dir / "packed-refs.lock", mirror.git_dir / "shallow.lock",
        mirror.git_dir / "refs" / "quarantine" / "remote.lock",
    ]  # fmt: skip
    for one in left:
        one.parent.mkdir(exist_ok=True)
        one.write_bytes(b"half")
    kept = sorted((objects / "pack").glob("pack-*"))

    Mirror.made(mirror.git_dir, "main")

    assert [one for one in left if one.exists()] == []
    assert sorted((objects / "pack").glob("pack-*")) == kept


# The lock


def test_two_do_not_fetch_at_once(mirror: Mirror, here: Remote) -> None:
    other = Mirror.open(mirror.git_dir)

    with mirror.held(), pytest.raises(RepositoryBusy), other.held():
        pass
    with mirror.held():
        assert not other.tidy()

    other.fetch(here, MAIN)


def test_a_fetch_waits_for_a_moment_of_tidying(mirror: Mirror, here: Remote) -> None:
    begun = threading.Event()

    def tidy() -> None:
        with mirror.held():
            begun.set()
            time.sleep(0.3)

    thread = threading.Thread(target=tidy)
    thread.start()
    begun.wait(5)

    assert Mirror.open(mirror.git_dir).fetch(here, MAIN)
    thread.join()


def test_a_controller_that_lives_keeps_the_lock(mirror: Mirror, here: Remote) -> None:
    script = (
        "import sys; from pathlib import Path; from controller.adapters.mirror import Mirror\n"
        "with Mirror.open(Path(sys.argv[1])).held():\n"
        "    print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(mirror.git_dir)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        other.stdout.readline()

        with pytest.raises(RepositoryBusy), mirror.held():
            pass

        assert other.poll() is None
        other.communicate()
    mirror.fetch(here, MAIN)


@contextmanager
def dripping(upstream: GitRepository, folder: Path) -> Iterator[tuple[str, Path, Manner]]:
    """Serve a repository so slowly that a fetch can be met in the middle of its pack."""
    upstream.commit_files(MAIN, {"noise": os.urandom(300_000)}, message="noise", author=ALICE)
    ca_file, certificate = make_authority(folder)
    manner = Manner(drips=True)
    with https_server(upstream.path.parent, manner, certificate) as address:
        yield f"{address}/{upstream.path.name}", ca_file, manner


def test_a_controller_that_is_killed_leaves_a_mirror_that_the_next_one_fetches_into(
    upstream: GitRepository, mirror: Mirror, tmp_path: Path
) -> None:
    with dripping(upstream, tmp_path) as (url, ca_file, manner):
        with subprocess.Popen(
            [sys.executable, "-c", FETCH, str(mirror.git_dir), url, str(ca_file)], cwd=ROOT
        ) as doomed:
            assert soon(lambda: tmp_packs(mirror))
            doomed.kill()
        orphans = gits_in(mirror)
        assert orphans, "the git that it left behind is still fed"
        manner.drips = False

        again = Mirror.made(mirror.git_dir, "main")
        assert tmp_packs(again) == []
        tip = again.fetch(Remote("remote", url, ca_file=ca_file), MAIN)

    assert tip == upstream.target(MAIN)
    assert soon(lambda: not any(lives(pid) for pid in orphans))


def test_a_fetch_of_our_own_other_thread_is_not_ended(
    upstream: GitRepository, mirror: Mirror, tmp_path: Path
) -> None:
    with dripping(upstream, tmp_path) as (url, ca_file, manner):
        remote = Remote("remote", url, ca_file=ca_file)
        thread = threading.Thread(target=mirror.fetch, args=(remote, MAIN))
        thread.start()
        assert soon(lambda: tmp_packs(mirror))

        with pytest.raises(RepositoryBusy), Mirror.open(mirror.git_dir).held():
            pass

        manner.drips = False
        thread.join(20)
    assert mirror.fetched(remote) == upstream.target(MAIN)


def test_a_git_that_is_killed_is_told_and_leaves_nothing(
    upstream: GitRepository, mirror: Mirror, tmp_path: Path
) -> None:
    with dripping(upstream, tmp_path) as (url, ca_file, manner):
        remote = Remote("remote", url, ca_file=ca_file)

        def kill() -> None:
            if soon(lambda: tmp_packs(mirror)):
                for pid in gits_in(mirror):
                    os.kill(pid, signal.SIGKILL)

        thread = threading.Thread(target=kill)
        thread.start()
        with pytest.raises(RemoteUnreachable):
            mirror.fetch(remote, MAIN)
        thread.join()

        assert tmp_packs(mirror) == []
        assert mirror.fetched(remote) is None
        manner.drips = False
        assert mirror.fetch(remote, MAIN) == upstream.target(MAIN)


def test_a_fetch_leaves_room_on_the_disk_for_others(mirror: Mirror, here: Remote) -> None:
    room = os.statvfs(mirror.git_dir)
    free = room.f_bavail * room.f_frsize

    with pytest.raises(RepositoryFull):
        mirror.fetch(here, MAIN, reserve_bytes=free + RESERVE_BYTES)

    mirror.fetch(here, MAIN)


# Quarantine


def test_quarantine_of_a_remote_that_is_ours_no_more_is_dropped(
    mirror: Mirror, here: Remote, upstream: GitRepository
) -> None:
    second = Remote("remote.second", here.url)
    mirror.fetch(here, MAIN)
    mirror.fetch(second, MAIN)

    mirror.forget([here])

    assert mirror.fetched(here) == upstream.target(MAIN)
    assert mirror.fetched(second) is None


# Packs


@pytest.mark.slow
def test_packs_stay_few_over_three_hundred_fetches(
    upstream: GitRepository, mirror: Mirror, here: Remote
) -> None:
    reader = GitRepository.open(mirror.git_dir)
    most = 0
    for number in range(300):
        tip = grow(upstream, number)
        assert mirror.fetch(here, MAIN) == tip
        mirror.tidy()
        most = max(most, packs(mirror))
        reader.tree_of(tip)

    assert most <= 2 * mirrorpacks.PACKS_MAX
    assert git(mirror.git_dir, "fsck", "--full", "--strict") == ""


def rolled(upstream: GitRepository, mirror: Mirror, here: Remote, times: int) -> None:
    for number in range(times):
        grow(upstream, number)
        mirror.fetch(here, MAIN)
    with mirror.held() as lock:
        mirrorpacks.roll_up(mirror.git_dir, keep=(lock,))


def test_a_roll_up_leaves_what_it_replaced_until_the_next_one(
    upstream: GitRepository, mirror: Mirror, here: Remote
) -> None:
    rolled(upstream, mirror, here, 4)
    assert packs(mirror) == 5

    rolled(upstream, mirror, here, 0)

    assert packs(mirror) == 1
    assert git(mirror.git_dir, "fsck", "--full", "--strict") == ""
    assert mirror.repository.tree_of(mirror.fetched(here) or Oid(b""))


def test_a_reader_that_opened_the_mirror_before_finds_everything(
    upstream: GitRepository, mirror: Mirror, here: Remote
) -> None:
    commits = []
    for number in range(4):
        commits.append(grow(upstream, number))
        mirror.fetch(here, MAIN)
    reader = GitRepository.open(mirror.git_dir)
    reader.header(commits[0])

    rolled(upstream, mirror, here, 1)
    rolled(upstream, mirror, here, 1)
    rolled(upstream, mirror, here, 1)

    for commit in commits:
        tree = reader.tree_of(commit)
        blob = reader.entry(tree, "a")
        assert blob is not None
        assert reader.read(blob) == b"1\n"
    assert not reader.has(Oid(b"\1" * 20))


def test_packs_that_come_and_go_are_no_damage(mirror: Mirror, here: Remote) -> None:
    mirror.fetch(here, MAIN)
    folder = mirror.git_dir / "objects" / "pack"
    index = next(folder.glob("*.idx"))
    pack = index.with_suffix(".pack")
    copy = folder / f"pack-{'0' * 40}.pack"
    until = time.monotonic() + 2

    def come_and_go() -> None:
        while time.monotonic() < until:
            copy.hardlink_to(pack)  # as git does: the pack first, a moment later its index
            time.sleep(0.001)
            copy.with_suffix(".idx").hardlink_to(index)
            copy.unlink()  # as a roll-up does
            time.sleep(0.001)
            copy.with_suffix(".idx").unlink()

    thread = threading.Thread(target=come_and_go)
    thread.start()
    found = set()
    while time.monotonic() < until:
        found.add(why_nothing(mirror.git_dir))
    thread.join()

    assert found == {None}
    copy.hardlink_to(pack)
    assert isinstance(why_nothing(mirror.git_dir), PackDamaged)


def test_nothing_that_was_fetched_is_lost_even_when_nobody_names_it(
    upstream: GitRepository, mirror: Mirror, here: Remote
) -> None:
    first = upstream.target(MAIN)
    assert first is not None
    forgotten = grow(upstream, 1)
    mirror.fetch(here, MAIN)
    git(upstream.path, "update-ref", MAIN, first.hex())

    rolled(upstream, mirror, here, 3)
    rolled(upstream, mirror, here, 3)

    assert mirror.repository.has(forgotten)


def test_a_roll_up_that_died_before_its_note_is_made_again(
    upstream: GitRepository, mirror: Mirror, here: Remote
) -> None:
    rolled(upstream, mirror, here, 3)
    note = mirror.git_dir / "countersign-packs.json"
    note.unlink()
    before = packs(mirror)

    rolled(upstream, mirror, here, 0)
    rolled(upstream, mirror, here, 0)

    assert packs(mirror) < before
    assert git(mirror.git_dir, "fsck", "--full", "--strict") == ""


@pytest.mark.parametrize("said", ["", "{", "[]", '{"by": "pack-x", "replaced": "pack"}'])
def test_a_note_that_says_nothing_removes_nothing(
    upstream: GitRepository, mirror: Mirror, here: Remote, said: str
) -> None:
    rolled(upstream, mirror, here, 3)
    (mirror.git_dir / "countersign-packs.json").write_text(said)

    rolled(upstream, mirror, here, 0)

    assert git(mirror.git_dir, "fsck", "--full", "--strict") == ""


def test_a_pack_whose_heir_is_gone_is_kept(
    upstream: GitRepository, mirror: Mirror, here: Remote
) -> None:
    rolled(upstream, mirror, here, 3)
    heir = json.loads((mirror.git_dir / "countersign-packs.json").read_text())["by"]
    for one in (mirror.git_dir / "objects" / "pack").glob(f"{heir}*"):
        one.unlink()

    rolled(upstream, mirror, here, 0)

    assert git(mirror.git_dir, "fsck", "--full", "--strict") == ""
