"""What one file makes change, whichever of its contents comes first and however they overlap."""

import pytest

from controller.artifacts import strictcsv
from controller.kernel.instants import Window
from controller.plan.rows import STORED_TABLES, SourceFile
from controller.plan.shard import Content, ShardChange, UnreadableRows, shard_change
from tests.support.directory import days

SOURCE = SourceFile("card-bin/tests", "bundles/card-bin/tests/files/participants.csv")
RULES_FILE = SourceFile("card-bin/tests", "bundles/card-bin/tests/files/rules/r.json")
ALWAYS, NEVER = (days(None, None),), ()
EARLY, LATE = (days(None, 9),), (days(9, None),)
HEADER = b"id,name\n"

Told = list[tuple[str, tuple[Window]]]


def changed(*contents: Content, table: str = "participants") -> ShardChange:
    """Return the change of a file that has one, the same in whatever order its contents come."""
    found = shard_change(SOURCE, table, contents)
    assert found is not None
    assert shard_change(SOURCE, table, contents[::-1]) == found
    return found


def told(change: ShardChange) -> tuple[Told, Told]:
    """Return the names that go and those that come, each with its window."""
    gone, come = (
        [(row.cells[1], (row.window,)) for row in rows] for rows in (change.removed, change.added)
    )
    return gone, come


def refused(
    *datas: bytes, table: str = "participants", source: SourceFile = SOURCE
) -> UnreadableRows:
    contents = [
        Content(data, *((ALWAYS, NEVER) if index else (NEVER, ALWAYS)))
        for index, data in enumerate(datas)
    ]
    with pytest.raises(UnreadableRows) as refusal:
        shard_change(source, table, contents)
    return refusal.value


def test_a_line_at_the_edge_counts_longer_when_a_second_version_has_it_too() -> None:
    stays = Content(HEADER + b"a,Alpha\nb,Beta\nz,Zeta\n", EARLY, EARLY)
    follows = Content(HEADER + b"a,Alpha\nb,Better\nz,Zeta\n", NEVER, LATE)

    assert told(changed(stays, follows)) == (
        [("Alpha", EARLY), ("Zeta", EARLY)],
        [("Alpha", ALWAYS), ("Better", LATE), ("Zeta", ALWAYS)],
    )


def test_lines_that_all_contents_share_stay_while_the_file_counts_as_before() -> None:
    first = Content(HEADER + b"a,Alpha\nb,Beta\nz,Zeta\n", ALWAYS, EARLY)
    second = Content(HEADER + b"a,Alpha\nb,Better\nz,Zeta\n", NEVER, LATE)

    assert told(changed(first, second)) == (
        [("Beta", ALWAYS)],
        [("Beta", EARLY), ("Better", LATE)],
    )


def test_a_line_of_the_first_and_third_of_three_versions_is_away_in_between() -> None:
    middle = (days(3, 9),)
    contents = (
        Content(HEADER + b"a,Alpha\nb,Beta\n", ALWAYS, (days(None, 3),)),
        Content(HEADER + b"a,Alpha\nc,Gamma\n", NEVER, middle),
        Content(HEADER + b"a,Alpha\nb,Beta\nd,Delta\n", NEVER, LATE),
    )

    assert told(changed(*contents)) == (
        [("Beta", ALWAYS)],
        [("Beta", (days(None, 3),)), ("Beta", LATE), ("Gamma", middle), ("Delta", LATE)],
    )


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_last_line_is_a_row_with_and_without_its_newline(end: bytes) -> None:
    old = Content(HEADER + b"a,Alpha\nb,Beta" + end, ALWAYS, NEVER)
    new = Content(HEADER + b"a,Alpha\nb,Better" + end, NEVER, ALWAYS)

    assert told(changed(old, new)) == ([("Beta", ALWAYS)], [("Better", ALWAYS)])


def test_a_file_that_only_gets_its_last_newline_changes_nothing() -> None:
    contents = (
        Content(HEADER + b"a,Alpha\nb,Beta", ALWAYS, NEVER),
        Content(HEADER + b"a,Alpha\nb,Beta\n", NEVER, ALWAYS),
    )

    assert shard_change(SOURCE, "participants", contents) is None


def test_a_file_without_rows_changes_nothing() -> None:
    for data in (HEADER, HEADER.rstrip()):
        assert shard_change(SOURCE, "participants", [Content(data, NEVER, ALWAYS)]) is None


def test_columns_in_another_order_are_the_same_rows() -> None:
    contents = (
        Content(b"id,name,country\na,Alpha,DE\n", ALWAYS, NEVER),
        Content(b"country,id,name\nDE,a,Alpha\n", NEVER, ALWAYS),
    )

    assert shard_change(SOURCE, "participants", contents) is None


def test_rows_of_a_change_stand_in_the_order_of_their_cells() -> None:
    lines = b"c,Gamma\nb,Beta\na,Alpha\n"

    change = changed(Content(HEADER + lines, ALWAYS, EARLY))

    assert [row.cells[0] for row in change.removed] == ["a", "b", "c"]
    assert [row.cells[0] for row in change.added] == ["a", "b", "c"]
    assert {(row.table, row.source) for row in (*change.removed, *change.added)} == {
        ("participants", SOURCE)
    }


