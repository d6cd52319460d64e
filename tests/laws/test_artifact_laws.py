"""Laws of trees, tables and roots, whatever the input."""

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.artifacts import shards
from controller.artifacts.merkle import DictMemory, NoMemory, files_root
from controller.artifacts.rowtext import Row, key_text
from controller.artifacts.strictcsv import lines, parse_line, read, render
from controller.artifacts.walk import differing, files
from controller.kernel.objects import Oid
from tests.support.trees import MemoryObjects, Nested

COLUMNS = ("id", "name", "status")

CELLS = st.one_of(
    st.just(""),
    st.text(st.sampled_from('ab ,"1é'), max_size=6).map(str.strip),
)
ROWS = st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=12, unique=True)
NAMES = st.sampled_from(["a", "b", "a-b", "a.csv", "b0", "z.json"])
FOLDERS: st.SearchStrategy[Nested] = st.recursive(
    st.dictionaries(NAMES, st.binary(max_size=4), max_size=4),
    lambda below: st.dictionaries(NAMES, st.one_of(st.binary(max_size=4), below), max_size=4),
    max_leaves=12,
)


def without_empty_folders(nested: Nested) -> Nested:
    kept: dict[str, bytes | Nested] = {}
    for name, child in nested.items():
        below = child if isinstance(child, bytes) else without_empty_folders(child)
        if isinstance(child, bytes) or below:
            kept[name] = below
    return kept


def flat(objects: MemoryObjects, tree: Oid) -> Mapping[str, Oid]:
    return dict(files(objects, tree, ""))


@given(rows=ROWS)
def test_what_is_written_reads_back_as_it_was(rows: list[Row]) -> None:
    data = render(COLUMNS, rows)

    found, problems = read(data, COLUMNS)

    assert sorted(found) == sorted(rows)
    assert problems == []
    assert render(COLUMNS, found) == data
    assert [parse_line(line.decode(), 3) for line in lines(data)] == found


@given(data=st.binary(max_size=60))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    body = b"id,name,status\n" + data

    rows, problems = read(body, COLUMNS)

    assert all(len(row) == len(COLUMNS) for row in rows)
    assert problems or render(COLUMNS, rows) == body


@given(text=st.text(st.sampled_from('a,"\n\r =é\u0301\u200b'), max_size=30))
def test_a_file_without_problems_is_the_canonical_one(text: str) -> None:
    body = b"id,name,status\n" + text.encode()

    rows, problems = read(body, COLUMNS)

    assert problems or render(COLUMNS, rows) == body


@settings(deadline=None)
@given(old=FOLDERS, new=FOLDERS)
def test_the_files_root_is_the_same_with_and_without_a_memory(old: Nested, new: Nested) -> None:
    objects, memory = MemoryObjects(), DictMemory()
    before, after = objects.tree(old), objects.tree(new)
    files_root(objects, before, "files", memory)

    remembered = files_root(objects, after, "files", memory, base=before)

    assert remembered == files_root(objects, after, "files", NoMemory())
    assert remembered == files_root(objects, after, "files", memory)


@given(one=FOLDERS, two=FOLDERS)
def test_two_trees_have_one_root_only_when_they_are_one_tree(one: Nested, two: Nested) -> None:
    objects = MemoryObjects()
    left, right = objects.tree(one), objects.tree(two)

    roots = [files_root(objects, tree, "files", NoMemory()).root for tree in (left, right)]

    assert (roots[0] == roots[1]) == (left == right)


@settings(deadline=None)
@given(old=FOLDERS, new=FOLDERS, third=FOLDERS)
def test_the_pruned_walk_finds_what_a_full_comparison_finds(
    old: Nested, new: Nested, third: Nested
) -> None:
    objects = MemoryObjects()
    trees = [objects.tree(without_empty_folders(nested)) for nested in (old, new, third)]
    flats = [flat(objects, tree) for tree in trees]
    everywhere = sorted({path for one in flats for path in one})
    expected = {path: tuple(one.get(path) for one in flats) for path in everywhere}

    found = list(differing(objects, trees, "", lambda oids: len(set(oids)) == 1))

    assert dict(found) == {path: oids for path, oids in expected.items() if len(set(oids)) > 1}
    assert [path for path, _ in found] == sorted(path for path, _ in found)


def participants(count: int) -> list[Row]:
    return [(f"bank-{number:06d}", f"The Bank of Street {number}", "") for number in range(count)]


def ranges(count: int) -> list[Row]:
    return [(f"{400000 + number * 7:06d}", "", f"brand {number}") for number in range(count)]


@settings(deadline=None, max_examples=12)
@given(count=st.sampled_from([0, 1, 1000, 4000, 20000]), which=st.booleans())
def test_sharding_keeps_every_row_once(count: int, *, which: bool) -> None:
    table, columns = (
        ("participants", COLUMNS) if which else ("ranges", ("iin_start", "iin_end", "brand"))
    )
    rows = participants(count) if which else ranges(count)

    found = shards.shard(table, columns, rows)

    together = [row for data in found.values() for row in read(data, columns)[0]]
    assert sorted(together) == sorted(rows)
    assert not any(problem for data in found.values() for problem in read(data, columns)[1])
    assert found == shards.shard(table, columns, reversed(rows))


@settings(deadline=None, max_examples=5)
@given(more=st.integers(1, 50))
def test_rows_that_are_added_move_no_others(more: int) -> None:
    before = shards.shard("participants", COLUMNS, participants(20_000))
    after = shards.shard("participants", COLUMNS, participants(20_000 + more))

    where = {row: path for path, data in after.items() for row in read(data, COLUMNS)[0]}

    assert all(
        where[row] == path for path, data in before.items() for row in read(data, COLUMNS)[0]
    )


def test_keys_of_ranges_are_their_padded_spans() -> None:
    key = key_text(("iin_start", "iin_end", "brand"))

    assert key(("4571", "", "x")) == ("457100000000", "457199999999")
