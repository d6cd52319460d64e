"""Mappings: how other people's CSV and JSON become rows of directory tables.

A mapping is a closed, declarative document (`policies/<rail>/mappings/<name>.json`). It never
cleans in silence: what it changes it says with an operation, a source column nobody uses or
ignores refuses the import, and a value without a word in a `map` is a finding. One input always
gives the same rows in the same order.

    {"version": 1, "rail": "card-bin",
     "sources": [{"role": "ranges", "files": "*.csv", "format": "csv", "ignore": ["bank_logo"]}],
     "tables": {"participants": [{"from": "ranges", "when": {"bank_name": "present"},
        "columns": {"id": {"from": "bank_name", "ops": ["slug"]}, "name": {"from": "bank_name"}}}]}}

A value is one of `{"constant": text}`, `{"from": path, "ops": […]}`, `{"template": "{a}-{b}",
"parts": {"a": value, …}}` and `{"lookup": role, "key": value, "else": value}`. A path is a CSV
column, an RFC 6901 pointer into a record, or `@key` (of a member), `@item` and `@index` (of what
`each` walks). JSON sources are an `object`, an `array` or `members` (a record for each key).
"""

import csv
import hashlib
import io
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from controller.artifacts.tables import TABLES
from controller.kernel import strictjson
from controller.kernel.errors import Refused
from controller.kernel.findings import Finding, Severity

SOURCE_SIZE_MAX_BYTES = 256 * 1024 * 1024
_RULE = "common/MAP001"
_SLUG_MAX = 64
_PAD_MAX = 64
_NOT_SLUG = re.compile(r"[^a-z0-9]+")
_HOLE = re.compile(r"\{([a-z_]+)\}")
_LATIN = str.maketrans(
    {"ø": "o", "æ": "ae", "œ": "oe", "ß": "ss", "đ": "d", "ł": "l", "þ": "th", "ð": "d", "ı": "i"}
)


class BadMapping(Refused):
    """A mapping document says something the language does not have."""

    code = "mapping.malformed"

    def __init__(self, pointer: str, reason: str) -> None:
        super().__init__(f"{pointer or '/'}: {reason}", hint="see docs/rails.md, Mappings")
        self.pointer, self.reason = pointer, reason


class SourceMismatch(Refused):
    """A source file does not have the shape the mapping describes."""

    code = "mapping.source_mismatch"

    def __init__(self, source: str, reason: str, *, hint: str = "") -> None:
        super().__init__(f"{source}: {reason}", hint=hint)
        self.source, self.reason = source, reason


class MappedRow(NamedTuple):
    """A full row of a table, the source file and, for CSV, the line (0 for JSON)."""

    cells: tuple[str, ...]
    source: str
    line: int


@dataclass(frozen=True, slots=True)
class MappedTables:
    """Rows by table, each once, in order of their first appearance; and what could not be said."""

    tables: Mapping[str, list[MappedRow]]
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Source:
    """One role of a mapping: which files play it and how they are read."""

    role: str
    files: str
    format: str
    records: str
    shape: str
    required: bool
    ignore: frozenset[str]
    optional: frozenset[str]


@dataclass(frozen=True, slots=True)
class RowRule:
    """How rows of one table are made of the records of one role."""

    table: str
    role: str
    each: str | None
    when: Mapping[str, str]
    columns: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Mapping_:  # noqa: N801 - "Mapping" is the type everyone imports
    """A mapping that was read and found sound."""

    rail: str
    sources: tuple[Source, ...]
    rows: tuple[RowRule, ...]


class _Record(NamedTuple):
    value: Any
    key: str
    source: str
    line: int


class _Context(NamedTuple):
    record: _Record
    item: Any
    number: int


class _NotACell(Exception):
    """A list or an object stands where a column wants a text."""


class _Unmapped(Exception):
    def __init__(self, value: str) -> None:
        self.value = value


_Maker = Callable[[_Context], str]
_Lookups = Mapping[str, Mapping[str, str]]


def read_mapping(data: bytes) -> Mapping_:
    """Read a mapping document, or raise BadMapping (or MalformedJson)."""
    document = strictjson.parse(data)
    _members(document, "", need={"version", "rail", "sources", "tables"}, may={"title"})
    if document["version"] != 1:
        raise BadMapping("/version", "must be 1")
    sources = tuple(
        _source(entry, f"/sources/{at}") for at, entry in enumerate(_list(document, "sources"))
    )
    roles = {source.role: source.shape for source in sources}
    if len(roles) != len(sources):
        raise BadMapping("/sources", "a role stands twice")
    rows = []
    for table in _object(document, "tables"):
        if table not in TABLES:
            raise BadMapping(f"/tables/{table}", "is not a table of the directory")
        for at, entry in enumerate(_list(document["tables"], table)):
            pointer = f"/tables/{table}/{at}"
            rows.append(_row_rule(table, entry, pointer, roles))
    return Mapping_(str(document["rail"]), sources, tuple(rows))


