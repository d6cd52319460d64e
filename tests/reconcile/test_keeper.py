"""A resolver's snapshot follows production, says when it cannot, and heals what is not right."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from controller.adapters.clock import SystemClock
from controller.adapters.postgres import Connection, connect
from controller.reconcile import snapshot_base
from controller.reconcile.keeper import KeeperLimits, Place, SnapshotKeeper
from controller.reconcile.resolve import Question
from tests.support.directory import day, row
from tests.support.resolving import ENVIRONMENT, Town

QUICK = KeeperLimits(poll_seconds=0.2, check_seconds=0.2, retry_seconds=0.05)


@pytest.fixture
def live(database_url: str) -> Iterator[Connection[Any]]:
    connection = connect(database_url, application_name="tests", autocommit=True)
    yield connection
    connection.close()


@pytest.fixture
def town(live: Connection[Any]) -> Town:
    town = Town(live, 3)
    town.begin()
    return town


@contextmanager
def keeping(url: str, folder: Path, limits: KeeperLimits = QUICK) -> Iterator[SnapshotKeeper]:
    def opened() -> Connection[Any]:
        return connect(url, application_name="tests keeper", autocommit=True)

    def build() -> None:
        snapshot_base.build_in_child(url, None, ENVIRONMENT, folder)

    keeper = SnapshotKeeper(
        opened, Place(ENVIRONMENT, folder, build), {}, SystemClock(), limits=limits
    )
    keeper.start()
    try:
        yield keeper
    finally:
        keeper.stop()


def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.01)


def name_of(keeper: SnapshotKeeper, value: str) -> str | None:
    assert keeper.current is not None
    reply = keeper.current.resolve(Question("bic", value, day(1)))
    return None if reply is None else reply.body.decode()


def test_a_revision_is_answered_from_soon_after_it_is_applied(
    town: Town, database_url: str, tmp_path: Path
) -> None:
    # Polls come too late to be what tells it.
    slow = KeeperLimits(poll_seconds=600, check_seconds=600)
    with keeping(database_url, tmp_path, slow) as keeper:
        assert keeper.wait_ready(20)
        until(lambda: keeper.state.stale_since is None)
        assert name_of(keeper, "NEW") is None

        town.apply([row("identifiers", participant_id="p0", scheme="bic", value="NEW")], [])

        until(lambda: keeper.state.revision == town.revision)
        assert '"participant_id":"p0"' in (name_of(keeper, "NEW") or "")
        assert keeper.state.patches == 1


def test_who_asks_goes_on_with_the_snapshot_they_began_with(
    town: Town, database_url: str, tmp_path: Path
) -> None:
    with keeping(database_url, tmp_path) as keeper:
        assert keeper.wait_ready(20)
        until(lambda: keeper.state.revision == town.revision)
        before = keeper.current
        assert before is not None
        revision = town.revision

        town.apply([row("identifiers", participant_id="p0", scheme="bic", value="NEW")], [])
        until(lambda: keeper.state.revision == town.revision)

        assert before.resolve(Question("bic", "NEW", day(1))) is None
        assert before.facts.revision == revision


def test_without_its_database_it_answers_on_says_since_when_and_comes_back(
    town: Town, database_url: str, server_url: str, tmp_path: Path
) -> None:
    name = town.connection.info.dbname
    with (
        connect(server_url, application_name="tests", autocommit=True) as administrator,
        keeping(database_url, tmp_path) as keeper,
    ):
        until(lambda: keeper.state.stale_since is None)

        administrator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        administrator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'tests keeper'"
        )
        until(lambda: keeper.state.stale_since is not None)
        since = keeper.state.stale_since
        town.step()
        time.sleep(0.3)  # several tries

        assert keeper.current is not None
        assert keeper.current.facts.revision == town.revision - 1
        assert keeper.state.stale_since == since

        administrator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
        until(lambda: keeper.state.revision == town.revision)
        until(lambda: keeper.state.stale_since is None)


def test_a_process_that_starts_without_a_database_answers_from_the_last_file(
    town: Town, live: Connection[Any], tmp_path: Path
) -> None:
    town.apply([row("identifiers", participant_id="p0", scheme="bic", value="NEW")], [])
    snapshot_base.build(live, ENVIRONMENT, tmp_path)

    with keeping("postgresql://nobody@127.0.0.1:9/nothing", tmp_path) as keeper:
        assert keeper.wait_ready(20)
        assert '"participant_id":"p0"' in (name_of(keeper, "NEW") or "")
        assert keeper.state.stale_since is not None
        until(lambda: "127.0.0.1" in keeper.state.reason)


def test_a_rebuilt_table_makes_a_new_base(town: Town, database_url: str, tmp_path: Path) -> None:
    with keeping(database_url, tmp_path) as keeper:
        until(lambda: keeper.state.stale_since is None)
        built = keeper.state.rebuilds

        town.step(changed=1_000_000)

        until(lambda: keeper.state.revision == town.revision and not keeper.state.reason)
        assert keeper.state.rebuilds == built + 1
        assert [path.name for path in tmp_path.glob("*.base")] == ["000000000003.base"]


def test_a_large_base_is_written_by_a_child(town: Town, database_url: str, tmp_path: Path) -> None:
    with keeping(database_url, tmp_path, KeeperLimits(poll_seconds=0.2, small_rows=0)) as keeper:
        assert keeper.wait_ready(30)
        until(lambda: keeper.state.revision == town.revision)
        assert keeper.state.stale_since is None


def test_many_changes_make_a_new_base_while_old_and_new_are_answered(
    town: Town, database_url: str, tmp_path: Path
) -> None:
    limits = KeeperLimits(poll_seconds=0.2, rebase_at=10)
    with keeping(database_url, tmp_path, limits) as keeper:
        until(lambda: keeper.state.stale_since is None)
        first = keeper.state.rebuilds

        for _ in range(6):
            town.step()
            until(lambda: keeper.state.revision == town.revision)

        assert keeper.state.rebuilds > first
        assert keeper.current is not None
        assert keeper.current.rows.changes <= 10


def test_what_is_not_the_databases_is_found_and_made_anew(
    town: Town, live: Connection[Any], database_url: str, tmp_path: Path
) -> None:
    town.apply([row("identifiers", participant_id="p0", scheme="bic", value="NEW")], [])
    with keeping(database_url, tmp_path) as keeper:
        until(lambda: keeper.state.stale_since is None)
        assert keeper.state.mismatches == 0

        # Nobody is told, no revision is made: somebody wrote past the controller.
        live.execute("UPDATE directory.identifier SET usage = 'other' WHERE value = 'NEW'")

        until(lambda: '"usage":"other"' in (name_of(keeper, "NEW") or ""))
        assert keeper.state.mismatches > 0


def test_a_damaged_file_is_thrown_away(
    town: Town, live: Connection[Any], database_url: str, tmp_path: Path
) -> None:
    path = snapshot_base.build(live, ENVIRONMENT, tmp_path)
    assert path is not None
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)

    with keeping(database_url, tmp_path) as keeper:
        assert keeper.wait_ready(20)
        until(lambda: keeper.state.stale_since is None)

    assert path.read_bytes() != bytes(data)
    assert town.revision == keeper.state.revision
