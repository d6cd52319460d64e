"""The HTTP surface: every route in one table, and the application that serves it."""

from collections.abc import Callable
from http import HTTPStatus

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from controller.web import models, problems
from controller.web.changes import Changes, ChangesQuery
from controller.web.described import Served, described, keywords
from controller.web.directory import AtQuery, Batch, Directory, ResolveQuery
from controller.web.gate import Gate
from controller.web.health import Health
from controller.web.services import Services
from controller.web.status import EventsQuery, Status
from controller.web.webhooks import Webhooks


def table(services: Services, webhooks: Webhooks) -> tuple[Served, ...]:
    """Return every route there is."""
    directory, changes = Directory(services), Changes(services)
    status, health = Status(services), Health(services)
    return (
        Served(
            "GET",
            "/v1/resolve/{scheme}/{value:path}",
            directory.resolve,
            "Who is reached under an identifier; `iin` takes 6 to 11 leading digits of a card",
            models.Answer,
            ResolveQuery,
            also=(410,),
            is_hot=True,
            is_cached=True,
        ),
        Served(
            "POST",
            "/v1/resolve:batch",
            directory.batch,
            "Up to 1,000 questions at once, all answered of one revision",
            models.Answers,
            body=Batch,
        ),
        Served(
            "GET",
            "/v1/participants/{id:path}",
            directory.participant,
            "A participant with its identifiers and endpoints",
            models.ParticipantAnswer,
            AtQuery,
            is_cached=True,
        ),
        Served(
            "GET",
            "/v1/changes",
            changes.changes,
            "Which keys came, changed or went since a revision",
            models.Changes,
            ChangesQuery,
        ),
        Served("GET", "/v1/status", status.status, "How the controller stands", models.Status),
        Served(
            "GET",
            "/v1/events",
            status.events,
            "What happened to the controller, the oldest first",
            models.Events,
            EventsQuery,
        ),
        Served(
            "POST",
            "/v1/hooks/{provider}",
            webhooks.receive,
            "A signed webhook: somebody pushed",
            models.Accepted,
            success=202,
        ),
        Served("GET", "/healthz", health.alive, "The process runs", models.Alive),
        Served(
            "GET", "/readyz", health.ready, "Requests can be answered", models.Ready, also=(503,)
        ),
        Served("GET", "/metrics", health.metrics, "What was counted", None),
    )


def application(
    services: Services,
    webhooks: Webhooks,
    *,
    name: Callable[[], str],
    requests_max: int,
) -> FastAPI:
    """Return the application; `name` gives each request its own."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    routes = table(services, webhooks)
    for one in routes:
        if one.is_hot:
            app.router.routes.append(_Plain(one.path, one.endpoint, methods=[one.method]))
        else:
            app.add_api_route(one.path, one.endpoint, **keywords(one))
    page = problems.rendered(described(routes))

    async def openapi(request: Request) -> Response:
        await services.admit(request, None)
        return Response(page, media_type="application/json")

    app.router.routes.append(_Plain("/openapi.json", openapi, methods=["GET"]))
    app.add_exception_handler(HTTPException, _refused)
    app.add_middleware(Gate, meters=services.meters, name=name, requests_max=requests_max)
    return app


class _Plain(Route):
    """A route that FastAPI does nothing for, but named to whoever counts as its own are."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Say whether this route serves a request, and which it is."""
        match, found = super().matches(scope)
        return match, {**found, "route": self}


async def _refused(request: Request, error: Exception) -> Response:
    """Answer what the router refuses; `OPTIONS` asks for just that."""
    assert isinstance(error, HTTPException), "registered for these alone"
    if error.status_code != HTTPStatus.METHOD_NOT_ALLOWED:
        raise problems.NoSuchRoute("nothing is served under this path", hint="see /openapi.json")
    served = {name.lower(): value for name, value in (error.headers or {}).items()}
    is_read = "GET" in served.get("allow", "")
    allow = {"allow": "GET, HEAD, OPTIONS" if is_read else "POST, OPTIONS"}
    if request.method == "OPTIONS":
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=allow)
    raise problems.MethodNotAllowed("this path is not served by that method", headers=allow)
