"""Files by number: rows carry four bytes instead of a bundle and a path."""

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from controller.adapters.postgres import Connection, DictRow, dict_row
from controller.plan.rows import SourceFile
from controller.stores.directory.sql import QUERIES


def number(connection: Connection[Any], files: Collection[SourceFile]) -> dict[SourceFile, int]:
    """Return the number of each file; files that have none get one."""
    return _numbers(_run(connection, "find_files", files)) if files else {}


def known(connection: Connection[Any], files: Collection[SourceFile]) -> dict[SourceFile, int]:
    """Return the number of each file that has one."""
    return _numbers(_run(connection, "known_files", files)) if files else {}


class Asked:
    """Files whose numbers were asked for; only reads, so that nobody waits for it."""

    def __init__(self, connection: Connection[Any], files: AbstractSet[SourceFile]) -> None:
        self._connection, self._files = connection, files
        self._answer = _run(connection, "known_files", files) if files else ()

    def numbers(self) -> dict[SourceFile, int]:
        """Return the number of each file; files that have none get one."""
        known = _numbers(self._answer)
        return known | number(self._connection, self._files - known.keys())


def _run(
    connection: Connection[Any], query: str, files: Collection[SourceFile]
) -> Iterable[DictRow]:
    cursor = connection.cursor(row_factory=dict_row)
    return cursor.execute(
        QUERIES[query],
        {"bundles": [file.bundle for file in files], "paths": [file.path for file in files]},
    )


def _numbers(answer: Iterable[DictRow]) -> dict[SourceFile, int]:
    return {SourceFile(row["bundle"], row["path"]): row["file_id"] for row in answer}


def name(connection: Connection[Any], numbers: Collection[int]) -> Mapping[int, SourceFile]:
    """Return the files behind some numbers."""
    cursor = connection.cursor(row_factory=dict_row)
    cursor.execute(QUERIES["name_files"], {"files": list(numbers)})
    return {row["file_id"]: SourceFile(row["bundle"], row["path"]) for row in cursor}
