"""Rules about several cells of one row: `span`, `blocks`, `order` and `url`."""

from collections.abc import Iterator, Mapping
from typing import Any

from controller.kernel.findings import Finding
from controller.policy.batch import Batch, RowCheck
from controller.policy.checks import check
from controller.policy.rail import Rail, Rule, TableRule
from controller.policy.text import finding, quoted
from controller.policy.urls import URL_TESTS, plainly_good


def span(rule: Rule, words: Mapping[str, Any], rail: Rail, table: TableRule) -> list[RowCheck]:
    """A range's end is as long as its start and not before it."""
    del words, rail, table

    def run(batch: Batch) -> Iterator[Finding]:
        starts, ends = batch.columns["iin_start"], batch.columns["iin_end"]
        for at, end in enumerate(ends):
            if end and (len(end) != len(starts[at]) or end < starts[at]):
                about = f"{quoted(starts[at])} to {quoted(end)}"
                yield finding(rule, batch.path, batch.lines[at], "iin_end", about)

    return [run]


def blocks(rule: Rule, words: Mapping[str, Any], rail: Rail, table: TableRule) -> list[RowCheck]:
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


def order(rule: Rule, words: Mapping[str, Any], rail: Rail, table: TableRule) -> list[RowCheck]:
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


def url(rule: Rule, words: Mapping[str, Any], rail: Rail, table: TableRule) -> list[RowCheck]:
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
