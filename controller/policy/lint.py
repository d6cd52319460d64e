"""The linter: one code for a pull request, an import and the daemon.

Two levels. `lint_rows` judges rows one by one and is enough for the changed lines of a shard;
`lint_dataset` compares all rows with all. `lint_shard` reads a CSV file first, `lint_document` a
JSON document. Everything is collected and nothing raised: what they return are findings.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from controller.artifacts import strictcsv
from controller.artifacts.tables import TABLES
from controller.kernel import strictjson
from controller.kernel.findings import Finding, Severity
from controller.policy.columns import ColumnCheck, compile_columns
from controller.policy.dataset import LintBundle, run_rules
from controller.policy.patterns import compile_pattern
from controller.policy.rail import BadRail, Rail, TableRule
from controller.policy.rules import Batch, RowCheck, compile_rows, finding
from controller.policy.schema import DocumentSchema, RowSchema
from controller.policy.text import masked, quoted

__all__ = [
    "LintBundle",
    "lint_dataset",
    "lint_document",
    "lint_rows",
    "lint_shard",
    "stray",
    "widen",
]

_SHAPE = "common/SYN001"
_JSON = "common/ENC005"
_PATH = "common/ENC004"
_STRAY = "common/ENC010"
_GOOD_PATH = compile_pattern("^[a-z0-9._/-]{1,400}$")
_CHUNK_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class _Compiled:
    table: TableRule
    columns: list[ColumnCheck]
    rows: RowSchema
    checks: list[RowCheck]


@lru_cache(maxsize=256)
def _compiled(rail: Rail, table: str) -> _Compiled:
    declared = rail.tables.get(table)
    if declared is None:
        raise BadRail(f"policies/{rail.name}/rail.json", f"no table {table!r}")
    return _Compiled(
        declared,
        compile_columns(declared.schema, declared.columns, f"{rail.name} {table}"),
        RowSchema(declared.schema, f"{rail.name} {table}"),
        compile_rows(rail, declared),
    )


@lru_cache(maxsize=256)
def _document(rail: Rail, kind: str) -> DocumentSchema:
    schema = rail.documents.get(kind)
    if schema is None:
        raise BadRail(f"policies/{rail.name}/rail.json", f"no documents {kind!r}")
    return DocumentSchema(schema, f"{rail.name} {kind}")


def lint_rows(
    rail: Rail, table: str, rows: Sequence[tuple[str, ...]], lines: Sequence[int], path: str
) -> list[Finding]:
    """Judge rows one by one: the columns' schema and the rail's row rules.

    `rows` hold the rail's columns of the table (`rail.tables[table].columns`); row i stands on
    line `lines[i]` of `path`. Every row is as wide as the columns are many.
    """
    compiled = _compiled(rail, table)
    found: list[Finding] = []
    for start in range(0, len(rows), _CHUNK_ROWS):
        stop = start + _CHUNK_ROWS
        found += _judge(rail, compiled, rows[start:stop], lines[start:stop], path)
    return _uncovered(rail, found)


def _judge(
    rail: Rail,
    compiled: _Compiled,
    rows: Sequence[tuple[str, ...]],
    lines: Sequence[int],
    path: str,
) -> list[Finding]:
    names = compiled.table.columns
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    found: list[Finding] = []
    bad: set[int] = set()
    for column in compiled.columns:
        values = columns[column.column]
        for at in column.memo.offenders(values):
            bad.add(at)
            rule = rail.rule(column.rule or _SHAPE)
            about = f"{quoted(values[at])} is not {column.wants}"
            found.append(finding(rule, path, lines[at], column.column, masked(about)))
    # The engine has the last word: what spans columns, and whatever the column checks let pass.
    dicts = [dict(zip(names, row, strict=True)) for row in rows]
    if bad:
        dicts = [row for at, row in enumerate(dicts) if at not in bad]
        lines_left = [line for at, line in enumerate(lines) if at not in bad]
    else:
        lines_left = list(lines)
    if not compiled.rows.accepts_all(dicts):
        found += _row_violations(rail, compiled, dicts, lines_left, path)
    batch = Batch(compiled.table.name, columns, lines, path)
    for check in compiled.checks:
        found.extend(check(batch))
    return found


def _row_violations(
    rail: Rail,
    compiled: _Compiled,
    rows: Sequence[dict[str, str]],
    lines: Sequence[int],
    path: str,
) -> Iterator[Finding]:
    for row, line in zip(rows, lines, strict=True):
        if compiled.rows.accepts(row):
            continue
        for violation in compiled.rows.violations(row):
            rule = rail.rule(violation.rule or _SHAPE)
            column = violation.pointer.removeprefix("/")
            yield finding(rule, path, line, column, masked(violation.message))


def lint_shard(
    rail: Rail, table: str, data: bytes, path: str
) -> tuple[list[tuple[str, ...]], list[Finding]]:
    """Read one CSV file and judge its rows; a row that cannot be read is a finding."""
    columns = _compiled(rail, table).table.columns
    rows, problems = strictcsv.read(data, columns)
    found = [
        Finding(
            problem.rule,
            rail.rule(problem.rule).severity,
            path,
            masked(problem.message),
            problem.line,
            problem.column,
            problem.hint or rail.rule(problem.rule).hint,
        )
        for problem in problems
    ]
    if not _GOOD_PATH.match(path):
        found.append(finding(rail.rule(_PATH), path, 0, "", quoted(path)))
    found += lint_rows(rail, table, rows, range(2, len(rows) + 2), path)
    return rows, _uncovered(rail, found)


def lint_document(rail: Rail, kind: str, data: bytes, path: str) -> list[Finding]:
    """Judge one JSON document of a rail, with line and pointer of each violation."""
    schema = _document(rail, kind)
    try:
        document = strictjson.parse(data)
    except strictjson.MalformedJson as error:
        rule = rail.rule(_JSON)
        about = masked(f"{error.reason} (column {error.column})")
        hint = error.hint or rule.hint
        return [Finding(rule.id, rule.severity, path, about, error.line, "", hint)]
    found = []
    for violation in schema.violations(document):
        rule = rail.rule(violation.rule or _SHAPE)
        place = strictjson.locate(data, violation.pointer)
        about = f"{masked(violation.message)} (column {place.column})"
        found.append(finding(rule, path, place.line, violation.pointer, about))
    return found


def stray(rail: Rail, path: str) -> Finding:
    """Return what is to be said of a bundle's file that is no table or document of its rail."""
    rule = rail.rule(_STRAY)
    places = [f"{name}.csv or {name}/*.csv" for name in sorted(rail.tables)]
    places += [f"{name}/*.json" for name in sorted(rail.documents)]
    hint = f"below files/, rail {rail.name} has {', '.join(places)}"
    return Finding(rule.id, rule.severity, path, rule.message, hint=hint)


