"""The right to write: one leader, an epoch that only grows, and fencing of everyone else.

Time is the database's, so that hosts need not agree about theirs. An expired lease does not stop
its holder from finishing: what stops it is somebody else's later epoch, looked at inside the
transaction that writes.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from controller.adapters.postgres import Connection
from controller.stores.control.model import Fenced, Lease, LeaseHeld
from controller.stores.control.statements import QUERIES, one, run


@dataclass(frozen=True, slots=True)
class Leader:
    """Who leads: `process` says where it runs, `compared_at` when it last knew how things stand."""

    holder: str
    epoch: int
    process: str
    compared_at: datetime | None
    expires_at: datetime
    is_held: bool


def acquire(
    connection: Connection[Any], environment: str, *, holder: str, duration: timedelta
) -> Lease:
    """Take the lease when it is free, expired or our own from before; raise `LeaseHeld` otherwise.

    `holder` names an installation, not a process: a restarted controller takes over from itself at
    once, and the new epoch fences off the process it was. The caller commits.
    """
    facts = {"environment": environment, "holder": holder, "duration": duration}
    row = one(connection, QUERIES["acquire_lease"], facts)
    if row is not None:
        return Lease(**row)
    found = read(connection, environment)
    assert found is not None, "a lease that stopped us exists"
    raise LeaseHeld(environment, holder=found.holder, expires_at=found.expires_at)


def renew(connection: Connection[Any], lease: Lease, duration: timedelta) -> Lease:
    """Hold on to the lease from now for `duration`; raise `Fenced` when it was taken over."""
    row = one(connection, QUERIES["renew_lease"], _facts(lease) | {"duration": duration})
    if row is None:
        raise _fenced(connection, lease)
    return Lease(**row)


def lead(
    connection: Connection[Any],
    lease: Lease,
    duration: timedelta,
    *,
    process: str,
    compared_at: datetime | None = None,
) -> Lease:
    """Hold on to the lease as `renew` does, and say who leads and when it last compared."""
    facts = {"duration": duration, "process": process, "compared_at": compared_at}
    row = one(connection, QUERIES["lead"], _facts(lease) | facts)
    if row is None:
        raise _fenced(connection, lease)
    return Lease(**row)


def leader(connection: Connection[Any], environment: str) -> Leader | None:
    """Return who leads and when they last compared; `None` before anybody did."""
    row = one(connection, QUERIES["read_leader"], {"environment": environment})
    return None if row is None else Leader(**row)


def release(connection: Connection[Any], lease: Lease) -> None:
    """Give the lease back; nothing happens when somebody else holds it by now."""
    run(connection, QUERIES["release_lease"], _facts(lease))


def read(connection: Connection[Any], environment: str) -> Lease | None:
    """Return the lease as it stands, held or not; a free one has the holder ''."""
    row = one(connection, QUERIES["read_lease"], {"environment": environment})
    return None if row is None else Lease(**row)


def fence(connection: Connection[Any], lease: Lease) -> None:
    """Make sure that nobody took over, and that nobody can before this transaction ends."""
    row = one(connection, QUERIES["share_lease"], {"environment": lease.environment})
    if row is None or (row["holder"], row["epoch"]) != (lease.holder, lease.epoch):
        raise _fenced(connection, lease)


def _fenced(connection: Connection[Any], lease: Lease) -> Fenced:
    found = read(connection, lease.environment)
    if found is None:
        return Fenced(lease, epoch=0, holder="")
    return Fenced(lease, epoch=found.epoch, holder=found.holder)


def _facts(lease: Lease) -> dict[str, Any]:
    return {"environment": lease.environment, "holder": lease.holder, "epoch": lease.epoch}
