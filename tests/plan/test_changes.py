"""The change set between live versions: exact, pruned, and counted by windows."""

from collections.abc import Iterable, Iterator

import pytest

from controller.artifacts.layout import BundleId
from controller.kernel.errors import Refused
from controller.kernel.objects import Header, Oid
from controller.plan.changes import FILE_SIZE_MAX_BYTES, rows_of, table_of
from controller.plan.rows import SourceFile
from controller.plan.shard import ShardChange, UnreadableRows
from controller.plan.whole import WholeFile
from tests.support.directory import (
    BUNDLE,
    MemoryObjects,
    cells,
    changes,
    csv,
    days,
    many_ranges,
    shard_ranges,
    version,
)

ALPHA = cells("participants", id="alpha", name="Alpha")
BETA = cells("participants", id="beta", name="Beta")
BETTER = cells("participants", id="beta", name="Better")
PATH = f"bundles/{BUNDLE}/files/participants.csv"


def lines(shards: list[ShardChange]) -> tuple[list[str], list[str]]:
    """Return the names of the rows that go and of those that come."""
    return (
        [row.cells[1] for shard in shards for row in shard.removed],
        [row.cells[1] for shard in shards for row in shard.added],
    )


def test_two_equal_sets_of_versions_change_nothing_and_read_nothing() -> None:
    objects = MemoryObjects()
    live = version(objects, shard_ranges(many_ranges(50)))

    found = list(changes(objects, [live], [live]))

    assert (found, objects.read_oids) == ([], [])


def test_only_the_file_that_differs_is_read() -> None:
    objects = MemoryObjects()
    rows = many_ranges(30_000)
    old, new = shard_ranges(rows), shard_ranges([*rows[:-1], (*rows[-1][:5], "New", *rows[-1][6:])])
    applied, desired = version(objects, old), version(objects, new, number=2)

    (shard,) = changes(objects, [applied], [desired]).shards()

    assert (len(shard.removed), len(shard.added)) == (1, 1)
    # Two root trees, two directories, and the two contents of one file out of three.
    assert len(objects.read_oids) == 6


def test_a_changed_line_is_one_row_that_goes_and_one_that_comes() -> None:
    objects = MemoryObjects()
    applied = version(objects, {"participants.csv": csv("participants", [ALPHA, BETA])})
    desired = version(objects, {"participants.csv": csv("participants", [ALPHA, BETTER])})

    (shard,) = changes(objects, [applied], [desired]).shards()
    assert lines([shard]) == (["Beta"], ["Better"])
    assert shard.source == SourceFile("card-bin/tests", PATH)
    assert {row.source for row in (*shard.removed, *shard.added)} == {shard.source}


def test_a_line_that_two_adjoining_versions_share_stays_one_row() -> None:
    objects = MemoryObjects()
    one = {"participants.csv": csv("participants", [ALPHA, BETA])}
    two = {"participants.csv": csv("participants", [ALPHA, BETTER])}
    applied = version(objects, one)
    handed_over = [
        version(objects, one, days(None, 9)),
        version(objects, two, days(9, None), number=2),
    ]

    (shard,) = changes(objects, [applied], handed_over).shards()

    assert [(row.cells[1], row.window) for row in shard.removed] == [("Beta", days(None, None))]
    assert {(row.cells[1], row.window) for row in shard.added} == {
        ("Beta", days(None, 9)),
        ("Better", days(9, None)),
    }


def test_a_row_counts_where_its_own_window_and_its_versions_window_meet() -> None:
    objects = MemoryObjects()
    dated = cells("participants", id="alpha", name="Alpha", effective_from="2027-01-05T00:00:00Z")
    live = version(objects, {"participants.csv": csv("participants", [dated])}, days(None, 9))

    (shard,) = changes(objects, [], [live]).shards()

    assert [row.window for row in shard.added] == [days(4, 9)]


def test_a_row_outside_its_versions_window_is_not_stored() -> None:
    objects = MemoryObjects()
    dated = cells("participants", id="alpha", name="Alpha", effective_from="2027-01-20T00:00:00Z")
    live = version(objects, {"participants.csv": csv("participants", [dated])}, days(None, 9))

    assert list(changes(objects, [], [live])) == []


def test_a_header_that_gains_an_empty_column_changes_no_row() -> None:
    objects = MemoryObjects()
    short = b"id,name,effective_from,effective_to\nalpha,Alpha,,\n"
    applied = version(objects, {"participants.csv": short})
    desired = version(objects, {"participants.csv": csv("participants", [ALPHA])})

    assert list(changes(objects, [applied], [desired])) == []


