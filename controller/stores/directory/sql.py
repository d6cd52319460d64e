"""The room's queries, by name."""

from collections.abc import Mapping

from controller.adapters import queries

QUERIES: Mapping[str, bytes] = {
    name: text.encode()
    for name, text in queries.load("controller.stores.directory", "queries.sql").items()
}
