"""Strict CSV: one canonical form, read fast when it is met and explained exactly when it is not.

Canonical: UTF-8 without BOM, LF, a final newline, the header first, rows in order of their keys,
quotes only around cells that hold a comma or a quote, no line twice. A cell never holds a control
character, so a row is a line: the multiset difference of two files' lines is what changed.

Only text is judged here, never its meaning. A `Problem` never repeats a cell.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import NamedTuple

from controller.artifacts.rowtext import FIELD_SIZE_MAX, UNSEEN, Row, cells_of, key_text
from controller.artifacts.sheets import read_sheet
from controller.kernel.errors import Refused

PROBLEMS_MAX = 1000

WARNINGS = frozenset({"common/ORD001"})
"""The rules that warn; every other problem blocks."""

_ENCODING, _TEXT, _FORM = "common/ENC001", "common/ENC002", "common/ENC006"
_SHAPE, _FORMULA, _SIZE = "common/ENC007", "common/ENC008", "common/ENC009"
_ORDER, _TWICE = "common/ORD001", "common/DUP000"

_BOM = b"\xef\xbb\xbf"
_FORMULA_STARTS = "=+-@\t\r"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# What makes a line of plain ASCII worth a closer look: controls, quotes, formulas, white edges.
_ODD = re.compile(r'[\x00-\x1f\x7f"]|(?:^|,)[ =+\-@]| (?:,|$)')


class BadRow(Refused):
    """A line is not a canonical row of the expected width."""

    code = "csv.bad_row"


class Unwritable(Refused):
    """A cell holds a character that no canonical file may hold."""

    code = "csv.unwritable"


class Problem(NamedTuple):
    """What is wrong with one cell, one line or (line 0) the file as a whole."""

    line: int
    column: str
    rule: str
    message: str
    hint: str


def read(data: bytes, columns: Sequence[str]) -> tuple[list[Row], list[Problem]]:
    """Return the rows and every problem; row `i` stands on line `i + 2`.

    Where the header is wrong there are no rows. A ragged line keeps its place: its row is filled
    up with empty cells, or cut. The columns tell the table, and so the order of rows.
    """
    sheet = read_sheet(data, columns)
    return (sheet.rows(), []) if sheet is not None else read_closely(data, columns)


def read_closely(data: bytes, columns: Sequence[str]) -> tuple[list[Row], list[Problem]]:
    """Do what `read` does cell by cell: it finds words for what is no sheet."""
    if data.startswith(_BOM):
        problem = Problem(1, "", _ENCODING, "a byte order mark", "save it as UTF-8 without BOM")
        rows, problems = _read(data.removeprefix(_BOM), columns)
        return rows, [problem, *problems]
    return _read(data, columns)


def _read(data: bytes, columns: Sequence[str]) -> tuple[list[Row], list[Problem]]:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return [], [Problem(line, "", _ENCODING, "not UTF-8", "save the file as UTF-8")]
    return _read_text(text, columns)


def parse_line(line: str, width: int) -> Row:
    """Return the cells of one line without its LF; refuse controls, another width, odd quoting."""
    if _CONTROL.search(line):
        raise BadRow("a control character")
    cells, fault = cells_of(line)
    if fault or len(cells) != width:
        raise BadRow(fault or f"{len(cells)} cells where {width} belong")
    return cells


def render(columns: Sequence[str], rows: Iterable[Row]) -> bytes:
    """Return the canonical file of rows, in order of their keys; nothing is dropped."""
    ordered = sorted(rows, key=lambda row: (key_text(columns)(row), row))
    return "".join(
        [render_row(columns), "\n", *(render_row(row) + "\n" for row in ordered)]
    ).encode()


def render_row(cells: Sequence[str]) -> str:
    """Return one line without its LF; quotes only where a comma or a quote asks for them."""
    line = ",".join(cells)
    if _CONTROL.search(line):
        raise Unwritable("a cell holds a control character", hint="a row is one line of text")
    if line.count(",") == len(cells) - 1 and '"' not in line:
        return line
    return ",".join(_quoted(cell) for cell in cells)


def lines(data: bytes) -> list[bytes]:
    """Return the lines behind the header, without their LF."""
    found = data.split(b"\n")[1:]
    if found and not found[-1]:
        found.pop()
    return found


def _read_text(text: str, columns: Sequence[str]) -> tuple[list[Row], list[Problem]]:
    problems: list[Problem] = []
    if "\n" not in text and "\r" in text:
        message, hint = "lines end with CR alone", "save the file with LF line ends"
        return [], [Problem(1, "", _FORM, message, hint)]
    found = text.split("\n")
    if found[-1]:
        problems.append(
            Problem(len(found), "", _FORM, "no final newline", "end the last line with LF")
        )
    else:
        found.pop()
    returns = sum(line.endswith("\r") for line in found)
    if returns:
        message = "1 line ends with CR LF" if returns == 1 else f"{returns} lines end with CR LF"
        problems.append(Problem(1, "", _FORM, message, "save the file with LF line ends"))
        found = [line.removesuffix("\r") for line in found]
    if not found or cells_of(found[0])[0] != tuple(columns):
        problems.append(_header_problem(found[0] if found else None, columns))
        return [], problems
    if found[0] != ",".join(columns):
        hint = "write the names without quotes"
        problems.append(Problem(1, "", _FORM, "a quoted header", hint))
    rows: list[Row] = []
    faults = _row_problems(found[1:], columns, rows)
    problems += islice(faults, PROBLEMS_MAX)
    if next(faults, None) is not None:
        more = Problem(0, "", _FORM, f"more than {PROBLEMS_MAX} problems", "mend these first")
        problems.append(more)
        rows.extend(_fitted(cells_of(line)[0], len(columns)) for line in found[1 + len(rows) :])
    problems += _order_problems(found[1:], rows, columns)
    return rows, problems


def _row_problems(found: list[str], columns: Sequence[str], rows: list[Row]) -> Iterator[Problem]:
    """Yield what is wrong with each line, and append its row."""
    width = len(columns)
    for number, line in enumerate(found, start=2):
        if line.isascii() and len(line) <= FIELD_SIZE_MAX and _ODD.search(line) is None:
            plain = tuple(line.split(","))
            if len(plain) == width:
                rows.append(plain)
                continue
        cells, fault = cells_of(line)
        rows.append(_fitted(cells, width))
        if fault:
            hint = "quote only cells that hold a comma or a quote, and double quotes inside"
            yield Problem(number, "", _FORM, fault, hint)
        elif len(cells) != width:
            message = f"{len(cells)} cells where {width} belong"
            yield Problem(number, "", _SHAPE, message, "one cell for each column of the header")
        for column, cell in zip(columns, cells, strict=False):
            for rule, message, hint in _cell_problems(cell):
                yield Problem(number, column, rule, message, hint)


def _cell_problems(cell: str) -> Iterator[tuple[str, str, str]]:
    if not cell:
        return
    if len(cell.encode()) > FIELD_SIZE_MAX:
        hint = f"a cell holds at most {FIELD_SIZE_MAX} bytes"
        yield _SIZE, f"a cell of {len(cell.encode())} bytes", hint
    if cell[0] in _FORMULA_STARTS:
        hint = "spreadsheets run it as a formula; write a telephone number as tel:+…"
        yield _FORMULA, f"a cell that starts with U+{ord(cell[0]):04X}", hint
    unseen = UNSEEN.search(cell)
    if unseen is not None:
        message = f"an unseen character U+{ord(unseen[0]):04X}"
        yield _TEXT, message, "remove control, zero-width and direction characters"
    if cell != cell.strip():
        yield _TEXT, "white space at the edge of a cell", "trim the cell"
    if not unicodedata.is_normalized("NFC", cell):
        yield _TEXT, "text that is not in Unicode form NFC", "normalise the text to NFC"


def _order_problems(found: list[str], rows: list[Row], columns: Sequence[str]) -> Iterator[Problem]:
    if len(set(found)) != len(found):
        first: dict[str, int] = {}
        twice = (
            Problem(number, "", _TWICE, f"the same line as line {first[line]}", "remove one")
            for number, line in enumerate(found, start=2)
            if first.setdefault(line, number) != number
        )
        yield from islice(twice, PROBLEMS_MAX)
    keys = list(map(key_text(columns), rows))
    if keys != sorted(keys):
        late = next(i for i, (one, two) in enumerate(pairwise(keys)) if one > two)
        place = bisect_right(keys[: late + 1], keys[late + 1])
        message = f"rows are not in order of their keys: this one belongs before line {place + 2}"
        hint = "`countersign shard` writes the canonical form"
        yield Problem(late + 3, "", _ORDER, message, hint)


def _header_problem(header: str | None, columns: Sequence[str]) -> Problem:
    hint = "the first line is exactly: " + ",".join(columns)
    if header is None:
        return Problem(1, "", _SHAPE, "an empty file", hint)
    names = cells_of(header)[0]
    for expected, name in zip(columns, names, strict=False):
        if expected != name:
            return Problem(1, expected, _SHAPE, "another column stands here", hint)
    return Problem(1, "", _SHAPE, f"{len(names)} columns where {len(columns)} belong", hint)


def _fitted(cells: Row, width: int) -> Row:
    return cells if len(cells) == width else (*cells, *[""] * width)[:width]


def _quoted(cell: str) -> str:
    if "," in cell or '"' in cell:
        return '"' + cell.replace('"', '""') + '"'
    return cell
