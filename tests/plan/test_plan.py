"""A plan: counts, samples, and a digest that names exactly one way."""

import pytest

from controller.kernel.canonical import Digest
from controller.plan.changes import Changes
from controller.plan.plan import (
    KEPT_ROWS_MAX,
    SAMPLES_MAX,
    Beginnings,
    Plan,
    TableCounts,
    Tally,
    make_plan,
)
from controller.plan.rows import SourceFile, StoredRow
from controller.plan.shard import ShardChange
from tests.support.directory import (
    FILE,
    MemoryObjects,
    cells,
    changes,
    csv,
    day,
    days,
    many_ranges,
    participant,
    shard_ranges,
    shards,
    version,
)

BASE, TARGET = Digest("a" * 64), Digest("b" * 64)
RANGES = many_ranges(400)


def planned(some: Changes, *, environment: str = "production") -> Plan:
    return make_plan(environment, BASE, TARGET, some, one_sided=some.is_one_sided)


def test_a_plan_counts_what_comes_changes_and_goes_by_key() -> None:
    alpha, better = participant("alpha"), participant("alpha", name="Better")
    gone, new = participant("gone"), participant("new")

    plan = make_plan("production", BASE, TARGET, shards(put=[better, new], drop=[alpha, gone]))

    counts = plan.counts["participants"]
    assert (counts.added, counts.modified, counts.removed, counts.moved) == (1, 1, 1, 0)
    assert [(one.letter, one.table, one.key) for one in plan.samples] == [
        ("D", "participants", ("gone",)),
        ("M", "participants", ("alpha",)),
        ("A", "participants", ("new",)),
    ]
    assert (plan.environment, plan.base, plan.target) == ("production", BASE, TARGET)


def test_rows_that_only_change_their_file_are_moved_not_changed() -> None:
    objects = MemoryObjects()
    applied = version(objects, {"ranges.csv": csv("ranges", RANGES)})
    desired = version(objects, shard_ranges(RANGES), number=2)

    counts = planned(changes(objects, [applied], [desired])).counts["ranges"]

    assert (counts.added, counts.modified, counts.removed, counts.moved) == (0, 0, 0, 400)


def test_a_row_that_moves_and_changes_is_a_change() -> None:
    objects = MemoryObjects()
    changed = [(*RANGES[0][:5], "New", *RANGES[0][6:]), *RANGES[1:]]
    applied = version(objects, {"ranges.csv": csv("ranges", RANGES)})
    desired = version(objects, shard_ranges(changed), number=2)

    counts = planned(changes(objects, [applied], [desired])).counts["ranges"]

    assert (counts.added, counts.modified, counts.removed, counts.moved) == (0, 1, 0, 399)


def test_one_way_has_one_digest_and_another_environment_has_another() -> None:
    objects = MemoryObjects()
    live = version(objects, shard_ranges(RANGES))
    some = changes(objects, [], [live])

    assert planned(some).digest == planned(some).digest
    assert planned(some).digest != planned(some, environment="staging").digest


def test_the_digest_covers_every_row() -> None:
    objects = MemoryObjects()
    other = [(*RANGES[0][:5], "Other", *RANGES[0][6:]), *RANGES[1:]]
    one, two = version(objects, shard_ranges(RANGES)), version(objects, shard_ranges(other))

    assert (
        planned(changes(objects, [], [one])).digest != planned(changes(objects, [], [two])).digest
    )


def test_a_plan_without_rows_is_empty() -> None:
    assert make_plan("production", BASE, TARGET, []).is_empty


def test_a_plan_with_too_many_rows_to_keep_still_counts_everything() -> None:
    objects = MemoryObjects()
    old, new = version(objects, {}), version(objects, shard_ranges(many_ranges(60_000)), number=2)

    plan = planned(changes(objects, [old], [new]))

    assert plan.shards is None
    assert plan.counts["ranges"].added == 60_000


def test_whole_files_are_kept_however_many_rows_they_hold() -> None:
    objects = MemoryObjects()
    some = changes(objects, [], [version(objects, shard_ranges(many_ranges(60_000)))])

    plan = planned(some)

    assert plan.shards == tuple(some)
    assert plan.counts["ranges"].added == 60_000


def test_windows_alone_make_a_row_change() -> None:
    objects = MemoryObjects()
    alpha = cells("participants", id="alpha", name="Alpha")
    dated = (*alpha[:-1], "2027-02-01T00:00:00Z")
    applied = version(objects, {"participants.csv": csv("participants", [alpha])})
    desired = version(objects, {"participants.csv": csv("participants", [dated])}, number=2)

    assert planned(changes(objects, [applied], [desired])).counts["participants"].modified == 1


