"""The one door to jsonschema and jsonschema-rs: offline, linear patterns, exact places.

Rows and documents go through jsonschema-rs. What it refuses of a document goes through jsonschema
as well, whose words about a violation are better; it is slow to load and slow to run, so nobody
pays for it who has nothing to complain about. Neither may fetch a reference: a schema that leads
outside of itself is refused when its rail is read. The unknown keyword `rule` names the rule a
violation belongs to.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

import jsonschema_rs

from controller.kernel.errors import Refused
from controller.kernel.strictjson import escape
from controller.policy.patterns import compile_pattern

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

VIOLATIONS_MAX = 100
"""So many violations of one document are explained."""

Schema = Mapping[str, Any]
"""A JSON Schema 2020-12 as parsed JSON."""


_BY_COLUMN = frozenset(
    {"$schema", "$id", "$comment", "title", "description", "type"}
    | {"properties", "required", "additionalProperties", "$defs"}
)


class BadSchema(Refused):
    """A rail's schema cannot be used."""

    code = "policy.bad_schema"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}", hint="see docs/rails.md for what a schema may hold")
        self.name, self.reason = name, reason


@dataclass(frozen=True, slots=True)
class Violation:
    """One place that breaks a schema: an RFC 6901 pointer, why, and the rule it is named after."""

    pointer: str
    message: str
    keyword: str
    rule: str


class RowSchema:
    """A table's schema, compiled for many rows."""

    def __init__(self, schema: Schema, name: str) -> None:
        """Compile with the linear engine, or raise BadSchema."""
        try:
            self._validator = jsonschema_rs.validator_for(
                dict(schema), pattern_options=jsonschema_rs.RegexOptions(), offline=True
            )
        except (ValueError, TypeError) as error:
            raise BadSchema(name, str(error).splitlines()[0]) from None
        self._schema = schema

    @property
    def is_by_column(self) -> bool:
        """Whether nothing is asked beyond single cells, which column checks judge alone."""
        return set(self._schema) <= _BY_COLUMN

    def accepts(self, row: Mapping[str, str]) -> bool:
        """Whether one row has no violation."""
        return self._validator.is_valid(row)

    def accepts_all(self, rows: Sequence[Mapping[str, str]]) -> bool:
        """Whether no row has a violation."""
        return all(map(self._validator.is_valid, rows))

    def violations(self, row: Mapping[str, str]) -> Iterator[Violation]:
        """Yield what is wrong with one row."""
        return _refusals(self._validator, self._schema, row)


class DocumentSchema:
    """A document's schema."""

    def __init__(self, schema: Schema, name: str) -> None:
        """Check the schema itself and prepare it, or raise BadSchema."""
        check_schema(schema, name)
        self._validator = jsonschema_rs.Draft202012Validator(
            dict(schema), pattern_options=jsonschema_rs.RegexOptions(), offline=True
        )
        self._schema = schema

    def violations(self, document: Any) -> list[Violation]:
        """Return what is wrong, in the order of the pointers."""
        if self._validator.is_valid(document):
            return []
        # What one engine refuses is wrong, even where the other one finds no words for it.
        found = self._explained(document) or [
            *islice(_refusals(self._validator, self._schema, document), VIOLATIONS_MAX)
        ]
        return sorted(found, key=lambda one: (one.pointer, one.keyword, one.message))

    def _explained(self, document: Any) -> list[Violation]:
        return [
            Violation(
                _pointer(error.absolute_path),
                error.message,
                str(error.validator),
                rule_at(self._schema, list(error.absolute_schema_path)),
            )
            for error in islice(_explaining(self._schema).iter_errors(document), VIOLATIONS_MAX)
        ]


def check_schema(schema: Schema, name: str) -> None:
    """Refuse what is not JSON Schema 2020-12, leads outside or holds a pattern off the profile."""
    for keyword, value in keywords(schema):
        if keyword == "$ref" and not str(value).startswith("#"):
            raise BadSchema(name, f"a reference that leads outside: {value}")
        if keyword == "pattern" and isinstance(value, str):
            compile_pattern(value)
    try:
        jsonschema_rs.validator_for(
            dict(schema), pattern_options=jsonschema_rs.RegexOptions(), offline=True
        )
    except (ValueError, TypeError) as error:
        raise BadSchema(name, str(error).splitlines()[0]) from None


def keywords(schema: Any) -> Iterator[tuple[str, Any]]:
    """Yield every member of every object in a schema."""
    if isinstance(schema, Mapping):
        for name, value in schema.items():
            yield name, value
            yield from keywords(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from keywords(item)


def words(schema: Any) -> Iterator[Any]:
    """Yield every member and every item in a schema."""
    values: Any = ()
    if isinstance(schema, Mapping):
        values = schema.values()
    elif isinstance(schema, list):
        values = schema
    for value in values:
        yield value
        yield from words(value)


def rule_at(schema: Any, path: Sequence[str | int]) -> str:
    """Return the innermost `rule` on the way to a keyword, or the empty text."""
    rule = ""
    for part in path:
        if isinstance(schema, Mapping):
            named = schema.get("rule")
            rule = named if isinstance(named, str) else rule
        try:
            schema = schema[part]
        except (KeyError, IndexError, TypeError):
            break
    return rule


def _pointer(path: Any) -> str:
    return "".join("/" + escape(str(part)) for part in path)


def _refusals(
    validator: jsonschema_rs.Validator, schema: Schema, instance: Any
) -> Iterator[Violation]:
    for error in validator.iter_errors(instance):
        path = list(error.schema_path)
        pointer = _pointer(error.instance_path)
        yield Violation(pointer, error.message, str(path[-1]), rule_at(schema, path))


def _explaining(schema: Schema) -> "Validator":
    from referencing import Registry  # noqa: PLC0415  see the top: only who complains pays

    validator: Validator = _explaining_class()(dict(schema), registry=Registry())
    return validator


@cache
def _explaining_class() -> Any:
    from jsonschema import Draft202012Validator, ValidationError  # noqa: PLC0415  see the top
    from jsonschema.validators import extend  # noqa: PLC0415  see the top

    def pattern(
        _validator: Any, pattern: str, instance: Any, _schema: Any
    ) -> "Iterator[ValidationError]":
        if isinstance(instance, str) and not compile_pattern(pattern).search(instance):
            yield ValidationError(f"does not match {pattern}")

    return extend(Draft202012Validator, {"pattern": pattern})  # type: ignore[no-untyped-call]
