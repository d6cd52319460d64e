"""A stored row: its key, its own window, and the one text that stands for it."""

import pytest

from controller.kernel.instants import EmptyWindow
from controller.plan.rows import OPEN, STORED_TABLES, key_of, key_parts, own_window, row_text
from tests.support.directory import days, participant

IDENTIFIER = ("alpha", "bic", "AAAADE", *[""] * 8)
CAPABILITY = ("e1", "ds", "dt", "ps", "p", "m", "EUR", *[""] * 3)
RULE = ("card-bin/tests", "a", "1", "{}", "", "")


@pytest.mark.parametrize(
    ("table", "cells", "parts"),
    [
        ("participants", ("alpha", "Alpha", *[""] * 9), ("alpha",)),
        ("identifiers", IDENTIFIER, ("bic", "AAAADE")),
        ("endpoints", ("e1", "alpha", *[""] * 13), ("e1",)),
        ("capabilities", CAPABILITY, ("e1", "ds", "dt", "ps", "p", "m", "EUR")),
        ("ranges", ("4000", "4009", *[""] * 11), ("400000000000", "400999999999")),
        ("ranges", ("4000", "", *[""] * 11), ("400000000000", "400099999999")),
        ("rules", RULE, ("card-bin/tests", "a")),
    ],
)
def test_a_key_is_of_exactly_the_columns_that_make_it(
    table: str, cells: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    columns = STORED_TABLES[table].columns
    others = tuple(
        cell if name in {*STORED_TABLES[table].key, "iin_start", "iin_end"} else "other"
        for name, cell in zip(columns, cells, strict=True)
    )

    assert key_parts(table, cells) == key_parts(table, others) == parts
    assert key_of(table, cells) == key_of(table, others)
    assert key_of(table, cells) != key_of(table, (cells[0] + "1", cells[1] + "2", *cells[2:]))


def test_a_rows_own_window_is_its_last_two_cells() -> None:
    start, end = "2027-01-04T00:00:00Z", "2027-01-10T00:00:00Z"

    assert own_window(("a", "", "")) is OPEN
    assert own_window(("a", start, "")) == days(3, None)
    assert own_window(("a", "", end)) == days(None, 9)
    assert own_window(("a", start, end)) == days(3, 9)
    with pytest.raises(EmptyWindow):
        own_window(("a", end, start))


def test_no_two_rows_have_one_text() -> None:
    rows = [
        participant("alpha"),
        participant("alpha", days(3, None)),
        participant("alpha", days(None, 3)),
        participant("alpha", days(3, 9)),
        participant("alpha", name="Better"),
        participant("alpha", name="", legal_name="Alpha"),
    ]

    assert row_text(rows[3]) == "\x1f".join(
        (
            "participants",
            "2027-01-04T00:00:00Z",
            "2027-01-10T00:00:00Z",
            "alpha",
            "Alpha",
            *[""] * 9,
        )
    )
    assert len({row_text(row) for row in rows}) == len(rows)
