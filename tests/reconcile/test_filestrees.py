"""Looking back for the files of bundles: once for all, within what owners signed, in any width."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import pytest

from controller.artifacts.bundle import BundleStatement
from controller.artifacts.layout import BundleId
from controller.artifacts.levels import TREE_SIZE_MAX_BYTES
from controller.artifacts.merkle import NoMemory, files_root
from controller.kernel.instants import Window
from controller.kernel.objects import Oid
from controller.reconcile.filestrees import FilesTrees
from controller.source.budget import COMMIT_BYTES, HISTORY_BYTES, HistoryTooWide
from tests.support.trees import MemoryObjects, Nested, raw_tree

NOWHERE = Oid(b"\7" * 20)
RAIL = "card-bin"
FIRST = BundleId(RAIL, "b0000")
HEADER = b"h\n"


class Made(MemoryObjects):
    """A history of repository trees, the newest last."""

    def __init__(self) -> None:
        super().__init__()
        self.trees: list[Oid] = []

    def commit(self, bundles: Nested) -> Oid:
        return self.commit_tree(self.tree({"bundles": bundles}))

    def commit_tree(self, tree: Oid) -> Oid:
        self.trees.append(tree)
        return self.tip

    @property
    def tip(self) -> Oid:
        return Oid(len(self.trees).to_bytes(20, "big"))

    def tree_of(self, commit: Oid) -> Oid:
        return self.trees[int.from_bytes(commit, "big") - 1]

    def first_parents(self, tip: Oid, until: Oid | None = None) -> Iterator[Oid]:
        for number in range(int.from_bytes(tip, "big"), 0, -1):
            if number.to_bytes(20, "big") == until:
                return
            yield Oid(number.to_bytes(20, "big"))

    def statement(self, bundle: BundleId, files: Nested) -> BundleStatement:
        summary = files_root(self, self.tree(files), "files", NoMemory())
        return BundleStatement(
            "0d6b6e2e-4f0a-4c1c-9b6e-6a6f0d0c7a11",
            bundle,
            version=1,
            previous=None,
            window=Window(),
            environments=("production",),
            files_root=summary.root,
            git_tree=NOWHERE,
            tables=summary.tables,
            documents=summary.documents,
        )


def files(row: int) -> Mapping[str, bytes]:
    return {"ranges.csv": HEADER + b"%06d\n" % row}


def edited(made: Made, *, bundles: int, commits: int) -> Sequence[BundleId]:
    """Commit a rail of many bundles, and commits after that each edit another one of them."""
    names = [f"b{number:04d}".ljust(64, "x") for number in range(bundles)]
    held = [(b"40000", name.encode(), made.tree({"files": files(0)})) for name in names]
    for number in range(commits + 1):
        rail = made.put("tree", raw_tree(held))
        above = made.put("tree", raw_tree([(b"40000", RAIL.encode(), rail)]))
        made.commit_tree(made.put("tree", raw_tree([(b"40000", b"bundles", above)])))
        at = number % bundles
        held[at] = (*held[at][:2], made.tree({"files": files(number + 1)}))
    return [BundleId(RAIL, name) for name in names]


def width_bytes(made: Made) -> int:
    """Return the size of the rail's folder."""
    return max(len(data) for kind, data in made.held.values() if kind == "tree")


def test_each_tree_that_stood_there_is_met_once_the_newest_first() -> None:
    made = Made()
    for row in (1, 2, 1, 3):
        made.commit({RAIL: {"b0000": {"files": files(row)}, "other": {"files": files(9)}}})
    made.commit({RAIL: {"b0000": {"files": b"none"}}})
    made.commit({})

    found = list(FilesTrees(made, made.tip, [FIRST]).of(FIRST))

    assert found == [made.tree(files(row)) for row in (3, 1, 2)]


def test_every_commit_is_read_once_whoever_is_asked_for() -> None:
    made = Made()
    bundles = edited(made, bundles=40, commits=40)
    trees = FilesTrees(made, made.tip, bundles)
    made.reads.clear()

    found = [list(trees.of(one)) for one in bundles]

    assert [len(one) for one in found] == [2] * 40
    assert len(made.reads) == len(set(made.reads)) == 3 * 41 + 41


def test_a_rail_as_wide_as_what_owners_signed_in_it_is_looked_through() -> None:
    made = Made()
    bundles = edited(made, bundles=800, commits=320)
    trees = FilesTrees(made, made.tip, bundles)
    assert width_bytes(made) * 320 > HISTORY_BYTES + 321 * COMMIT_BYTES
    with pytest.raises(HistoryTooWide):
        list(FilesTrees(made, made.tip, bundles).of(bundles[0]))
    for bundle in bundles:
        trees.signed(made.statement(bundle, files(0)))

    found = [list(trees.of(bundle)) for bundle in bundles]

    assert sum(map(len, found)) == 800 + 320


