"""What was learnt about git trees whose files were hashed once, kept in the database."""

from collections.abc import Iterable
from typing import Any

from controller.adapters.postgres import Connection
from controller.artifacts import merkle_record
from controller.artifacts.merkle_record import Record
from controller.kernel.objects import Oid
from controller.stores.control.statements import QUERIES, every, run

CHAIN_MAX = 32
"""So many changes stand on one whole record at most; then a whole one is written again."""

ENTRIES_MAX = 400_000
"""So many entries of directories are held in this process at most, about 100 MiB."""


class DatabaseMemory:
    """`artifacts.merkle.MerkleMemory` over the table `controller.merkle_memory`.

    It lives as long as its process: what was asked once is answered from here. New records wait
    until `flush`, so that a refused pass writes nothing, and until `settled`, so that a transaction
    that was rolled back loses none.
    """

    def __init__(self, connection: Connection[Any], *, entries_max: int = ENTRIES_MAX) -> None:
        self._connection, self._entries_max = connection, entries_max
        self._known: dict[Oid, Record] = {}
        self._depths: dict[Oid, int] = {}
        self._new: dict[Oid, Oid | None] = {}
        self._entries = 0

    def get(self, tree: Oid) -> Record | None:
        """Return what is remembered about `tree`."""
        self.expect([tree])
        return self._known.get(tree)

    def at_hand(self, tree: Oid) -> Record | None:
        """Return what this process remembers about `tree`; the database is not asked."""
        return self._known.get(tree)

    def expect(self, trees: Iterable[Oid]) -> None:
        """Ask the database for all of `trees` at once that nobody has asked for."""
        wanted = [tree for tree in trees if tree not in self._known]
        chains: dict[Oid, list[dict[str, Any]]] = {}
        for link in (
            every(self._connection, QUERIES["get_merkle"], {"trees": wanted}) if wanted else ()
        ):
            chains.setdefault(Oid(link["tree"]), []).append(link)
        for tree, chain in chains.items():
            if chain[-1]["base"] is not None:
                continue  # what it stands on was emptied
            record = merkle_record.unpack([link["record"] for link in reversed(chain)])
            if record is not None:
                self._keep(tree, record, len(chain) - 1)

    def put(self, tree: Oid, record: Record, base: Oid | None) -> None:
        """Remember `record`; it reaches the database with `flush`."""
        if tree in self._known:
            return
        depth = self._depths.get(base, CHAIN_MAX) + 1 if base is not None else 0
        if depth > CHAIN_MAX:
            base, depth = None, 0
        self._keep(tree, record, depth)
        self._new[tree] = base

    def flush(self) -> int:
        """Write what is new in the caller's transaction; return how many records that was."""
        if self._new:
            trees = sorted(self._new)
            facts = {
                "trees": trees,
                "bases": [self._new[tree] for tree in trees],
                "records": [self._packed(tree) for tree in trees],
            }
            run(self._connection, QUERIES["put_merkle"], facts)
        return len(self._new)

    def settled(self) -> None:
        """Take note that the transaction of the last `flush` was committed."""
        self._new.clear()
        self._forget_much()

    def refused(self) -> None:
        """Take note that a pass ends without `flush`: what it hashed serves the next one."""
        if self._entries > self._entries_max:
            self._new.clear()
        self._forget_much()

    def _forget_much(self) -> None:
        if self._entries > self._entries_max:
            self._known.clear()
            self._depths.clear()
            self._entries = 0

    def _packed(self, tree: Oid) -> bytes:
        base = self._new[tree]
        record = self._known[tree]
        if base is None:
            return merkle_record.pack(record)
        return merkle_record.pack_change(record, self._known[base])

    def _keep(self, tree: Oid, record: Record, depth: int) -> None:
        self._known[tree], self._depths[tree] = record, depth
        self._entries += len(record)
