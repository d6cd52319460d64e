"""`countersign doctor` on databases that are broken, each in its own way."""

import json
import re
from collections.abc import Callable, Iterator

import pytest

from controller.adapters.postgres import connect, with_database
from tests.support.commands import Desk
from tests.support.examined import checks_of, set_text, verdict_of


def _url(desk: Desk) -> str:
    url = json.loads(desk.config.read_text().partition("url = ")[2].splitlines()[0])
    assert isinstance(url, str)
    return url


def _point(desk: Desk, url: str) -> None:
    set_text(desk, json.dumps(_url(desk)), json.dumps(url))


def _as_role(url: str, role: str, *, password: str = "") -> str:
    login = f"user={role}&password={password or role}&"
    found, count = re.subn(r"user=[^&]+&password=[^&]+&", login, url)
    assert count == 1
    return found


def test_a_wrong_password_fails_and_is_not_shown(desk: Desk) -> None:
    _point(desk, _as_role(_url(desk), "postgres", password="hunter2"))

    said = desk.run("doctor", "-o", "json")

    assert verdict_of(desk, "database") == "fail"
    assert "hunter2" not in said.out + said.err


@pytest.fixture
def made_database(server_url: str) -> Iterator[Callable[..., str]]:
    """Return a way to make an empty database; it is dropped after the test."""
    name = "examined"
    with connect(server_url, application_name="tests", autocommit=True) as administrator:

        def make(options: str) -> str:
            administrator.execute(f"CREATE DATABASE {name} TEMPLATE template0 {options}".encode())
            return with_database(server_url, name)

        yield make
        administrator.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
        administrator.execute("DROP ROLE IF EXISTS examined_owner, examined_guest")


def test_a_database_without_our_schema_is_told_to_be_migrated(
    desk: Desk, made_database: Callable[..., str]
) -> None:
    _point(desk, made_database("ENCODING 'UTF8'"))

    check = checks_of(desk)[1]["migrations"]

    assert (check["verdict"], check["hint"]) == ("fail", "run `countersign migrate`")
    assert "time" not in checks_of(desk)[1]
    desk.run("migrate")
    assert verdict_of(desk, "migrations") == "ok"


def test_a_database_that_cannot_hold_every_name_fails(
    desk: Desk, made_database: Callable[..., str]
) -> None:
    assert verdict_of(desk, "encoding") == "ok"
    _point(desk, made_database("ENCODING 'LATIN1' LOCALE 'C'"))

    assert verdict_of(desk, "encoding") == "fail"


def test_a_role_has_what_a_pass_needs_and_no_more(
    desk: Desk, made_database: Callable[..., str]
) -> None:
    assert verdict_of(desk, "rights") == "warn"  # the tests' own role is a superuser
    url = made_database("ENCODING 'UTF8'")
    with connect(url, application_name="tests", autocommit=True) as administrator:
        for role in ("examined_owner", "examined_guest"):
            create = f"CREATE ROLE {role} LOGIN PASSWORD '{role}'"
            administrator.execute(create.encode())
        administrator.execute("ALTER DATABASE examined OWNER TO examined_owner")
    _point(desk, _as_role(url, "examined_owner"))
    assert desk.run("migrate").exit_code == 0

    assert verdict_of(desk, "rights") == "ok"
    assert "may not know" in checks_of(desk)[1]["database disk"]["message"]
    _point(desk, _as_role(url, "examined_guest"))
    check = checks_of(desk)[1]["rights"]
    assert check["verdict"] == "fail"
    assert "GRANT" in check["hint"]


def test_the_servers_own_disk_is_looked_at(desk: Desk) -> None:
    check = checks_of(desk)[1]["database disk"]

    assert check["verdict"] == "ok"
    assert "free at" in check["message"]


def test_a_server_that_does_not_sync_is_warned_of_and_the_embedded_one_does(
    desk: Desk, laptop: Desk
) -> None:
    assert verdict_of(desk, "durability") == "warn"

    checks = checks_of(laptop)[1]

    assert [checks[name]["verdict"] for name in ("durability", "rights")] == ["ok", "ok"]


def test_a_server_on_this_host_is_no_second_clock(desk: Desk, laptop: Desk) -> None:
    for host in (laptop, desk):
        assert "the same clock" in checks_of(host)[1]["clock"]["message"]


def test_another_root_than_the_one_that_was_accepted_is_named(desk: Desk) -> None:
    desk.run("reconcile", "--once")
    assert verdict_of(desk, "known root") == "ok"
    with connect(_url(desk), application_name="tests", autocommit=True) as connection:
        connection.execute("ALTER TABLE controller.root DISABLE TRIGGER ALL")
        connection.execute("UPDATE controller.root SET sha256 = repeat('0', 64)")

    assert verdict_of(desk, "known root") == "fail"


def test_records_that_wait_for_their_commit_are_told(desk: Desk) -> None:
    set_text(desk, 'key = "countersign-audit"', "")
    desk.run("reconcile", "--once")
    assert checks_of(desk)[1]["audit key"]["verdict"] == "warn"
    assert verdict_of(desk, "audit lag") == "ok"
    set_text(desk, "[audit]\n", '[audit]\nkey = "countersign-audit"\n')

    assert verdict_of(desk, "audit lag") == "warn"
    desk.run("reconcile", "--once")
    assert verdict_of(desk, "audit lag") == "ok"


def test_digests_that_another_version_of_the_server_made_are_told(desk: Desk) -> None:
    desk.run("reconcile", "--once")
    assert verdict_of(desk, "digests") == "ok"
    with connect(_url(desk), application_name="tests", autocommit=True) as database:
        older = "bit_xor hash_record_extended, PostgreSQL 15"
        database.execute("UPDATE directory.table_digest SET algorithm = %s", (older,))

    check = checks_of(desk)[1]["digests"]

    assert check["verdict"] == "warn"
    assert "PostgreSQL 15" in check["message"]
    assert "audit.table_not_comparable" in check["message"]
