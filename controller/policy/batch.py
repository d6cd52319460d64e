"""Rows of one file as the row rules look at them: column by column."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import compress
from operator import and_
from typing import Any, TypeAlias

from controller.kernel.findings import Finding

Where: TypeAlias = tuple[tuple[str, frozenset[str] | None], ...]
"""Which rows a rule is about: columns and the values they have there (`None`: any value at all)."""


class Batch:
    """Rows of one table and one file, turned: `columns[name][i]` stands on `lines[i]`."""

    def __init__(
        self, table: str, columns: Mapping[str, Sequence[str]], lines: Sequence[int], path: str
    ) -> None:
        self.table, self.columns, self.lines, self.path = table, columns, lines, path
        self._picked: dict[Where, Sequence[bool]] = {}
        self._cells: dict[tuple[str, Where], Sequence[str]] = {}

    def cells(self, column: str, where: Where) -> Sequence[str]:
        """Return a column's cells in the rows a rule is about."""
        if not where:
            return self.columns[column]
        found = self._cells.get((column, where))
        if found is None:
            found = list(compress(self.columns[column], self._mask(where)))
            self._cells[column, where] = found
        return found

    def places(self, where: Where) -> Sequence[int]:
        """Return the positions of the rows a rule is about."""
        rows = range(len(self.lines))
        return list(compress(rows, self._mask(where))) if where else rows

    def _mask(self, where: Where) -> Sequence[bool]:
        found = self._picked.get(where)
        if found is None:
            (column, values), *more = where
            found = _fits(self.columns[column], values)
            for column, values in more:
                found = list(map(and_, found, _fits(self.columns[column], values)))
            self._picked[where] = found
        return found


def _fits(cells: Sequence[str], values: frozenset[str] | None) -> Sequence[bool]:
    """Say of each cell whether it is among the values."""
    if cells and cells.count(cells[0]) == len(cells):
        one = bool(cells[0]) if values is None else cells[0] in values
        return [one] * len(cells)
    return list(map(bool, cells) if values is None else map(values.__contains__, cells))


RowCheck: TypeAlias = Callable[[Batch], Iterator[Finding]]


def where_of(words: Mapping[str, Any]) -> Where:
    """Return which rows a rule is about (`["*"]` is any value at all)."""
    return tuple(
        (column, None if values == ["*"] else frozenset(values))
        for column, values in sorted(words.get("where", {}).items())
    )