def test_a_column_the_table_does_not_have_is_refused() -> None:
    objects = MemoryObjects()
    live = version(objects, {"participants.csv": b"id,favourite_colour\nalpha,blue\n"})

    with pytest.raises(UnreadableRows, match="not a header of participants"):
        list(changes(objects, [], [live]))


def test_a_line_that_stands_twice_is_refused() -> None:
    objects = MemoryObjects()
    live = version(objects, {"participants.csv": b"id,name\nalpha,Alpha\nalpha,Alpha\n"})

    with pytest.raises(UnreadableRows, match="stands twice"):
        list(changes(objects, [], [live]))


NO_TABLES = [
    "notes/readme.txt",
    "ranges/readme.md",
    "ranges.csv/readme.csv",
    "ranges.json",
    "rules/r.csv",
    "csv",
    "other.csv",
]


def test_files_that_belong_to_no_table_are_left_alone() -> None:
    objects = MemoryObjects()
    live = version(objects, dict.fromkeys(NO_TABLES, b"hello"))

    assert list(changes(objects, [], [live])) == []


def test_a_rule_is_replaced_alone_when_its_document_changes() -> None:
    objects = MemoryObjects()
    old = b'{"version":1,"rules":[{"id":"a","priority":1},{"id":"b","priority":2}]}'
    new = b'{"version":1,"rules":[{"id":"a","priority":1},{"id":"b","priority":3}]}'
    applied, desired = (
        version(objects, {"rules/r.json": old}),
        version(objects, {"rules/r.json": new}),
    )

    (shard,) = changes(objects, [applied], [desired]).shards()

    assert [row.cells[:3] for row in shard.removed] == [(str(BUNDLE), "b", "2")]
    assert [row.cells[:3] for row in shard.added] == [(str(BUNDLE), "b", "3")]


def test_a_bundle_that_leaves_the_release_takes_its_rows_along() -> None:
    objects = MemoryObjects()
    other = BundleId.parse("card-bin/other")
    stays = version(objects, {"participants.csv": csv("participants", [ALPHA])})
    leaves = version(objects, {"participants.csv": csv("participants", [BETA])}, bundle=other)

    assert lines(list(changes(objects, [stays, leaves], [stays]).shards())) == (["Beta"], [])


def test_changes_are_one_sided_only_when_no_row_can_be_on_both_sides() -> None:
    objects = MemoryObjects()
    one = version(objects, {"participants.csv": csv("participants", [ALPHA])})
    two = version(objects, {"participants.csv": csv("participants", [BETA])}, number=2)

    assert changes(objects, [], [one]).is_one_sided
    assert changes(objects, [one], []).is_one_sided
    assert not changes(objects, [one], [two]).is_one_sided


def test_a_plain_file_that_comes_stays_whole() -> None:
    objects = MemoryObjects()
    some = changes(
        objects, [], [version(objects, {"participants.csv": csv("participants", [ALPHA])})]
    )

    (whole,) = some

    assert isinstance(whole, WholeFile)
    assert (whole.rows_put, whole.rows_dropped) == (1, 0)
    assert [row.cells for row in rows_of(whole).added] == [ALPHA]


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([(*ALPHA[:-1], "2027-01-20T00:00:00Z")], id="a window of its own"),
        pytest.param([ALPHA, (*ALPHA[:1], "Again", *ALPHA[2:])], id="a key twice"),
    ],
)
def test_a_file_whose_rows_need_a_look_comes_row_by_row(rows: list[tuple[str, ...]]) -> None:
    objects = MemoryObjects()
    some = changes(objects, [], [version(objects, {"participants.csv": csv("participants", rows)})])

    assert [type(change) for change in some] == [ShardChange]


def test_a_file_that_comes_beside_one_that_goes_comes_row_by_row() -> None:
    objects = MemoryObjects()
    before = version(objects, {"participants/a.csv": csv("participants", [ALPHA])})
    after = version(objects, {"participants/b.csv": csv("participants", [ALPHA])}, number=2)

    assert {type(change) for change in changes(objects, [before], [after])} == {ShardChange}


def test_a_file_that_is_known_already_is_not_read_to_plan_it() -> None:
    objects = MemoryObjects()
    some = changes(
        objects, [], [version(objects, {"participants.csv": csv("participants", [ALPHA])})]
    )
    once = list(some)
    objects.read_oids.clear()

    assert list(some) == once
    assert not objects.read_oids


