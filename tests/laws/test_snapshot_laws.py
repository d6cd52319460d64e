"""For all directories, changes and instants: memory answers as the database does."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.adapters.postgres import Connection, connect
from controller.reconcile import snapshot_base
from controller.reconcile.answer import document
from controller.reconcile.resolve import resolve
from controller.reconcile.snapshot import Snapshot
from controller.reconcile.snapshot_facts import read_facts
from controller.stores.directory import snapshot_patch, store
from controller.stores.directory.snapshot_records import moment_of
from tests.support.resolving import ENVIRONMENT, PARTICIPANTS, Town

ONE_AT_A_TIME = settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def live(database_url: str) -> Iterator[Connection[Any]]:
    connection = connect(database_url, application_name="tests", autocommit=True)
    yield connection
    connection.close()


def emptied(connection: Connection[Any]) -> None:
    """Forget every revision, also what the database itself would never forget."""
    connection.execute("SET session_replication_role = replica")
    for schema, table in connection.execute(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = 'directory'"
        " AND tablename <> 'table_digest'"
    ).fetchall():
        connection.execute(f"DELETE FROM {schema}.{table}".encode())
    connection.execute("DELETE FROM controller.applied; DELETE FROM controller.live_bundle")
    connection.execute("UPDATE directory.table_digest SET rows = 0, digest = 0")
    connection.execute("SET session_replication_role = origin")


def built(connection: Connection[Any], folder: Path) -> Snapshot:
    snapshot_base.forget(folder)
    path = snapshot_base.build(connection, ENVIRONMENT, folder)
    assert path is not None
    found = snapshot_base.newest(folder, ENVIRONMENT, {})
    assert found is not None
    return found


def followed(connection: Connection[Any], snapshot: Snapshot) -> Snapshot:
    with store.moment(connection):
        facts = read_facts(connection, ENVIRONMENT)
        rows = snapshot_patch.patched(connection, snapshot.rows, snapshot.facts.revision)
        snapshot.files.learn(connection)
    assert facts is not None
    assert rows is not None
    return Snapshot(rows, facts, snapshot.files, {})


def assert_same_answers(town: Town, snapshot: Snapshot, count: int) -> None:
    for asked, at in town.questions(count):
        wanted = resolve(town.connection, ENVIRONMENT, asked)
        found = snapshot.resolve(asked)

        assert (found is None) == (wanted is None), asked
        if found is not None and wanted is not None:
            assert json.loads(found.body) == document(wanted), asked
            state = json.loads(found.body)["state"]
            assert found.status == {"found": 200, "removed": 410}[state]
            again = snapshot.find(asked.scheme, asked.value, moment_of(at), asked.reach)
            assert again is not None


def assert_same_rows(town: Town, snapshot: Snapshot) -> None:
    with store.moment(town.connection):
        for table, kept in store.kept(town.connection).items():
            if table != "rules":
                assert snapshot.rows.count(table) == kept.rows
        for index in ("participants", "identifiers", "identifiers_of", "endpoints", "ranges"):
            _, differing = snapshot_patch.differing(town.connection, snapshot.rows, index, 0, 1000)
            assert differing == 0


@ONE_AT_A_TIME
@given(seed=st.integers(0, 2**32), steps=st.integers(0, 6))
def test_memory_answers_as_the_database_does_after_any_changes(
    live: Connection[Any], tmp_path_factory: pytest.TempPathFactory, seed: int, steps: int
) -> None:
    emptied(live)
    town = Town(live, seed)
    town.begin()
    snapshot = built(live, tmp_path_factory.mktemp("copy"))
    assert_same_answers(town, snapshot, 20)

    for _ in range(steps):
        town.step()
        snapshot = followed(live, snapshot)
        assert_same_answers(town, snapshot, 20)
        assert_same_rows(town, snapshot)


@ONE_AT_A_TIME
@given(seed=st.integers(0, 2**32))
def test_several_revisions_at_once_are_what_one_after_the_other_are(
    live: Connection[Any], tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    emptied(live)
    town = Town(live, seed)
    town.begin()
    snapshot = built(live, tmp_path_factory.mktemp("copy"))

    for _ in range(5):
        town.step()
    snapshot = followed(live, snapshot)

    assert_same_answers(town, snapshot, 40)
    assert_same_rows(town, snapshot)


@ONE_AT_A_TIME
@given(seed=st.integers(0, 2**32))
def test_between_two_boundaries_of_a_revision_no_answer_changes(
    live: Connection[Any], tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    emptied(live)
    town = Town(live, seed)
    town.begin()
    snapshot = built(live, tmp_path_factory.mktemp("copy"))
    town.step()
    snapshot = followed(live, snapshot)

    for asked, at in town.questions(40):
        moment = moment_of(at)
        last, following = snapshot.around(moment)
        inside = [max(last, moment - 10**12), moment, min(following, moment + 10**12) - 1]
        found = {snapshot.find(asked.scheme, asked.value, one, asked.reach) for one in inside}

        assert len(found) == 1
        assert len({snapshot.etag(one) for one in inside}) == 1


def test_a_participant_has_the_endpoints_and_identifiers_of_the_database(
    live: Connection[Any], tmp_path: Path
) -> None:
    town = Town(live, 7)
    town.begin()
    for _ in range(12):
        town.step()
    snapshot = built(live, tmp_path)

    seen = 0
    for name in PARTICIPANTS:
        for asked, at in town.questions(30):
            found = snapshot.participant(name, moment_of(at))
            wanted = store.participant(live, name, at)
            assert (found is None) == (wanted is None), asked
            if found is None:
                continue
            page = json.loads(found)
            endpoints = store.endpoints_of(live, name, at)
            assert page["participant"]["name"] == (wanted.name if wanted else None)
            assert [one["id"] for one in page["endpoints"]] == [one.id for one in endpoints]
            named = {
                one.parts
                for one in town.rows.values()
                if one.table == "identifiers" and one.cells[0] == name and one.window.contains(at)
            }
            assert {(one["scheme"], one["value"]) for one in page["identifiers"]} == named
            seen += len(named)
    assert seen > 10
