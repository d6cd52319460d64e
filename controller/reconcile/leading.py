"""Who may write: a command takes the lease for one transaction, a controller holds on to it.

Whichever it is, the epoch that a write carries is looked at inside its transaction: a leader that
was paused and overtaken meanwhile writes nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from controller.adapters.postgres import Connection
from controller.stores.control import lease as leases
from controller.stores.control.model import Lease

LEASE_DURATION = timedelta(seconds=60)


@dataclass(slots=True)
class Lead:
    """The lease that a controller holds on to. `holder` names an installation, not a process."""

    environment: str
    holder: str
    process: str
    duration: timedelta = LEASE_DURATION
    lease: Lease | None = field(default=None, init=False)

    def take(self, connection: Connection[Any]) -> Lease:
        """Take the lease; raise `LeaseHeld` when somebody else holds it."""
        self.lease = leases.acquire(
            connection, self.environment, holder=self.holder, duration=self.duration
        )
        return self.keep(connection)

    def keep(self, connection: Connection[Any], compared_at: datetime | None = None) -> Lease:
        """Hold on to it from now on; raise `Fenced` when it was taken over."""
        assert self.lease is not None, "take() comes first"
        self.lease = leases.lead(
            connection,
            self.lease,
            self.duration,
            process=self.process,
            compared_at=compared_at,
        )
        return self.lease

    def give_back(self, connection: Connection[Any]) -> None:
        """Let another one lead at once."""
        if self.lease is not None:
            leases.release(connection, self.lease)
            self.lease = None


@contextmanager
def leading(
    connection: Connection[Any], environment: str, *, holder: str, lead: Lead | None
) -> Iterator[Lease]:
    """Give the lease to write under, inside the transaction that writes.

    Without a `lead` it is taken for this transaction alone and given back at its end.
    """
    if lead is not None and lead.lease is not None:
        yield lead.lease
        return
    lease = leases.acquire(connection, environment, holder=holder, duration=LEASE_DURATION)
    yield lease
    leases.release(connection, lease)
