"""Webhooks: somebody who knows a secret says that there is something to look at, and no more.

A body is proven to come from whoever knows the secret, and then thrown away: nothing of it is
parsed, kept or used. However many arrive, looks are asked for at an interval. Who is not proven
causes none.
"""

import asyncio
import hmac
import logging
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import StrEnum
from hashlib import sha256
from time import monotonic

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from controller.kernel.errors import ControllerError, Refused
from controller.web import reading
from controller.web.access import Unauthenticated
from controller.web.envelope import answer
from controller.web.meters import Meters
from controller.web.problems import NoSuchRoute, TooBusy

BODY_MAX_BYTES = 1024 * 1024
BODIES_MAX = 16
"""So many bodies are held at once, which bounds what strangers may fill of our memory."""

REMEMBERED_MAX = 10_000
REMEMBERED_SECONDS = 3_600.0
SECRET_MIN_BYTES = 16
RETRY_SECONDS = 5.0
_HEX = re.compile(r"(?:sha256=)?([0-9a-f]{64})", re.IGNORECASE)


class Provider(StrEnum):
    """Who sends webhooks."""

    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"
    GENERIC = "generic"


_SIGNATURES: Mapping[Provider, str] = {
    Provider.GITHUB: "x-hub-signature-256",
    Provider.GITEA: "x-gitea-signature",
    Provider.GENERIC: "x-signature",
}
_TOKEN = "x-gitlab-token"  # noqa: S105  a header's name


class WeakSecret(Refused):
    """A webhook's secret is so short that somebody could guess it."""

    code = "webhooks.weak_secret"

    def __init__(self, provider: Provider) -> None:
        super().__init__(
            f"the secret of webhooks.{provider} has fewer than {SECRET_MIN_BYTES} bytes",
            hint="make one with `openssl rand -hex 32`, and give it to both sides",
        )


class Waker:
    """Asks for looks, at most one in an interval; none that is owed is lost while this runs."""

    def __init__(self, wake: Callable[[str], None], interval_seconds: float) -> None:
        self._wake, self._interval = wake, interval_seconds
        self._last = -interval_seconds
        self.retry_seconds = RETRY_SECONDS
        self._owed = ""
        self._paying: asyncio.Task[None] | None = None

    async def ask(self, reason: str) -> None:
        """Ask now, or once the interval is over; raise when asking now fails."""
        if self._paying is None and monotonic() >= self._last + self._interval:
            before, self._last = self._last, monotonic()
            try:
                await run_in_threadpool(self._wake, reason)
            except ControllerError:
                self._last = before
                raise
            return
        self._owed = reason
        if self._paying is None:
            self._paying = asyncio.create_task(self._pay())

    async def _pay(self) -> None:
        """Ask for what is owed, until nothing is; try again for as long as it fails."""
        while self._owed:
            await asyncio.sleep(max(0.0, self._last + self._interval - monotonic()))
            # Whoever comes from here on is owed another look: this one may begin too early.
            reason, self._owed, self._last = self._owed, "", monotonic()
            try:
                await run_in_threadpool(self._wake, reason)
            except ControllerError as error:
                logging.getLogger("countersign.api").warning("a look is owed: %s", error.code)
                self._owed = reason
                await asyncio.sleep(self.retry_seconds)
        self._paying = None


class Replays:
    """Remembers which webhooks came, for a while; the oldest are forgotten first."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._seen: OrderedDict[bytes, float] = OrderedDict()

    def has(self, name: bytes) -> bool:
        """Whether it came before."""
        seen = self._seen.get(name)
        return seen is not None and self._now() - seen < REMEMBERED_SECONDS

    def add(self, name: bytes) -> None:
        """Take note that it came."""
        self._seen[name] = self._now()
        self._seen.move_to_end(name)
        while len(self._seen) > REMEMBERED_MAX:
            self._seen.popitem(last=False)

    def forget(self, name: bytes) -> None:
        """Forget it: what it asked for was not done."""
        with suppress(KeyError):
            del self._seen[name]


class Webhooks:
    """The route. `secrets` holds one for each sender that is heard."""

    def __init__(
        self,
        secrets: Mapping[Provider, bytes],
        wake: Callable[[str], None],
        meters: Meters,
        *,
        interval_seconds: float = 1.0,
    ) -> None:
        for provider, secret in secrets.items():
            if len(secret) < SECRET_MIN_BYTES:
                raise WeakSecret(provider)
        self._secrets, self._meters = secrets, meters
        self._waker, self._replays = Waker(wake, interval_seconds), Replays()
        self._bodies = 0

    async def receive(self, request: Request) -> Response:
        """Prove who sent a webhook, and ask for a look."""
        provider = self._provider(request.path_params["provider"])
        result = "failed"
        try:
            name = await self._proven(request, provider)
            result = "replayed" if self._replays.has(name) else "accepted"
            if result == "accepted":
                self._replays.add(name)
                try:
                    await self._waker.ask(f"webhook:{provider}")
                except ControllerError:
                    self._replays.forget(name)
                    raise
        except Unauthenticated:
            result = "forged"
            raise
        except Refused:
            result = "refused"
            raise
        finally:
            self._meters.hook(provider.value, result)
        return answer({"accepted": True}, status=202)

    def _provider(self, name: str) -> Provider:
        for provider in self._secrets:
            if provider.value == name:
                return provider
        raise NoSuchRoute(
            "no webhook of this sender is heard", hint="name its secret in the settings"
        )

    async def _proven(self, request: Request, provider: Provider) -> bytes:
        """Return a name for what was sent, once it is proven; two that are the same have one."""
        secret = self._secrets[provider]
        if provider is Provider.GITLAB:
            given = request.headers.get(_TOKEN, "").encode("latin-1", "replace")
            if not hmac.compare_digest(given, secret):
                raise _forged()
            body = await self._body(request)
            return sha256(b"gitlab\0" + body).digest()
        match = _HEX.fullmatch(request.headers.get(_SIGNATURES[provider], "").strip())
        if match is None:
            raise _forged()
        given = bytes.fromhex(match[1])
        body = await self._body(request)
        expected = hmac.digest(secret, body, "sha256")
        if not hmac.compare_digest(given, expected):
            raise _forged()
        # What names a delivery is its signature: a delivery's id is not signed.
        return provider.value.encode() + b"\0" + expected

    async def _body(self, request: Request) -> bytes:
        if self._bodies >= BODIES_MAX:
            raise TooBusy(f"{BODIES_MAX} webhooks are read already")
        self._bodies += 1
        try:
            return await reading.body(request, size_max_bytes=BODY_MAX_BYTES)
        finally:
            self._bodies -= 1


def _forged() -> Unauthenticated:
    return Unauthenticated("nothing shows that this comes from whoever knows the secret")
