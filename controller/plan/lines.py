"""Find the line of a file that a stored row came from."""

from controller.artifacts import strictcsv
from controller.kernel import strictjson
from controller.kernel.canonical import canonical
from controller.plan.rows import RULES, STORED_TABLES

_DOCUMENT = RULES.columns.index("document")


def line_of(table: str, data: bytes, cells: tuple[str, ...]) -> int:
    """Return the line (from 1) of a file that holds a row with these cells, 0 when none does.

    `cells` are all columns of the table, as a stored row carries them.
    """
    if table == RULES.name:
        return _line_of_rule(data, cells[_DOCUMENT])
    columns = STORED_TABLES[table].columns
    header = data.partition(b"\n")[0].decode("utf-8", "replace").split(",")
    if not set(header) <= set(columns):
        return 0
    # Files are canonical: a row is a line, and one row has one way to be written.
    wanted = strictcsv.render_row([cells[columns.index(name)] for name in header]).encode()
    lines = strictcsv.lines(data)
    return lines.index(wanted) + 2 if wanted in lines else 0


def _line_of_rule(data: bytes, document: str) -> int:
    parsed = strictjson.parse(data)
    rules = parsed.get("rules") if isinstance(parsed, dict) else None
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        if canonical(rule).decode() == document:
            return strictjson.locate(data, f"/rules/{index}").line
    return 0