@pytest.mark.parametrize("line", [b"alpha,\xff\n", b"\xffalpha,Alpha\n"])
def test_a_line_that_is_no_text_is_refused_by_the_path_of_its_file(line: bytes) -> None:
    objects = MemoryObjects()
    live = version(objects, {"participants.csv": b"id,name\n" + line})

    with pytest.raises(UnreadableRows) as refusal:
        list(changes(objects, [], [live]))

    assert (refusal.value.path, refusal.value.reason) == (
        PATH,
        "a line is not a row of participants",
    )


def test_a_file_with_two_contents_is_read_even_when_one_of_them_is_known() -> None:
    objects = MemoryObjects()
    known, other = csv("participants", [ALPHA]), csv("participants", [BETA])
    early = {"participants/a.csv": known, "participants/b.csv": known}
    desired = [
        version(objects, early, days(None, 9)),
        version(objects, {**early, "participants/b.csv": other}, days(9, None), number=2),
    ]
    some = changes(objects, [], desired)

    once = list(some)

    assert some.facts  # of the file that is the same in both versions
    assert list(some) == once
    assert lines(list(some.shards())) == ([], ["Alpha", "Alpha", "Beta"])


class Larger(MemoryObjects):
    """Says of every blob that it has one byte more than a file may have."""

    def header(self, oid: Oid) -> Header:
        found = super().header(oid)
        return Header(found.kind, FILE_SIZE_MAX_BYTES + 1) if found.kind == "blob" else found


def test_a_file_over_the_limit_is_refused_by_its_path_and_not_read() -> None:
    objects = Larger()
    live = version(objects, {"participants.csv": csv("participants", [ALPHA])})

    with pytest.raises(Refused, match=PATH) as refusal:
        list(changes(objects, [], [live]))

    assert refusal.value.code == "walk.too_large"
    assert len(objects.read_oids) == 1  # the tree alone


class Forgetful(MemoryObjects):
    """Answers for one object less than it is asked for."""

    def read_many(self, oids: Iterable[Oid]) -> Iterator[bytes]:
        return super().read_many(list(oids)[1:])


def test_a_store_that_answers_too_little_is_noticed() -> None:
    objects = Forgetful()
    files = {f"participants/{one[0]}.csv": csv("participants", [one]) for one in (ALPHA, BETA)}

    with pytest.raises(ValueError, match="shorter"):
        list(changes(objects, [], [version(objects, files)]))


class Counted(MemoryObjects):
    """Writes down how many objects it was asked for at once."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    def read_many(self, oids: Iterable[Oid]) -> Iterator[bytes]:
        wanted = list(oids)
        self.asked.append(len(wanted))
        return super().read_many(wanted)


def test_no_more_than_64_files_are_held_at_once() -> None:
    objects = Counted()
    files = {
        f"participants/{number:03d}.csv": csv(
            "participants", [cells("participants", id=f"{number}")]
        )
        for number in range(130)
    }

    found = list(changes(objects, [], [version(objects, files)]))

    assert [change.source.path for change in found] == sorted(
        f"bundles/{BUNDLE}/files/{path}" for path in files
    )
    assert objects.asked == [64, 64, 2]


def test_bundles_come_in_the_order_of_their_names_as_text() -> None:
    objects = MemoryObjects()
    names = ["card/a", "card-bin/b", "card-bin/a"]
    live = [
        version(
            objects,
            {"participants.csv": csv("participants", [cells("participants", id=name)])},
            bundle=BundleId.parse(name),
        )
        for name in names
    ]

    found = [change.source.bundle for change in changes(objects, [], live)]

    assert found == ["card-bin/a", "card-bin/b", "card/a"]


@pytest.mark.parametrize(
    ("path", "table"),
    [
        ("f/ranges.csv", "ranges"),
        ("f/ranges/00.csv", "ranges"),
        ("f/ranges/00/1f.csv", "ranges"),
        ("f/rules.json", None),
        ("f/rules/00.json", "rules"),
        ("f/rules.csv", None),
        ("f/ranges.json", None),
        ("f/rules/00.csv", None),
        ("f/ranges/00.json", None),
        ("f/ranges.csv.json", None),
        ("f/rules.csv.json", None),
        ("f/ranges.2.csv", None),
        ("f/ranges", None),
        ("f/notes.csv", None),
    ],
)
def test_a_file_belongs_to_a_table_by_its_whole_name(path: str, table: str | None) -> None:
    assert table_of(path, "f") == table
