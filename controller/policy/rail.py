"""A rail: the tables, schemas, rules and code lists of one folder of `policies/`.

Files arrive as bytes by path below `policies/<rail>/`; the folders every rail shares come with
them under their own names, `_common/…` and `_codes/…`. Everything is read strictly: an unknown
member, kind, code list or check refuses the rail before it judges anything.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

from controller.artifacts.tables import TABLES
from controller.kernel import strictjson
from controller.kernel.canonical import Digest, canonical, sha256
from controller.kernel.errors import Refused
from controller.kernel.findings import Severity
from controller.policy.identifiers import Scheme, read_scheme
from controller.policy.patterns import BadPattern
from controller.policy.schema import BadSchema, DocumentSchema, check_schema, words

CHECKS_VERSION = 1
"""Counted up with every change of what this program's checks let pass.

It is part of a rail's digest: what was clean under other checks is judged anew.
"""

SHARED = ("_common", "_codes")
"""Folders that come with every rail."""

DOCUMENT_TOKENS_MAX = 100_000
"""How long a document may be that a schema judges, a rail's own or a bundle's."""
RULES_MAX = 200
"""How many rules a rail may add."""
SCHEMA_WORDS_MAX = 1000
"""How many members and items a schema may hold: every row is held against all of them."""

Files: TypeAlias = Mapping[str, bytes]

_LEADING_AWAY = frozenset({"$anchor", "$dynamicAnchor", "$dynamicRef", "$id", "$recursiveRef"})


class BadRail(Refused):
    """A rail's folder cannot be read."""

    code = "policy.bad_rail"

    def __init__(self, path: str, reason: str, *, hint: str = "") -> None:
        super().__init__(f"{path}: {reason}", hint=hint or "see docs/rails.md")
        self.path, self.reason = path, reason


