"""No revision touches a table that has drifted: what it would leave, nobody declared.

Rows of a plan are told from those it starts from. Where others are live, some would be overwritten
and others stay, and what the trail says the table adds up to would be neither. So the revision
waits until the table is put right; revisions of other tables go on.
"""

from collections.abc import Collection

from controller.kernel.canonical import Digest
from controller.kernel.errors import Held
from controller.reconcile.decide import Decision
from controller.reconcile.world import World
from controller.stores.control import drift as stored


class DriftInTheWay(Held):
    """A plan changes rows of a table that holds rows which nobody declared."""

    code = "drift.in_the_way"

    def __init__(self, tables: Collection[str], digest: Digest) -> None:
        super().__init__(
            f"live rows of {', '.join(sorted(tables))} are not what was applied, and the plan "
            f"changes such rows: drift {digest}",
            hint="read `countersign drift`, then put the rows right: docs/runbooks/drift.md",
        )
        self.tables, self.digest = frozenset(tables), digest


def check_drift(world: World, decision: Decision) -> None:
    """Raise `DriftInTheWay` where a plan changes a table that is known to have drifted."""
    if not decision.plan.counts:
        return
    found = stored.read(world.connection, world.environment)
    if found is not None and (touched := found.tables & decision.plan.counts.keys()):
        raise DriftInTheWay(touched, found.digest)
