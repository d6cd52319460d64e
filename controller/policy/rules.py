"""Declarative rules about single rows, compiled to functions over the columns of a batch.

The kinds are a closed set: `matches`, `never_matches`, `check`, `codes`, `required`, `scheme`,
`span`, `blocks`, `order` and `url` look at one row alone and live here; `schema`, `text` and
`layout` are spoken by the schemas and the CSV reader; the rest compare rows (`dataset.py`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import compress
from operator import and_
from typing import Any, TypeAlias

from controller.kernel.findings import Finding
from controller.policy.checks import check
from controller.policy.columns import Memo
from controller.policy.judges import (
    Judge,
    all_of,
    as_long_as,
    matching,
    named,
    never_matching,
    one_of,
)
from controller.policy.rail import BadRail, Rail, Rule, TableRule
from controller.policy.text import quoted
from controller.policy.urls import URL_TESTS, plainly_good

ELSEWHERE = frozenset({"schema", "text", "layout", "document"})
"""Kinds whose findings come from a schema or from reading a file."""

ACROSS = frozenset({"unique", "reference", "needed", "chain", "gap", "inside", "spans", "listed"})
"""Kinds that compare rows with rows."""


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


RowCheck = Callable[[Batch], Iterator[Finding]]


def finding(rule: Rule, path: str, line: int, column: str, about: str = "") -> Finding:
    """Return what `rule` says about one place."""
    message = f"{rule.message}: {about}" if about else rule.message
    return Finding(rule.id, rule.severity, path, message, line, column, rule.hint)


def compile_rows(rail: Rail, table: TableRule) -> list[RowCheck]:
    """Return the row checks of a rail's rules that concern a table with these columns."""
    compiled: list[RowCheck] = []
    for rule in rail.rules:
        for words in rule.checks:
            kind = words["kind"]
            if kind in ELSEWHERE | ACROSS or words.get("table", table.name) != table.name:
                continue
            maker = _MAKERS.get(kind)
            if maker is None:
                raise BadRail(_rules_of(rail), f"{rule.id}: unknown kind {kind!r}")
            if _columns_of(words) <= set(table.columns):
                compiled.extend(maker(rule, words, rail, table))
    return compiled


def _rules_of(rail: Rail) -> str:
    return f"policies/{rail.name}/rules.json"


def _columns_of(words: Mapping[str, Any]) -> set[str]:
    """Return the columns a check cannot do without."""
    named = {words[word] for word in ("column", "from", "to") if word in words}
    return named | set(words.get("where", {})) | set(words.get("needs", ()))


def _judging(rule: Rule, column: str, judge: Judge, words: Mapping[str, Any]) -> RowCheck:
    """Return a check of the non-empty values of one column, on the rows `where` picks."""
    where = _where(words)
    memo = Memo(_unless_empty(_per_item(judge) if words.get("items") else judge))

    def run(batch: Batch) -> Iterator[Finding]:
        values = batch.cells(column, where)
        if memo.holds(values):
            return
        places = batch.places(where)
        for offender in memo.offenders(values):
            at = places[offender]
            yield finding(rule, batch.path, batch.lines[at], column, quoted(values[offender]))

    return run


def _unless_empty(judge: Judge) -> Judge:
    """Let the empty value pass: that one must be there is for another kind of rule to say."""
    return Judge(
        lambda value: not value or judge.one(value),
        lambda values: judge.every(values if all(values) else list(filter(None, values))),
    )


def _per_item(judge: Judge) -> Judge:
    return Judge(
        lambda value: judge.every(value.split("|")),
        lambda values: judge.every("|".join(values).split("|")) if values else True,
    )


def _where(words: Mapping[str, Any]) -> Where:
    """Return which rows a rule is about (`["*"]` is any value at all)."""
    return tuple(
        (column, None if values == ["*"] else frozenset(values))
        for column, values in sorted(words.get("where", {}).items())
    )


def _matches(rule: Rule, words: Mapping[str, Any], rail: Rail, table: TableRule) -> list[RowCheck]:
    del rail
    make = matching if words["kind"] == "matches" else never_matching
    columns = table.columns if words.get("columns") == "*" else (words["column"],)
    return [_judging(rule, column, make(words["pattern"]), words) for column in columns]


def _check(rule: Rule, words: Mapping[str, Any], rail: Rail, table: TableRule) -> list[RowCheck]:
    del rail
    columns = words.get("columns", [words.get("column")])
    judge = named(words["name"])
    return [_judging(rule, column, judge, words) for column in columns if column in table.columns]


def _codes(rule: Rule, words: Mapping[str, Any], rail: Rail, table: TableRule) -> list[RowCheck]:
    del table
    if words["list"] not in rail.codes:
        raise BadRail(
            f"policies/{rail.name}/rail.json", f"{rule.id} needs the code list {words['list']!r}"
        )
    codes = rail.codes[words["list"]].codes
    start, end = words.get("slice", [None, None])
    return [_judging(rule, words["column"], one_of(codes, start, end), words)]


