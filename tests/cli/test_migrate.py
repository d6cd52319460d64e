"""`countersign migrate`: what a database lacks, and bringing it up to date."""

from collections.abc import Iterator

import pytest

from controller.adapters.postgres import connect, with_database
from tests.support.commands import run


@pytest.fixture
def empty_url(server_url: str) -> Iterator[str]:
    """Return the URL of a database without our schema."""
    with connect(server_url, application_name="tests", autocommit=True) as administrator:
        administrator.execute("CREATE DATABASE empty")
        yield with_database(server_url, "empty")
        administrator.execute("DROP DATABASE empty WITH (FORCE)")


def test_check_names_what_is_pending_and_changes_nothing(empty_url: str) -> None:
    first = run("migrate", "--check", "--url", empty_url, "-o", "json")
    again = run("migrate", "--check", "--url", empty_url, "-o", "json")

    assert (first.exit_code, again.exit_code) == (1, 1)
    assert first.json["pending"][0].startswith("0001_")
    assert first.json == again.json


def test_migrate_applies_what_is_pending_once(empty_url: str) -> None:
    pending = run("migrate", "--check", "--url", empty_url, "-o", "json").json["pending"]

    first = run("migrate", "--url", empty_url, "-o", "json")
    again = run("migrate", "--url", empty_url)

    assert (first.exit_code, first.json["applied"]) == (0, pending)
    assert (again.exit_code, again.out) == (0, "The database is up to date.\n")
    assert run("migrate", "--check", "--url", empty_url).exit_code == 0
