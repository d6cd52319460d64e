"""The keys that an identity provider signs tokens with: found, fetched, kept and filtered.

A key nobody knows may be a new one, so it is looked for again, but not at everybody's asking. While
the provider is away, the keys that it had go on for a day.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic
from typing import Any

from controller.kernel import strictjson
from controller.kernel.errors import ControllerError, Refused, Unavailable

TTL_SECONDS = 600.0
UNKNOWN_SECONDS = 30.0
"""Between two fetches lies so much time at least, whatever tokens ask for."""

STALE_SECONDS = 24 * 3_600.0
DISCOVERY_SECONDS = 6 * 3_600.0
DOCUMENT_MAX_BYTES = 64 * 1024
KEYS_MAX = 100
_WELL_KNOWN = "/.well-known/openid-configuration"
_CURVES = {"ES256": "P-256", "ES384": "P-384", "Ed25519": "Ed25519"}
_KINDS = {"ES256": "EC", "ES384": "EC", "Ed25519": "OKP", "RS256": "RSA", "PS256": "RSA"}

Fetch = Callable[[str], bytes]
"""Return the body of a good answer to a GET, or raise an error of ours."""


class BadIssuer(Refused):
    """What the identity provider publishes is not what we read."""

    code = "auth.bad_issuer"


class NoKeys(Unavailable):
    """There are no keys: the identity provider was never reached, or too long ago."""

    code = "auth.no_keys"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"tokens cannot be checked: {why}",
            hint="is the issuer of api.oidc right, and can it be reached from this host?",
        )


@dataclass(slots=True)
class KeyStore:
    """The keys of one issuer, as JWK members by key id."""

    issuer: str
    algorithms: tuple[str, ...]
    fetch: Fetch
    now: Callable[[], float] = monotonic
    generation: int = field(default=0, init=False)
    """Grows whenever the keys change: what was checked with others is void."""
    _keys: Mapping[str, dict[str, Any]] = field(default_factory=dict, init=False)
    _fetched: float | None = field(default=None, init=False)
    _tried: float | None = field(default=None, init=False)
    _uri: str = field(default="", init=False)
    _found: float = field(default=0.0, init=False)
    _problem: str = field(default="nothing was fetched yet", init=False)
    _lock: Lock = field(default_factory=Lock, init=False)

    @property
    def problem(self) -> str:
        """Why the keys are not as they should be; empty when they are."""
        return self._problem

    def find(self, key_id: str) -> dict[str, Any] | None:
        """Return a key; `None` when the issuer has none of this id. Raises `NoKeys`."""
        if self._age() >= TTL_SECONDS:
            self._refresh(wait=self._age() >= STALE_SECONDS)
        found = self._keys.get(key_id)
        if found is None:
            self._refresh(wait=True)
            found = self._keys.get(key_id)
        if self._age() >= STALE_SECONDS:
            raise NoKeys(self._problem)
        return found

    def prepare(self) -> None:
        """Fetch the keys if they are due."""
        if self._age() >= TTL_SECONDS:
            self._refresh(wait=True)

    def _age(self) -> float:
        return STALE_SECONDS if self._fetched is None else self.now() - self._fetched

    def _refresh(self, *, wait: bool) -> None:
        """Fetch the keys, unless somebody just did; those who need not wait do not."""
        if not self._lock.acquire(blocking=wait):
            return
        try:
            now = self.now()
            if self._tried is not None and now - self._tried < UNKNOWN_SECONDS:
                return
            self._tried = now
            keys = _usable(self._document(now), self.algorithms)
            if keys != self._keys:
                self._keys, self.generation = keys, self.generation + 1
            self._fetched, self._problem = now, ""
        except ControllerError as error:
            self._uri, self._problem = "", str(error)
            logging.getLogger("countersign.api").warning("keys of the issuer: %s", error)
        finally:
            self._lock.release()

    def _document(self, now: float) -> Mapping[str, Any]:
        if not self._uri or now - self._found >= DISCOVERY_SECONDS:
            found = _object(self.fetch(self.issuer.rstrip("/") + _WELL_KNOWN))
            if found.get("issuer") != self.issuer:
                raise BadIssuer("the provider names itself otherwise than api.oidc.issuer does")
            uri = found.get("jwks_uri")
            if not isinstance(uri, str):
                raise BadIssuer("the provider does not say where its keys are")
            self._uri, self._found = uri, now
        return _object(self.fetch(self._uri))


def _object(data: bytes) -> Mapping[str, Any]:
    found = strictjson.parse(data, size_max_bytes=DOCUMENT_MAX_BYTES)
    if not isinstance(found, dict):
        raise BadIssuer("the provider answers with something that is no object")
    return found


def _usable(document: Mapping[str, Any], algorithms: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Return the keys that may verify; one key id that stands twice is nobody's."""
    keys = document.get("keys")
    if not isinstance(keys, list):
        raise BadIssuer("the provider's keys are not a list")
    found: dict[str, dict[str, Any]] = {}
    twice = set()
    for key in keys[:KEYS_MAX]:
        if not isinstance(key, dict) or not _verifies(key, algorithms):
            continue
        if key["kid"] in found:
            twice.add(key["kid"])
        found[key["kid"]] = key
    usable = {key_id: key for key_id, key in found.items() if key_id not in twice}
    if not usable:
        raise BadIssuer("the provider has no key for an algorithm that is let in")
    return usable


def _verifies(key: dict[str, Any], algorithms: tuple[str, ...]) -> bool:
    if not isinstance(key.get("kid"), str) or not key["kid"] or "d" in key:
        return False
    if key.get("use", "sig") != "sig" or "verify" not in key.get("key_ops", ["verify"]):
        return False
    allowed = [key["alg"]] if "alg" in key else algorithms
    return any(
        one in algorithms
        and key.get("kty") == _KINDS[one]
        and key.get("crv") == _CURVES.get(one, key.get("crv"))
        for one in allowed
    )
