"""What the law of the snapshot meets too rarely: collisions, successors, damaged files."""

import json
from collections.abc import Iterator
from pathlib import Path
from struct import pack
from typing import Any

import pytest

from controller.adapters.postgres import Connection, connect
from controller.artifacts.tables import row_key
from controller.kernel.instants import Window
from controller.plan.rows import StoredRow
from controller.reconcile import snapshot_base
from controller.reconcile.answer import document
from controller.reconcile.resolve import Question, resolve
from controller.reconcile.snapshot import Snapshot
from controller.stores.directory import snapshot_patch, store
from controller.stores.directory.model import Reach
from controller.stores.directory.snapshot_base import HEADER, BadBase, Base
from controller.stores.directory.snapshot_records import ALWAYS, NEVER, moment_of
from tests.support.directory import FILE, OPEN, day, days, row
from tests.support.resolving import ENVIRONMENT, FILES, Town


@pytest.fixture
def town(database_url: str) -> Iterator[Town]:
    connection = connect(database_url, application_name="tests", autocommit=True)
    town = Town(connection, 5)
    town.apply([row("participants", id=name) for name in ("p0", "p1")], [])
    yield town
    connection.close()


def built(connection: Connection[Any], folder: Path) -> Snapshot:
    snapshot_base.build(connection, ENVIRONMENT, folder)
    found = snapshot_base.newest(folder, ENVIRONMENT, {})
    assert found is not None
    return found


def record(key: int, name: bytes, document: bytes) -> bytes:
    """Make a row as the database sends it."""
    fixed = [pack(">iq", 8, number) for number in (key, ALWAYS, NEVER, 0)]
    small = [pack(">ii", 4, number) for number in (0, 1)]
    texts = [pack(">i", len(text)) + text for text in (name, b"p0", document)]
    return pack(">h", 9) + b"".join((*fixed, *small, *texts))


def bic(value: str, window: Window = OPEN, **more: str) -> StoredRow:
    given = {"participant_id": "p0", "scheme": "bic", "value": value} | more
    return row("identifiers", window, FILE, **given)


@pytest.mark.parametrize("status", ["", "removed"])
def test_a_successor_that_was_removed_itself_is_not_followed(
    town: Town, tmp_path: Path, status: str
) -> None:
    old = bic("OLD", successor_scheme="bic", successor_value="NEW")
    new = bic("NEW", participant_id="p1", status=status)
    town.apply([old, new], [])
    asked = Question("bic", "OLD", day(1))

    found = built(town.connection, tmp_path).resolve(asked)
    wanted = resolve(town.connection, ENVIRONMENT, asked)

    assert found is not None
    assert wanted is not None
    assert json.loads(found.body) == document(wanted)
    assert json.loads(found.body)["matched"]["value"] == ("OLD" if status else "NEW")


def test_two_names_of_one_key_are_told_apart(town: Town, tmp_path: Path) -> None:
    snapshot = built(town.connection, tmp_path)
    key = row_key("identifiers", ("bic", "MINE"))
    both = (record(key, b"bic\x1fOTHER", b'{"a":1}'), record(key, b"bic\x1fMINE", b'{"b":2}'))

    rows = snapshot.rows.with_changes({"identifiers": {key: both}}, {})

    found = rows.visible("identifiers", key, b"bic\x1fMINE", moment_of(day(1)))
    assert found is not None
    assert found.document == b'{"b":2'
    assert rows.visible("identifiers", key, b"bic\x1fNOBODY", moment_of(day(1))) is None


def test_endpoints_of_one_rail_are_those_of_its_bundles(town: Town, tmp_path: Path) -> None:
    put = [
        row("endpoints", source=FILES[n], id=f"e{n}", participant_id="p0", protocol="https")
        for n in (0, 2)
    ]
    town.apply([*put, bic("A")], [])
    snapshot = built(town.connection, tmp_path)

    for rail, wanted in (("card-bin", ["e0"]), ("sepa", ["e2"]), (None, ["e0", "e2"]), ("x", [])):
        asked = Question("bic", "A", day(1), Reach(rail=rail))
        found = snapshot.resolve(asked)
        same = resolve(town.connection, ENVIRONMENT, asked)

        assert found is not None
        assert same is not None
        assert [one["id"] for one in json.loads(found.body)["endpoints"]] == wanted
        assert json.loads(found.body) == document(same)


