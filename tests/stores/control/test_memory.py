"""What was hashed once is remembered, and a refused pass writes nothing."""

from typing import Any

from controller.adapters.postgres import Connection
from controller.stores.control.memory import DatabaseMemory
from tests.support.control import some_oid


def test_what_was_put_is_remembered_by_the_next_process_once_it_is_flushed(
    database: Connection[Any],
) -> None:
    memory = DatabaseMemory(database)
    memory.put(some_oid(1), b"record")
    assert memory.get(some_oid(1)) == b"record"
    assert DatabaseMemory(database).get(some_oid(1)) is None

    assert memory.flush() == 1

    assert DatabaseMemory(database).get(some_oid(1)) == b"record"
    assert memory.flush() == 0


def test_putting_again_what_is_known_writes_nothing(database: Connection[Any]) -> None:
    memory = DatabaseMemory(database)
    memory.put(some_oid(1), b"record")
    memory.flush()
    again = DatabaseMemory(database)
    again.get(some_oid(1))

    again.put(some_oid(1), b"record")

    assert again.flush() == 0


def test_what_nobody_put_is_not_known(database: Connection[Any]) -> None:
    assert DatabaseMemory(database).get(some_oid(1)) is None
