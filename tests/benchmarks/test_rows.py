"""The benchmarks' world: lawful, the same everywhere, and changed by ten rows at a time."""

from collections.abc import Callable, Iterator

import pytest

from benchmarks import rows
from benchmarks.rows import Row
from benchmarks.sizes import SIZES, Size
from controller.adapters.shipped import shipped
from controller.artifacts.shards import shard
from controller.kernel.canonical import sha256
from controller.kernel.findings import Severity
from controller.kernel.instants import Window
from controller.policy.lint import LintBundle, lint_dataset, lint_shard, widen
from controller.policy.rail import Rail
from controller.reconcile.rails import RailSet

SMALL = SIZES["S"]
Rows = Callable[[Size], Iterator[Row]]
CARDS: dict[str, Rows] = {"participants": rows.issuers, "ranges": rows.ranges}
BANKS: dict[str, Rows] = {
    "participants": rows.participants,
    "identifiers": rows.identifiers,
    "endpoints": rows.endpoints,
}


@pytest.fixture(params=[("card-bin", CARDS), ("swift-iso20022", BANKS)], ids=["cards", "banks"])
def bundle(request: pytest.FixtureRequest) -> tuple[Rail, dict[str, dict[str, bytes]]]:
    """A rail, and the files of each of its tables."""
    name, tables = request.param
    rail = RailSet(shipped("policies"), {}).rail(name)
    return rail, {
        table: shard(table, rail.tables[table].columns, make(SMALL))
        for table, make in tables.items()
    }


def test_no_rail_refuses_an_invented_row(bundle: tuple[Rail, dict[str, dict[str, bytes]]]) -> None:
    rail, tables = bundle
    found, read = [], {}
    for table, files in tables.items():
        places = []
        for path, data in files.items():
            parsed, findings = lint_shard(rail, table, data, path)
            found += findings
            places += [(cells, path, at) for at, cells in enumerate(widen(rail, table, parsed), 2)]
        read[table] = places

    found += lint_dataset([LintBundle(f"{rail.name}/bench", rail, Window(), read)])

    assert [one for one in found if one.severity is Severity.ERROR] == []


def test_there_are_as_many_rows_as_the_size_says() -> None:
    made = [*CARDS.values(), *BANKS.values()]

    assert sum(1 for make in made for _ in make(SMALL)) == SMALL.rows


def test_the_rows_are_the_same_on_every_machine() -> None:
    lines = [",".join(row) for make in (*CARDS.values(), *BANKS.values()) for row in make(SMALL)]

    assert sha256("\n".join(lines).encode())[:16] == "1164bba819b3a47d"
