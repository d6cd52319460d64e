"""What changed since a revision, page by page, for whoever keeps a copy of the directory."""

import re
from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from controller.reconcile import changes as revisions
from controller.stores.directory.changes import Change, Place
from controller.stores.directory.tables import STORE_TABLES
from controller.web import reading
from controller.web.access import Scope
from controller.web.envelope import answer
from controller.web.problems import BadRequest
from controller.web.reading import Number, Whole, Wire
from controller.web.services import Services

_PLACE = re.compile(rf"^({'|'.join(STORE_TABLES)})\.([0-9a-f]{{16}})$")
_KEY_BITS = 64


class ChangesQuery(Wire):
    """Since which revision changes are asked for, and where a page begins."""

    since: Number = Field(description="the revision of a copy; 0: of none")
    after: Annotated[str, Field(pattern=_PLACE.pattern)] | None = Field(
        default=None, description="`next` of the page before"
    )
    limit: Whole = Field(default=revisions.LIMIT_MAX, ge=1, le=revisions.LIMIT_MAX)


class Changes:
    """The route; it asks for the scope `directory:read`."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def changes(self, request: Request) -> Response:
        """Answer which keys came, changed or went after a revision."""
        await self._services.admit(request, Scope.DIRECTORY)
        query = reading.parameters(request, ChangesQuery)
        after = _place(query.after) if query.after is not None else None
        return await self._services.aside(self._page, query, after)

    def _page(self, query: ChangesQuery, after: Place | None) -> Response:
        services = self._services
        with services.database() as connection:
            page = revisions.changes(
                connection, services.environment, query.since, after=after, limit=query.limit
            )
        following = page.following
        return answer(
            {
                "since": query.since,
                "revision": page.revision,
                "commit": page.commit,
                "changes": [_change(one) for one in page.changes],
                "next": _token(following) if following is not None else None,
            }
        )


def _change(one: Change) -> dict[str, Any]:
    return {
        "change": one.kind.value,
        "table": one.table,
        "key": list(one.key),
        "revision": one.revision,
    }


def _token(place: Place) -> str:
    # Hexadecimal: a long decimal number could be a card's.
    return f"{place.table}.{place.row_key % (1 << _KEY_BITS):016x}"


def _place(token: str) -> Place:
    match = _PLACE.fullmatch(token)
    if match is None:
        raise BadRequest("after: take it from `next` of the page before")
    key = int(match[2], 16)
    return Place(match[1], key - (1 << _KEY_BITS) if key >> (_KEY_BITS - 1) else key)
