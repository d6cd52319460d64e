"""Many rows are compared and put right by the server: little is held here, whatever drifted."""

import tracemalloc
from typing import Any

import pytest

from controller.adapters.postgres import Connection
from controller.artifacts.layout import BundleId
from controller.kernel.instants import Window
from controller.plan.changes import Changes
from controller.plan.live import LiveVersion
from controller.stores.directory import declared, store
from tests.support.directory import MemoryObjects

ROWS = 200_000
PER_FILE = 2_000
PEAK_BYTES = 8 * 2**20
SCATTERED = (
    "UPDATE directory.range SET brand = 'x' WHERE row_key IN"
    " (SELECT row_key FROM directory.range ORDER BY hashint8(row_key) LIMIT 5000)"
)
BUNDLE = BundleId.parse("card-bin/many")


def many() -> Changes:
    """Return files of card ranges, all of them declared."""
    objects, files = MemoryObjects(), {}
    for first in range(0, ROWS, PER_FILE):
        lines = [f"{400_000_000 + number},16,visa" for number in range(first, first + PER_FILE)]
        text = "\n".join(["iin_start,number_length,scheme", *lines, ""])
        files[f"ranges/{first:06}.csv"] = text.encode()
    tree = objects.tree(files)
    return Changes(objects, (), (LiveVersion(BUNDLE, 1, tree, Window()),))


@pytest.fixture(scope="module")
def changes() -> Changes:
    return many()


@pytest.fixture
def stocked(database: Connection[Any], changes: Changes) -> Connection[Any]:
    """Return a database that holds what is declared, in a transaction that is never committed."""
    store.apply(database, changes, revision=1, changed={"ranges": ROWS})
    return database


def compare(connection: Connection[Any], changes: Changes) -> declared.Declared:
    numbering = declared.known_numbers(connection)
    return declared.declare(connection, ["ranges"], changes, numbering)["ranges"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("edit", "differences"),
    [
        ("TRUNCATE directory.range", ROWS),
        (SCATTERED, 5_000),
    ],
)
def test_two_hundred_thousand_rows_are_compared_and_put_right_in_little_memory(
    stocked: Connection[Any], changes: Changes, edit: str, differences: int
) -> None:
    sums = store.recompute(stocked)
    stocked.execute(edit.encode())

    tracemalloc.start()
    wanted = compare(stocked, changes)
    found = sum(1 for _ in wanted.differences())
    wanted.put_right(2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert found == differences
    assert peak < PEAK_BYTES
    assert store.recompute(stocked) == store.kept(stocked) == sums
