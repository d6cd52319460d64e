"""What tells two levels apart is the same whether it was kept or is worked out."""

from controller.artifacts.levels import Level, level
from tests.support.trees import MemoryObjects, Nested

WIDE: Nested = {f"{number:02}.csv": bytes([number]) for number in range(20)}


def level_of(objects: MemoryObjects, tree: Nested) -> Level:
    """Return a tree's level, judged by the one before it where there is one."""
    return level(objects.read(objects.tree(tree)), "tests/entries")


def test_levels_that_follow_one_another_say_what_tells_them_apart() -> None:
    objects = MemoryObjects()
    old = level_of(objects, WIDE)
    new = level_of(objects, {**WIDE, "03.csv": b"other", "17.csv": b"another"})

    assert new.change is not None
    assert len(new.set - old.set) == 2
    assert new.unlike(old) == (new.set - old.set, old.set - new.set)
    assert old.unlike(new) == (old.set - new.set, new.set - old.set)
    assert new.set == frozenset(new.entries)


def test_levels_that_do_not_are_held_against_one_another() -> None:
    objects = MemoryObjects()
    first = level_of(objects, WIDE)
    level_of(objects, {**WIDE, "03.csv": b"other"})
    third = level_of(objects, {**WIDE, "05.csv": b"third"})

    assert third.unlike(first) == (third.set - first.set, first.set - third.set)
    assert len(third.unlike(first)[0]) == 1