@pytest.mark.parametrize(
    ("datas", "reason"),
    [
        ((HEADER + b"a,A\na,A\n",), "a line that stands twice"),
        (
            (HEADER + b"a,A\nb,B\na,A\nz,Z\n", HEADER + b"a,A\nb,B\nz,Z\n"),
            "a line that stands twice",
        ),
        (
            (HEADER + b"a,A\nz,Z\nb,B\nz,Z\n", HEADER + b"a,A\nc,C\nz,Z\n"),
            "a line that stands twice",
        ),
        ((b"id,n\xffme\na,A\n",), "a header that is not UTF-8"),
        ((b"id,id\na,A\n",), "not a header of participants"),
        ((b"id,colour\na,A\n",), "not a header of participants"),
        ((HEADER, b"id,colour\na,A\n"), "not a header of participants"),
    ],
)
def test_a_file_that_is_no_table_is_refused_by_its_path(
    datas: tuple[bytes, ...], reason: str
) -> None:
    for some in (datas, datas[::-1]):
        refusal = refused(*some)

        assert (refusal.path, refusal.reason) == (SOURCE.path, reason)
        assert str(refusal) == f"{SOURCE.path}: {reason}"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"[]", "not a document of routing rules"),
        (b"{}", "not a document of routing rules"),
        (b'{"rules":{}}', "not a document of routing rules"),
        (b'{"rules":[1]}', "a rule without an id"),
        (b'{"rules":[{}]}', "a rule without an id"),
        (b'{"rules":[{"id":1}]}', "a rule without an id"),
        (b'{"rules":[{"id":"a"},{"id":"a"}]}', "a line that stands twice"),
    ],
)
def test_a_document_that_holds_no_rules_is_refused_by_its_path(data: bytes, reason: str) -> None:
    refusal = refused(data, table="rules", source=RULES_FILE)

    assert (refusal.path, refusal.reason) == (RULES_FILE.path, reason)


def test_a_rule_is_a_row_of_its_bundle_with_its_document_and_its_own_window() -> None:
    data = b"""{"version": 1, "rules": [
      {"id": "a"},
      {"id": "b", "priority": 0, "effective_from": "2027-01-04T00:00:00Z"},
      {"id": "c", "priority": 7, "effective_to": "2027-01-10T00:00:00Z"}]}"""

    change = shard_change(RULES_FILE, "rules", [Content(data, NEVER, ALWAYS)])

    assert change is not None
    start, end = "2027-01-04T00:00:00Z", "2027-01-10T00:00:00Z"
    assert [(row.cells, row.window) for row in change.added] == [
        (("card-bin/tests", "a", "", '{"id":"a"}', "", ""), days(None, None)),
        (
            (
                "card-bin/tests",
                "b",
                "0",
                f'{{"effective_from":"{start}","id":"b","priority":0}}',
                start,
                "",
            ),
            days(3, None),
        ),
        (
            (
                "card-bin/tests",
                "c",
                "7",
                f'{{"effective_to":"{end}","id":"c","priority":7}}',
                "",
                end,
            ),
            days(None, 9),
        ),
    ]


COLUMNS = STORED_TABLES["participants"].columns
EVERY_COLUMN = ",".join(COLUMNS).encode() + b"\n"


@pytest.mark.parametrize("header", [HEADER, b"name,id\n", EVERY_COLUMN])
@pytest.mark.parametrize("name", ["Alpha", "Alpha, Inc", 'Al"pha', '"'])
def test_a_cell_is_read_as_it_was_written_under_every_header(header: bytes, name: str) -> None:
    cells = {"id": "a", "name": name}
    names = header.decode().strip().split(",")
    line = strictcsv.render_row([cells.get(name, "") for name in names])

    change = changed(Content(header + line.encode() + b"\n", NEVER, ALWAYS))

    assert [row.cells for row in change.added] == [tuple(cells.get(one, "") for one in COLUMNS)]


@pytest.mark.parametrize("header", [HEADER, EVERY_COLUMN])
@pytest.mark.parametrize("change", [-1, 1])
def test_a_line_of_another_width_than_its_header_is_refused(header: bytes, change: int) -> None:
    width = header.count(b",") + change
    content = Content(header + b"a" + b"," * width + b"\n", NEVER, ALWAYS)

    with pytest.raises(strictcsv.BadRow, match=f"{width + 1} cells where {width + 1 - change} "):
        shard_change(SOURCE, "participants", [content])


@pytest.mark.parametrize("header", [HEADER, EVERY_COLUMN])
@pytest.mark.parametrize("sign", [b"\0", b"\x1e", b"\x1f", b"\r", b"\x7f"])
def test_a_control_character_is_refused_under_any_header(header: bytes, sign: bytes) -> None:
    line = b"a,Al" + sign + b"pha" + b"," * (header.count(b",") - 1)
    content = Content(header + line + b"\n", NEVER, ALWAYS)

    with pytest.raises(strictcsv.BadRow, match="control"):
        shard_change(SOURCE, "participants", [content])
