"""How the controller stands, as it last said so: one row for each type of condition."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from controller.adapters.postgres import Connection
from controller.kernel.objects import Oid
from controller.stores.control.statements import QUERIES, every, run


class ConditionType(StrEnum):
    """What can be said of a controller. Of the first three one is true at a time."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    HELD = "Held"
    """A hold or a window keeps new revisions out; what is applied is served."""
    STALE = "Stale"
    """The heartbeat is too old, or names a commit that cannot be fetched."""
    DRIFTED = "Drifted"
    """Live rows are not what was applied."""


class ConditionStatus(StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing said; `reason` is an error's code or a word of ours, `hint` what to do."""

    type: ConditionType
    status: ConditionStatus
    reason: str
    message: str
    hint: str = ""
    observed_commit: Oid | None = None


@dataclass(frozen=True, slots=True)
class StoredCondition:
    """A condition with when its status last changed, and when anything of it did."""

    condition: Condition
    since: datetime
    changed_at: datetime


def read(connection: Connection[Any], environment: str) -> tuple[StoredCondition, ...]:
    """Return what was said last, by type; nothing before a controller has run."""
    rows = every(connection, QUERIES["read_conditions"], {"environment": environment})
    return tuple(
        StoredCondition(
            since=row.pop("since"),
            changed_at=row.pop("changed_at"),
            condition=Condition(
                type=ConditionType(row.pop("type")),
                status=ConditionStatus(row.pop("status")),
                **row,
            ),
        )
        for row in rows
    )


def put(
    connection: Connection[Any],
    environment: str,
    conditions: Iterable[Condition],
    now: datetime,
) -> None:
    """Say how the controller stands; what is said already is not written again."""
    for one in conditions:
        facts = {
            "environment": environment,
            "type": one.type,
            "status": one.status,
            "reason": one.reason,
            "message": one.message,
            "hint": one.hint,
            "observed_commit": one.observed_commit,
            "now": now,
        }
        run(connection, QUERIES["put_condition"], facts)
