"""The checks of rail card-bin on every row: columns, schema, row rules, and rules over all rows.

Held against the `jsonschema` package alone: the same schema over the same rows as dictionaries,
some of them, with no file read and no rule but the schema's.
"""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from jsonschema.validators import validator_for

from benchmarks import rows
from benchmarks.measure import Cost, measured, median
from benchmarks.publish import CARDS
from benchmarks.results import Part, at_least
from benchmarks.rows import Row
from benchmarks.sizes import Size
from controller.adapters import collector
from controller.adapters.shipped import shipped
from controller.artifacts.shards import shard
from controller.kernel.findings import Finding
from controller.kernel.instants import Window
from controller.policy.lint import LintBundle, blocking, lint_dataset, lint_shard, widen
from controller.policy.rail import Rail
from controller.reconcile.rails import RailSet

ASKED = 3_000
ROUNDS = 3

Files: TypeAlias = Mapping[str, Mapping[str, bytes]]


def measure(size: Size) -> Part:
    """Judge a size's card ranges and their issuers; some ranges by `jsonschema`."""
    rail = RailSet(shipped("policies"), {}).rail(CARDS.rail)
    tables: dict[str, list[Row]] = {
        "participants": list(rows.issuers(size)),
        "ranges": list(rows.ranges(size)),
    }
    count = sum(len(some) for some in tables.values())
    files = {name: shard(name, rail.tables[name].columns, some) for name, some in tables.items()}
    columns = rail.tables["ranges"].columns
    asked = [dict(zip(columns, row, strict=True)) for row in tables["ranges"][:ASKED]]
    alone, single, whole = [], [], []
    for _ in range(ROUNDS):
        alone.append(_jsonschema(rail, asked))
        one, everything = _ours(rail, files)
        single.append(one)
        whole.append(everything)
    by_row = count / median(single).cpu
    rate, other = count / median(whole).cpu, len(asked) / median(alone).cpu
    return Part(
        "rows",
        f"{count:,} rows in {sum(map(len, files.values())):,} files, one core; {ROUNDS} times",
        (
            (f"checks of {count:,} card-bin rows: ours, every rule", median(whole)),
            ("  of these, row by row", median(single)),
            (f"  jsonschema alone, {len(asked):,} rows", median(alone)),
        ),
        (
            at_least("rows checked in a second of CPU, every rule", rate, 100_000, " rows"),
            at_least("rows checked in a second, row by row", by_row, 100_000, " rows"),
            at_least("rows checked by every rule, times jsonschema alone", rate / other, 10),
        ),
    )


def _ours(rail: Rail, files: Files) -> tuple[Cost, Cost]:
    """Return what the rules on single rows took, and what all rules took."""
    found: list[Finding] = []
    with collector.resting(), measured() as whole:
        read: dict[str, list[tuple[Row, str, int]]] = {table: [] for table in files}
        with measured() as single:
            parsed = []
            for table, some in files.items():
                for path, data in some.items():
                    cells, findings = lint_shard(rail, table, data, path)
                    found += findings
                    parsed.append((table, path, cells))
        for table, path, cells in parsed:
            read[table] += _placed(rail, table, cells, path)
        found += lint_dataset([LintBundle(str(CARDS), rail, Window(), read)])
    assert blocking(found) == []
    return single.cost, whole.cost


def _placed(rail: Rail, table: str, cells: list[Row], path: str) -> Iterable[tuple[Row, str, int]]:
    return [(row, path, line) for line, row in enumerate(widen(rail, table, cells), start=2)]


def _jsonschema(rail: Rail, some: list[dict[str, str]]) -> Cost:
    schema = rail.tables["ranges"].schema
    validator = validator_for(schema)(schema)
    with measured() as meter:
        assert all(validator.is_valid(row) for row in some)
    return meter.cost
