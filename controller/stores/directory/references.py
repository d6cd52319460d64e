"""References between tables: what a row names must be there, in whatever window."""

from collections.abc import Mapping
from typing import Any

from controller.adapters.postgres import Connection
from controller.stores.directory import checks
from controller.stores.directory.statements import DELTA, Statements
from controller.stores.directory.tables import STORE_TABLES, Reference


def check_whole(
    connection: Connection[Any], table: str, reference: Reference, live: Mapping[str, str]
) -> None:
    """Check one reference of every row of a table: keys alone first, rows only to name one."""
    words = {
        "live": live[table],
        "reference": reference.column,
        "target": live[reference.target],
    }
    dangles = checks.first(connection, DELTA[table]("dangles", **words))
    if dangles is None or not dangles["found"]:
        return
    row = checks.first(connection, DELTA[table]("dangling", **words))
    if row is not None:
        raise checks.refuse_dangling(connection, table, reference.target, row)


def check_referrers(
    connection: Connection[Any],
    statements: Statements,
    live: Mapping[str, str],
    rebuilt: frozenset[str],
    leaving: Mapping[str, Any] | None,
) -> None:
    """Refuse dropped rows that others still name; rebuilt tables check all they name themselves."""
    target = statements.table.table
    for name, table in STORE_TABLES.items():
        for reference in table.references:
            if reference.target != target or name in rebuilt:
                continue
            words = statements.orphan_words(table)
            statement = statements(
                "orphaned",
                reference=reference.column,
                target=live[target],
                live=live[name],
                **words,
            )
            row = checks.first(connection, statement, leaving)
            if row is not None:
                raise checks.refuse_dangling(connection, name, target, row)
