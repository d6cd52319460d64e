"""A plan that removes much waits for an ack that names exactly it."""

import pytest

from controller.kernel.canonical import Digest
from controller.plan.guards import GuardTripped, Limits, check, trips
from controller.plan.plan import Plan, make_plan
from controller.plan.rows import SourceFile, StoredRow
from tests.support.directory import card_range, days, participant, shards

BASE, TARGET = Digest("a" * 64), Digest("b" * 64)


def removing(count: int) -> Plan:
    gone = [participant(f"p{number}") for number in range(count)]
    return make_plan("production", BASE, TARGET, shards(drop=gone))


def test_removing_more_than_a_share_of_a_table_is_held() -> None:
    plan = removing(30)

    with pytest.raises(GuardTripped) as held:
        check(plan, {"participants": 2_000}, Limits())

    error = held.value
    assert (error.table, error.removed, error.of, error.plan) == (
        "participants",
        30,
        2_000,
        plan.digest,
    )


def test_removing_the_share_itself_is_not() -> None:
    check(removing(30), {"participants": 3_000}, Limits())


def test_removing_more_than_a_number_of_rows_is_held_however_large_the_table() -> None:
    with pytest.raises(GuardTripped, match="more than 1000 rows"):
        check(removing(1_001), {"participants": 10_000_000}, Limits())
    check(removing(1_000), {"participants": 10_000_000}, Limits())


def test_a_few_rows_may_always_go() -> None:
    check(removing(20), {"participants": 25}, Limits())


def test_emptying_a_table_is_held_however_small_it_is() -> None:
    with pytest.raises(GuardTripped) as held:
        check(removing(3), {"participants": 3}, Limits())

    assert held.value.limit == "the table would be empty"
    check(removing(3), {"participants": 4}, Limits())


def test_an_ack_of_this_plan_lets_it_pass() -> None:
    plan = removing(3)

    check(plan, {"participants": 3}, Limits(), {plan.digest})


def test_an_ack_of_another_plan_does_not() -> None:
    with pytest.raises(GuardTripped):
        check(removing(3), {"participants": 3}, Limits(), {removing(4).digest})


def test_replacing_rows_removes_nothing() -> None:
    old = [participant(f"p{number}") for number in range(50)]
    new = [participant(f"p{number}", name="New") for number in range(50)]

    check(make_plan("production", BASE, TARGET, shards(new, old)), {"participants": 50}, Limits())


def ending(count: int, *, removed: int = 0, onwards: bool = False) -> Plan:
    """Return a plan that cuts rows short on the tenth day; `onwards`: they go on as another row."""
    names = [f"p{number}" for number in range(count)]
    put: list[StoredRow] = [participant(name, days(None, 9)) for name in names]
    if onwards:
        put += [participant(name, days(9, None), name="New") for name in names]
    drop = [participant(name) for name in (*names, *(f"gone{one}" for one in range(removed)))]
    return make_plan("production", BASE, TARGET, shards(put, drop))


def test_rows_that_end_at_a_date_are_held_like_rows_that_go() -> None:
    plan = ending(30)

    with pytest.raises(GuardTripped, match="0 of 2000 rows go and 30 end") as held:
        check(plan, {"participants": 2_000}, Limits())

    assert (held.value.trips[0].removed, held.value.trips[0].ending) == (0, 30)
    assert held.value.limit == "more than 1 % of the rows"


def test_rows_that_go_and_rows_that_end_count_together() -> None:
    plan = ending(15, removed=15)

    assert trips(plan, {"participants": 2_000}, Limits())
    assert not trips(ending(15), {"participants": 2_000}, Limits())


def test_rows_that_go_on_in_another_version_are_not_held() -> None:
    check(ending(30, onwards=True), {"participants": 30}, Limits())


def test_a_table_that_will_be_empty_at_a_date_is_held_however_small_it_is() -> None:
    with pytest.raises(GuardTripped, match="would be empty once all ends have passed"):
        check(ending(3), {"participants": 3}, Limits())


def test_a_few_rows_may_always_end() -> None:
    check(ending(3), {"participants": 4}, Limits())