OTHER_FILE = SourceFile("card-bin/tests", "bundles/card-bin/tests/files/other.csv")


def counted(put: list[StoredRow], drop: list[StoredRow]) -> TableCounts:
    """Return how participants change, told on the second day."""
    some = shards(put=put, drop=drop)
    return make_plan("production", BASE, TARGET, some, now=day(1)).counts["participants"]


def test_a_row_that_is_cut_short_is_ending() -> None:
    counts = counted([participant("alpha", days(None, 9))], [participant("alpha")])

    assert (counts.modified, counts.ending, counts.removed) == (1, 1, 0)


def test_a_row_that_goes_on_in_another_version_is_only_modified() -> None:
    handed_over = [
        participant("alpha", days(None, 9)),
        participant("alpha", days(9, None), name="Better"),
    ]

    counts = counted(handed_over, [participant("alpha")])

    assert (counts.modified, counts.ending) == (1, 0)


def test_a_row_that_goes_on_in_another_file_is_only_modified() -> None:
    handed_over = [
        participant("alpha", days(None, 9)),
        participant("alpha", days(9, None), OTHER_FILE, name="Better"),
    ]

    counts = counted(handed_over, [participant("alpha")])

    assert (counts.added, counts.modified, counts.ending) == (0, 1, 0)


def test_a_row_that_is_away_for_a_while_is_ending() -> None:
    put = [participant("alpha", days(None, 9)), participant("alpha", days(12, None))]

    assert counted(put, [participant("alpha")]).ending == 1


def test_a_row_that_is_put_off_is_ending_until_then() -> None:
    assert counted([participant("alpha", days(9, None))], [participant("alpha")]).ending == 1


def test_a_row_that_only_loses_its_past_is_not_ending() -> None:
    put, drop = [participant("alpha", days(1, None))], [participant("alpha", days(0, None))]

    assert (counted(put, drop).modified, counted(put, drop).ending) == (1, 0)


def test_a_row_that_gains_time_is_not_ending() -> None:
    put, drop = [participant("alpha", days(None, 12))], [participant("alpha", days(None, 9))]

    assert (counted(put, drop).modified, counted(put, drop).ending) == (1, 0)


def test_a_plan_says_from_when_its_rows_are_put() -> None:
    put = [
        participant("alpha", days(None, 9)),
        participant("alpha", days(9, None), name="Better"),
        participant("new", days(12, None)),
        participant("old", days(0, None)),
    ]
    some = shards(put=put, drop=[participant("alpha")])

    plan = make_plan("production", BASE, TARGET, some, now=day(1))

    assert plan.beginnings == {"participants": Beginnings(2, day(9), day(12))}


def test_a_sample_shows_every_row_of_its_key_before_and_after() -> None:
    before = participant("alpha")
    after = [
        participant("alpha", days(None, 9)),
        participant("alpha", days(9, None), OTHER_FILE, name="Better"),
    ]

    (sample,) = make_plan("production", BASE, TARGET, shards(put=after, drop=[before])).samples

    assert (sample.letter, sample.before, sample.after) == ("M", (before,), tuple(after))
    assert not sample.ending


def test_rows_that_end_are_shown_even_behind_many_that_only_change() -> None:
    names = [f"p{number}" for number in range(30)]
    some = shards(
        put=[
            *(participant(name, name="New") for name in names),
            participant("z", days(None, 9)),
        ],
        drop=[*(participant(name) for name in names), participant("z")],
    )

    samples = make_plan("production", BASE, TARGET, some).samples

    assert [(one.letter, one.key) for one in samples if one.ending] == [("M", ("z",))]


THIRD_FILE = SourceFile("card-bin/tests", "bundles/card-bin/tests/files/third.csv")
WHOLE_FILES = {f"participants/{n}.csv": [f"p{n}{m}" for m in range(3)] for n in range(9)}


