"""A database that fails is never an empty one: each fault has its error, and production stays.

Every row of the table is broken, shows its error through the command line, leaves production as it
was, and is healed by what its heal undoes and one more pass.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from controller.adapters.postgres import Connection, DatabaseUnavailable, connect
from controller.app import wiring
from controller.app.settings import Settings, load
from controller.kernel.errors import ControllerError
from controller.reconcile.cycle import converge
from tests.faults.stories import one_range
from tests.faults.test_pass_crashes import MINUTE, assert_proven, assert_whole
from tests.support import world
from tests.support.campaign import Campaign
from tests.support.commands import Desk
from tests.support.proxy import door
from tests.support.world import Shop

Administrator = Connection[Any]


@dataclass(frozen=True)
class Fault:
    """What is done to the database, how it is undone, and what a pass says of it."""

    name: str
    breaks: str
    heals: str
    code: str
    exit_code: int
    says: str
    status_answers: bool = False


ROLE = "payments"
FAULTS = (
    Fault(
        "a table that is gone",
        "ALTER TABLE directory.range RENAME TO range_away",
        "ALTER TABLE directory.range_away RENAME TO range",
        "database.schema_differs",
        2,
        "directory.range",
    ),
    Fault(
        "a column that is gone",
        "ALTER TABLE controller.applied RENAME COLUMN serial_high TO serial_away",
        "ALTER TABLE controller.applied RENAME COLUMN serial_away TO serial_high",
        "database.schema_differs",
        2,
        "serial_high",
    ),
    Fault(
        "a table that the role may not write",
        f"REVOKE INSERT ON controller.journal FROM {ROLE}",
        f"GRANT INSERT ON controller.journal TO {ROLE}",
        "database.permission_refused",
        2,
        "journal",
        status_answers=True,
    ),
    Fault(
        "a table that the role may not read",
        f"REVOKE SELECT ON controller.applied FROM {ROLE}",
        f"GRANT SELECT ON controller.applied TO {ROLE}",
        "database.permission_refused",
        2,
        "applied",
    ),
    Fault(
        "a database that only reads",
        f"ALTER ROLE {ROLE} SET default_transaction_read_only = on",
        f"ALTER ROLE {ROLE} RESET default_transaction_read_only",
        "database.read_only",
        2,
        "read-only",
        status_answers=True,
    ),
    Fault(
        "a password that is another one",
        f"ALTER ROLE {ROLE} PASSWORD 'other'",
        f"ALTER ROLE {ROLE} PASSWORD 'secret'",
        "database.login_refused",
        2,
        ROLE,
    ),
    Fault(
        "a schema that is newer",
        "INSERT INTO migrations.applied (version, name, sha256)"
        " SELECT max(version) + 1, 'later', repeat('0', 64) FROM migrations.applied",
        "DELETE FROM migrations.applied WHERE name = 'later'",
        "migrations.database_newer",
        2,
        "knows",
    ),
    Fault(
        "a schema that is older",
        "CREATE TABLE kept AS SELECT * FROM migrations.applied;"
        " DELETE FROM migrations.applied"
        " WHERE version = (SELECT max(version) FROM migrations.applied)",
        "INSERT INTO migrations.applied SELECT * FROM kept EXCEPT SELECT * FROM migrations.applied;"
        " DROP TABLE kept",
        "migrations.pending",
        2,
        "not applied",
    ),
    Fault(
        "a migration that was edited",
        "UPDATE migrations.applied SET sha256 = reverse(sha256) WHERE version = 1",
        "UPDATE migrations.applied SET sha256 = reverse(sha256) WHERE version = 1",
        "migrations.edited",
        2,
        "changed after it was applied",
    ),
    Fault(
        "no connection left",
        f"ALTER ROLE {ROLE} CONNECTION LIMIT 0",
        f"ALTER ROLE {ROLE} CONNECTION LIMIT -1",
        "database.too_many_connections",
        2,
        ROLE,
    ),
)


@pytest.fixture(scope="module")
def first_desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the home of the deploy host that all others are copies of."""
    return Desk.make(tmp_path_factory.mktemp("first-desk")).home


@pytest.fixture
def administrator(database_url: str) -> Iterator[Administrator]:
    """Return a connection that may do everything."""
    with connect(database_url, application_name="tests", autocommit=True) as connection:
        yield connection