def test_rows_moved_by_thousands_ask_for_a_new_base(town: Town, tmp_path: Path) -> None:
    town.apply([bic("A")], [])
    snapshot = built(town.connection, tmp_path)
    here = bic("A")
    # So many rows that the store stages them: which of them moved is not noted one by one.
    town.connection.execute("UPDATE directory.table_digest SET rows = rows + 1000000")
    town.apply([here._replace(source=FILES[1])], [here], changed=1_001)

    with store.moment(town.connection):
        patched = snapshot_patch.patched(town.connection, snapshot.rows, snapshot.facts.revision)

    assert patched is None


def test_a_row_that_moved_is_answered_with_its_new_file(town: Town, tmp_path: Path) -> None:
    here = bic("A")
    town.apply([here], [])
    snapshot = built(town.connection, tmp_path)
    town.apply([here._replace(source=FILES[1])], [here])

    with store.moment(town.connection):
        rows = snapshot_patch.patched(town.connection, snapshot.rows, snapshot.facts.revision)
    snapshot.files.learn(town.connection)

    assert rows is not None
    moved = Snapshot(rows, snapshot.facts, snapshot.files, {})
    reply = moved.resolve(Question("bic", "A", day(1)))
    assert reply is not None
    assert json.loads(reply.body)["matched"]["source"]["path"] == FILES[1].path


def test_an_answer_may_be_used_until_the_next_boundary_and_no_longer(
    town: Town, tmp_path: Path
) -> None:
    town.apply([bic("A", days(1, 2))], [])
    snapshot = built(town.connection, tmp_path)
    last = moment_of(day(2)) - 5_000_000

    assert snapshot.fresh_seconds(moment_of(day(1))) == 60
    assert snapshot.fresh_seconds(last) == 5
    assert snapshot.etag(last) == snapshot.etag(moment_of(day(1)))
    assert snapshot.etag(moment_of(day(2))) != snapshot.etag(last)


def test_a_base_that_is_not_what_was_written_is_refused(town: Town, tmp_path: Path) -> None:
    town.apply([row("endpoints", id=f"e{n}", participant_id="p0") for n in range(2)], [])
    town.step()
    path = snapshot_base.build(town.connection, ENVIRONMENT, tmp_path)
    assert path is not None
    whole = path.read_bytes()
    Base(path).check()

    for position in range(0, len(whole), 97):
        data = bytearray(whole)
        data[position] ^= 0x40
        path.write_bytes(data)
        if not _is_used(whole, position):
            continue  # padding
        with pytest.raises(BadBase):
            Base(path).check()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(BadBase):
            Base(path).check()


def _is_used(whole: bytes, position: int) -> bool:
    _, start, size, _ = HEADER.unpack_from(whole)
    parts = json.loads(whole[start : start + size])["sections"].values()
    used = [(0, HEADER.size - 8), (start, size), *((part[0], part[1]) for part in parts)]
    return any(start <= position < start + size for start, size in used)


def test_a_second_process_uses_the_base_that_the_first_has_made(town: Town, tmp_path: Path) -> None:
    first = snapshot_base.build(town.connection, ENVIRONMENT, tmp_path)
    assert first is not None
    made = first.stat().st_ino

    second = snapshot_base.build(town.connection, ENVIRONMENT, tmp_path)

    assert second == first
    assert second.stat().st_ino == made


def test_a_base_of_another_environment_is_not_answered_from(town: Town, tmp_path: Path) -> None:
    snapshot_base.build(town.connection, ENVIRONMENT, tmp_path)

    assert snapshot_base.newest(tmp_path, "staging", {}) is None
