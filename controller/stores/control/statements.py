"""The room's queries, and how to run one."""

from collections.abc import Mapping
from typing import Any

from controller.adapters.postgres import Connection, dict_row
from controller.adapters.queries import load

QUERIES = load("controller.stores.control", "queries.sql")


def every(
    connection: Connection[Any], query: str, facts: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Run `query` and return its rows by column name."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.encode(), facts).fetchall()


def one(
    connection: Connection[Any], query: str, facts: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Run `query` and return its first row, if any."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.encode(), facts).fetchone()