@pytest.fixture
def desk(
    first_desk: Path, tmp_path: Path, database_url: str, administrator: Administrator
) -> Iterator[Desk]:
    """Return a host that works as an ordinary role, with a first release applied and one to go."""
    administrator.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD 'secret'".encode())
    for schema in ("controller", "directory", "migrations"):
        administrator.execute(
            f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {ROLE};"
            f"GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {ROLE};"
            f"GRANT ALL ON ALL SEQUENCES IN SCHEMA {schema} TO {ROLE}".encode()
        )
    made = Desk(first_desk).copy(tmp_path, as_role(database_url))
    applied = made.run("reconcile")
    assert applied.exit_code == 0, applied.err
    made.shop().publish(add=[world.NEW_RANGE])
    yield made
    administrator.execute(f"DROP OWNED BY {ROLE}; DROP ROLE {ROLE}".encode())


def as_role(url: str) -> str:
    """Return a URL with the ordinary role's name and password."""
    _, _, rest = url.partition("?")
    kept = [part for part in rest.split("&") if part.partition("=")[0] not in {"user", "password"}]
    return f"postgresql://?{'&'.join([*kept, f'user={ROLE}', 'password=secret'])}"


def revision(administrator: Administrator) -> int:
    row = administrator.execute("SELECT max(revision) FROM controller.revision").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_each_fault_of_the_database_has_an_error_of_its_own_and_production_stays(
    fault: Fault, desk: Desk, administrator: Administrator
) -> None:
    administrator.execute(fault.breaks.encode())

    error, said, asked = failure(desk), desk.run("reconcile"), desk.run("status")

    assert (error.code, error.exit_code, said.exit_code) == (fault.code, *[fault.exit_code] * 2)
    assert fault.says in str(error)
    assert error.hint
    assert "secret" not in said.err + asked.err
    assert revision(administrator) == 1
    assert (asked.exit_code == 1) is fault.status_answers
    administrator.execute(fault.heals.encode())
    assert desk.run("reconcile").exit_code == 0
    assert revision(administrator) == 2


def failure(desk: Desk) -> ControllerError:
    """Return what a pass ends with."""
    world_of_a_pass = wiring.world(load(desk.config), signs=True)
    with pytest.raises(ControllerError) as found, world_of_a_pass as opened:
        list(converge(opened))
    return found.value


# A connection that breaks


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("lets_it_through", [False, True], ids=["lost before", "lost after"])
def test_a_connection_that_breaks_at_any_packet_leaves_one_whole_revision(
    lets_it_through: bool, shop: Shop, database_url: str, campaign: Campaign
) -> None:
    states: dict[int, dict[str, str]] = {}
    step = 1 if campaign.everywhere else 11
    with door(database_url) as way:
        for packet in campaign.one_by_one("a connection that breaks", count(1, step)):
            shop.clock.advance(MINUTE)
            one_range(shop, packet)
            before = assert_whole(shop, states)
            way.shut_at(packet, lets_it_through=lets_it_through)

            survived = reconcile_through(way.url, shop)

            assert assert_whole(shop, states) in {before, before + 1}
            shop.reconcile()
            assert assert_whole(shop, states) == before + 1
            assert_proven(shop)
            if survived:
                assert packet > 10
                return


def reconcile_through(url: str, shop: Shop) -> bool:
    """Run a pass; return whether it got through, or else had the error that a lost database has."""
    try:
        with wiring.connection_to(url, settings_for(shop)) as connection:
            list(converge(shop.world(connection)))
    except DatabaseUnavailable:
        return False
    return True


def settings_for(shop: Shop) -> Settings:
    """Return the settings of the shop's host."""
    return load(shop.keys / "countersign.toml")


def test_a_database_that_is_not_there_is_unavailable_and_not_empty(desk: Desk) -> None:
    text = desk.config.read_text()
    desk.config.write_text(text[: text.index("[database]")] + GONE)

    error = failure(desk)

    assert (error.code, error.exit_code) == ("database.unavailable", 2)
    assert error.hint


GONE = '[database]\nurl = "postgresql://nobody@127.0.0.1:1/nothing"\n'


# Waiting


def test_a_table_that_somebody_else_holds_is_busy(desk: Desk, administrator: Administrator) -> None:
    with desk.config.open("a") as settings:
        settings.write("lock_timeout_seconds = 1\n")
    with administrator.transaction():
        administrator.execute("LOCK TABLE controller.journal")
        error = failure(desk)
    assert error.code == "database.busy"
    assert (revision(administrator), desk.run("reconcile").exit_code) == (1, 0)


def test_a_statement_that_takes_too_long_ends_with_the_exit_code_of_a_timeout(
    desk: Desk, administrator: Administrator
) -> None:
    text = desk.config.read_text()
    with desk.config.open("a") as settings:
        settings.write("statement_timeout_seconds = 1\n")
    with administrator.transaction():
        administrator.execute("LOCK TABLE controller.journal")
        error = failure(desk)
    assert (error.code, error.exit_code) == ("database.statement_timed_out", 124)
    desk.config.write_text(text)
    assert (revision(administrator), desk.run("reconcile").exit_code) == (1, 0)
