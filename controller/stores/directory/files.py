"""Files by number: rows carry four bytes instead of a bundle and a path."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from controller.adapters.postgres import Connection, DictRow, dict_row
from controller.plan.rows import SourceFile
from controller.stores.directory.sql import QUERIES


def number(connection: Connection[Any], files: Collection[SourceFile]) -> dict[SourceFile, int]:
    """Return the number of each file; files that have none get one."""
    return numbered(ask(connection, files)) if files else {}


def ask(connection: Connection[Any], files: Collection[SourceFile]) -> Iterable[DictRow]:
    """Ask for the numbers of some files, as `number` does; `numbered` reads the answer."""
    cursor = connection.cursor(row_factory=dict_row)
    return cursor.execute(
        QUERIES["find_files"],
        {"bundles": [file.bundle for file in files], "paths": [file.path for file in files]},
    )


def numbered(answer: Iterable[DictRow]) -> dict[SourceFile, int]:
    """Return the number of each file that was asked for."""
    return {SourceFile(row["bundle"], row["path"]): row["file_id"] for row in answer}


def name(connection: Connection[Any], numbers: Collection[int]) -> Mapping[int, SourceFile]:
    """Return the files behind some numbers."""
    cursor = connection.cursor(row_factory=dict_row)
    cursor.execute(QUERIES["name_files"], {"files": list(numbers)})
    return {row["file_id"]: SourceFile(row["bundle"], row["path"]) for row in cursor}
