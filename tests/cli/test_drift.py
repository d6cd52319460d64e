"""`countersign drift`, and `ack` of what it shows."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from controller.adapters.postgres import Connection
from controller.stores.control import lease
from tests.support.commands import Desk
from tests.support.world import open_connection

EDIT = "UPDATE directory.participant SET name = 'Mallory' WHERE id = 'harbour-bank'"


@contextmanager
def database(desk: Desk) -> Iterator[Connection[Any]]:
    url = desk.config.read_text().partition("url = ")[2].partition("\n")[0]
    with open_connection(json.loads(url)) as connection:
        yield connection


def edit(desk: Desk) -> None:
    with database(desk) as connection:
        connection.execute(EDIT.encode())


@pytest.fixture
def applied(desk: Desk) -> Desk:
    assert desk.run("reconcile", "--once").exit_code == 0
    return desk


def test_what_was_applied_is_exit_0(applied: Desk) -> None:
    said = applied.run("drift", "-o", "json")

    assert (said.exit_code, said.json["drifted"], said.json["drift"]) == (0, False, None)
    assert applied.run("drift").out == "production: live rows are what was applied.\n"


def test_rows_that_drifted_are_exit_1_with_table_key_column_and_values(applied: Desk) -> None:
    edit(applied)

    said = applied.run("drift", "-o", "json")

    assert said.exit_code == 1
    (table,) = said.json["drift"]["tables"]
    assert (table["table"], table["changed"]) == ("participants", 1)
    assert table["rows"] == [
        {
            "kind": "changed",
            "key": ["harbour-bank"],
            "columns": [{"column": "name", "declared": "Harbour Bank", "stored": "Mallory"}],
        }
    ]
    text = applied.run("drift").out
    assert "changed  harbour-bank  name    Harbour Bank  Mallory" in text
    assert said.json["drift"]["digest"] in text


def test_a_person_puts_right_exactly_what_they_saw(applied: Desk) -> None:
    edit(applied)
    digest = applied.run("drift", "-o", "json").json["drift"]["digest"]

    other = applied.run("drift", "--heal", "0" * 64)
    said = applied.run("drift", "--heal", digest, "-o", "json")

    assert other.exit_code == 2
    assert digest in other.err
    assert (said.exit_code, said.json["healed_by_revision"]) == (0, 2)
    assert applied.run("drift", "--every-row").exit_code == 0
    assert applied.run("history", "-o", "json").json["revisions"][0]["kind"] == "heal"
    assert applied.run("audit", "verify").exit_code == 0
    for when in ((), ("--revision", "1")):
        (row,) = applied.run("trace", "participants/harbour-bank", *when, "-o", "json").json["rows"]
        assert (row["applied"]["revision"], row["cells"]["name"]) == (1, "Harbour Bank")


def test_nothing_is_put_right_beside_a_controller_that_leads(applied: Desk) -> None:
    edit(applied)
    digest = applied.run("drift", "-o", "json").json["drift"]["digest"]
    with database(applied) as connection:
        lease.acquire(connection, "production", holder="another", duration=timedelta(seconds=60))

    said = applied.run("drift", "--heal", digest)

    assert said.exit_code == 2
    assert "another holds production" in said.err
    assert applied.run("drift").exit_code == 1


def test_drift_can_be_acknowledged_and_another_digest_cannot(applied: Desk) -> None:
    edit(applied)
    digest = applied.run("drift", "-o", "json").json["drift"]["digest"]
    shop, keys = applied.home / "shop", applied.home / "keys"
    words = ("--reason", "restore", "--key", str(keys / "alice"), "-C", str(shop))

    assert applied.run("ack", "0" * 64, *words).exit_code == 2
    assert applied.run("ack", digest, *words).exit_code == 0
