"""A database without room, under a controller that goes on running."""

import os
from pathlib import Path

from controller.adapters.embedded import EmbeddedPostgres
from controller.adapters.migrations import migrate
from controller.adapters.postgres import connect, with_database
from controller.stores.control.events import Happened
from tests.faults.conftest import Tell
from tests.faults.living import living
from tests.faults.stories import many_ranges
from tests.faults.test_server_faults import fill, small_disk
from tests.support import world
from tests.support.chronicle import Stopwatch, Told
from tests.support.followed import Followed, live_once
from tests.support.postgres import passable_folder
from tests.support.world import Shop


def names(said: list[Happened]) -> list[str]:
    """Return what each event is called."""
    return [str(one.event) for one in said]


def test_a_database_without_room_is_asked_again_until_there_is_some(
    first_day: Path, tmp_path: Path, told: Tell
) -> None:
    watch = Stopwatch()
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
            followed = Followed(Shop.copy(first_day, tmp_path, connection), tmp_path / "state")
            live_once(followed, url)
            with living(followed, url, watch) as life:
                ballast = fill(disk, connection)
                many_ranges(followed.people, 1, count=999)
                life.loop.until(lambda: "pass.failed" in names(life.loop.said), "it fails")
                failed = next(one for one in life.loop.said if str(one.event) == "pass.failed")
                assert "No space left" in failed.message, failed
                assert followed.people.revision == 1
                ballast.unlink()
    told(
        Told(
            "The disk of PostgreSQL is full",
            "It fills up; a release of 999 rows is pushed.",
            ("`pass.failed` in the log: no space left on device", *life.seen),
            "Somebody makes room; the transaction, which was undone, is tried again.",
            watch.seconds,
        )
    )
