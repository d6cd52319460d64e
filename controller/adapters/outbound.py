"""The only door to httpx: one request to somebody else's server, within a time and a size.

Nothing of the process's environment is used: no proxy, no CA and no `.netrc` that a setting does
not name. No redirect is followed, because what we carry is for one address. An address may be a
secret itself, so no error and no log says more of it than its host.
"""

import asyncio
import logging
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx

from controller import __version__
from controller.kernel.errors import Refused, Unavailable

RETRY_AFTER_MAX_SECONDS = 3_600.0
USER_AGENT = f"countersign/{__version__}"

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_AGAIN = {408, 425, 429}
_LIMITED = {403, 429}

# httpx tells its log the whole address of each request, and an address may be a secret.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class BadReceiverUrl(Refused):
    """An address is none that we send to. It is not repeated: it may be a secret."""

    code = "outbound.bad_url"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"the address of {name}: {reason}",
            hint="https://HOST/PATH without a user; http:// is for this host alone",
        )
        self.name, self.reason = name, reason


class BadCaFile(Refused):
    """The file of a CA of our own cannot be read, or holds no certificate."""

    code = "outbound.bad_ca_file"

    def __init__(self, name: str, file: Path) -> None:
        super().__init__(
            f"the CA file of {name}: {file} cannot be read as certificates",
            hint="put the CA's certificates there, in PEM, readable by the user that runs this",
        )
        self.name = name


class ReceiverRefused(Refused):
    """Whoever was asked answered that the request is wrong: it stays wrong when sent again."""

    code = "outbound.refused"

    def __init__(self, name: str, host: str, status: int) -> None:
        super().__init__(
            f"{name}: {host} refused it with status {status}", hint=_HINTS.get(status, "")
        )
        self.name, self.status = name, status


