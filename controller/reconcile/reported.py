"""What a controller that goes on running last said of itself, for commands and for HTTP.

`status` derives how things stand whenever it is asked; this is what the leader has found, since
when, and how long ago it last compared production with the branch.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from controller.adapters.postgres import Connection
from controller.kernel.canonical import Json
from controller.kernel.instants import format_instant
from controller.stores.control import conditions, lease, wake
from controller.stores.control.conditions import StoredCondition
from controller.stores.control.lease import Leader
from controller.stores.control.wake import Wake


@dataclass(frozen=True, slots=True)
class Reported:
    """The leader, what it said, and whether somebody waits for a look. Nobody ran: all empty."""

    leader: Leader | None
    conditions: tuple[StoredCondition, ...]
    wake: Wake

    def silence(self, now: datetime) -> timedelta | None:
        """Return how long ago production was last compared with the branch, if it ever was."""
        if self.leader is None or self.leader.compared_at is None:
            return None
        return now - self.leader.compared_at


def read_reported(connection: Connection[Any], environment: str) -> Reported:
    """Read it as it stands."""
    return Reported(
        lease.leader(connection, environment),
        conditions.read(connection, environment),
        wake.read(connection, environment),
    )


def as_json(reported: Reported, now: datetime) -> dict[str, Json]:
    """Return what machines read; `docs/machine-output.md` says what each member means."""
    leader, silence = reported.leader, reported.silence(now)
    return {
        "leader": _leader(leader) if leader is not None else None,
        "compared_at": _instant(leader.compared_at if leader else None),
        "compared_seconds_ago": None if silence is None else int(silence.total_seconds()),
        "conditions": [_condition(one) for one in reported.conditions],
        "look_requested": reported.wake.is_due,
    }


def _leader(leader: Leader) -> dict[str, Json]:
    return {
        "holder": leader.holder if leader.is_held else None,
        "process": leader.process,
        "epoch": leader.epoch,
        "expires_at": format_instant(leader.expires_at),
    }


def _condition(stored: StoredCondition) -> dict[str, Json]:
    said = stored.condition
    return {
        "type": said.type.value,
        "status": said.status.value,
        "reason": said.reason,
        "message": said.message,
        "hint": said.hint,
        "observed_commit": said.observed_commit.hex() if said.observed_commit else None,
        "since": format_instant(stored.since),
        "changed_at": format_instant(stored.changed_at),
    }


def _instant(instant: datetime | None) -> str | None:
    return format_instant(instant) if instant is not None else None
