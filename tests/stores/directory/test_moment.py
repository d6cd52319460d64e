"""Readers see the rows of one moment, also while a load puts a new table in an old one's place."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest

from controller.adapters.postgres import (
    Connection,
    DatabaseBusy,
    Limits,
    connect,
    transaction,
)
from controller.stores.directory import store
from tests.support.directory import participant, shards

OLD = [participant(f"p{number}", name="Old") for number in range(20)]
NEW = [participant(f"p{number}", name="New") for number in range(10)]
MANY = {"participants": 10**6}  # so a new table takes the old one's place


@contextmanager
def connected(url: str, lock_ms: int = 10_000) -> Iterator[Connection[Any]]:
    connection = connect(
        url, application_name="tests", autocommit=True, limits=Limits(lock_ms=lock_ms)
    )
    try:
        yield connection
    finally:
        connection.close()


def rebuild(connection: Connection[Any], revision: int) -> None:
    changes = shards(NEW, tuple(OLD[:10])) if revision > 1 else shards(OLD)
    with transaction(connection):
        store.apply(connection, changes, revision=revision, changed=MANY)


def seen(connection: Connection[Any]) -> tuple[int, set[str]]:
    rows = list(store.stored_rows(connection, "participants"))
    kept = store.kept(connection)["participants"]
    assert kept == store.recompute(connection)["participants"]
    return len(rows), {row.cells[1] for row in rows}


def test_a_table_is_not_put_in_place_while_somebody_reads(database_url: str) -> None:
    with connected(database_url, lock_ms=300) as writer, connected(database_url) as reader:
        rebuild(writer, 1)

        with store.moment(reader):
            reader.execute("SELECT 1 FROM controller.applied")  # the moment is chosen
            with pytest.raises(DatabaseBusy):
                rebuild(writer, 2)
            assert seen(reader) == (20, {"Old"})

        rebuild(writer, 2)
        with store.moment(reader):
            assert seen(reader) == (20, {"Old", "New"})


def test_who_comes_while_a_table_is_put_in_place_waits_and_sees_all_of_it(
    database_url: str,
) -> None:
    found: list[object] = []

    def read() -> None:
        with connected(database_url) as reader, store.moment(reader):
            found.append(seen(reader))

    with connected(database_url) as writer:
        rebuild(writer, 1)
        with transaction(writer):
            store.apply(writer, shards(NEW, tuple(OLD[:10])), revision=2, changed=MANY)
            waiting = Thread(target=read)
            waiting.start()
            waiting.join(0.3)
            assert found == []
        waiting.join(10)

    assert found == [(20, {"Old", "New"})]