def lint_dataset(bundles: Sequence[LintBundle]) -> list[Finding]:
    """Judge all rows of all bundles together: keys, references, windows and ranges.

    Cells are full rows (every column of `TABLES`); see `widen` for rows of a rail's columns.
    """
    found = list(run_rules(bundles))
    if not bundles:
        return found
    covers = {rule.id: rule.covers for bundle in bundles for rule in bundle.rail.rules}
    return _kept(found, covers)


def widen(rail: Rail, table: str, rows: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return rows of the rail's columns as full rows; columns the rail leaves out are empty."""
    own, full = rail.tables[table].columns, TABLES[table].columns
    if own == full:
        return list(rows)
    places = [own.index(column) if column in own else -1 for column in full]
    return [tuple(row[at] if at >= 0 else "" for at in places) for row in rows]


def _uncovered(rail: Rail, found: list[Finding]) -> list[Finding]:
    return _kept(found, {rule.id: rule.covers for rule in rail.rules}) if found else found


def _kept(found: list[Finding], covers: dict[str, frozenset[str]]) -> list[Finding]:
    """Leave out what a sharper rule has said about the same cell, and repetitions; in order."""
    silent = {
        (one.file, one.line, one.column, covered)
        for one in found
        for covered in covers.get(one.rule, ())
    }
    kept = {one for one in found if (one.file, one.line, one.column, one.rule) not in silent}
    return sorted(kept, key=lambda one: one.order)


def blocking(found: Iterable[Finding]) -> list[Finding]:
    """Return the findings that block."""
    return [one for one in found if one.severity is Severity.ERROR]