def test_the_last_rows_without_an_end_may_not_end_unasked() -> None:
    sizes, endless = {"participants": 10}, {"participants": 3}

    with pytest.raises(GuardTripped, match="would be empty once all ends have passed"):
        check(ending(3), sizes, Limits(), endless=endless)
    check(ending(2), sizes, Limits(), endless=endless)


def test_a_table_whose_rows_all_have_ends_may_lose_a_few() -> None:
    drop = [participant(f"p{number}", days(None, 9)) for number in range(2)]
    plan = make_plan("production", BASE, TARGET, shards(drop=drop))

    check(plan, {"participants": 10}, Limits(), endless={"participants": 0})


def test_rows_with_an_end_may_not_all_end_earlier_unasked() -> None:
    names = ["p0", "p1", "p2"]
    drop = [participant(name, days(None, 20)) for name in names]
    put = [participant(name, days(None, 9)) for name in names]
    plan = make_plan("production", BASE, TARGET, shards(put, drop))

    with pytest.raises(GuardTripped, match="would be empty once all ends have passed"):
        check(plan, {"participants": 3}, Limits(), endless={"participants": 0})
    check(plan, {"participants": 4}, Limits(), endless={"participants": 0})


def test_a_table_that_loses_nothing_does_not_hide_one_that_does() -> None:
    new = [participant("p0")]
    gone = [card_range(f"40000{number}", f"40000{number}") for number in range(3)]
    sizes = {"participants": 1, "ranges": 3}
    every = make_plan("production", BASE, TARGET, shards(new, gone))
    some = make_plan("production", BASE, TARGET, shards(new, gone[:2]))

    assert list(every.counts) == ["participants", "ranges"]
    assert [trip.table for trip in trips(every, sizes, Limits())] == ["ranges"]
    assert trips(some, sizes, Limits()) == ()


def test_every_table_over_a_limit_is_named_and_the_first_is_the_errors_own() -> None:
    people = [participant(f"p{number}") for number in range(3)]
    ranges = [card_range(f"40000{number}", f"40000{number}") for number in range(2)]
    plan = make_plan("production", BASE, TARGET, shards(drop=[*people, *ranges]))

    with pytest.raises(GuardTripped) as held:
        check(plan, {"participants": 3, "ranges": 2}, Limits())

    assert (held.value.table, held.value.removed, held.value.of) == ("participants", 3, 3)
    assert str(held.value) == (
        f"plan {plan.digest} stops: "
        "participants: 3 of 3 rows go (the table would be empty); "
        "ranges: 2 of 2 rows go (the table would be empty)"
    )


def test_a_table_of_which_no_size_is_known_holds_nothing() -> None:
    (trip,) = trips(removing(1), {}, Limits())

    assert (trip.of, trip.limit) == (0, "the table would be empty")


def test_where_it_is_not_known_how_many_rows_have_no_end_all_have_none() -> None:
    (trip,) = trips(ending(3), {"participants": 3}, Limits(), {})

    assert trip.limit == "the table would be empty once all ends have passed"
    assert trips(ending(3), {"participants": 4}, Limits(), {}) == ()


def test_one_row_may_end_while_the_others_are_replaced() -> None:
    put = [participant("p0", days(None, 9))]
    put += [participant(name, name="New") for name in ("p1", "p2")]
    drop = [participant(name) for name in ("p0", "p1", "p2")]
    plan = make_plan("production", BASE, TARGET, shards(put, drop))

    assert plan.counts["participants"].ending == 1
    assert trips(plan, {"participants": 3}, Limits()) == ()


def test_one_row_may_end_while_the_other_moves_and_a_third_comes() -> None:
    elsewhere = SourceFile("card-bin/tests", "bundles/card-bin/tests/files/other.csv")
    put = [participant("p0", days(None, 9)), participant("p1", source=elsewhere), participant("p2")]
    drop = [participant("p0"), participant("p1")]
    plan = make_plan("production", BASE, TARGET, shards(put, drop))

    counts = plan.counts["participants"]
    assert (counts.added, counts.moved, counts.modified, counts.ending) == (1, 1, 1, 1)
    assert trips(plan, {"participants": 2}, Limits()) == ()
