"""For all rows: kept digests are recomputed ones, and the store answers as brute force does."""

import itertools
from collections.abc import Iterable
from datetime import datetime
from random import Random  # noqa: TID251 - a seeded source
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.adapters.postgres import Connection
from controller.artifacts.tables import span
from controller.kernel.instants import Window
from controller.plan.rows import SourceFile, StoredRow
from controller.stores.directory import store
from controller.stores.directory.errors import AlreadyThere, OverlappingWindows, PartialOverlap
from tests.support.directory import FILE, card_range, day, days, participant, shards

DELTA, REBUILD = 1, 1_000_000
WAYS = {"delta": DELTA, "staged": 1_001, "rebuild": REBUILD}
OTHER_FILE = SourceFile(FILE.bundle, FILE.path + ".moved")
IN_DATABASE = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def way(name: str) -> dict[str, int]:
    """Return counts that make the store choose a way."""
    return {"participants": WAYS[name], "ranges": WAYS[name]}


def seed_size(connection: Connection[Any], rows: int) -> None:
    """Make the store believe it is large, so that it stages: `rows` counts for the choice only."""
    connection.execute("UPDATE directory.table_digest SET rows = rows + %s", (rows,))


def content(rows: Iterable[StoredRow]) -> set[tuple[object, ...]]:
    return {(row.table, row.window, row.cells, row.source) for row in rows}


def random_step(
    random: Random, state: dict[tuple[str, int], StoredRow]
) -> tuple[list[StoredRow], list[StoredRow]]:
    """Drop some rows and put others: new ones, changed ones, and some that only move."""
    drop: list[StoredRow] = random.sample(
        list(state.values()), k=min(len(state), random.randint(0, 6))
    )
    put = [row._replace(source=OTHER_FILE) for row in drop if random.random() < 0.3]
    for row in drop:
        del state[row.parts[0], row.window.order[1].toordinal()]
    for row in put:
        state[row.parts[0], row.window.order[1].toordinal()] = row
    for _ in range(random.randint(0, 6)):
        # Disjoint windows of one key: whole decades of days.
        decade = random.randint(0, 3) * 10
        window = days(decade, decade + random.randint(1, 10))
        name = random.choice(["", "Ä|b", 'quo"te', "back\\slash"])
        row = participant(f"p{random.randint(0, 40)}", window, name=name)
        place = (row.parts[0], row.window.order[1].toordinal())
        if place not in state:
            state[place] = row
            put.append(row)
    return put, drop


@pytest.mark.parametrize("name", ["delta", "staged", "rebuild"])
def test_the_kept_digest_is_the_recomputed_one_after_every_apply(
    database: Connection[Any], name: str
) -> None:
    random = Random(411)
    state: dict[tuple[str, int], StoredRow] = {}

    for revision in range(1, 301 if name == "delta" else 41):
        put, drop = random_step(random, state)
        if name == "staged":
            seed_size(database, 1_000_000)
        store.apply(database, shards(put, drop), revision=revision, changed=way(name))
        if name == "staged":
            seed_size(database, -1_000_000)
        store.verify(database)

    assert content(store.stored_rows(database, "participants")) == content(state.values())


@st.composite
def range_rows(draw: st.DrawFn) -> list[StoredRow]:
    """Return ranges under few prefixes, so that they nest and collide, in few windows."""
    found = []
    for _ in range(draw(st.integers(1, 8))):
        start = "4000" + draw(st.text("01", min_size=2, max_size=4))
        end = draw(
            st.one_of(st.just(""), st.text("019", min_size=2, max_size=4).map("4000".__add__))
        )
        lo, hi = span(start, end)
        edges = draw(st.sampled_from([(None, None), (None, 3), (3, None), (1, 5), (3, 4)]))
        if lo <= hi:
            found.append(card_range(start, end, days(*edges)))
    return found


def refusal(rows: list[StoredRow]) -> type[Exception] | None:
    """Say the long way whether rows may stand together."""
    partial = None
    for one, other in itertools.combinations(rows, 2):
        if not one.window.overlaps(other.window):
            continue
        (lo, hi), (low, high) = bounds(one), bounds(other)
        if (lo, hi) == (low, high):
            return OverlappingWindows
        if lo < low <= hi < high or low < lo <= high < hi:
            partial = PartialOverlap
    return partial


def bounds(row: StoredRow) -> tuple[int, int]:
    return span(row.cells[0], row.cells[1])


def brute_force(rows: list[StoredRow], digits: str, at: datetime) -> tuple[str, ...] | None:
    lo, hi = span(digits, digits)
    around = [
        row
        for row in rows
        if row.window.contains(at) and bounds(row)[0] <= lo and hi <= bounds(row)[1]
    ]
    best = min(around, key=lambda row: bounds(row)[1] - bounds(row)[0], default=None)
    return None if best is None else best.cells[:2]


@IN_DATABASE
@given(rows=range_rows(), name=st.sampled_from(["delta", "rebuild"]))
def test_ranges_are_refused_exactly_when_two_of_them_clash_at_one_instant(
    database: Connection[Any], rows: list[StoredRow], name: str
) -> None:
    database.rollback()
    expected = refusal(rows)

    if expected is None:
        store.apply(database, shards(rows), revision=1, changed=way(name))
    else:
        with pytest.raises((AlreadyThere, OverlappingWindows, PartialOverlap)):
            store.apply(database, shards(rows), revision=1, changed=way(name))


@IN_DATABASE
@given(rows=range_rows(), later=range_rows())
def test_a_range_that_comes_later_is_refused_exactly_when_it_clashes(
    database: Connection[Any], rows: list[StoredRow], later: list[StoredRow]
) -> None:
    database.rollback()
    if refusal(rows) is not None:
        return
    store.apply(database, shards(rows), revision=1, changed={})

    if refusal([*rows, *later]) is None:
        store.apply(database, shards(later), revision=2, changed={})
    else:
        with pytest.raises((AlreadyThere, OverlappingWindows, PartialOverlap)):
            store.apply(database, shards(later), revision=2, changed={})


@IN_DATABASE
@given(
    rows=range_rows(),
    digits=st.text("019", min_size=2, max_size=7).map("4000".__add__),
    instant=st.integers(0, 6),
)
def test_the_smallest_visible_range_answers_as_brute_force_does_until_it_says(
    database: Connection[Any], rows: list[StoredRow], digits: str, instant: int
) -> None:
    database.rollback()
    kept: list[StoredRow] = []
    for row in rows:
        if refusal([*kept, row]) is None:
            kept.append(row)
    store.apply(database, shards(kept), revision=1, changed={})

    match = store.resolve_iin(database, digits, day(instant))

    answer = None if match is None else (match.range.iin_start, match.range.iin_end)
    assert answer == brute_force(kept, digits, day(instant))
    if match is not None:
        good = Window(day(instant), match.valid_until)
        later = [brute_force(kept, digits, day(n)) for n in range(9) if good.contains(day(n))]
        assert set(later) == {answer}
