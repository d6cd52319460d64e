"""Who may ask what: a scope for each route, and where nobody is asked who they are."""

from enum import StrEnum
from http import HTTPStatus
from typing import Protocol

from starlette.requests import Request

from controller.web.problems import RequestRefused


class Scope(StrEnum):
    """What a token lets its bearer ask for."""

    DIRECTORY = "directory:read"
    STATUS = "status:read"
    EVENTS = "events:read"
    METRICS = "metrics:read"


class Unauthenticated(RequestRefused):
    """No token, or none that holds here."""

    code = "api.unauthenticated"
    status = HTTPStatus.UNAUTHORIZED

    def __init__(self, reason: str, *, error: str = "") -> None:
        told = f', error="{error}"' if error else ""
        challenge = f'Bearer realm="countersign"{told}'
        super().__init__(reason, headers={"www-authenticate": challenge})


class NotAllowed(RequestRefused):
    """The token holds, but not for this."""

    code = "api.not_allowed"
    status = HTTPStatus.FORBIDDEN

    def __init__(self, scope: Scope) -> None:
        challenge = f'Bearer realm="countersign", error="insufficient_scope", scope="{scope}"'
        super().__init__(
            f"the token lacks the scope {scope}", headers={"www-authenticate": challenge}
        )


class Access(Protocol):
    """Decides who is let in."""

    @property
    def is_open(self) -> bool:
        """Whether nobody is asked for a token."""
        ...

    def problem(self) -> str:
        """Return why nobody can be let in now; empty when all is well."""
        ...

    def prepare(self) -> None:
        """Fetch what is needed before the first request; failures show in `problem`."""
        ...

    async def admit(self, request: Request, scope: Scope | None) -> None:
        """Let a request pass, or raise; `None` asks for any token that holds."""
        ...


class Open:
    """Lets everybody in: for an address that only this host reaches."""

    is_open = True

    def problem(self) -> str:
        """Return nothing: nothing is needed."""
        return ""

    def prepare(self) -> None:
        """Do nothing."""

    async def admit(self, request: Request, scope: Scope | None) -> None:
        """Let the request pass."""
