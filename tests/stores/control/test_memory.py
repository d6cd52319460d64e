"""What was hashed once is remembered, and a refused pass writes nothing."""

from typing import Any

from controller.adapters.postgres import Connection
from controller.artifacts.merkle_record import Item, Record
from controller.kernel.objects import Oid
from controller.stores.control.memory import CHAIN_MAX, DatabaseMemory
from tests.support.control import some_oid


def record(*numbers: int) -> Record:
    items = [Item(False, some_oid(one), bytes([one]) * 32, 1, 2, 3) for one in numbers]
    return Record({f"{one}.csv": item for one, item in zip(numbers, items, strict=True)})


def stored(database: Connection[Any]) -> dict[Oid, tuple[Oid | None, int]]:
    rows = database.execute("SELECT tree, base, length(record) FROM controller.merkle_memory")
    return {tree: (base, length) for tree, base, length in rows.fetchall()}


def test_what_was_put_is_remembered_by_the_next_process_once_it_is_flushed(
    database: Connection[Any],
) -> None:
    memory = DatabaseMemory(database)
    memory.put(some_oid(1), record(1, 2), None)
    assert memory.get(some_oid(1)) == record(1, 2)
    assert DatabaseMemory(database).get(some_oid(1)) is None

    assert memory.flush() == 1
    memory.settled()

    assert DatabaseMemory(database).get(some_oid(1)) == record(1, 2)
    assert memory.flush() == 0


def test_putting_again_what_is_known_writes_nothing(database: Connection[Any]) -> None:
    memory = DatabaseMemory(database)
    memory.put(some_oid(1), record(1), None)
    memory.flush()
    again = DatabaseMemory(database)
    again.get(some_oid(1))

    again.put(some_oid(1), record(1), None)

    assert again.flush() == 0


def test_what_nobody_put_is_not_known(database: Connection[Any]) -> None:
    assert DatabaseMemory(database).get(some_oid(1)) is None


def test_a_changed_directory_is_kept_as_its_change(database: Connection[Any]) -> None:
    memory = DatabaseMemory(database)
    memory.put(some_oid(1), record(*range(1, 100)), None)
    memory.put(some_oid(2), record(*range(1, 101)), some_oid(1))
    memory.flush()

    assert DatabaseMemory(database).get(some_oid(2)) == record(*range(1, 101))
    sizes = stored(database)
    assert sizes[some_oid(2)][0] == some_oid(1)
    assert sizes[some_oid(2)][1] * 50 < sizes[some_oid(1)][1]


def test_a_change_on_what_this_process_never_saw_is_kept_whole(database: Connection[Any]) -> None:
    memory = DatabaseMemory(database)
    memory.put(some_oid(2), record(2), some_oid(1))
    memory.flush()

    assert stored(database)[some_oid(2)][0] is None


def test_a_chain_of_changes_ends_in_a_whole_record_again(database: Connection[Any]) -> None:
    memory = DatabaseMemory(database)
    last = CHAIN_MAX + 2
    for number in range(1, last + 1):
        memory.put(some_oid(number), record(*range(1, number + 1)), some_oid(number - 1))
    memory.flush()

    kept = stored(database)
    whole = [number for number in range(1, last + 1) if kept[some_oid(number)][0] is None]
    assert whole == [1, last]
    assert DatabaseMemory(database).get(some_oid(last - 1)) == record(*range(1, last))


def test_a_change_whose_base_was_emptied_is_forgotten(database: Connection[Any]) -> None:
    memory = DatabaseMemory(database)
    memory.put(some_oid(1), record(1), None)
    memory.put(some_oid(2), record(1, 2), some_oid(1))
    memory.flush()
    database.execute("DELETE FROM controller.merkle_memory WHERE base IS NULL")

    assert DatabaseMemory(database).get(some_oid(2)) is None


def test_records_that_stand_on_each_other_in_a_ring_are_forgotten(
    database: Connection[Any],
) -> None:
    memory = DatabaseMemory(database)
    memory.put(some_oid(1), record(1), None)
    memory.flush()
    database.execute("UPDATE controller.merkle_memory SET base = tree")

    assert DatabaseMemory(database).get(some_oid(1)) is None


def test_what_was_rolled_back_is_written_with_the_next_flush(database: Connection[Any]) -> None:
    memory = DatabaseMemory(database)
    memory.put(some_oid(1), record(1), None)
    with database.transaction(force_rollback=True):
        assert memory.flush() == 1
    assert stored(database) == {}

    memory.put(some_oid(2), record(1, 2), some_oid(1))
    memory.flush()
    memory.settled()

    assert DatabaseMemory(database).get(some_oid(2)) == record(1, 2)


def test_a_memory_that_grew_too_big_starts_anew_and_asks_the_database(
    database: Connection[Any],
) -> None:
    memory = DatabaseMemory(database, entries_max=2)
    memory.put(some_oid(1), record(1, 2, 3), None)
    memory.flush()
    memory.settled()
    database.execute("DELETE FROM controller.merkle_memory")

    assert memory.get(some_oid(1)) is None


def test_what_a_refused_pass_hashed_serves_the_next_one(database: Connection[Any]) -> None:
    memory = DatabaseMemory(database)
    memory.put(some_oid(1), record(1), None)
    memory.refused()

    assert memory.get(some_oid(1)) == record(1)
    assert memory.flush() == 1


def test_refused_passes_alone_do_not_fill_the_memory(database: Connection[Any]) -> None:
    memory = DatabaseMemory(database, entries_max=2)
    memory.put(some_oid(1), record(1, 2, 3), None)
    memory.refused()

    assert memory.get(some_oid(1)) is None
    assert memory.flush() == 0