@pytest.mark.parametrize("comes", [True, False])
def test_of_whole_files_no_more_are_read_than_are_shown(*, comes: bool) -> None:
    objects = MemoryObjects()
    files = {
        path: csv("participants", [cells("participants", id=one) for one in names])
        for path, names in WHOLE_FILES.items()
    }
    live = version(objects, files)
    some = changes(objects, *(([], [live]) if comes else ([live], [])))
    whole = list(some)
    objects.read_oids.clear()

    plan = make_plan("production", BASE, TARGET, whole, one_sided=True)

    assert len(objects.read_oids) == 2  # two files of three rows show five
    assert [one.letter for one in plan.samples] == ["A" if comes else "D"] * SAMPLES_MAX
    assert plan.counts["participants"].rows_put == (27 if comes else 0)
    assert plan.counts == make_plan("production", BASE, TARGET, whole).counts


def test_rows_on_both_sides_are_expected_unless_somebody_says_otherwise() -> None:
    tally = Tally()
    for change in shards([participant("alpha", source=OTHER_FILE)], [participant("alpha")]):
        tally.add(change)

    assert tally.plan("production", BASE, TARGET).counts["participants"].moved == 1


def test_beginnings_run_from_the_first_to_the_last_in_whatever_order_they_come() -> None:
    put = [participant(name, days(start, None)) for name, start in (("a", 12), ("b", 9), ("c", 10))]

    plan = make_plan("production", BASE, TARGET, shards(put), now=day(1))

    assert plan.beginnings == {"participants": Beginnings(3, day(9), day(12))}


def test_what_begins_now_does_not_begin_later() -> None:
    some = shards([participant("alpha", days(9, None))])

    assert make_plan("production", BASE, TARGET, some, now=day(9)).beginnings == {}
    assert make_plan("production", BASE, TARGET, some, now=day(8)).beginnings == {
        "participants": Beginnings(1, day(9), day(9))
    }


def test_every_row_of_a_whole_file_that_begins_later_is_counted() -> None:
    objects = MemoryObjects()
    rows = [cells("participants", id=f"p{number}") for number in range(3)]
    live = version(objects, {"participants.csv": csv("participants", rows)}, days(9, None))
    some = changes(objects, [], [live])

    early, late = (
        make_plan("production", BASE, TARGET, some, one_sided=True, now=day(now)) for now in (1, 9)
    )

    assert early.beginnings == {"participants": Beginnings(3, day(9), day(9))}
    assert late.beginnings == {}


def test_a_key_whose_rows_go_to_two_other_files_is_moved() -> None:
    early, late = days(None, 9), days(9, None)
    drop = [participant("alpha", early), participant("alpha", late, name="Better")]
    put = [
        participant("alpha", early, OTHER_FILE),
        participant("alpha", late, THIRD_FILE, name="Better"),
    ]
    changed = [put[0], participant("alpha", late, THIRD_FILE, name="Worse")]

    assert (counted(put, drop).moved, counted(put, drop).modified) == (1, 0)
    assert (counted(put[::-1], drop[::-1]).moved, counted(drop, put).moved) == (1, 1)
    assert (counted(changed, drop).moved, counted(changed, drop).modified) == (0, 1)


def test_a_row_that_loses_its_later_part_is_ending() -> None:
    both = [participant("alpha", days(None, 9)), participant("alpha", days(9, None), name="Better")]

    counts = counted([participant("alpha", days(None, 9), name="New")], both)
    again = counted([participant("alpha", days(None, 9), name="New"), *both[1:]], both)

    assert (counts.modified, counts.ending) == (1, 1)
    assert (again.modified, again.ending) == (1, 0)


def test_a_later_part_that_is_put_off_is_ending() -> None:
    parts = [(days(None, 9), days(9, None)), (days(None, 9), days(12, None))]
    drop, put = ([participant("alpha", window) for window in some] for some in parts)

    assert counted(put, drop).ending == 1
    assert counted(drop, put).ending == 0


def test_what_changes_is_shown_behind_many_rows_that_only_move() -> None:
    names = [f"p{number}" for number in range(30)]
    some = shards(
        put=[participant(name, source=OTHER_FILE) for name in names],
        drop=[participant(name) for name in (*names, "z")],
    )

    samples = make_plan("production", BASE, TARGET, some).samples

    assert [(one.letter, one.key) for one in samples] == [("D", ("z",))]


def test_rows_that_come_and_rows_that_go_fill_one_bound_on_what_is_kept() -> None:
    half = KEPT_ROWS_MAX // 2
    old, new = (participant("alpha"),) * half, (participant("alpha", name="New"),) * half
    last = ShardChange(FILE, "participants", old, new)
    over = ShardChange(FILE, "participants", old, (*new, new[0]))

    assert make_plan("production", BASE, TARGET, [last]).shards == (last,)
    assert make_plan("production", BASE, TARGET, [over]).shards is None
