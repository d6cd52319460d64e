"""Whatever is done to stored rows, the report is exactly the difference, and healing undoes it."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.adapters.postgres import (
    Connection,
    IntegrityRefused,
    connect,
    transaction,
    with_database,
)
from controller.stores.directory import declared, store
from controller.stores.directory.declared import FILE, Difference, Values
from controller.stores.directory.tables import STORE_TABLES
from tests.support.directory import card_range, days, participant, shards

PEOPLE = [participant(f"p{n}", days(0, 9) if n % 5 == 0 else days(None, None)) for n in range(20)]
LATER = [participant(f"p{n}", days(9, None), name="Later") for n in range(0, 20, 5)]
CARDS = [card_range(f"4111{n:02}", brand="one") for n in range(20)]
CHANGES = shards([*PEOPLE, *LATER, *CARDS])
TABLES = ("participants", "ranges")

EDITS = {
    "cell": "UPDATE {table} SET status = %(word)s WHERE ctid = {row}",
    "key": "UPDATE {table} SET {key} = {key} || %(word)s WHERE ctid = {row}",
    "row_key": "UPDATE {table} SET row_key = row_key + %(n)s WHERE ctid = {row}",
    "start": "UPDATE {table} SET effective_from = '2027-01-03' WHERE ctid = {row}",
    "end": "UPDATE {table} SET effective_to = '2027-01-07' WHERE ctid = {row}",
    "file": "UPDATE {table} SET file_id = 77 WHERE ctid = {row}",
    "revision": "UPDATE {table} SET revision = 0 WHERE ctid = {row}",
    "delete": "DELETE FROM {table} WHERE ctid = {row}",
    "copy": "INSERT INTO {table} ({columns}) SELECT row_key + %(n)s, {rest} FROM {table}"
    " WHERE ctid = {row}",
    "empty": "DELETE FROM {table} WHERE %(n)s = 7",
    "sum": "UPDATE directory.table_digest SET digest = digest + %(n)s WHERE table_name = '{name}'",
}


class Edit(NamedTuple):
    """One thing that somebody does to a row of a table, the row counted from the first."""

    what: str
    table: str
    at: int
    n: int
    word: str

    def do(self, connection: Connection[Any]) -> None:
        """Do it, unless the table's own constraints forbid it."""
        one = STORE_TABLES[self.table]
        table = f"directory.{one.name}"
        words = {
            "table": table,
            "name": one.name,
            "key": "id" if self.table == "participants" else "iin_start",
            "row": f"(SELECT ctid FROM {table} ORDER BY ctid OFFSET {self.at} LIMIT 1)",
            "columns": ", ".join(f'"{name}"' for name in one.columns),
            "rest": ", ".join(f'"{name}"' for name in one.columns if name != "row_key"),
        }
        text = EDITS[self.what].format_map(words).replace("status", cell_of(self.table))
        try:
            with transaction(connection):
                connection.execute(text.encode(), {"n": self.n, "word": self.word})
        except IntegrityRefused:
            return


def cell_of(table: str) -> str:
    return "status" if table == "participants" else "brand"


EDIT = st.builds(
    Edit,
    st.sampled_from(sorted(EDITS)),
    st.sampled_from(TABLES),
    st.integers(0, 25),
    st.integers(1, 9),
    st.sampled_from(["", "x", "one", "%", "Ω"]),
)


@pytest.fixture(scope="module")
def stocked(server_url: str, template_database: str) -> Iterator[Connection[Any]]:
    """Return a database that holds what is declared."""
    name = "drift_laws"
    with connect(server_url, application_name="tests", autocommit=True) as administrator:
        administrator.execute(f"CREATE DATABASE {name} TEMPLATE {template_database}".encode())
        with connect(with_database(server_url, name), application_name="tests") as connection:
            store.apply(connection, CHANGES, revision=1, changed={})
            connection.commit()
            yield connection
            connection.rollback()
        administrator.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def rows(connection: Connection[Any], table: str) -> list[dict[str, Any]]:
    """Read a table as texts, in order, with each row's file."""
    one = STORE_TABLES[table]
    texts = ", ".join(f'live."{name}"::text AS "{name}"' for name in one.content)
    query = (
        f"SELECT {texts}, bundle || ' ' || path AS {FILE} FROM directory.{one.name} AS live"
        f" LEFT JOIN directory.source_file USING (file_id)"
        f" ORDER BY live.row_key, live.effective_from"
    )
    cursor = connection.execute(query.encode())
    assert cursor.description is not None
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def expected(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> set[Any]:
    """Return the differences, worked out from all rows in the plainest way."""
    found: list[tuple[Values | None, Values | None]] = []
    left = {place(row): row for row in before}
    strays: dict[str, list[dict[str, Any]]] = {}
    for row in after:
        wanted = left.pop(place(row), None)
        if wanted is None:
            strays.setdefault(row["row_key"], []).append(row)
        elif wanted != row:
            found.append((row, wanted))
    for wanted in left.values():
        some = strays.get(wanted["row_key"])
        found.append((some.pop(0) if some else None, wanted))
    found += [(row, None) for some in strays.values() for row in some]
    return {frozen(stored, wanted) for stored, wanted in found}


def place(row: Mapping[str, Any]) -> tuple[str, str]:
    return (row["row_key"], row["effective_from"])


def frozen(stored: Values | None, wanted: Values | None) -> Any:
    return tuple(tuple(sorted(one.items(), key=str)) if one else None for one in (stored, wanted))


def look(connection: Connection[Any], table: str) -> list[Difference]:
    numbering = declared.known_numbers(connection)
    with transaction(connection):
        return list(declared.declare(connection, [table], CHANGES, numbering)[table].differences())


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(edits=st.lists(EDIT, min_size=1, max_size=50))
def test_the_report_is_exactly_the_difference_and_healing_undoes_it(
    stocked: Connection[Any], edits: list[Edit]
) -> None:
    stocked.rollback()
    before = {table: rows(stocked, table) for table in TABLES}
    sums = store.recompute(stocked)
    for edit in edits:
        edit.do(stocked)
    after = {table: rows(stocked, table) for table in TABLES}

    for table in TABLES:
        found = look_and_drop(stocked, table)
        assert len(found) == len(set(found))
        assert set(found) == expected(before[table], after[table])

    declared.lock(stocked, TABLES)
    wanted = declared.declare(stocked, TABLES, CHANGES, declared.lasting_numbers(stocked))
    for load in wanted.values():
        load.put_right(2)
    assert {table: rows(stocked, table) for table in TABLES} == before
    assert store.recompute(stocked) == store.kept(stocked) == sums


def look_and_drop(connection: Connection[Any], table: str) -> list[Any]:
    """Return the differences of a table, its temporary tables gone again."""
    name = STORE_TABLES[table].name
    found = [frozen(*one) for one in look(connection, table)]
    drop = f"DROP TABLE pg_temp.declared_{name}, pg_temp.leaving_{name}"
    connection.execute(drop.encode())
    return found