def apply_mapping(mapping: Mapping_, sources: Sequence[tuple[str, bytes]]) -> MappedTables:
    """Turn source files (name, bytes) into rows, or raise SourceMismatch.

    Files are taken in the order of their names, so the order they arrive in does not matter.
    """
    records = _records(mapping, sources)
    lookups = {
        source.role: _lookup(records[source.role])
        for source in mapping.sources
        if source.shape == "members"
    }
    tables: dict[str, dict[tuple[str, ...], MappedRow]] = {}
    findings: list[Finding] = []
    for rule in mapping.rows:
        rows = tables.setdefault(rule.table, {})
        columns = [
            (column, _maker(rule.columns[column], lookups) if column in rule.columns else None)
            for column in TABLES[rule.table].columns
        ]
        for context in _contexts(rule, records[rule.role]):
            column = ""
            try:
                cells = []
                for column, make in columns:  # noqa: B007 - named in the finding below
                    cells.append("" if make is None else make(context))
            except _Unmapped as unmapped:
                findings.append(_unmapped(context.record, rule, column, unmapped.value))
                continue
            except _NotACell:
                raise SourceMismatch(
                    context.record.source,
                    f"{rule.table} {column}: a list or an object is not a cell",
                    hint="walk it with each",
                ) from None
            row = tuple(cells)
            if row not in rows:
                rows[row] = MappedRow(row, context.record.source, context.record.line)
    return MappedTables({table: list(rows.values()) for table, rows in tables.items()}, findings)


def _unmapped(record: _Record, rule: RowRule, column: str, value: str) -> Finding:
    shown = value if len(value) < 12 else value[:6] + "…"
    return Finding(
        _RULE,
        Severity.ERROR,
        record.source,
        f"{rule.table}: {shown!r} has no word in the map",
        record.line,
        column,
        "add the value to the mapping, or mend the source",
    )


# Reading a mapping document.


def _members(
    value: Any, pointer: str, *, need: set[str], may: set[str] | None = None
) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise BadMapping(pointer, "must be an object")
    missing, unknown = need - set(value), set(value) - need - (may or set())
    if missing or unknown:
        words = [f"missing {one}" for one in sorted(missing)]
        words += [f"unknown {one}" for one in sorted(unknown)]
        raise BadMapping(pointer, ", ".join(words))
    return value


def _list(value: Mapping[str, Any], name: str) -> list[Any]:
    found = value[name]
    if not isinstance(found, list):
        raise BadMapping(f"/{name}", "must be an array")
    return found