class ReceiverUnavailable(Unavailable):
    """No answer, or one that says to come back: the same request may succeed later.

    `retry_after_seconds` is when the receiver asked to be asked again, if it did.
    """

    code = "outbound.unavailable"

    def __init__(
        self, name: str, host: str, reason: str, *, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(f"{name}: {host}: {reason}")
        self.name, self.reason = name, reason
        self.retry_after_seconds = retry_after_seconds


_HINTS = {
    301: "it moved: set the new address",
    302: "it sends us elsewhere, and we do not go: set the right address",
    307: "it sends us elsewhere, and we do not go: set the right address",
    308: "it moved: set the new address",
    401: "is the token or the secret right, and still in force?",
    403: "may this token do that?",
    404: "is the address right? Some answer the same to a token that may not see it",
    410: "it was taken away there: make a new one",
    422: "it does not know what we speak of, for example the commit",
}


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long a request may take, in all and in parts, and how large an answer may be."""

    connect_seconds: float = 5.0
    read_seconds: float = 10.0
    total_seconds: float = 15.0
    answer_max_bytes: int = 64 * 1024


@dataclass(frozen=True, slots=True)
class Route:
    """How a receiver is reached. `name` is what people read; `proxy` holds no secret."""

    name: str
    ca_file: Path | None = None
    proxy: str | None = None
    bounds: Bounds = Bounds()


@dataclass(frozen=True, slots=True)
class Call:
    """One request; neither its address nor its headers show up where it is printed."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `retry_after_seconds` is set where the receiver said when to come again."""

    status: int
    body: bytes
    retry_after_seconds: float | None = None
    is_limited: bool = False
    """Whether a count of requests is used up, as forges say it with status 403."""


def send(route: Route, call: Call) -> Answer:
    """Send a request that has to be taken: return a 2xx answer, raise for any other.

    Raises `ReceiverRefused` where it is no use to send it again, `ReceiverUnavailable` where it
    may be.
    """
    answer, host = exchange(route, call), host_of(route.name, call.url)
    status = answer.status
    if 200 <= status < 300:
        return answer
    if status >= 500 or status in _AGAIN or (status in _LIMITED and answer.is_limited):
        raise ReceiverUnavailable(
            route.name,
            host,
            f"it answered with status {status}",
            retry_after_seconds=answer.retry_after_seconds,
        )
    raise ReceiverRefused(route.name, host, status)


def exchange(route: Route, call: Call) -> Answer:
    """Send a request and return whatever is answered; raise `ReceiverUnavailable` without one."""
    host = host_of(route.name, call.url)
    try:
        return asyncio.run(_within(route, call))
    except TimeoutError:
        reason = f"no whole answer within {route.bounds.total_seconds:g} s"
    except httpx.TimeoutException:
        reason = "it does not answer in time"
    except httpx.HTTPError as error:
        reason = _reason(error)
    except (httpx.InvalidURL, UnicodeError, ValueError):
        # Not from the error: its words hold the address.
        raise BadReceiverUrl(route.name, "it, or a header, cannot be sent") from None
    raise ReceiverUnavailable(route.name, host, reason)


def host_of(name: str, url: str) -> str:
    """Return which host an address leads to, or refuse the address: all that may be shown of it."""
    parts = _parts(name, url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port}" if parts.port is not None else f"{host}"


def _parts(name: str, url: str) -> SplitResult:
    if not _PRINTABLE.fullmatch(url):
        raise BadReceiverUrl(name, "it is empty, or holds blanks or other than ASCII")
    try:
        parts = urlsplit(url)
        _port = parts.port
    except ValueError:
        raise BadReceiverUrl(name, "its host or its port is none") from None
    if not parts.hostname:
        raise BadReceiverUrl(name, "it has no host")
    if "@" in parts.netloc:
        raise BadReceiverUrl(name, "it holds a user or a password")
    if parts.fragment:
        raise BadReceiverUrl(name, "it has a fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise BadReceiverUrl(name, "it is not https")
    return parts


async def _within(route: Route, call: Call) -> Answer:
    # Timeouts of parts begin anew with each byte that drips in; this one does not.
    async with asyncio.timeout(route.bounds.total_seconds):
        return await _ask(route, call)


async def _ask(route: Route, call: Call) -> Answer:
    bounds = route.bounds
    transport = httpx.AsyncHTTPTransport(
        verify=_trusted(route), proxy=route.proxy, trust_env=False, retries=0
    )
    headers = {"user-agent": USER_AGENT, "accept-encoding": "identity", **call.headers}
    async with (
        httpx.AsyncClient(
            transport=transport,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(bounds.read_seconds, connect=bounds.connect_seconds),
        ) as client,
        client.stream(call.method, call.url, headers=headers, content=call.body) as response,
    ):
        body = bytearray()
        # Raw: an answer that unpacks to more than it is, is none we asked for.
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > bounds.answer_max_bytes:
                break
        return Answer(
            response.status_code,
            bytes(body[: bounds.answer_max_bytes]),
            _retry_after(response.headers),
            "retry-after" in response.headers
            or response.headers.get("x-ratelimit-remaining") == "0",
        )


def _trusted(route: Route) -> ssl.SSLContext:
    """Return whom we trust: the CA that a setting names alone, else the list that is shipped."""
    if route.ca_file is None:
        return httpx.create_ssl_context(trust_env=False)
    try:
        return ssl.create_default_context(cafile=str(route.ca_file))
    except (OSError, ssl.SSLError):
        raise BadCaFile(route.name, route.ca_file) from None


def _retry_after(headers: Mapping[str, Any]) -> float | None:
    """Return how many seconds to wait; a date, which clocks may differ on, is passed over."""
    text = str(headers.get("retry-after", "")).strip()
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        return None
    return min(float(text), RETRY_AFTER_MAX_SECONDS)


def _reason(error: httpx.HTTPError) -> str:
    """Return what went wrong in words of ours: an error's own may hold what was sent."""
    if isinstance(error.__cause__ or error.__context__, ssl.SSLCertVerificationError) or (
        "CERTIFICATE_VERIFY_FAILED" in str(error)
    ):
        return "nobody we trust vouches for its certificate"
    match error:
        case httpx.ConnectError():
            return "it cannot be reached"
        case httpx.RemoteProtocolError():
            return "it answered with something that is not HTTP, or cut the connection"
        case _:
            return "the connection broke"
