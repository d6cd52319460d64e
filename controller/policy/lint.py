"""The linter: one code for a pull request, an import and the daemon.

Two levels. `lint_rows` judges rows one by one and is enough for the changed lines of a shard;
`lint_dataset` compares all rows with all. `lint_shard` reads a CSV file first, `lint_document` a
JSON document. Everything is collected and nothing raised: what they return are findings.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from controller.artifacts import strictcsv
from controller.artifacts.sheets import Sheet, read_sheet
from controller.artifacts.tables import TABLES
from controller.kernel import strictjson
from controller.kernel.findings import ERRORS_MAX, Finding, Severity
from controller.policy.across import run_rules
from controller.policy.batch import Batch, RowCheck
from controller.policy.columns import ColumnCheck, compile_columns
from controller.policy.dataset import LintBundle
from controller.policy.patterns import compile_pattern
from controller.policy.rail import DOCUMENT_TOKENS_MAX, BadRail, Rail, TableRule
from controller.policy.rules import compile_rows
from controller.policy.schema import DocumentSchema, RowSchema
from controller.policy.text import finding, masked, quoted

__all__ = [
    "LintBundle",
    "lint_dataset",
    "lint_document",
    "lint_rows",
    "lint_shard",
    "lint_sheet",
    "stray",
    "widen",
]

_SHAPE = "common/SYN001"
_JSON = "common/ENC005"
_PATH = "common/ENC004"
_STRAY = "common/ENC010"
_GOOD_PATH = compile_pattern("^[a-z0-9._/-]{1,400}$")
_CHUNK_ROWS = 8_192


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
    line `lines[i]` of `path`. Every row is as wide as the columns are many. After `ERRORS_MAX`
    errors the rest is not looked at.
    """
    names = _compiled(rail, table).table.columns
    found: list[Finding] = []
    for start in range(0, len(rows), _CHUNK_ROWS):
        stop = start + _CHUNK_ROWS
        columns = dict(zip(names, zip(*rows[start:stop], strict=True), strict=True))
        found += _judge(rail, table, columns, lines[start:stop], path)
        if _is_hopeless(found):
            break
    return _uncovered(rail, found)


def lint_sheet(rail: Rail, table: str, sheet: Sheet, path: str) -> list[Finding]:
    """Judge the rows of a canonical file, column by column; `path` as it stands in findings."""
    found = [] if _GOOD_PATH.match(path) else [finding(rail.rule(_PATH), path, 0, "", quoted(path))]
    for start in range(0, len(sheet.lines), _CHUNK_ROWS):
        stop = min(start + _CHUNK_ROWS, len(sheet.lines))
        columns = {name: values[start:stop] for name, values in sheet.columns.items()}
        found += _judge(rail, table, columns, range(start + 2, stop + 2), path)
        if _is_hopeless(found):
            break
    return _uncovered(rail, found)


def _is_hopeless(found: Iterable[Finding]) -> bool:
    return sum(one.severity is Severity.ERROR for one in found) > ERRORS_MAX


def _judge(
    rail: Rail,
    table: str,
    columns: Mapping[str, Sequence[str]],
    lines: Sequence[int],
    path: str,
) -> list[Finding]:
    compiled = _compiled(rail, table)
    found: list[Finding] = []
    bad: set[int] = set()
    for column in compiled.columns:
        values = columns[column.column]
        if column.memo.holds(values):
            continue
        for at in column.memo.offenders(values):
            bad.add(at)
            rule = rail.rule(column.rule or _SHAPE)
            about = f"{quoted(values[at])} is not {column.wants}"
            found.append(finding(rule, path, lines[at], column.column, masked(about)))
    if not compiled.rows.is_by_column:
        found += _across_columns(rail, compiled, columns, lines, bad, path)
    batch = Batch(compiled.table.name, columns, lines, path)
    for check in compiled.checks:
        found.extend(check(batch))
    return found


def _across_columns(
    rail: Rail,
    compiled: _Compiled,
    columns: Mapping[str, Sequence[str]],
    lines: Sequence[int],
    bad: set[int],
    path: str,
) -> Iterator[Finding]:
    """Judge rows, but for bad ones, by what their schema asks of several columns together."""
    rows = zip(*columns.values(), strict=True)
    dicts = [dict(zip(columns, row, strict=True)) for row in rows]
    kept = [at for at in range(len(dicts)) if at not in bad]
    good = [dicts[at] for at in kept]
    if not compiled.rows.accepts_all(good):
        yield from _row_violations(rail, compiled, good, [lines[at] for at in kept], path)


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
    sheet = read_sheet(data, columns)
    if sheet is not None:
        return _rows(sheet), lint_sheet(rail, table, sheet, path)
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


def _rows(sheet: Sheet) -> list[tuple[str, ...]]:
    return list(zip(*sheet.columns.values(), strict=True))


def lint_document(rail: Rail, kind: str, data: bytes, path: str) -> list[Finding]:
    """Judge one JSON document of a rail, with line and pointer of each violation."""
    schema = _document(rail, kind)
    try:
        document = strictjson.parse(data, tokens_max=DOCUMENT_TOKENS_MAX)
    except strictjson.MalformedJson as error:
        rule = rail.rule(_JSON)
        about = masked(f"{error.reason} (column {error.column})")
        hint = error.hint or rule.hint
        return [Finding(rule.id, rule.severity, path, about, error.line, "", hint)]
    found = []
    violations = schema.violations(document)
    places = strictjson.locate_all(data, {one.pointer for one in violations}) if violations else {}
    for violation in violations:
        rule = rail.rule(violation.rule or _SHAPE)
        place = places[violation.pointer]
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
