"""How the controller stands, and what happened to it, as it wrote it down."""

from typing import Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from controller.adapters.postgres import reading as one_state
from controller.kernel.canonical import Json
from controller.kernel.instants import format_instant
from controller.reconcile import holds
from controller.reconcile.keeper import State
from controller.reconcile.reported import Reported, as_json, read_reported
from controller.stores.control import events
from controller.stores.control import store as control
from controller.stores.control.conditions import Condition, ConditionStatus, ConditionType
from controller.stores.control.events import StoredEvent
from controller.stores.control.model import Applied
from controller.stores.directory import store as directory
from controller.web import reading
from controller.web.access import Scope
from controller.web.envelope import answer
from controller.web.reading import Number, Whole, Wire
from controller.web.services import Services

EVENTS_MAX = 1_000


class EventsQuery(Wire):
    """Which events are asked for: the newest, or those after one that is known."""

    after: Number | None = Field(default=None, description="an event's `id`")
    limit: Whole = Field(default=100, ge=1, le=EVENTS_MAX)


class NoQuery(Wire):
    """Nothing may be asked for."""


class Status:
    """The routes, with the scopes `status:read` and `events:read`."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def status(self, request: Request) -> Response:
        """Answer how the controller stands."""
        await self._services.admit(request, Scope.STATUS)
        reading.parameters(request, NoQuery)
        return await self._services.aside(self._status)

    async def events(self, request: Request) -> Response:
        """Answer what happened to the controller."""
        await self._services.admit(request, Scope.EVENTS)
        query = reading.parameters(request, EventsQuery)
        return await self._services.aside(self._events, query)

    def _status(self) -> Response:
        services = self._services
        state = services.state()
        with services.database() as connection:
            now = services.clock.now()
            with one_state(connection):
                applied = control.read_applied(connection, services.environment)
                reported = read_reported(connection, services.environment)
                boundary = directory.next_boundary(connection, now)
                held = holds.look(
                    connection, services.environment, services.windows, services.host_folder, now
                )
        return answer(
            {
                "environment": services.environment,
                "sync": sync(reported),
                "applied": _applied(applied) if applied is not None else None,
                "next_boundary": format_instant(boundary) if boundary is not None else None,
                "holds": [holds.as_json(one) for one in held.all],
                "controller": as_json(reported, now),
                "serving": serving(state, applied),
            }
        )

    def _events(self, query: EventsQuery) -> Response:
        environment = self._services.environment
        with self._services.database() as connection:
            if query.after is None:
                found = events.newest(connection, environment, limit=query.limit)
            else:
                found = events.since(connection, environment, after=query.after, limit=query.limit)
        last = found[-1].id if found else query.after
        return answer({"events": [_event(one) for one in found], "next": last})


def sync(reported: Reported) -> str:
    """Return whether production is what the branch declares, as the leader last found."""
    ready = _said(reported, ConditionType.READY)
    if reported.leader is None or not reported.leader.is_held or ready is None:
        return "Unknown"
    if ready.status is ConditionStatus.UNKNOWN or ready.observed_commit is None:
        return "Unknown"
    return "Synced" if ready.status is ConditionStatus.TRUE else "OutOfSync"


def serving(state: State, applied: Applied | None) -> dict[str, Json]:
    """Return what this process answers from, and how far that is behind what is applied."""
    revision = applied.revision if applied is not None else None
    return {
        "revision": state.revision,
        "is_current": state.revision is not None and state.revision == revision,
        "stale_since": format_instant(state.stale_since) if state.stale_since else None,
        "reason": state.reason,
        "checked_at": format_instant(state.checked_at) if state.checked_at else None,
        "mismatches": state.mismatches,
    }


def _said(reported: Reported, kind: ConditionType) -> Condition | None:
    found = (one.condition for one in reported.conditions if one.condition.type is kind)
    return next(found, None)


def _applied(applied: Applied) -> dict[str, Json]:
    return {
        "revision": applied.revision,
        "commit": applied.commit.hex(),
        "serial": applied.serial_current,
        "serial_high": applied.serial_high,
        "release_sha256": applied.release_sha256,
        "policies_sha256": applied.policies_digest,
        "applied_at": format_instant(applied.applied_at),
    }


def _event(one: StoredEvent) -> dict[str, Any]:
    return {
        "id": one.id,
        "at": format_instant(one.at),
        "name": one.name,
        "severity": one.severity,
        "actor": one.actor,
        "revision": one.revision,
        "commit": one.commit.hex() if one.commit is not None else None,
        "message": one.message,
        "facts": one.facts,
    }