def _required(rule: Rule, words: Mapping[str, Any], rail: Rail, table: TableRule) -> list[RowCheck]:
    del rail, table
    column, where = words["column"], _where(words)

    def run(batch: Batch) -> Iterator[Finding]:
        values = batch.cells(column, where)
        if all(values):
            return
        for at, value in zip(batch.places(where), values, strict=True):
            if not value:
                yield finding(rule, batch.path, batch.lines[at], column)

    return [run]


def _scheme(rule: Rule, words: Mapping[str, Any], rail: Rail, table: TableRule) -> list[RowCheck]:
    """Each named scheme's own pattern, or its check where `part` is `check`."""
    del table
    made = []
    for name in words["schemes"]:
        scheme = rail.schemes.get(name)
        if scheme is None:
            raise BadRail(_rules_of(rail), f"{rule.id}: unknown scheme {name!r}")
        judge = all_of([as_long_as(0, scheme.length_max), matching(scheme.pattern)])
        if words.get("part") == "check":
            if not scheme.check_name:
                continue
            judge = _unless_malformed(judge, named(scheme.check_name))
        made.append(_judging(rule, "value", judge, {"where": {"scheme": [name]}}))
    return made


def _unless_malformed(form: Judge, passes: Judge) -> Judge:
    return Judge(
        lambda value: not form.one(value) or passes.one(value),
        lambda values: (
            passes.every(values)
            or all(not form.one(value) or passes.one(value) for value in values)
        ),
    )


def _span(rule: Rule, words: Mapping[str, Any], rail: Rail, table: TableRule) -> list[RowCheck]:
    """A range's end is as long as its start and not before it."""
    del words, rail, table

    def run(batch: Batch) -> Iterator[Finding]:
        starts, ends = batch.columns["iin_start"], batch.columns["iin_end"]
        for at, end in enumerate(ends):
            if end and (len(end) != len(starts[at]) or end < starts[at]):
                about = f"{quoted(starts[at])} to {quoted(end)}"
                yield finding(rule, batch.path, batch.lines[at], "iin_end", about)

    return [run]


def _blocks(rule: Rule, words: Mapping[str, Any], rail: Rail, table: TableRule) -> list[RowCheck]:
    """A range starts inside one of the number blocks its card scheme was given."""
    del words, table
    blocks = {
        scheme: tuple((first.ljust(12, "0"), last.ljust(12, "9")) for first, last in spans)
        for scheme, spans in rail.blocks.items()
    }

    def fits(pair: tuple[str, str]) -> bool:
        start = pair[0].ljust(12, "0")
        return any(first <= start <= last for first, last in blocks[pair[1]])

    def run(batch: Batch) -> Iterator[Finding]:
        schemes = batch.columns["scheme"]
        judged: dict[tuple[str, str], bool] = {}
        for at, pair in enumerate(zip(batch.columns["iin_start"], schemes, strict=True)):
            if pair[1] in blocks:
                key = (pair[0][:6], pair[1])
                good = judged.get(key)
                if good is None:
                    good = judged[key] = fits(key)
                if not good:
                    about = f"{quoted(pair[0])} is not a block of {quoted(pair[1])}"
                    yield finding(rule, batch.path, batch.lines[at], "iin_start", about)

    return [run]


def _order(rule: Rule, words: Mapping[str, Any], rail: Rail, table: TableRule) -> list[RowCheck]:
    """One instant is before another; where one is absent there is nothing to compare."""
    del rail, table
    first, second, may_touch = words["from"], words["to"], words.get("or_equal", False)
    known = check("calendar")

    def run(batch: Batch) -> Iterator[Finding]:
        starts, ends = batch.columns[first], batch.columns[second]
        if not any(starts) or not any(ends):
            return
        # Instants of one form and one zone sort as text.
        for at, (start, end) in enumerate(zip(starts, ends, strict=True)):
            if not (start and end) or start < end or (start == end and may_touch):
                continue
            if known(start) and known(end):
                yield finding(rule, batch.path, batch.lines[at], second, f"{start} and {end}")

    return [run]


def _url(rule: Rule, words: Mapping[str, Any], rail: Rail, table: TableRule) -> list[RowCheck]:
    del rail
    test = URL_TESTS[words["test"]]
    memo: dict[tuple[str, str], str] = {}
    assert "protocol" in table.columns

    def run(batch: Batch) -> Iterator[Finding]:
        if plainly_good(batch.columns["protocol"], batch.columns["address"]):
            return
        pairs = zip(batch.columns["protocol"], batch.columns["address"], strict=True)
        for at, pair in enumerate(pairs):
            if not pair[1]:
                continue
            verdict = memo.get(pair)
            if verdict is None:
                if len(memo) > 200_000:
                    memo.clear()
                verdict = memo[pair] = test(*pair)
            if verdict:
                yield finding(rule, batch.path, batch.lines[at], "address", verdict)

    return [run]


_Maker = Callable[[Rule, Mapping[str, Any], Rail, TableRule], list[RowCheck]]

_MAKERS: Mapping[str, _Maker] = {
    "blocks": _blocks,
    "check": _check,
    "codes": _codes,
    "matches": _matches,
    "never_matches": _matches,
    "order": _order,
    "required": _required,
    "scheme": _scheme,
    "span": _span,
    "url": _url,
}
