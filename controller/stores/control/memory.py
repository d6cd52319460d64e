"""What was learnt about git trees whose files were hashed once, kept in the database."""

from typing import Any

from controller.adapters.postgres import Connection
from controller.kernel.objects import Oid
from controller.stores.control.statements import QUERIES, one, run_many


class DatabaseMemory:
    """`artifacts.merkle.MerkleMemory` over the table `controller.merkle_memory`.

    New records wait in this process until `flush`, so that a refused pass writes nothing.
    """

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection
        self._known: dict[Oid, bytes] = {}
        self._new: dict[Oid, bytes] = {}

    def get(self, tree: Oid) -> bytes | None:
        """Return what is remembered about `tree`."""
        if tree not in self._known:
            row = one(self._connection, QUERIES["get_merkle"], {"tree": tree})
            if row is None:
                return None
            self._known[tree] = row["record"]
        return self._known[tree]

    def put(self, tree: Oid, record: bytes) -> None:
        """Remember `record`; it reaches the database with `flush`."""
        if self._known.get(tree) != record:
            self._known[tree] = self._new[tree] = record

    def flush(self) -> int:
        """Write what is new in the caller's transaction; return how many records that was."""
        facts = [{"tree": tree, "record": record} for tree, record in sorted(self._new.items())]
        run_many(self._connection, QUERIES["put_merkle"], facts)
        self._new.clear()
        return len(facts)