class RailMisnamed(BadRail):
    """A rail calls itself something else than its folder."""

    code = "policy.rail_misnamed"

    def __init__(self, folder: str, name: str) -> None:
        super().__init__(
            f"policies/{folder}/rail.json",
            f"names the rail {name!r}",
            hint=f'its "rail" is {folder!r}, and so do the ids of its rules start',
        )
        self.folder, self.name = folder, name


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: what it is called, how much it weighs, what it says and what it looks at.

    `covers` names rules that say the same less well: where this one speaks about a cell, they
    keep silent.
    """

    id: str
    severity: Severity
    message: str
    hint: str
    checks: tuple[Mapping[str, Any], ...]
    covers: frozenset[str]


@dataclass(frozen=True, slots=True)
class TableRule:
    """A table as one rail declares it: its columns, in file order, and the schema of a row."""

    name: str
    columns: tuple[str, ...]
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CodeList:
    """A published list of codes, with where it is from."""

    id: str
    title: str
    source: str
    version: str
    codes: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class Rail:
    """Everything one rail demands. Two rails with one `digest` judge alike."""

    name: str
    version: int
    title: str
    kind: str
    tables: Mapping[str, TableRule]
    documents: Mapping[str, Mapping[str, Any]]
    rules: tuple[Rule, ...]
    participants_need: tuple[str, ...]
    codes: Mapping[str, CodeList]
    blocks: Mapping[str, tuple[tuple[str, str], ...]]
    schemes: Mapping[str, Scheme]
    digest: Digest
    by_id: Mapping[str, Rule]

    def rule(self, rule_id: str) -> Rule:
        """Return a rule by id."""
        return self.by_id[rule_id]


def overlay(shipped: Files, repository: Files) -> dict[str, bytes]:
    """Return the policies in force: a rail in the repository replaces the shipped one as a whole.

    The shared folders cannot be overridden: they decide what every rail's words mean.
    """
    overridden = {path.partition("/")[0] for path in repository}
    for folder in overridden:
        if folder.startswith("_"):
            raise BadRail(f"policies/{folder}", "a shared folder cannot be overridden")
    kept = {path: data for path, data in shipped.items() if path.split("/")[0] not in overridden}
    return {**kept, **repository}


def read_rails(files: Files) -> dict[str, Rail]:
    """Read every rail of a policies folder (paths below `policies/`), by name."""
    folders: dict[str, dict[str, bytes]] = {}
    shared: dict[str, bytes] = {}
    for path, data in sorted(files.items()):
        folder, _, rest = path.partition("/")
        if folder in SHARED:
            shared[path] = data
        elif rest:
            folders.setdefault(folder, {})[rest] = data
    return {folder: read_rail(folder, {**shared, **own}) for folder, own in folders.items()}


def read_rail(folder: str, files: Files) -> Rail:
    """Make the rail of one folder of its own files and the shared ones, or raise BadRail."""
    return _Reader(folder, files).rail()


class _Reader:
    """Reads one rail; a class only because every step needs the files."""

    def __init__(self, folder: str, files: Files) -> None:
        self._folder = folder
        self._files = {path: data for path, data in files.items() if not _is_beside(path)}
        self._parsed: dict[str, Any] = {}

    def rail(self) -> Rail:
        head = self._document("rail.json", "_common/schema/rail.schema.json")
        name = head["rail"]
        if name != self._folder:
            raise RailMisnamed(self._folder, name)
        common = self._rules("_common/rules.json")
        own = self._rules("rules.json") if "rules.json" in self._files else []
        self._judge_rules(own, common)
        codes, blocks, schemes = self._codes(head.get("codes", []))
        return Rail(
            name=name,
            version=head["version"],
            title=head["title"],
            kind=head["kind"],
            tables={table: self._table(table, entry) for table, entry in head["tables"].items()},
            documents={
                kind: self._schema(entry["schema"]) for kind, entry in head["documents"].items()
            },
            rules=(*common, *own),
            participants_need=tuple(head.get("participants_need", ())),
            codes=codes,
            blocks=blocks,
            schemes=schemes,
            digest=rail_digest(self._files),
            by_id={rule.id: rule for rule in (*common, *own)},
        )

    def _bad(self, path: str, reason: str, *, hint: str = "") -> BadRail:
        """Return a refusal that names a file of this rail as it stands in a repository."""
        shared = path.partition("/")[0] in SHARED
        return BadRail(
            f"policies/{path if shared else f'{self._folder}/{path}'}", reason, hint=hint
        )

    def _json(self, path: str) -> Any:
        """Return a file's document; schemas refer to the shared ones again and again."""
        if path not in self._parsed:
            self._parsed[path] = self._read(path)
        return self._parsed[path]

    def _read(self, path: str) -> Any:
        try:
            return strictjson.parse(self._files[path], tokens_max=DOCUMENT_TOKENS_MAX)
        except KeyError:
            raise self._bad(path, "is missing") from None
        except strictjson.MalformedJson as error:
            raise self._bad(path, str(error), hint=error.hint) from None

    def _document(self, path: str, schema_path: str) -> Any:
        document = self._json(path)
        for violation in DocumentSchema(self._json(schema_path), schema_path).violations(document):
            raise self._bad(path, f"{violation.pointer or '/'}: {violation.message}")
        return document

    def _rules(self, path: str) -> list[Rule]:
        document = self._document(path, "_common/schema/rail-rules.schema.json")
        return [_rule(entry) for entry in document["rules"]]

    def _judge_rules(self, own: list[Rule], common: list[Rule]) -> None:
        if len(own) > RULES_MAX:
            raise self._bad("rules.json", f"{len(own):,} rules, more than {RULES_MAX}")
        ids = [rule.id for rule in (*common, *own)]
        twice = {one for one, count in Counter(ids).items() if count > 1}
        if twice:
            raise self._bad("rules.json", f"an id used twice: {', '.join(sorted(twice))}")
        sources = ((self._folder, own, "rules.json"), ("common", common, "_common/rules.json"))
        for prefix, rules, path in sources:
            for rule in rules:
                if not rule.id.startswith(f"{prefix}/"):
                    raise self._bad(path, f"{rule.id} does not start with {prefix}/")
                unknown = rule.covers - set(ids)
                if unknown:
                    raise self._bad(path, f"{rule.id} covers unknown {', '.join(unknown)}")

    def _table(self, table: str, entry: Mapping[str, Any]) -> TableRule:
        columns = tuple(entry["columns"])
        full = TABLES[table].columns
        if columns != tuple(column for column in full if column in columns):
            raise self._bad("rail.json", f"{table}: columns are {', '.join(full)}, in this order")
        missing = set(TABLES[table].key) - set(columns)
        if missing:
            raise self._bad("rail.json", f"{table}: the key needs {', '.join(sorted(missing))}")
        return TableRule(table, columns, self._schema(entry["schema"]))

    def _schema(self, path: str) -> Mapping[str, Any]:
        path = path.removeprefix("../")
        schema = self._resolved(self._json(path), path)
        if not isinstance(schema, dict):
            raise self._bad(path, "a schema is an object")
        if sum(1 for _ in islice(words(schema), SCHEMA_WORDS_MAX + 1)) > SCHEMA_WORDS_MAX:
            raise self._bad(path, f"a schema of more than {SCHEMA_WORDS_MAX:,} words")
        try:
            check_schema(schema, path)
        except BadSchema as error:
            raise self._bad(path, error.reason, hint=error.hint) from None
        except BadPattern as error:
            raise self._bad(path, str(error), hint=error.hint) from None
        return schema

    def _resolved(self, schema: Any, path: str) -> Any:
        """Put shared definitions where a schema refers to them; other files are out of reach."""
        if isinstance(schema, list):
            return [self._resolved(item, path) for item in schema]
        if not isinstance(schema, dict):
            return schema
        away = _LEADING_AWAY & schema.keys()
        if away:
            raise self._bad(path, f"{min(away)} is not for schemas of rails")
        if "$ref" not in schema:
            return {name: self._resolved(value, path) for name, value in schema.items()}
        # References among a schema's own definitions could multiply without end.
        reference = str(schema["$ref"])[:200]
        target, _, name = reference.partition("#/$defs/")
        shared = target.removeprefix("../../")
        if shared != "_common/schema/columns.schema.json":
            hint = "refer to columns.schema.json"
            raise self._bad(path, f"a reference to {reference}", hint=hint)
        definition = self._json(shared)["$defs"].get(name)
        if definition is None:
            raise self._bad(path, f"no definition {name!r} in {shared}")
        own = {word: value for word, value in schema.items() if word != "$ref"}
        return {**definition, **own}

    def _codes(
        self, wanted: Iterable[str]
    ) -> tuple[dict[str, CodeList], dict[str, tuple[tuple[str, str], ...]], dict[str, Scheme]]:
        codes: dict[str, CodeList] = {}
        for name in sorted({"iso3166-1", "iso4217", *wanted}):
            path = f"_codes/{name}.json"
            entry = self._document(path, "_common/schema/codes.schema.json")
            codes[name] = CodeList(
                entry["id"],
                entry["title"],
                entry["source"],
                entry["version"],
                frozenset(entry["codes"]),
            )
        cards = self._document("_codes/card-blocks.json", "_common/schema/blocks.schema.json")
        blocks = {
            scheme: tuple((first, last) for first, last in spans)
            for scheme, spans in cards["blocks"].items()
        }
        known = self._document("_codes/schemes.json", "_common/schema/schemes.schema.json")
        schemes = {entry["id"]: read_scheme(entry) for entry in known["schemes"]}
        return codes, blocks, schemes


def _is_beside(path: str) -> bool:
    """Whether a file stands beside the rail and judges nothing: cases, mappings, prose."""
    parts = path.split("/")
    return "cases" in parts or "mappings" in parts or path.endswith(".md")


def _rule(entry: Mapping[str, Any]) -> Rule:
    checks = entry["check"]
    return Rule(
        id=entry["id"],
        severity=Severity(entry["severity"]),
        message=entry["message"],
        hint=entry["hint"],
        checks=tuple(checks) if isinstance(checks, list) else (checks,),
        covers=frozenset(entry.get("covers", ())),
    )


def rail_digest(files: Files, *, checks: int = CHECKS_VERSION) -> Digest:
    """Return what stands for a rail's files and for the version of the checks that read them."""
    judging = {path: data for path, data in files.items() if not _is_beside(path)}
    digests = {path: hashlib.sha256(data).hexdigest() for path, data in judging.items()}
    return sha256(canonical({"checks": checks, "files": digests}))
