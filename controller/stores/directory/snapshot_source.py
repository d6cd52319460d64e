"""Rows on their way from the database to a resolver's copy, and the names of those that changed.

Callers hold one moment of the database open (`moment.py`), so whatever is read fits together.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from controller.adapters import queries
from controller.adapters.postgres import Connection, dict_row
from controller.kernel.errors import Corrupt
from controller.stores.directory.snapshot_records import FIELDS, SIZE_MIN
from controller.stores.directory.tables import STORE_TABLES

COPIED = ("participants", "identifiers", "endpoints", "capabilities", "ranges")
"""The tables a resolver answers from, by the names files use."""

REFS: Mapping[str, str] = {
    "participants": "row_key",
    "identifiers": "participant_key",
    "endpoints": "participant_key",
    "capabilities": "endpoint_key",
    "ranges": "lo",
}
"""The column that rows of a table refer by, or are also found by."""

_TEXTS = queries.load("controller.stores.directory", "snapshot.sql")
_HEADER = b"PGCOPY\n\xff\r\n\0"
_HEADER_BYTES = len(_HEADER) + 8
_END = b"\xff\xff"
_WINDOW = ", ".join(
    f"CASE WHEN isfinite(stored.{column}) THEN to_char(stored.{column} AT TIME ZONE 'UTC', "
    f"""'YYYY-MM-DD"T"HH24:MI:SS"Z"') END AS {column}"""
    for column in ("effective_from", "effective_to")
)
_COPIES = {
    table: _TEXTS[name]
    for table, name in {
        "participants": "copied_participants",
        "identifiers": "copied_identifiers",
        "endpoints": "copied_endpoints",
        "capabilities": "copied_capabilities",
        "ranges": "copied_ranges",
    }.items()
}
_TOUCHED = "\nUNION ALL\n".join(
    _TEXTS["touched"].format(
        table=f"'{table}'::text", name=STORE_TABLES[table].name, ref=REFS[table]
    )
    for table in COPIED
)
_BOUNDARIES = _TEXTS["copied_boundaries"].format(
    boundaries=" UNION ALL ".join(
        f"SELECT {column} FROM directory.{STORE_TABLES[table].name} "  # noqa: S608  words of ours
        f"WHERE {column} {open_side}"
        for table in COPIED
        for column, open_side in (
            ("effective_from", "> '-infinity'"),
            ("effective_to", "< 'infinity'"),
        )
    )
)


class NotACopy(Corrupt):
    """The database sent rows of another shape than was asked for."""

    code = "directory.not_a_copy"

    def __init__(self, table: str) -> None:
        super().__init__(
            f"a row of {table} came in a shape that is not known here",
            hint="is the database of this program's version? run `countersign doctor`",
        )


def every(connection: Connection[Any], table: str) -> Iterator[bytes]:
    """Yield all rows of a table, in the order the database likes best."""
    return _copied(connection, table, "true")


def some(
    connection: Connection[Any], table: str, column: str, keys: Collection[int]
) -> Iterator[bytes]:
    """Yield the rows whose `column` is one of some keys."""
    assert column in {"row_key", REFS[table]}
    # COPY takes no parameters, and these are integers.
    listed = ",".join(map(str, keys))
    return _copied(connection, table, f"stored.{column} = ANY ('{{{listed}}}'::bigint[])")


def _copied(connection: Connection[Any], table: str, wanted: str) -> Iterator[bytes]:
    query = _COPIES[table].format(window=_WINDOW, wanted=wanted)
    with connection.cursor().copy(f"COPY ({query}) TO STDOUT (FORMAT binary)".encode()) as copy:
        for message in copy:
            data = bytes(message)
            if data.startswith(_HEADER):
                data = data[_HEADER_BYTES:]
            if data == _END or not data:
                continue
            if len(data) < SIZE_MIN or data[:2] != FIELDS.to_bytes(2, "big"):
                raise NotACopy(table)
            yield data


def places(connection: Connection[Any]) -> tuple[int, ...]:
    """Return which tables stand under the directory's names now; a rebuilt one is another."""
    names = [f"directory.{STORE_TABLES[table].name}" for table in COPIED]
    row = connection.execute(_TEXTS["table_places"].encode(), {"tables": names}).fetchone()
    assert row is not None
    return tuple(row[0])


def files(connection: Connection[Any], *, after: int) -> list[tuple[int, str, str]]:
    """Return number, bundle and path of every file with a higher number.

    Only who applies numbers files, one revision after the other, so none comes late.
    """
    return connection.execute(_TEXTS["copied_files"].encode(), {"after": after}).fetchall()


def boundaries(connection: Connection[Any]) -> list[int]:
    """Return every instant at which something begins or ends, in order, as records hold them."""
    return [row[0] for row in connection.execute(_BOUNDARIES.encode())]


def touched(
    connection: Connection[Any], since: int, *, most: int
) -> dict[str, set[tuple[int, int]]] | None:
    """Return the keys of what changed after a revision, by table; `None` for more than `most`.

    A key comes with what its rows refer by, before and now.
    """
    many = connection.execute(_TEXTS["moved_many"].encode(), {"revision": since}).fetchone()
    if many is None or many[0]:
        return None
    cursor = connection.cursor(row_factory=dict_row)
    cursor.execute(
        f"SELECT * FROM ({_TOUCHED}) AS touched LIMIT %(most)s".encode(),  # noqa: S608  ours
        {"revision": since, "most": most + 1},
    )
    if cursor.rowcount > most:
        return None
    found: dict[str, set[tuple[int, int]]] = {}
    for row in cursor:
        found.setdefault(row["of"], set()).add((row["row_key"], row["ref"]))
    return found
