"""Whole files end in the store as their rows do, each alone."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.adapters.postgres import Connection
from controller.artifacts.tables import TABLES, row_key, row_keys
from controller.kernel.canonical import Digest
from controller.kernel.instants import Window
from controller.kernel.objects import Oid
from controller.plan.plan import make_plan
from controller.plan.rows import OPEN, key_of
from controller.plan.whole import WholeFile, read_facts
from controller.stores.directory import store
from controller.stores.directory.copytext import FileText, columns_of, render
from controller.stores.directory.errors import DanglingReference, OverlappingWindows
from controller.stores.directory.tables import STORE_TABLES
from tests.support.directory import MemoryObjects, cells, changes, csv, days, version

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
TEXTS = st.one_of(
    st.sampled_from(["", "", "a,b", 'quo"te', "back\\slash", "Ünï", "\\N", "\\.", "x y"]),
    st.text('abcé\\",', max_size=6),
)
ODD = Oid(b"\0" * 20)


@st.composite
def table_rows(draw: st.DrawFn) -> tuple[str, list[tuple[str, ...]]]:
    """Draw rows of one table, without windows of their own."""
    table = draw(st.sampled_from(sorted(TABLES)))
    columns = TABLES[table].columns

    def row(number: int) -> tuple[str, ...]:
        given = {name: draw(TEXTS) for name in columns}
        for name in TABLES[table].key:
            given[name] = f"k{number}{given[name]}"
        if table == "ranges":
            given |= {
                "iin_start": f"{400000 + number}",
                "iin_end": draw(st.sampled_from(["", "499999"])),
            }
        given |= {"effective_from": "", "effective_to": ""}
        return tuple(given[name] for name in columns)

    return table, [row(number) for number in range(draw(st.integers(1, 5)))]


@settings(deadline=None, max_examples=200)
@given(table_rows())
def test_the_text_of_a_file_is_the_text_of_its_rows(
    drawn: tuple[str, list[tuple[str, ...]]],
) -> None:
    table, rows = drawn
    data = csv(table, rows)
    facts = read_facts(data, table)
    if not facts.is_plain:  # a cell that is no lawful text
        return

    text = render(FileText(table, facts.columns, ODD, facts.sha256, 0, 7), data).decode()
    keys = render(FileText(table, facts.columns, ODD, facts.sha256, 0, None), data).decode()

    expected = {
        "\t".join(
            [
                str(key_of(table, row)),
                *("" if one is None else str(one) for one in STORE_TABLES[table].derive(row)),
                *(cell.replace("\\", "\\\\") for cell in row),
                "7",
            ]
        )
        for row in rows
    }
    assert set(text.split("\n")[:-1]) == expected
    assert set(keys.split("\n")[:-1]) == {str(key_of(table, row)) for row in rows}
    assert len(columns_of(table, facts.columns)) == text.split("\n")[0].count("\t") + 1


@given(
    st.lists(
        st.tuples(
            st.text("aé|", max_size=3),
            st.text(max_size=3).filter(lambda text: not CONTROL.search(text)),
        ),
        max_size=5,
    )
)
def test_many_keys_are_each_the_number_of_one_key(parts: list[tuple[str, str]]) -> None:
    columns = [[one for one, _ in parts], [other for _, other in parts]]

    assert row_keys("identifiers", columns) == [row_key("identifiers", pair) for pair in parts]
    assert row_keys("participants", columns[:1]) == [
        row_key("participants", one[:1]) for one in parts
    ]


P = "participants"
FILES = {
    "participants/a.csv": csv(P, [cells(P, id="a", name="A,\\b"), cells(P, id="b", name='"Ä"')]),
    "participants/b.csv": b"id,name,effective_from,effective_to\nc,Short,,\n",
    "identifiers.csv": csv(
        "identifiers", [cells("identifiers", participant_id="a", scheme="bic", value="X")]
    ),
    "endpoints.csv": csv(
        "endpoints", [cells("endpoints", id="e", participant_id="b", protocol="https")]
    ),
    "capabilities.csv": csv("capabilities", [cells("capabilities", endpoint_id="e", message="m")]),
    "ranges.csv": csv(
        "ranges",
        [
            cells("ranges", iin_start="012345", participant_id="c"),
            cells("ranges", iin_start="400000", iin_end="400009"),
        ],
    ),
    "rules/r.json": b'{"version":1,"rules":[{"id":"r","priority":1,"participant_id":"a"}]}',
}
WAYS = pytest.mark.parametrize("way", [1, 1_001, 10**6])
WINDOWS = pytest.mark.parametrize("windows", [[OPEN], [days(1, 4), days(6, None)]])


def arrive(database: Connection[Any], some: Any, way: int, revision: int) -> dict[str, Any]:
    """Apply changes in a way; return the digests that are kept afterwards."""
    pretended = 10**6 if way == 1_001 else 0
    pretend = b"UPDATE directory.table_digest SET rows = rows + %s"
    database.execute(pretend, (pretended,))
    store.apply(database, some, revision=revision, changed=dict.fromkeys([*TABLES, "rules"], way))
    database.execute(pretend, (-pretended,))
    return store.verify(database)


@WAYS
@WINDOWS
def test_whole_files_come_and_go_in_every_way_like_their_rows(
    database: Connection[Any], way: int, windows: list[Window]
) -> None:
    objects = MemoryObjects()
    live = [version(objects, FILES, window, number=at) for at, window in enumerate(windows, 1)]
    there, back = changes(objects, [], live), changes(objects, live, [])
    assert sum(isinstance(change, WholeFile) for change in there) == 6

    whole = arrive(database, there, way, 1)
    stored = {table: set(store.stored_rows(database, table)) for table in STORE_TABLES}
    gone = arrive(database, back, way, 2)
    rows = arrive(database, list(there.shards()), way, 3)

    assert {table: set(store.stored_rows(database, table)) for table in STORE_TABLES} == stored
    assert (whole, sum(one.rows for one in gone.values())) == (rows, 0)
    assert sum(one.rows for one in whole.values()) == 9 * len(windows)
    counts = make_plan("production", None, Digest("a" * 64), there, one_sided=True).counts
    assert {table: one.rows_put for table, one in counts.items()} == {
        table: one.rows for table, one in whole.items()
    }
    assert all(one.added * len(windows) == one.rows_put for one in counts.values())


@WAYS
def test_a_key_in_two_whole_files_is_refused(database: Connection[Any], way: int) -> None:
    objects = MemoryObjects()
    twice = FILES | {"participants/z.csv": csv(P, [cells(P, id="a", name="Again")])}

    with pytest.raises(OverlappingWindows) as refusal:
        arrive(database, changes(objects, [], [version(objects, twice)]), way, 1)

    assert refusal.value.one.key == ("a",)


@WAYS
def test_a_whole_file_that_names_nobody_is_refused(database: Connection[Any], way: int) -> None:
    objects = MemoryObjects()
    lost = FILES | {
        "ranges.csv": csv("ranges", [cells("ranges", iin_start="400000", participant_id="zz")])
    }

    with pytest.raises(DanglingReference) as refusal:
        arrive(database, changes(objects, [], [version(objects, lost)]), way, 1)

    assert refusal.value.row.key == ("400000000000", "400000999999")
