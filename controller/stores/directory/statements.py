"""The statements of an apply, rendered for one table: every word that varies is a name we wrote."""

from collections.abc import Mapping

from controller.adapters import queries
from controller.stores.directory.tables import STORE_TABLES, StoreTable

TEMPLATES: Mapping[str, str] = queries.load("controller.stores.directory", "statements.sql")


class Statements:
    """One table's statements for one way of holding the rows to put and to drop."""

    def __init__(self, table: StoreTable, *, incoming: str, leaving: str, live: str = "") -> None:
        self.table = table
        self._rendered: dict[tuple[object, ...], bytes] = {}
        self._words = {
            "name": f"'{table.name}'",
            "live": live or f"directory.{table.name}",
            "history": f"directory.{table.name}_history",
            "next": f"directory.{table.name}_next",
            "incoming": incoming,
            "leaving": leaving,
            "columns": columns(table.columns),
            "content": columns(table.content),
            "live_cells": columns(tuple(dict.fromkeys((*table.key, *table.cells))), "live"),
            "live_columns": columns(table.columns, "live"),
            "incoming_columns": columns(table.columns, "incoming"),
            "live_key": columns(table.key, "live"),
            "incoming_key": columns(table.key, "incoming"),
            "live_content": columns(table.content, "live"),
            "incoming_content": columns(table.content, "incoming"),
            "one_key": columns(table.key, "one"),
            "other_key": columns(table.key, "other"),
            "incoming_facts": facts(table, "incoming", "one"),
            "live_facts": facts(table, "live", "one"),
            "live_other_facts": facts(table, "live", "other"),
            "one_facts": facts(table, "one", "one"),
            "other_facts": facts(table, "other", "other"),
        }

    def __call__(self, name: str, **words: str) -> bytes:
        """Return a statement; bytes, because it is not one literal."""
        wanted = (name, *sorted(words.items()))
        if wanted not in self._rendered:
            self._rendered[wanted] = TEMPLATES[name].format_map(self._words | words).encode()
        return self._rendered[wanted]

    @staticmethod
    def orphan_words(referring: StoreTable) -> dict[str, str]:
        """Return the words for `orphaned` when rows of another table do the referring."""
        return {"live_facts": facts(referring, "live", "one")}


def columns(names: tuple[str, ...], prefix: str = "") -> str:
    """Return a list of quoted columns, each behind `prefix` if there is one."""
    dot = f"{prefix}." if prefix else ""
    return ", ".join(f'{dot}"{name}"' for name in names)


def facts(table: StoreTable, alias: str, role: str) -> str:
    """Return what an error says about a row: key, window and file."""
    key = ", ".join(f'{alias}."{column}"::text' for column in table.key)
    return (
        f"ARRAY[{key}] AS {role}_key, "
        f"nullif({alias}.effective_from, '-infinity') AS {role}_starts, "
        f"nullif({alias}.effective_to, 'infinity') AS {role}_ends, "
        f"{alias}.file_id AS {role}_file"
    )


# One document holds any number of rows, and the table itself says of what types they are.
_INCOMING_ROWS = "jsonb_populate_recordset(NULL::directory.{name}, %(rows)s::jsonb) AS incoming"
_LEAVING_ARRAYS = (
    "unnest(%(keys)s::bigint[], %(starts)s::timestamptz[]) AS leaving (row_key, effective_from)"
)

DELTA: Mapping[str, Statements] = {
    name: Statements(
        table, incoming=_INCOMING_ROWS.format(name=table.name), leaving=_LEAVING_ARRAYS
    )
    for name, table in STORE_TABLES.items()
}
"""A few rows, sent with the statement."""

STAGED: Mapping[str, Statements] = {
    name: Statements(
        table,
        incoming=f"pg_temp.incoming_{table.name} AS incoming",
        leaving=f"pg_temp.leaving_{table.name} AS leaving",
    )
    for name, table in STORE_TABLES.items()
}
"""Many rows, held in temporary tables."""

NEXT: Mapping[str, Statements] = {
    name: Statements(
        table,
        incoming=f"directory.{table.name}_next AS incoming",
        leaving=f"pg_temp.leaving_{table.name} AS leaving",
        live=f"directory.{table.name}_next",
    )
    for name, table in STORE_TABLES.items()
}
"""A new table that has not yet taken the old one's place."""
