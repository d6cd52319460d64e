"""The way a table is changed follows from counts alone."""

from controller.plan.strategy import Strategy, choose


def test_up_to_a_thousand_rows_are_a_delta_whatever_the_table_holds() -> None:
    assert choose(1_000, 0) is Strategy.DELTA


def test_up_to_a_tenth_of_a_table_is_staged() -> None:
    assert choose(34_300, 343_000) is Strategy.STAGED


def test_more_than_a_tenth_is_a_rebuild() -> None:
    assert choose(34_301, 343_000) is Strategy.REBUILD
