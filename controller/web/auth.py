"""Bearer tokens: checked once, remembered for a while, and let in by scope.

The algorithm comes from our settings and the key from the issuer; nothing that a token says of
itself chooses either. A token is never repeated, in no answer and no log.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry
from joserfc.jws import JWSRegistry
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from controller.kernel.instants import Clock
from controller.web.access import NotAllowed, Scope, Unauthenticated
from controller.web.jwks import KeyStore

TOKEN_MAX_BYTES = 8 * 1024
SKEW_SECONDS = 60
REMEMBERED_SECONDS = 300
REMEMBERED_MAX = 4_096
_SECONDS_MAX = 1 << 40
_TYPES = {"jwt", "at+jwt", "application/at+jwt"}
_FOREIGN = {"jwk", "jku", "x5u", "x5c", "crit"}


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whoever a token stands for, what it lets them ask, and until when, in epoch seconds."""

    subject: str
    scopes: frozenset[str]
    expires: float


class Tokens:
    """Lets in whoever brings a token of the issuer, for our audience, with the route's scope."""

    is_open = False

    def __init__(
        self,
        keys: KeyStore,
        audience: str,
        clock: Clock,
        *,
        remembered_max: int = REMEMBERED_MAX,
    ) -> None:
        self._remembered_max = remembered_max
        self._keys, self._audience, self._clock = keys, audience, clock
        self._remembered: OrderedDict[bytes, tuple[float, Bearer]] = OrderedDict()
        self._generation = keys.generation
        self._lock = Lock()

    def problem(self) -> str:
        """Return why tokens cannot be checked as they should be."""
        return self._keys.problem

    def prepare(self) -> None:
        """Fetch the issuer's keys."""
        self._keys.prepare()

    async def admit(self, request: Request, scope: Scope | None) -> None:
        """Let a request pass that brings a good token, or raise."""
        given = request.headers.getlist("authorization")
        if not given:
            raise Unauthenticated("a bearer token is needed")
        kind, _, token = given[0].partition(" ")
        if len(given) > 1 or kind.lower() != "bearer":
            raise Unauthenticated("one bearer token is needed", error="invalid_request")
        token = token.strip()
        bearer = self._known(token)
        if bearer is None:
            bearer = await run_in_threadpool(self.verify, token)
        if scope is not None and scope not in bearer.scopes:
            raise NotAllowed(scope)

    def verify(self, token: str) -> Bearer:
        """Check a token from the beginning. Raises `Unauthenticated` and `NoKeys`."""
        generation = self._keys.generation
        if len(token) > TOKEN_MAX_BYTES or not token.isascii():
            raise _invalid()
        try:
            decoded = jwt.decode(
                token,
                lambda one: self._key(one.headers()),
                registry=JWSRegistry(
                    algorithms=list(self._keys.algorithms), strict_check_header=False
                ),
            )
        except (JoseError, ValueError, TypeError, KeyError, RecursionError):
            raise _invalid() from None
        bearer = self._bearer(decoded.claims)
        self._remember(token, bearer, generation)
        return bearer

    def _key(self, header: Mapping[str, Any]) -> Any:
        kind, key_id = header.get("typ"), header.get("kid")
        if not isinstance(kind, str) or kind.lower() not in _TYPES:
            raise _invalid()
        if not isinstance(key_id, str) or _FOREIGN & header.keys():
            raise _invalid()
        found = self._keys.find(key_id)
        if found is None:
            raise _invalid()
        return JWKRegistry.import_key(found)

    def _bearer(self, claims: object) -> Bearer:
        if not isinstance(claims, dict) or claims.get("iss") != self._keys.issuer:
            raise _invalid()
        audience = claims.get("aud")
        named = audience if isinstance(audience, list) else [audience]
        if self._audience not in named:
            raise _invalid()
        now = self._clock.now().timestamp()
        expires, begins = _seconds(claims, "exp"), _seconds(claims, "nbf", 0.0)
        if not (begins - SKEW_SECONDS <= now < expires + SKEW_SECONDS):
            raise _invalid()
        if _seconds(claims, "iat", 0.0) - SKEW_SECONDS > now:
            raise _invalid()
        return Bearer(str(claims.get("sub", "")), _scopes(claims), expires)

    def _known(self, token: str) -> Bearer | None:
        digest, now = sha256(token.encode(errors="replace")).digest(), self._clock.now().timestamp()
        with self._lock:
            if self._generation != self._keys.generation:
                self._remembered.clear()
                self._generation = self._keys.generation
            until, bearer = self._remembered.get(digest, (0.0, None))
            if bearer is None or now >= until:
                self._remembered.pop(digest, None)
                return None
            self._remembered.move_to_end(digest)
            return bearer

    def _remember(self, token: str, bearer: Bearer, generation: int) -> None:
        until = min(bearer.expires, self._clock.now().timestamp() + REMEMBERED_SECONDS)
        with self._lock:
            if generation != self._keys.generation:
                return  # checked with keys that are not the issuer's any more, perhaps
            self._remembered[sha256(token.encode()).digest()] = (until, bearer)
            while len(self._remembered) > self._remembered_max:
                self._remembered.popitem(last=False)


def _invalid() -> Unauthenticated:
    # Which part of it is wrong is not told: whoever made the token knows.
    return Unauthenticated("the token is not good here", error="invalid_token")


def _seconds(claims: Mapping[str, Any], name: str, default: float | None = None) -> float:
    value = claims.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _invalid()
    if not 0 <= value <= _SECONDS_MAX:
        raise _invalid()
    return float(value)


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    given = claims.get("scope", claims.get("scp", ""))
    words = given.split(" ") if isinstance(given, str) else given
    if not isinstance(words, list):
        raise _invalid()
    return frozenset(one for one in words if isinstance(one, str))