def test_what_was_too_much_once_stays_so() -> None:
    made = Made()
    bundles = edited(made, bundles=800, commits=320)
    trees = FilesTrees(made, made.tip, bundles)

    for bundle in bundles[-2:]:
        with pytest.raises(HistoryTooWide):
            list(trees.of(bundle))


def test_a_rail_of_the_width_that_a_folder_may_have_is_read_and_a_wider_one_passed_over() -> None:
    made = Made()
    made.commit({RAIL: {"b0000": {"files": files(1)}}})
    ours = made.tree({"files": files(2)})
    at_most = TREE_SIZE_MAX_BYTES // len(raw_tree([(b"40000", b"b0000", ours)]))
    for names in (at_most, at_most + 1):
        entries = ((b"40000", b"b%04x" % number, ours) for number in range(names))
        rail = made.put("tree", raw_tree(sorted(entries)))
        bundles = made.put("tree", raw_tree([(b"40000", RAIL.encode(), rail)]))
        made.commit_tree(made.put("tree", raw_tree([(b"40000", b"bundles", bundles)])))

    found = list(FilesTrees(made, made.tip, [FIRST]).of(FIRST))

    assert found == [made.tree(files(2)), made.tree(files(1))]


ODD: dict[str, Nested] = {
    "the rail": {RAIL: {"b0000": {"files": files(2)}, "A B": b""}},
    "beside the rails": {RAIL: {"b0000": {"files": files(2)}}, "A B": b""},
    "the bundle": {RAIL: {"b0000": {"files": files(2), "A B": b""}}},
    "no rail": {RAIL: b""},
}


@pytest.mark.parametrize("bundles", ODD.values(), ids=ODD.keys())
def test_a_commit_that_cannot_be_read_is_passed_over(bundles: Nested) -> None:
    made = Made()
    made.commit({RAIL: {"b0000": {"files": files(1)}}})
    made.commit(bundles)
    made.commit({RAIL: {"b0000": {"files": files(3)}}})

    found = list(FilesTrees(made, made.tip, [FIRST]).of(FIRST))

    assert found == [made.tree(files(3)), made.tree(files(1))]


def test_another_rail_that_cannot_be_read_hides_nothing() -> None:
    made = Made()
    made.commit({RAIL: {"b0000": {"files": files(1)}}, "sepa": {"A B": b""}})

    found = FilesTrees(made, made.tip, [FIRST, BundleId("sepa", "one")])

    assert list(found.of(FIRST)) == [made.tree(files(1))]
    assert list(found.of(BundleId("sepa", "one"))) == []


def test_only_trees_of_the_signed_sizes_are_offered_and_no_file_is_read() -> None:
    made = Made()
    signed: dict[str, bytes | Nested] = {
        "ranges.csv": HEADER + b"1\n",
        "rules": {"one.json": b"{}"},
    }
    others: list[Nested] = [
        {**signed, "more.csv": b""},
        {**signed, "ranges.csv": HEADER},
        {"ranges.csv": HEADER + b"1\n", "rules.json": b"{ }"},
        {"ranges": HEADER + b"1\n", "rules": {"one.json": b"{}"}},
        {**signed, "A B": b""},
    ]
    alike: Nested = {"ranges.csv": HEADER + b"2\n", "rules": {"one.json": b"[]"}}
    for one in (signed, *others, alike):
        made.commit({RAIL: {"b0000": {"files": one}}})
    statement = made.statement(FIRST, signed)
    made.reads.clear()

    found = list(FilesTrees(made, made.tip, [FIRST]).alike(statement))

    assert found == [made.tree(alike), made.tree(signed)]
    assert not [oid for oid in made.reads if made.held[oid][0] == "blob"]


def test_of_trees_of_the_signed_sizes_some_are_offered_and_very_many_are_too_much() -> None:
    made = Made()
    size_bytes = 1024 * 1024
    for number in range(60):
        made.commit({RAIL: {"b0000": {"files": {"a.csv": b"%04d" % number * (size_bytes // 4)}}}})
    statement = made.statement(FIRST, {"a.csv": b"x" * size_bytes})

    with pytest.raises(HistoryTooWide):
        list(FilesTrees.of_one(made, made.tip, statement).alike(statement))

    some = list(islice(FilesTrees.of_one(made, made.tip, statement).alike(statement), 32))
    assert len(some) == 32


def test_a_tree_of_folders_that_nobody_would_read_is_not_offered() -> None:
    made = Made()
    statement = made.statement(FIRST, files(1))
    deep: Nested = files(1)
    for _ in range(40):
        deep = {"a": deep}
    for one in (files(1), {"a": deep}):
        made.commit({RAIL: {"b0000": {"files": one}}})

    found = list(FilesTrees(made, made.tip, [FIRST]).alike(statement))

    assert found == [made.tree(files(1))]