def _object(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value[name]
    if not isinstance(found, dict):
        raise BadMapping(f"/{name}", "must be an object")
    return found


def _texts(value: Mapping[str, Any], name: str, pointer: str) -> frozenset[str]:
    found = value.get(name, [])
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise BadMapping(f"{pointer}/{name}", "must be an array of texts")
    return frozenset(found)


def _source(entry: Any, pointer: str) -> Source:
    may = {"records", "shape", "required", "ignore", "optional"}
    _members(entry, pointer, need={"role", "files", "format"}, may=may)
    shape = entry.get("shape", "array")
    if entry["format"] not in ("csv", "json"):
        raise BadMapping(f"{pointer}/format", "is csv or json")
    if shape not in ("object", "array", "members"):
        raise BadMapping(f"{pointer}/shape", "is object, array or members")
    return Source(
        role=str(entry["role"]),
        files=str(entry["files"]),
        format=entry["format"],
        records=str(entry.get("records", "")),
        shape=shape,
        required=entry.get("required", True) is True,
        ignore=_texts(entry, "ignore", pointer),
        optional=_texts(entry, "optional", pointer),
    )


def _row_rule(table: str, entry: Any, pointer: str, roles: Mapping[str, str]) -> RowRule:
    _members(entry, pointer, need={"from", "columns"}, may={"each", "when"})
    if not isinstance(entry["from"], str) or entry["from"] not in roles:
        raise BadMapping(f"{pointer}/from", f"no source plays {entry['from']!r}")
    columns = entry["columns"]
    if not isinstance(columns, dict):
        raise BadMapping(f"{pointer}/columns", "must be an object")
    unknown = set(columns) - set(TABLES[table].columns)
    if unknown:
        raise BadMapping(f"{pointer}/columns", f"{table} has no {', '.join(sorted(unknown))}")
    for column, value in columns.items():
        _judge_value(value, f"{pointer}/columns/{column}", roles)
    when = entry.get("when", {})
    if not isinstance(when, dict) or not set(when.values()) <= {"present", "absent"}:
        raise BadMapping(f"{pointer}/when", "maps paths to present or absent")
    return RowRule(table, entry["from"], entry.get("each"), when, columns)


def _judge_value(value: Any, pointer: str, roles: Mapping[str, str]) -> None:
    if not isinstance(value, dict):
        raise BadMapping(pointer, "must be an object")
    if "constant" in value:
        _members(value, pointer, need={"constant"}, may={"ops"})
    elif "template" in value:
        _members(value, pointer, need={"template", "parts"}, may={"ops"})
        bare = _HOLE.sub("", str(value["template"]))
        holes = set(_HOLE.findall(str(value["template"])))
        if "{" in bare or "}" in bare or holes != set(value["parts"]):
            raise BadMapping(pointer, "the parts are not those of the template")
        for name, part in value["parts"].items():
            _judge_value(part, f"{pointer}/parts/{name}", roles)
    elif "lookup" in value:
        _members(value, pointer, need={"lookup", "key", "else"}, may={"ops"})
        if roles.get(value["lookup"]) != "members":
            raise BadMapping(pointer, f"no source of members plays {value['lookup']!r}")
        _judge_value(value["key"], f"{pointer}/key", roles)
        _judge_value(value["else"], f"{pointer}/else", roles)
    else:
        _members(value, pointer, need={"from"}, may={"ops"})
    for at, word in enumerate(value.get("ops", [])):
        _op(word, f"{pointer}/ops/{at}")


# Operations: closed, each from text to text.


def slug(text: str) -> str:
    """Return a name as a path segment: ASCII letters and digits with hyphens, 64 at most.

    What does not fit ends in eight digits of its SHA-256, so two long names stay two.
    """
    folded = unicodedata.normalize("NFKD", text.casefold().translate(_LATIN))
    ascii_only = "".join(one for one in folded if not unicodedata.combining(one))
    made = _NOT_SLUG.sub("-", ascii_only).strip("-")
    if made and len(made) <= _SLUG_MAX:
        return made
    if not text:
        return ""
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{made[: _SLUG_MAX - 9]}-{digest}".lstrip("-")


_PLAIN_OPS: Mapping[str, Callable[[str], str]] = {
    "trim": str.strip,
    "upper": str.upper,
    "lower": str.lower,
    "slug": slug,
}


def _op(word: Any, pointer: str) -> Callable[[str], str]:
    if isinstance(word, str) and word in _PLAIN_OPS:
        return _PLAIN_OPS[word]
    if isinstance(word, dict) and len(word) == 1:
        ((name, argument),) = word.items()
        if name == "map" and isinstance(argument, dict):
            return _mapper(argument)
        if name == "default" and isinstance(argument, str):
            return lambda text: text or argument
        if name == "zero_pad" and type(argument) is int and 1 <= argument <= _PAD_MAX:
            return lambda text: text.rjust(argument, "0") if text else text
        if name == "replace" and isinstance(argument, list) and len(argument) == 2:
            return lambda text: text.replace(str(argument[0]), str(argument[1]))
    raise BadMapping(pointer, f"no operation {word!r}")


def _mapper(words: Mapping[str, str]) -> Callable[[str], str]:
    def run(text: str) -> str:
        try:
            return words[text]
        except KeyError:
            raise _Unmapped(text) from None

    return run


def _maker(value: Mapping[str, Any], lookups: _Lookups) -> _Maker:
    plain = _plain(value, lookups)
    steps = [_op(word, "") for word in value.get("ops", [])]
    if not steps:
        return plain

    def make(context: _Context) -> str:
        text = plain(context)
        for step in steps:
            text = step(text)
        return text

    return make


def _plain(value: Mapping[str, Any], lookups: _Lookups) -> _Maker:
    if "constant" in value:
        constant = str(value["constant"])
        return lambda _context: constant
    if "template" in value:
        parts = {name: _maker(part, lookups) for name, part in value["parts"].items()}
        template = str(value["template"])
        return lambda context: template.format_map(
            {name: make(context) for name, make in parts.items()}
        )
    if "lookup" in value:
        table = lookups[value["lookup"]]
        key, other = _maker(value["key"], lookups), _maker(value["else"], lookups)

        def look(context: _Context) -> str:
            found = table.get(key(context))
            return other(context) if found is None else found

        return look
    path = str(value["from"])
    return lambda context: _text(_at(context, path))


def _at(context: _Context, path: str) -> Any:
    match path:
        case "@key":
            return context.record.key
        case "@item":
            return context.item
        case "@index":
            return context.number
        case _:
            return _point(context.record.value, path)


def _point(value: Any, path: str) -> Any:
    if not path.startswith("/"):
        return value.get(path) if path and isinstance(value, dict) else value
    for part in path[1:].split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str() | int() | Decimal():
            return str(value)
        case _:
            raise _NotACell


def _contexts(rule: RowRule, records: Sequence[_Record]) -> Iterator[_Context]:
    tests = [(path, state == "present") for path, state in rule.when.items()]
    for record in records:
        for context in _walk(rule.each, record):
            if all((_at(context, path) not in (None, "")) is wanted for path, wanted in tests):
                yield context


def _walk(each: str | None, record: _Record) -> Iterator[_Context]:
    if each is None:
        yield _Context(record, None, 0)
        return
    items = _point(record.value, each)
    if items is None:
        return
    if not isinstance(items, list):
        raise SourceMismatch(record.source, f"{record.key or '/'}{each} is not an array")
    for index, item in enumerate(items, start=1):
        yield _Context(record, item, index)


# Reading sources.


def _records(mapping: Mapping_, sources: Sequence[tuple[str, bytes]]) -> dict[str, list[_Record]]:
    records: dict[str, list[_Record]] = {source.role: [] for source in mapping.sources}
    used = {source.role: _used(mapping, source.role) for source in mapping.sources}
    seen: set[str] = set()
    for name, data in sorted(sources):
        base = name.rpartition("/")[2]
        source = next((one for one in mapping.sources if fnmatchcase(base, one.files)), None)
        if source is None:
            patterns = ", ".join(one.files for one in mapping.sources)
            raise SourceMismatch(name, "no source of the mapping is called so", hint=patterns)
        seen.add(source.role)
        reader = _csv_records if source.format == "csv" else _json_records
        records[source.role].extend(reader(source, name, data, used[source.role]))
    for source in mapping.sources:
        if source.required and source.role not in seen:
            raise SourceMismatch(source.files, f"no file plays {source.role}")
    return records


def _used(mapping: Mapping_, role: str) -> frozenset[str]:
    """Return the first part of every path that rows of a role read."""
    paths: set[str] = set()
    for rule in mapping.rows:
        if rule.role == role:
            paths |= set(rule.when) | {rule.each or ""}
            paths |= set(_paths(rule.columns))
    return frozenset(path.removeprefix("/").split("/")[0] for path in paths if path[:1] != "@")


def _paths(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("from"), str):
            yield value["from"]
        for name, member in value.items():
            if name != "ops":
                yield from _paths(member)


def _csv_records(source: Source, name: str, data: bytes, used: frozenset[str]) -> Iterator[_Record]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SourceMismatch(name, "is not UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header: list[str] = next(reader, [])
        _judge_members(source, name, header, used)
        if len(set(header)) != len(header):
            raise SourceMismatch(name, "a column stands twice in the header")
        missing = used - set(header) - source.optional - {""}
        if missing:
            raise SourceMismatch(name, f"no column {', '.join(sorted(missing))}")
        before = reader.line_num
        for cells in reader:
            line, before = before + 1, reader.line_num
            if not cells:
                continue
            if len(cells) != len(header):
                raise SourceMismatch(
                    f"{name} line {line}", f"{len(cells)} cells, not {len(header)}"
                )
            yield _Record(dict(zip(header, cells, strict=True)), "", name, line)
    except csv.Error as error:
        raise SourceMismatch(f"{name} line {reader.line_num}", str(error)) from None


def _json_records(
    source: Source, name: str, data: bytes, used: frozenset[str]
) -> Iterator[_Record]:
    try:
        # Whoever imports a file chose it: its size is the only bound.
        document = strictjson.parse(
            data,
            size_max_bytes=SOURCE_SIZE_MAX_BYTES,
            tokens_max=SOURCE_SIZE_MAX_BYTES,
            decimals=True,
        )
    except strictjson.MalformedJson as error:
        raise SourceMismatch(name, str(error), hint=error.hint) from None
    value = _point(document, source.records) if source.records else document
    if source.shape == "object":
        found = [("", value)]
    elif source.shape == "array" and isinstance(value, list):
        found = [("", one) for one in value]
    elif source.shape == "members" and isinstance(value, dict):
        found = list(value.items())
    else:
        raise SourceMismatch(name, f"is not of shape {source.shape}")
    for key, record in found:
        if isinstance(record, dict):
            _judge_members(source, name, list(record), used)
        yield _Record(record, key, name, 0)


def _judge_members(source: Source, name: str, members: list[str], used: frozenset[str]) -> None:
    """Refuse what nobody uses and nobody ignores: a new column must not vanish unseen."""
    if "*" in source.ignore:
        return
    unknown = set(members) - used - source.ignore
    if unknown:
        words = ", ".join(sorted(unknown))
        raise SourceMismatch(name, f"the mapping neither uses nor ignores {words}")


def _lookup(records: Sequence[_Record]) -> dict[str, str]:
    """Return members whose value is a plain one, by key."""
    return {
        record.key: _text(record.value)
        for record in records
        if not isinstance(record.value, list | dict)
    }
