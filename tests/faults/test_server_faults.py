"""A database server that is killed, or has no room, in the middle of a pass."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from controller.adapters.embedded import EmbeddedPostgres
from controller.adapters.migrations import migrate
from controller.adapters.postgres import DatabaseFull, DatabaseUnavailable, connect, with_database
from controller.kernel.errors import ControllerError
from tests.faults.stories import many_ranges, one_range
from tests.faults.test_pass_crashes import assert_proven, assert_whole
from tests.support import world
from tests.support.postgres import passable_folder
from tests.support.world import Shop

ROOM_MIB, LEFT_BYTES = 48, 64 * 1024


def test_a_server_that_is_killed_in_the_middle_of_a_pass_loses_nothing_and_adds_nothing(
    first_day: Path, tmp_path: Path
) -> None:
    states: dict[int, dict[str, str]] = {}
    with passable_folder() as folder:
        with EmbeddedPostgres(folder / "state") as server:
            with connect(server.url, application_name="tests", autocommit=True) as connection:
                migrate(connection)
            with world.open_connection(server.url) as connection:
                shop = Shop.copy(first_day, tmp_path, connection)
                shop.reconcile()
                assert_whole(shop, states)
                one_range(shop, 1)
                assert server.pid is not None
                error = killed_while_it_waits(server.url, server.pid, shop)

        assert isinstance(error, DatabaseUnavailable)
        assert error.hint
        with (
            EmbeddedPostgres(folder / "state", fsync=False) as server,
            world.open_connection(server.url) as connection,
        ):
            shop.connection = connection
            assert assert_whole(shop, states) == 1
            shop.reconcile()
            assert assert_whole(shop, states) == 2
            assert_proven(shop)


def killed_while_it_waits(url: str, postmaster: int, shop: Shop) -> ControllerError | None:
    """Run a pass that waits for a lock in its transaction, and kill the server meanwhile."""
    ended: list[ControllerError] = []

    def run() -> None:
        try:
            shop.reconcile()
        except ControllerError as error:
            ended.append(error)

    # Closed, not left in order: the server is gone by then.
    with closing(connect(url, application_name="tests", autocommit=True)) as holder:
        holder.execute("BEGIN; LOCK TABLE controller.journal")
        thread = threading.Thread(target=run)
        thread.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while holder.execute(waiting).fetchone() == (0,):
            time.sleep(0.01)
        os.kill(postmaster, signal.SIGKILL)
        thread.join(60)
    return ended[0] if ended else None


@contextmanager
def small_disk() -> Iterator[Path]:
    """Mount a small file system that the server's account can use, or skip."""
    with passable_folder() as folder:
        place = folder / "small"
        place.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM_MIB}m,mode=0777", "tmpfs", str(place)]
        if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("needs the right to mount a small file system")
        try:
            yield place
        finally:
            subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_server_without_room_says_so_and_a_pass_with_room_finishes(
    first_day: Path, tmp_path: Path
) -> None:
    states: dict[int, dict[str, str]] = {}
    with (
        small_disk() as disk,
        passable_folder() as folder,
        EmbeddedPostgres(folder / "state", fsync=False) as server,
        connect(server.url, application_name="tests", autocommit=True) as administrator,
    ):
        (disk / "data").mkdir()
        owner = (folder / "state" / "postgresql" / "data").stat()
        os.chown(disk / "data", owner.st_uid, owner.st_gid)
        administrator.execute(f"CREATE TABLESPACE small LOCATION '{disk / 'data'}'".encode())
        administrator.execute("CREATE DATABASE small TABLESPACE small STRATEGY FILE_COPY")
        url = with_database(server.url, "small")
        with connect(url, application_name="tests", autocommit=True) as connection:
            migrate(connection)
        with world.open_connection(url) as connection:
            shop = Shop.copy(first_day, tmp_path, connection)
            shop.reconcile()
            assert_whole(shop, states)
            many_ranges(shop, 1, count=999)
            ballast = fill(disk, connection)

            with pytest.raises(DatabaseFull) as found:
                shop.reconcile()

            assert found.value.hint
            assert assert_whole(shop, states) == 1
            ballast.unlink()
            shop.reconcile()
            assert assert_whole(shop, states) == 2
            assert_proven(shop)


def fill(disk: Path, connection: Any) -> Path:
    """Leave next to no room on a disk."""
    connection.execute("CHECKPOINT")
    ballast = disk / "ballast"
    facts = os.statvfs(disk)
    ballast.write_bytes(b"\0" * (facts.f_bavail * facts.f_frsize - LEFT_BYTES))
    return ballast
