"""For any order of changes, undone or not: what is kept of a table is what its rows add up to."""

from random import Random  # noqa: TID251 - a seeded source
from typing import Any

import pytest

from benchmarks.churn import KINDS, WAYS, Churn
from controller.adapters.postgres import Connection

CHANGES = 100  # `make bench BENCH="--only digest --changes 9000"` makes thousands


@pytest.mark.parametrize("seed", [411, 412, 413])
def test_no_change_of_any_kind_leaves_a_digest_that_is_not_its_rows(
    database: Connection[Any], seed: int
) -> None:
    churn = Churn(database, Random(seed))
    churn.start()

    for _ in range(CHANGES):
        churn.step()

    assert churn.mismatches == 0
    assert churn.differing() == 0
    assert set(churn.done) == {*KINDS, *WAYS}


def test_an_edit_behind_our_back_is_counted(database: Connection[Any]) -> None:
    churn = Churn(database, Random(411))
    churn.start()
    database.execute("UPDATE directory.participant SET name = 'Mallory' WHERE id = 'anchor0'")

    churn.step()

    assert (churn.mismatches, churn.differing()) == (1, 1)
