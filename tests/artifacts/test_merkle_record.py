"""Records of directories: whole or as a change, read back as they were, or not at all."""

import pytest

from controller.artifacts.merkle_record import (
    ForeignRecord,
    Item,
    Record,
    pack,
    pack_change,
    unpack,
)
from controller.kernel.objects import Oid


def item(number: int, *, is_tree: bool = False) -> Item:
    return Item(
        is_tree, Oid(bytes([number]) * 20), bytes([number]) * 32, 1, 2**31, 2**40, 3, 4, 5, 6
    )


OLD = Record({"a.csv": item(1), "b": item(2, is_tree=True), "c.json": item(3)})
NEW = Record({"a.csv": item(4), "b": item(2, is_tree=True), "d.csv": item(5), "c": item(6)})


def test_a_whole_record_is_read_back() -> None:
    assert unpack([pack(OLD)]) == OLD


def test_a_change_makes_the_new_record_of_the_old_one() -> None:
    assert unpack([pack(OLD), pack_change(NEW, OLD)]) == NEW


def test_changes_stand_on_changes() -> None:
    assert unpack([pack(OLD), pack_change(NEW, OLD), pack_change(OLD, NEW)]) == OLD


def test_a_change_is_as_long_as_what_changed() -> None:
    wide = Record({f"{number:04}.csv": item(number % 250) for number in range(1000)})
    changed = Record({**wide, "0007.csv": item(251)})

    assert len(pack_change(changed, wide)) < 120 < len(pack(changed)) / 100


@pytest.mark.parametrize("packed", [b"", b"other\n", b"merkle 3\nof an earlier version"])
def test_a_record_in_another_form_is_forgotten(packed: bytes) -> None:
    assert unpack([packed]) is None
    assert unpack([pack(OLD), packed]) is None


@pytest.mark.parametrize("cut", [1, 20, 60, 75])
def test_a_record_that_was_damaged_is_not_believed(cut: int) -> None:
    with pytest.raises(ForeignRecord):
        unpack([pack(OLD)[:-cut]])
