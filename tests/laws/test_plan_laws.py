"""For all versions and windows: the changes lead exactly from the applied rows to the desired."""

import itertools
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from controller.kernel.canonical import Digest
from controller.kernel.instants import Window, union
from controller.plan.live import LiveVersion
from controller.plan.plan import TableCounts, make_plan
from controller.plan.rows import own_window
from tests.support.directory import MemoryObjects, cells, changes, csv, day, days, version

Files = dict[str, set[tuple[str, ...]]]
Contents = list[Files]
Timeline = tuple[list[int], Contents]
Model = set[tuple[str, tuple[str, ...], Window]]

LINES = [
    cells("participants", id=f"p{number}", name=name, effective_from=start)
    for number in range(4)
    for name in ("One", "Two")
    for start in ("", "2027-01-03T00:00:00Z")
]
FILES = st.dictionaries(
    st.sampled_from(["participants.csv", "participants/a.csv", "participants/b/c.csv"]),
    st.sets(st.sampled_from(LINES), min_size=1, max_size=5),
    max_size=3,
)
CUTS = st.lists(st.integers(0, 6), max_size=3, unique=True).map(sorted)
TIMELINES = st.tuples(CUTS, st.lists(FILES, min_size=4, max_size=4))


def live(objects: MemoryObjects, cuts: list[int], contents: Contents) -> list[LiveVersion]:
    """Hand over from one content to the next at each cut."""
    edges = [None, *cuts, None]
    windows = [days(start, end) for start, end in itertools.pairwise(edges)]
    return [
        version(
            objects,
            {path: csv("participants", rows) for path, rows in files.items()},
            window,
            number=number,
        )
        for number, (window, files) in enumerate(zip(windows, contents, strict=False), start=1)
    ]


def rows_of(cuts: list[int], contents: Contents) -> Model:
    """Say the rows the long way: each line of each file in each window, then merged."""
    edges = [None, *cuts, None]
    windows = [days(start, end) for start, end in itertools.pairwise(edges)]
    seen: dict[tuple[str, tuple[str, ...]], list[Window]] = {}
    for window, files in zip(windows, contents, strict=False):
        for path, rows in files.items():
            for row in rows:
                seen.setdefault((path, row), []).append(window)
    return {
        (path, row, window)
        for (path, row), some in seen.items()
        for window in inside(union(some), own_window(row))
    }


def inside(windows: Iterable[Window], own: Window) -> list[Window]:
    return [found for window in windows if (found := window.intersect(own)) is not None]


@given(
    before=TIMELINES,
    after=TIMELINES,
)
def test_changes_always_arrive_and_never_wander(
    before: Timeline,
    after: Timeline,
) -> None:
    objects = MemoryObjects()
    some = changes(objects, live(objects, *before), live(objects, *after))
    state = rows_of(*before)

    for shard in some.shards():
        for row in shard.removed:
            state.remove((row.source.path.split("/files/")[1], row.cells, row.window))
        for row in shard.added:
            place = (row.source.path.split("/files/")[1], row.cells, row.window)
            assert place not in state
            state.add(place)

    assert state == rows_of(*after)


@given(contents=TIMELINES)
def test_what_is_applied_and_desired_alike_changes_nothing(
    contents: Timeline,
) -> None:
    objects = MemoryObjects()
    some = changes(objects, live(objects, *contents), live(objects, *contents))

    assert make_plan("production", None, Digest("a" * 64), some).is_empty


@given(
    before=TIMELINES,
    after=TIMELINES,
)
def test_the_way_back_drops_what_the_way_there_put(
    before: Timeline,
    after: Timeline,
) -> None:
    objects = MemoryObjects()
    one, other = live(objects, *before), live(objects, *after)

    there, back = changes(objects, one, other), changes(objects, other, one)

    assert {row for shard in there.shards() for row in shard.added} == {
        row for shard in back.shards() for row in shard.removed
    }


MOMENTS = range(-1, 8)
CALM = st.lists(
    st.sets(st.integers(0, 5), max_size=6).map(sorted),
    min_size=4,
    max_size=4,
)


def seen(cuts: list[int], keys: list[list[int]]) -> set[tuple[str, int]]:
    """Say the long way which key is visible on which day."""
    return {
        (f"p{number}", moment)
        for moment in MOMENTS
        for number in keys[sum(cut <= moment for cut in cuts)]
    }


@given(
    cuts=st.tuples(CUTS, CUTS),
    keys=st.tuples(CALM, CALM),
    now=st.integers(-1, 6),
    spread=st.booleans(),
)
def test_no_key_is_seen_less_without_being_counted(
    cuts: tuple[list[int], list[int]],
    keys: tuple[list[list[int]], list[list[int]]],
    now: int,
    *,
    spread: bool,
) -> None:
    objects = MemoryObjects()

    def contents(side: int) -> Contents:
        return [
            {
                f"participants/{version if spread else 0}.csv": {
                    cells("participants", id=f"p{key}", name=f"{side} {version}") for key in some
                }
            }
            for version, some in enumerate(keys[side])
        ]

    some = changes(
        objects, live(objects, cuts[0], contents(0)), live(objects, cuts[1], contents(1))
    )
    counts = make_plan("production", None, Digest("a" * 64), some, now=day(now)).counts
    before, after = (
        {one for one in seen(cuts[side], keys[side]) if one[1] >= now} for side in (0, 1)
    )
    lost = {key for key, _ in before - after}
    put = {one.parts[0] for shard in some.shards() for one in shard.added}
    found = counts.get("participants", TableCounts())

    assert len(lost) <= found.ending + found.removed
    if not spread:
        assert found.ending == len(lost & put)


@given(contents=TIMELINES, coming=st.booleans(), now=st.integers(-1, 6))
def test_whole_files_count_like_their_rows(contents: Timeline, now: int, *, coming: bool) -> None:
    objects = MemoryObjects()
    nothing: list[LiveVersion] = []
    there = live(objects, *contents)
    some = changes(objects, *((nothing, there) if coming else (there, nothing)))
    target = Digest("a" * 64)

    whole = make_plan("production", None, target, some, one_sided=True, now=day(now))
    rows = make_plan("production", None, target, some.shards(), one_sided=True, now=day(now))

    for part in ("counts", "endless", "beginnings", "samples"):
        assert getattr(whole, part) == getattr(rows, part)
