"""The OpenAPI page, made of the table of routes and the models of what they take and answer."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from controller import __version__
from controller.web import problems
from controller.web.models import Problem

Endpoint = Callable[[Request], Awaitable[Response]]

_INSTANT = (
    r"^2[01][0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
    r"(T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z)?$"
)
_WORD = "^[A-Za-z][A-Za-z0-9:._ -]{0,60}$"
# Narrower than what is taken, so that nobody is told to send what could be a card number.
_PATTERNS = {"at": _INSTANT, "capability": _WORD, "currency": _WORD, "rail": _WORD}
_PLACES: Mapping[str, dict[str, Any]] = {
    "scheme": {"type": "string", "pattern": "^[a-z][a-z0-9-]{1,30}$", "examples": ["in-ifsc"]},
    "value": {
        "type": "string",
        "pattern": "^[A-Za-z][A-Za-z0-9:.-]{0,60}$",
        "description": "a number of 12 digits or more is refused: it could be a card number",
    },
    "id": {"type": "string", "pattern": "^[a-z][a-z0-9.-]{0,60}$"},
    "provider": {"type": "string", "enum": ["github", "gitlab", "gitea", "generic"]},
}


class Served(NamedTuple):
    """One route. `also` are statuses beside `success` that answer with a document of its own."""

    method: str
    path: str
    endpoint: Endpoint
    summary: str
    answer: type[BaseModel] | None
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    also: tuple[int, ...] = ()
    success: int = 200
    is_hot: bool = False
    is_cached: bool = False


def described(routes: Sequence[Served]) -> dict[str, Any]:
    """Return the page."""
    page = get_openapi(
        title="Countersign",
        version=__version__,
        description="What is applied to production, and how the controller stands.",
        routes=[APIRoute(one.path, one.endpoint, **keywords(one)) for one in routes],
    )
    page["components"]["schemas"]["Problem"] = Problem.model_json_schema()
    page["components"]["securitySchemes"] = {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "asked for wherever the API does not listen on loopback alone",
        }
    }
    return page


def keywords(one: Served) -> dict[str, Any]:
    """Return what FastAPI is told of a route. Endpoints read their requests themselves."""
    extra: dict[str, Any] = {"parameters": [*_in_path(one.path), *_in_query(one.query)]}
    if one.body is not None:
        schema = one.body.model_json_schema()
        extra["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _inlined(schema)}},
        }
    return {
        "methods": [one.method],
        "summary": one.summary,
        "response_model": None,
        "status_code": one.success,
        "operation_id": _name(one),
        "responses": _responses(one),
        "openapi_extra": extra,
    }


def _name(one: Served) -> str:
    words = one.path.replace(":path", "").replace(":", "/").strip("/").split("/")
    return "_".join(word.strip("{}").replace(".", "_") for word in words)


def _responses(one: Served) -> dict[int | str, dict[str, Any]]:
    schema = {"$ref": "#/components/schemas/Problem"}
    content = {problems.MEDIA_TYPE: {"schema": schema}}
    problem: dict[str, Any] = {"description": _said(Problem), "content": content}
    found: dict[int | str, dict[str, Any]] = {}
    for status in (one.success, *one.also):
        if one.answer is None:
            text = {"text/plain": {"schema": {"type": "string"}}}
            found[status] = {"description": "text", "content": text}
        else:
            found[status] = {"model": one.answer, "description": _said(one.answer)}
    if one.is_cached:
        found[304] = {"description": "the client has it already"}
    return {**found, "4XX": problem, "5XX": problem}


def _said(model: type[BaseModel]) -> str:
    return (model.__doc__ or model.__name__).partition("\n")[0]


def _in_path(path: str) -> list[dict[str, Any]]:
    names = [part[1:-1].partition(":")[0] for part in path.split("/") if part.startswith("{")]
    return [
        {"name": name, "in": "path", "required": True, "schema": _PLACES[name]} for name in names
    ]


def _in_query(model: type[BaseModel] | None) -> list[dict[str, Any]]:
    if model is None:
        return []
    schema = model.model_json_schema()
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _plain(name, facts)}
        for name, facts in schema["properties"].items()
    ]


def _plain(name: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return a parameter's schema: one that is left out is no `null`."""
    words = {key: value for key, value in facts.items() if key not in {"anyOf", "default", "title"}}
    kinds = [kind for kind in facts.get("anyOf", ()) if kind != {"type": "null"}]
    for kind in kinds:
        words.update(kind)
    if facts.get("default") is not None:
        words["default"] = facts["default"]
    if name in _PATTERNS:
        words["pattern"] = _PATTERNS[name]
    return words


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with its definitions in their places."""
    definitions = schema.pop("$defs", {})

    def put(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                return put(definitions[node["$ref"].rpartition("/")[2]])
            return {key: put(value) for key, value in node.items()}
        return [put(one) for one in node] if isinstance(node, list) else node

    found: dict[str, Any] = put(schema)
    return found
