"""Load named blocks from the .sql file beside their only caller.

    -- name: claim_deliveries
    UPDATE ledger.outbox …;

A block runs to the next name. Nothing is replaced or assembled: the text in the file is the text
the database gets.
"""

import re
from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType
from typing import Final

from controller.kernel.errors import Refused

_NAME: Final = re.compile(r"^-- name: *([a-z][a-z0-9_]*) *$", re.MULTILINE | re.ASCII)
_MARK: Final = re.compile(r"^[ \t]*--\s*name\b.*$", re.MULTILINE | re.IGNORECASE)
_COMMENT: Final = re.compile(r"--[^\n]*")


class BadQueries(Refused):
    """A file of queries that cannot be read without guessing."""

    code = "queries.invalid"

    def __init__(self, place: str, why: str) -> None:
        super().__init__(f"{place}: {why}")
        self.place = place


def load(package: str, file_name: str) -> Mapping[str, str]:
    """Return the blocks of `file_name` in `package` by name; raise `BadQueries`."""
    text = resources.files(package).joinpath(file_name).read_text(encoding="utf-8")
    return parse(text, place=f"{package}/{file_name}")


def parse(text: str, *, place: str) -> Mapping[str, str]:
    """Split `text` into its named blocks, without their final semicolons."""
    for mark in _MARK.finditer(text):
        if _NAME.fullmatch(mark[0]) is None:
            raise BadQueries(place, f"{mark[0].strip()!r} is not '-- name: lower_case_name'")
    head, *pieces = _NAME.split(text)
    if _COMMENT.sub("", head).strip():
        raise BadQueries(place, "there is SQL before the first name")
    found: dict[str, str] = {}
    for name, body in zip(pieces[::2], pieces[1::2], strict=True):
        if name in found:
            raise BadQueries(place, f"the name {name} stands twice")
        if not _COMMENT.sub("", body).strip():
            raise BadQueries(place, f"{name} has no SQL")
        found[name] = body.strip().removesuffix(";")
    return MappingProxyType(found)
