"""What routes are made with, handed in by whoever starts the server."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from starlette.requests import Request

from controller.adapters.postgres import Connection, translated
from controller.kernel.errors import Refused
from controller.kernel.instants import Clock
from controller.policy.identifiers import Scheme
from controller.reconcile.changes import UnknownRevision
from controller.reconcile.keeper import State
from controller.reconcile.resolve import NothingApplied
from controller.reconcile.snapshot import Snapshot
from controller.reconcile.windows import Windows
from controller.web.access import Access, Scope
from controller.web.meters import Meters
from controller.web.problems import CLOSE, BadRequest, NotServing

Given = ParamSpec("Given")
Found = TypeVar("Found")
Connections = Callable[[], AbstractContextManager[Connection[Any]]]


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that answers are made of. `connections` lends connections that commit alone.

    `workers` are the threads that ask the database: one that is away keeps nobody else waiting.
    """

    environment: str
    clock: Clock
    schemes: Mapping[str, Scheme]
    snapshot: Callable[[], Snapshot | None]
    state: Callable[[], State]
    connections: Connections
    access: Access
    meters: Meters
    workers: Executor
    windows: Windows = field(default_factory=Windows)
    host_folder: Path | None = None
    """What holds new revisions back on this host, beside what the database says."""

    async def admit(self, request: Request, scope: Scope | None) -> None:
        """Let a request pass that may ask this, and brings no body where none belongs."""
        length = request.headers.get("content-length", "0").strip()
        if request.method == "GET" and (length != "0" or "transfer-encoding" in request.headers):
            raise BadRequest("a body comes with POST alone", headers=CLOSE)
        await self.access.admit(request, scope)

    async def aside(
        self, work: Callable[Given, Found], *given: Given.args, **named: Given.kwargs
    ) -> Found:
        """Do what asks the database in a thread of its own."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.workers, partial(work, *given, **named))

    @contextmanager
    def database(self) -> Iterator[Connection[Any]]:
        """Lend a connection; what the database refuses of us is no fault of the request."""
        try:
            with self.connections() as connection, translated():
                yield connection
        except NothingApplied as error:
            raise NotServing(str(error)) from error
        except UnknownRevision:
            raise
        except Refused as error:
            raise NotServing(f"the database cannot be asked ({error.code})") from error
