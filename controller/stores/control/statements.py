"""The room's queries, and how to run one: rows by column name, refusals as errors of ours."""

from collections.abc import Mapping
from typing import Any

from controller.adapters.postgres import Connection, Cursor, dict_row, translated
from controller.adapters.queries import load
from controller.stores.control import refusals as refusals  # noqa: PLC0414 - registers SQLSTATEs

QUERIES = load("controller.stores.control", "queries.sql")


def ask(
    connection: Connection[Any], query: str, facts: Mapping[str, Any]
) -> Cursor[dict[str, Any]]:
    """Run `query` and return who reads its rows by column name: in a pipeline, later."""
    with translated():
        return connection.cursor(row_factory=dict_row).execute(query.encode(), facts)


def every(connection: Connection[Any], query: str, facts: Mapping[str, Any]) -> list[Any]:
    """Run `query` and return its rows by column name."""
    with translated(), connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.encode(), facts).fetchall()


def one(connection: Connection[Any], query: str, facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """Run `query` and return its first row, if any."""
    with translated(), connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.encode(), facts).fetchone()


def run(connection: Connection[Any], query: str, facts: Mapping[str, Any]) -> int:
    """Run `query`; return how many rows it touched, which a pipeline does not know yet (-1)."""
    with translated():
        return connection.execute(query.encode(), facts).rowcount
