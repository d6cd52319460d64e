"""Is this process alive, can it answer, and what has it counted."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from controller.kernel.errors import ControllerError
from controller.web.access import Scope
from controller.web.envelope import answer
from controller.web.services import Services

EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"


class Health:
    """The routes; the first two ask nobody for a token."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def alive(self, _request: Request) -> Response:
        """Answer that the process runs; nothing else is looked at."""
        return answer({"status": "ok"})

    async def ready(self, _request: Request) -> Response:
        """Answer whether requests can be answered, and what is not as it should be."""
        state, access = self._services.state(), self._services.access
        has_copy = self._services.snapshot() is not None
        reasons = []
        if state.stale_since is not None:
            reasons.append({"of": "copy", "reason": state.reason})
        has_database = has_copy or await self._services.aside(self._has_database)
        if not has_database:
            reasons.append({"of": "database", "reason": "it cannot be asked"})
        locked = access.problem()
        if locked:
            reasons.append({"of": "keys", "reason": locked})
        is_ready = has_copy or has_database
        words = {"status": "ready" if is_ready else "not ready", "reasons": reasons}
        return answer(words, status=200 if is_ready else 503)

    async def metrics(self, request: Request) -> Response:
        """Answer what was counted, as Prometheus reads it."""
        await self._services.admit(request, Scope.METRICS)
        body = await run_in_threadpool(self._services.meters.exposition)
        return Response(body, headers={"content-type": EXPOSITION, "cache-control": "no-store"})

    def _has_database(self) -> bool:
        try:
            with self._services.database() as connection:
                connection.execute("SELECT 1")
        except ControllerError:
            return False
        return True
