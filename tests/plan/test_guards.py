"""A plan that removes much waits for an ack that names exactly it."""

import pytest

from controller.kernel.canonical import Digest
from controller.plan.guards import GuardTripped, Limits, check
from controller.plan.plan import Plan, make_plan
from tests.support.directory import participant, shards

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


def test_a_few_rows_may_always_go() -> None:
    check(removing(20), {"participants": 25}, Limits())


def test_emptying_a_table_is_held_however_small_it_is() -> None:
    with pytest.raises(GuardTripped, match="would be empty"):
        check(removing(3), {"participants": 3}, Limits())


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
