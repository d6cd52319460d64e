"""What one pass works with: handed in, so that a test can hand in a world that dies."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from controller.adapters.git import GitRepository
from controller.adapters.postgres import Connection
from controller.kernel.errors import Refused
from controller.kernel.instants import Clock
from controller.kernel.objects import Oid
from controller.kernel.stages import Staged, unwatched
from controller.plan.guards import Limits
from controller.reconcile.leading import Lead, leading
from controller.reconcile.rails import Rails
from controller.reconcile.recall import Recall
from controller.reconcile.windows import Windows
from controller.source.commits import Verify
from controller.source.repository import NoBranch
from controller.stores.control.memory import DatabaseMemory
from controller.stores.control.model import Lease
from controller.trust.root import Pin
from controller.trust.sign import Signer

MAX_STALENESS = timedelta(hours=2)


class NoBaseline(Refused):
    """This host pins no commit that history must descend from."""

    code = "reconcile.no_baseline"

    def __init__(self) -> None:
        super().__init__(
            "no baseline commit is pinned on this host",
            hint="set repository.baseline in the settings to a commit you trust",
        )


@dataclass(frozen=True, slots=True)
class World:
    """The parts of one controller. `connection` commits by itself outside of transactions."""

    controller: str
    environment: str
    repository: GitRepository
    branch: str
    baseline: Oid | None
    connection: Connection[Any]
    clock: Clock
    pin: Pin
    rails: Rails
    signer: Signer | None
    limits: Limits = field(default_factory=Limits)
    lead: Lead | None = None
    """The lease that a controller which goes on running holds; a command takes its own."""
    verify: Verify = Verify.NONE
    """Which commits this host wants signed."""
    max_staleness: timedelta = MAX_STALENESS
    """How old a heartbeat may be."""
    witness: Clock | None = None
    """The database's clock, which this host's is held against."""
    windows: Windows = field(default_factory=Windows)
    """When this host lets new revisions in."""
    host_folder: Path | None = None
    """Where a file may freeze this host."""
    staged: Staged = unwatched
    """Who watches how long each stage takes."""
    recall: Recall = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """A world begins by remembering nothing."""
        object.__setattr__(self, "recall", Recall(self.connection))

    def head(self) -> Oid:
        """Return where the followed branch stands; a branch that is gone is never "empty"."""
        found = self.repository.target(f"refs/heads/{self.branch}")
        if found is None:
            raise NoBranch(self.branch, self.repository.path)
        return found

    def memory(self) -> DatabaseMemory:
        """Return what earlier passes learnt about trees."""
        return self.recall.hashed

    def leading(self) -> AbstractContextManager[Lease]:
        """Give the lease to write under, inside the transaction that writes."""
        return leading(self.connection, self.environment, holder=self.controller, lead=self.lead)
