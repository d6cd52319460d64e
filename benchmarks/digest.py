"""Drift: adding up every row of the store, and whether what is kept of them ever differs.

Held against `count(*)` of the same tables, the least that reading every row can be. What is kept is
tried in a database of its own, with random changes of every kind (`churn`).
"""

from random import Random  # noqa: TID251  a seeded source
from typing import Any

from benchmarks.churn import Churn
from benchmarks.measure import Cost, measured, median
from benchmarks.results import Part, at_most, nothing
from benchmarks.world import connection_to, fresh_database
from controller.adapters.postgres import Connection, sql
from controller.stores.directory import store
from controller.stores.directory.tables import STORE_TABLES

CHURNED = "bench_churn"
ROUNDS = 5
SEED = 411


def measure(url: str, server: str, pid: int | None, changes: int) -> Part:
    """Measure a loaded store at `url`; make `changes` random changes on a server of ours."""
    ours, counts = [], []
    with connection_to(url) as connection:
        rows = sum(kept.rows for kept in store.verify(connection).values())
        for _ in range(ROUNDS):
            with measured(pid) as meter:
                store.recompute(connection)
            ours.append(meter.cost)
            counts.append(_count(connection, pid))
    with connection_to(fresh_database(server, CHURNED, migrate=True)) as connection:
        churn = Churn(connection, Random(SEED))
        churn.start()
        for _ in range(changes):
            churn.step()
        differing = churn.differing()
    per_million = median(ours).wall / rows * 1e6
    did = ", ".join(f"{count:,} {name}" for name, count in sorted(churn.done.items()))
    return Part(
        "digest",
        f"{rows:,} rows, {ROUNDS} times; {changes:,} random changes ({did})",
        (
            ("digest of everything: ours", median(ours)),
            ("  count(*) of the same tables", median(counts)),
        ),
        (
            at_most("digest of a million rows", per_million, 0.3, " s"),
            nothing("digest kept: mismatches", churn.mismatches, of=f"{changes:,}"),
            nothing("digest kept: rows that differ", differing, of=f"{len(churn.state):,}"),
        ),
    )


def _count(connection: Connection[Any], pid: int | None) -> Cost:
    with measured(pid) as meter:
        for table in STORE_TABLES.values():
            query = sql.SQL("SELECT count(*) FROM directory.{}").format(sql.Identifier(table.name))
            connection.execute(query)
    return meter.cost
