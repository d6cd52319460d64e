"""Connections that are lent: given back, looked at, thrown away when broken, and never too many."""

import threading
import time
from collections.abc import Iterator

import pytest

from controller.adapters.pool import Pool, Size
from controller.adapters.postgres import DatabaseUnavailable, Limits, StatementTimedOut, connect

LIMITS = Limits(statement_ms=1_000)


@pytest.fixture
def pool(database_url: str) -> Iterator[Pool]:
    made = Pool(
        database_url, application_name="tests lent", limits=LIMITS, size=Size(2, wait_seconds=1)
    )
    made.open()
    yield made
    made.close()


def backend(pool: Pool) -> int:
    """Return the process that serves a connection."""
    with pool.connection() as connection:
        (pid,) = connection.execute("SELECT pg_backend_pid()").fetchone() or (0,)
    return int(pid)


def test_a_connection_is_used_again_and_commits_by_itself(pool: Pool) -> None:
    first = backend(pool)
    with pool.connection() as connection:
        connection.execute("CREATE TABLE kept (n integer)")
        assert connection.autocommit

    assert backend(pool) == first
    with pool.connection() as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_one_that_broke_is_replaced_before_anybody_gets_it(pool: Pool, database_url: str) -> None:
    first = backend(pool)
    with connect(database_url, application_name="tests", autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [first])
        time.sleep(0.1)

    assert backend(pool) != first


def test_there_are_never_more_than_were_asked_for(pool: Pool) -> None:
    with pool.connection(), pool.connection():
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable), pool.connection():
            pass
        waited = time.monotonic() - began

    assert 0.5 < waited < 5
    assert backend(pool)


def test_the_limits_of_ours_hold_on_each(pool: Pool) -> None:
    with pytest.raises(StatementTimedOut), pool.connection() as connection:
        connection.execute("SELECT pg_sleep(5)")
    assert backend(pool)


def test_a_database_that_is_away_is_said_in_time_and_without_its_address() -> None:
    url = "postgresql://somebody:hunter2@127.0.0.1:1/nothing"
    away = Pool(url, application_name="tests", limits=LIMITS, size=Size(2, wait_seconds=1))
    away.open()
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailable) as error, away.connection():
        pass
    away.close()

    assert time.monotonic() - began < 10
    assert "hunter2" not in str(error.value)


def test_many_threads_share_a_few(pool: Pool) -> None:
    seen: list[int] = []

    def ask() -> None:
        seen.extend(backend(pool) for _ in range(10))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(seen) == 80
    assert len(set(seen)) <= 2
