"""What the database refuses becomes an error of ours, by its SQLSTATE, without any secret."""

import traceback

import pytest

from controller.adapters.postgres import (
    BadDatabaseUrl,
    Connection,
    DatabaseBusy,
    DatabaseCorrupt,
    DatabaseFull,
    DatabaseMessage,
    DatabaseUnavailable,
    IntegrityRefused,
    Limits,
    LoginRefused,
    PermissionRefused,
    RuleRefused,
    SchemaDiffers,
    StatementTimedOut,
    TupleRow,
    connect,
    errors,
    is_idle,
    register,
    transaction,
    translated,
    with_database,
)
from controller.kernel.errors import ControllerError, Corrupt, Refused, Unavailable


class DrawerOpen(Refused):
    """A registered refusal, for these tests."""

    code = "tests.drawer_open"


register("CS9T1", lambda message: DrawerOpen(message.primary))


def _raise(sqlstate: str) -> bytes:
    return f"DO $$ BEGIN RAISE 'no' USING ERRCODE = '{sqlstate}'; END $$".encode()


@pytest.mark.parametrize(
    ("sqlstate", "error", "branch"),
    [
        ("08006", DatabaseUnavailable, Unavailable),
        ("23505", IntegrityRefused, Refused),
        ("25006", DatabaseUnavailable, Unavailable),
        ("40001", DatabaseBusy, Unavailable),
        ("40P01", DatabaseBusy, Unavailable),
        ("42501", PermissionRefused, Refused),
        ("53100", DatabaseFull, Unavailable),
        ("53300", DatabaseUnavailable, Unavailable),
        ("55P03", DatabaseBusy, Unavailable),
        ("57014", StatementTimedOut, Unavailable),
        ("57P01", DatabaseUnavailable, Unavailable),
        ("XX001", DatabaseCorrupt, Corrupt),
        ("CS9T1", DrawerOpen, Refused),
        ("CS9T2", RuleRefused, Refused),
    ],
)
def test_a_sqlstate_says_who_must_act(
    database: Connection[TupleRow],
    sqlstate: str,
    error: type[ControllerError],
    branch: type[ControllerError],
) -> None:
    with pytest.raises(error) as refusal, transaction(database):
        database.execute(_raise(sqlstate))

    assert isinstance(refusal.value, branch)
    assert is_idle(database)


def test_a_mistake_in_this_program_passes_through(database: Connection[TupleRow]) -> None:
    with pytest.raises(errors.SyntaxError), transaction(database):
        database.execute("SELEKT 1")


@pytest.mark.parametrize(
    "statement",
    ["SELECT * FROM no_such_table", "SELECT nothing FROM pg_class", "SELECT no_such_function()"],
)
def test_what_is_not_in_the_schema_is_an_operators_business(
    statement: str, database: Connection[TupleRow]
) -> None:
    with pytest.raises(SchemaDiffers) as refusal, transaction(database):
        database.execute(statement.encode())

    assert refusal.value.hint


def test_a_sqlstate_has_one_meaning_only() -> None:
    def again(message: DatabaseMessage) -> ControllerError:
        return DrawerOpen(message.primary)

    with pytest.raises(AssertionError):
        register("CS9T1", again)


def test_a_broken_constraint_is_named(database: Connection[TupleRow]) -> None:
    database.execute("CREATE TEMPORARY TABLE t (n int CONSTRAINT positive CHECK (n > 0))")

    with pytest.raises(IntegrityRefused) as refusal, transaction(database):
        database.execute("INSERT INTO t VALUES (-1)")

    assert refusal.value.constraint == "positive"


def test_a_transaction_is_whole_or_nothing(database: Connection[TupleRow]) -> None:
    with transaction(database):
        database.execute("CREATE TABLE kept (n int)")

    with pytest.raises(RuleRefused), transaction(database):
        database.execute(b"INSERT INTO kept VALUES (1);" + _raise("CS9T2"))

    assert database.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(DatabaseUnavailable):
        connect("postgresql://u:hunter2@/db?host=/nonexistent", application_name="tests")


def test_a_database_that_is_not_there_is_refused_and_waiting_would_not_help(
    server_url: str,
) -> None:
    with pytest.raises(LoginRefused):
        connect(with_database(server_url, "no_such_database"), application_name="tests")


def test_a_connection_that_was_cut_is_unavailable(
    database: Connection[TupleRow], database_url: str
) -> None:
    with connect(database_url, application_name="tests") as other:
        other.execute("SELECT pg_terminate_backend(%s)", (database.info.backend_pid,))

    for _ in range(2):  # cut in the middle, and then used although it is gone
        with pytest.raises(DatabaseUnavailable), translated():
            database.execute("SELECT 1")


@pytest.mark.parametrize(
    "url",
    [
        "hunter2",
        "postgresql://u:hunter2@host/db?no_such_option=1",
        "postgresql://u:secret@hunter2@host/db",
        "postgresql://u:hunter2@/db?host=/nonexistent",
        "host=/nonexistent password=hunter2 port=none",
    ],
)
def test_a_password_reaches_no_error_and_no_traceback(url: str) -> None:
    with pytest.raises((BadDatabaseUrl, DatabaseUnavailable)) as refusal:
        connect(url, application_name="tests")

    shown = "".join(traceback.format_exception(refusal.value, chain=True))
    assert "hunter2" not in shown


def test_waits_are_bounded_as_asked(database_url: str) -> None:
    limits = Limits(lock_ms=70, statement_ms=80, idle_in_transaction_ms=90)
    with connect(database_url, application_name="till 4", limits=limits) as connection:
        names = (
            "application_name",
            "TimeZone",
            "lock_timeout",
            "statement_timeout",
            "idle_in_transaction_session_timeout",
        )
        found = [
            row and row[0]
            for row in (connection.execute(f"SHOW {name}".encode()).fetchone() for name in names)
        ]
        with pytest.raises(StatementTimedOut), translated():
            connection.execute("SELECT pg_sleep(5)")

    assert found == ["till 4", "UTC", "70ms", "80ms", "90ms"]


def test_a_role_is_taken_on_and_its_limits_hold(server_url: str, database_url: str) -> None:
    with connect(server_url, application_name="tests", autocommit=True) as administrator:
        administrator.execute("CREATE ROLE tests_reader")
        try:
            with connect(database_url, application_name="tests", role="tests_reader") as reader:
                assert reader.execute("SELECT current_user").fetchone() == ("tests_reader",)
                with pytest.raises(PermissionRefused), translated():
                    reader.execute("SELECT * FROM controller.applied")
        finally:
            administrator.execute("DROP ROLE tests_reader")


def test_a_fresh_connection_is_outside_of_any_transaction(
    database: Connection[TupleRow],
) -> None:
    assert is_idle(database)
    assert not database.autocommit

    database.execute("SELECT 1")
    assert not is_idle(database)
