"""What a rail lets in of rows that somebody else wrote, and why the rest stays out.

Used by imports. A row with an error is left out, and so is a row that refers to one left out;
that is repeated until nothing changes, so what remains has no errors.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from controller.artifacts import strictcsv
from controller.artifacts.mapping import MappedRow
from controller.artifacts.rowtext import key_text
from controller.artifacts.tables import TABLES
from controller.kernel.errors import Refused
from controller.kernel.findings import Finding, Severity
from controller.kernel.instants import Window
from controller.policy.lint import LintBundle, lint_dataset, lint_rows
from controller.policy.rail import Rail
from controller.policy.text import finding

_TEXT = "common/ENC002"
_SHAPE = "common/ENC007"
_PLACE = re.compile(rf"\b({'|'.join(TABLES)}) line ([0-9]+)$")
_REPEATED = frozenset({"common/ORD001", "common/DUP000"})


class WrongTables(Refused):
    """Rows are for tables or columns that the rail does not have."""

    code = "policy.wrong_tables"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that stays out, and everything that was said against it."""

    table: str
    row: MappedRow
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Accepted:
    """Rows of the rail's columns by table, in the order of their keys; and what was left out.

    `findings` are the warnings and notes about the rows that are in.
    """

    tables: Mapping[str, list[tuple[str, ...]]]
    rejected: list[Rejected]
    findings: list[Finding]

    def counts(self) -> dict[str, int]:
        """Return how many rows each rule kept out, by rule id."""
        tally: dict[str, int] = {}
        for one in self.rejected:
            for rule in {spoken.rule for spoken in one.findings}:
                tally[rule] = tally.get(rule, 0) + 1
        return dict(sorted(tally.items()))


def accept(
    rail: Rail, tables: Mapping[str, Sequence[MappedRow]], window: Window | None = None
) -> Accepted:
    """Split rows (full ones, as a mapping makes them) into those without errors and the rest."""
    kept = {table: list(rows) for table, rows in tables.items()}
    rejected: list[Rejected] = []
    for table, rows in kept.items():
        _fits(rail, table, rows)
        errors = _row_errors(rail, table, rows)
        kept[table] = _split(table, rows, errors, rejected)
    while True:
        bundle = _bundle(rail, kept, window or Window())
        findings = lint_dataset([bundle])
        # A finding names a row by table and position: files are called by their tables here.
        wrong: dict[str, dict[int, list[Finding]]] = {}
        for one in findings:
            if one.severity is Severity.ERROR:
                wrong.setdefault(one.file, {}).setdefault(one.line, []).append(one)
        if not wrong:
            break
        named = _namer(kept)
        for table, errors in wrong.items():
            said = {at: [named(one) for one in found] for at, found in errors.items()}
            kept[table] = _split(table, kept[table], said, rejected)
    named = _namer(kept)
    notes = [_moved(named(one), kept[one.file][one.line]) for one in findings]
    return Accepted(
        {table: _narrow(rail, table, rows) for table, rows in kept.items()}, rejected, notes
    )


def _split(
    table: str,
    rows: Sequence[MappedRow],
    errors: Mapping[int, list[Finding]],
    rejected: list[Rejected],
) -> list[MappedRow]:
    for at in sorted(errors):
        row = rows[at]
        moved = tuple(_moved(one, row) for one in errors[at])
        rejected.append(Rejected(table, row, moved))
    return [row for at, row in enumerate(rows) if at not in errors]


def _moved(one: Finding, row: MappedRow) -> Finding:
    return Finding(one.rule, one.severity, row.source, one.message, row.line, one.column, one.hint)


def _namer(kept: Mapping[str, Sequence[MappedRow]]) -> Callable[[Finding], Finding]:
    """Return what puts sources where messages name another row by table and position."""
    rows = dict(kept)

    def place(match: re.Match[str]) -> str:
        row = rows[match[1]][int(match[2])]
        return f"{row.source} line {row.line}" if row.line else row.source

    return lambda one: replace(one, message=_PLACE.sub(place, one.message))


def _bundle(rail: Rail, kept: Mapping[str, Sequence[MappedRow]], window: Window) -> LintBundle:
    return LintBundle(
        f"{rail.name}/import",
        rail,
        window,
        {
            table: [(row.cells, table, at) for at, row in enumerate(rows)]
            for table, rows in kept.items()
        },
    )


def _row_errors(rail: Rail, table: str, rows: Sequence[MappedRow]) -> dict[int, list[Finding]]:
    """Return what is wrong with single rows: their text as CSV first, then the rail's row rules."""
    narrow = _cells(rail, table, rows)
    errors: dict[int, list[Finding]] = {}
    found = _text_findings(rail, table, narrow)
    found += lint_rows(rail, table, narrow, range(len(narrow)), table)
    for one in found:
        if one.severity is Severity.ERROR:
            errors.setdefault(one.line, []).append(one)
    return errors


def _text_findings(rail: Rail, table: str, rows: Sequence[tuple[str, ...]]) -> list[Finding]:
    """Judge rows as lines of a file, so that what is accepted can be written and read again."""
    columns = rail.tables[table].columns
    order = sorted(range(len(rows)), key=lambda at: key_text(columns)(rows[at]))
    found: list[Finding] = []
    header = ",".join(columns).encode() + b"\n"
    for start in range(0, len(order), _FILE_ROWS):
        part = order[start : start + _FILE_ROWS]
        writable: list[int] = []
        body = []
        for at in part:
            try:
                body.append(strictcsv.render_row(rows[at]))
                writable.append(at)
            except Refused:
                found.append(finding(rail.rule(_TEXT), table, at, ""))
        data = header + "".join(f"{line}\n" for line in body).encode()
        for problem in strictcsv.read(data, columns)[1]:
            if problem.rule in _REPEATED:
                continue
            rule = rail.rule(problem.rule)
            at = writable[problem.line - 2]
            found.append(
                Finding(
                    rule.id, rule.severity, table, problem.message, at, problem.column, rule.hint
                )
            )
    return found


_FILE_ROWS = 500
"""Rows judged as one file: below the number of problems that one file may report."""


def _fits(rail: Rail, table: str, rows: Iterable[MappedRow]) -> None:
    if table not in rail.tables:
        raise WrongTables(f"{rail.name} has no table {table}")
    own = set(rail.tables[table].columns)
    left_out = [at for at, column in enumerate(TABLES[table].columns) if column not in own]
    for row in rows if left_out else ():
        for at in left_out:
            if row.cells[at]:
                column = TABLES[table].columns[at]
                raise WrongTables(f"{rail.name} has no column {column} in {table}")


def _cells(rail: Rail, table: str, rows: Sequence[MappedRow]) -> list[tuple[str, ...]]:
    own, full = rail.tables[table].columns, TABLES[table].columns
    if own == full:
        return [row.cells for row in rows]
    places = [full.index(column) for column in own]
    return [tuple(row.cells[at] for at in places) for row in rows]


def _narrow(rail: Rail, table: str, rows: Sequence[MappedRow]) -> list[tuple[str, ...]]:
    columns = rail.tables[table].columns
    return sorted(_cells(rail, table, rows), key=key_text(columns))
