"""Migrations run once each, whole, in order, whoever else is starting at the same moment."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.adapters.migrations import (
    Applied,
    BadMigrations,
    DatabaseNewer,
    MigrationEdited,
    MigrationNotWhole,
    MigrationsPending,
    check,
    migrate,
    pending,
)
from controller.adapters.postgres import (
    Connection,
    DatabaseBusy,
    TupleRow,
    connect,
    errors,
    with_database,
)

FIRST = "CREATE SCHEMA shop;\nCREATE TABLE shop.item (id int PRIMARY KEY);\n"
SECOND = "ALTER TABLE shop.item ADD COLUMN name text;\n"


@pytest.fixture
def empty_url(server_url: str) -> Iterator[str]:
    with connect(server_url, application_name="tests", autocommit=True) as administrator:
        administrator.execute("CREATE DATABASE migrations_test")
        yield with_database(server_url, "migrations_test")
        administrator.execute("DROP DATABASE migrations_test WITH (FORCE)")


@pytest.fixture
def empty(empty_url: str) -> Iterator[Connection[TupleRow]]:
    connection = connect(empty_url, application_name="tests")
    yield connection
    connection.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_shop.sql").write_text(FIRST)
    (tmp_path / "0002_names.sql").write_text(SECOND)
    (tmp_path / "README.md").write_text("not a migration\n")
    return tmp_path


def _tables(connection: Connection[TupleRow]) -> int:
    row = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'shop'").fetchone()
    connection.rollback()
    assert row is not None
    return int(row[0])


def test_pending_files_are_applied_in_order_and_once(
    empty: Connection[TupleRow], folder: Path
) -> None:
    applied = migrate(empty, folder)

    assert [(step.version, step.name) for step in applied] == [(1, "0001_shop"), (2, "0002_names")]
    assert all(isinstance(step, Applied) and len(step.sha256) == 64 for step in applied)
    assert migrate(empty, folder) == ()
    check(empty, folder)


def test_an_unmigrated_database_stops_a_pass(empty: Connection[TupleRow], folder: Path) -> None:
    with pytest.raises(MigrationsPending) as refusal:
        check(empty, folder)

    assert refusal.value.names == ("0001_shop", "0002_names")
    assert [migration.version for migration in pending(empty, folder)] == [1, 2]


def test_a_new_file_is_applied_alone(empty: Connection[TupleRow], folder: Path) -> None:
    migrate(empty, folder)
    (folder / "0003_more.sql").write_text("CREATE TABLE shop.more ();\n")

    assert [step.version for step in migrate(empty, folder)] == [3]


def test_an_edited_applied_file_is_refused_by_name_and_putting_it_back_helps(
    empty: Connection[TupleRow], folder: Path
) -> None:
    migrate(empty, folder)
    (folder / "0001_shop.sql").write_text(FIRST + "-- harmless\n")

    for call in (migrate, check, pending):
        with pytest.raises(MigrationEdited) as refusal:
            call(empty, folder)
        assert refusal.value.name == "0001_shop"

    (folder / "0001_shop.sql").write_text(FIRST)
    check(empty, folder)


def test_a_program_older_than_its_database_is_refused(
    empty: Connection[TupleRow], folder: Path
) -> None:
    migrate(empty, folder)
    (folder / "0002_names.sql").unlink()

    with pytest.raises(DatabaseNewer) as refusal:
        check(empty, folder)

    assert (refusal.value.have, refusal.value.known) == (2, 1)


def test_a_file_that_fails_leaves_nothing_and_those_before_it_stay(
    empty: Connection[TupleRow], folder: Path
) -> None:
    (folder / "0002_names.sql").write_text("CREATE TABLE shop.half (); SELECT 1 / 0;\n")

    with pytest.raises(errors.DivisionByZero):
        migrate(empty, folder)

    assert _tables(empty) == 1
    assert [migration.version for migration in pending(empty, folder)] == [2]


def test_a_file_that_commits_by_itself_is_refused(
    empty: Connection[TupleRow], folder: Path
) -> None:
    (folder / "0002_names.sql").write_text(f"{SECOND} COMMIT; BEGIN;\n")

    with pytest.raises(MigrationNotWhole) as refusal:
        migrate(empty, folder)

    assert refusal.value.name == "0002_names"


@pytest.mark.parametrize("name", ["0004_gap.sql", "3_short.sql", "0003-dash.sql", "0002_twice.sql"])
def test_a_folder_that_is_not_a_gapless_row_is_refused(
    empty: Connection[TupleRow], folder: Path, name: str
) -> None:
    (folder / name).write_text("SELECT 1;\n")

    with pytest.raises(BadMigrations):
        migrate(empty, folder)


def test_of_six_racing_callers_exactly_one_applies_each_file(empty_url: str, folder: Path) -> None:
    done: list[Applied] = []
    gate = threading.Barrier(6)

    def run() -> None:
        connection = connect(empty_url, application_name="tests")
        gate.wait()
        done.extend(migrate(connection, folder))
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(step.version for step in done) == [1, 2]


def test_a_file_that_waits_for_a_reader_gives_up_soon(
    empty: Connection[TupleRow], empty_url: str, folder: Path
) -> None:
    second = folder / "0002_names.sql"
    second.rename(folder / "later")
    migrate(empty, folder)
    (folder / "later").rename(second)
    with connect(empty_url, application_name="tests") as reader:
        reader.execute("SELECT * FROM shop.item")

        with pytest.raises(DatabaseBusy):
            migrate(empty, folder, lock_timeout_ms=50)

    assert [step.version for step in migrate(empty, folder)] == [2]


def test_the_shipped_migrations_are_what_a_fresh_database_has(
    database: Connection[TupleRow],
) -> None:
    check(database)

    assert pending(database) == ()
