"""What stands in one directory, once it was judged, and what tells two directories apart."""

import weakref
from bisect import bisect_left
from functools import cached_property
from itertools import accumulate
from operator import add, itemgetter
from typing import NamedTuple

from controller.kernel.objects import Oid

_NAME, _IS_TREE = itemgetter(0), itemgetter(1)
_OTHER_BYTES = {False: len(b"100644 \0") + 20, True: len(b"40000 \0") + 20}


class Entry(NamedTuple):
    """A name in a tree, judged."""

    name: str
    is_tree: bool
    oid: Oid


class _Change(NamedTuple):
    """A level by another one: what came, and what went."""

    before: "weakref.ref[Level]"
    fresh: frozenset[Entry]
    gone: frozenset[Entry]


class Level:
    """The judged entries of one directory, in git's order."""

    def __init__(self, entries: tuple[Entry, ...]) -> None:
        self.entries = entries
        self.change: _Change | None = None

    def changed(
        self, entries: tuple[Entry, ...], fresh: frozenset[Entry], gone: frozenset[Entry]
    ) -> "Level":
        """Return a level of as many entries, equal to this one's but for ids: `fresh` for `gone`.

        It refers to this one only for as long as somebody else does.
        """
        level = Level(entries)
        level.starts = self.starts
        level.set = self.set.difference(gone).union(fresh)
        level.change = _Change(weakref.ref(self), fresh, gone)
        return level

    def unlike(self, other: "Level") -> tuple[frozenset[Entry], frozenset[Entry]]:
        """Return the entries that only this one has, and those that only the other one has."""
        for one, before in ((self, other), (other, self)):
            change = one.change
            if change is not None and change.before() is before:
                sides = change.fresh, change.gone
                return sides if one is self else sides[::-1]
        return self.set - other.set, other.set - self.set

    def named(self, name: str, *, is_tree: bool) -> Entry | None:
        """Return the file, or the directory, of a name."""
        key = name + "/" if is_tree else name
        at = bisect_left(self.entries, key, key=order)
        if at == len(self.entries):
            return None
        found = self.entries[at]
        return found if (found.name, found.is_tree) == (name, is_tree) else None

    @cached_property
    def set(self) -> frozenset[Entry]:
        """The entries in no order, to tell two levels apart."""
        return frozenset(self.entries)

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """Where each entry begins in the raw tree, and where the last one ends."""
        names = map(len, map(_NAME, self.entries))
        others = map(_OTHER_BYTES.__getitem__, map(_IS_TREE, self.entries))
        return tuple(accumulate(map(add, names, others), initial=0))


def order(entry: Entry) -> str:
    """Return what git puts entries in order by."""
    return entry.name + "/" if entry.is_tree else entry.name
