"""The root document's schema, in plain strict code: JSON members become typed values, or nothing.

Deny by default: an absent role lets nobody sign, an unknown member is refused.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from controller.kernel import strictjson
from controller.kernel.canonical import Digest
from controller.kernel.errors import Refused, Untrusted
from controller.kernel.instants import NotAnInstant, parse_instant
from controller.trust.keys import KeyId, Kind, PublicKey, Scheme, parse_public_line

KEYS_MAX = 256
ROLES_MAX = 1024
TEXTS_MAX = 64
NUMBER_MAX = 2**31 - 1
RESERVED_ENVIRONMENT = "bundles"
"""`floors` keeps bundle floors under this name, so no environment may have it."""

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_BUNDLE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}/[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_PATTERN = re.compile(r"bundles(?:/(?:\*\*|[a-z0-9._*?-]{1,64})){1,8}", re.ASCII)
_OWNER = re.compile(r"[!-~]{1,200}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_AGE = re.compile(r"P(?:(\d{1,4})D)?(?:T(\d{1,4})H)?", re.ASCII)
_MEMBERS = {"type", "repository", "version", "created", "expires", "keys", "roles"}
_OPTIONAL = {"revoked", "floors", "reset", "grandfathered"}
_ROLES = {"bundle", "release", "rollback", "heartbeat", "audit", "commit", "ci"}

T = TypeVar("T")


class MalformedRoot(Untrusted):
    """A root document does not say what a root must say, or contradicts itself."""

    code = "trust.malformed_root"

    def __init__(self, pointer: str, reason: str, *, hint: str = "") -> None:
        super().__init__(f"root {pointer or '/'}: {reason}", hint=hint)
        self.pointer, self.reason = pointer, reason


@dataclass(frozen=True, slots=True)
class WireRole:
    """Key ids and a threshold."""

    keys: tuple[KeyId, ...]
    threshold: int


@dataclass(frozen=True, slots=True)
class WireDelegation:
    """A role for bundles at some paths of some rails."""

    paths: tuple[str, ...]
    rails: frozenset[str]
    terminating: bool
    role: WireRole


@dataclass(frozen=True, slots=True)
class WireRollback:
    """A role with the greatest age of what it may roll back to."""

    role: WireRole
    max_age: timedelta


@dataclass(frozen=True, slots=True)
class Revocation:
    """From when on a key no longer counts, and why."""

    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Reset:
    """The release that an environment's serials start again from."""

    serial: int
    sha256: Digest


@dataclass(frozen=True, slots=True)
class Wire:
    """A root document's members, each typed; every key id named anywhere is among `keys`."""

    repository: str
    version: int
    created: datetime
    expires: datetime
    keys: Mapping[KeyId, PublicKey]
    root: WireRole
    bundle: tuple[WireDelegation, ...]
    release: Mapping[str, WireRole]
    rollback: Mapping[str, WireRollback]
    audit: Mapping[str, WireRole]
    heartbeat: WireRole | None
    commit: WireRole | None
    ci: WireRole | None
    revoked: Mapping[KeyId, Revocation]
    serial_floors: Mapping[str, int]
    bundle_floors: Mapping[str, int]
    reset: Mapping[str, Reset]
    grandfathered: tuple[Digest, ...]


def read(payload: bytes) -> Wire:
    """Read a root document's payload."""
    try:
        document = strictjson.parse(payload)
    except strictjson.MalformedJson as error:
        raise MalformedRoot("", str(error), hint=error.hint) from None
    members = _members(document, "", _MEMBERS, _OPTIONAL)
    if members["type"] != "root":
        raise MalformedRoot("/type", "must be 'root'")
    revoked = _mapping(members.get("revoked", {}), "/revoked", None, _revocation)
    keys = _keys(members["keys"], revoked)
    stranger = next((key for key in revoked if key not in keys), None)
    if stranger is not None:
        raise MalformedRoot(f"/revoked/{stranger}", "is not among keys")
    roles = _members(members["roles"], "/roles", {"root"}, _ROLES)
    serial_floors, bundle_floors = _floors(members.get("floors", {}))
    created = _instant(members["created"], "/created")
    expires = _instant(members["expires"], "/expires")
    if expires <= created:
        raise MalformedRoot("/expires", "is not after created")
    return Wire(
        repository=_text(members["repository"], "/repository", _UUID, "a lower-case UUID"),
        version=_number(members["version"], "/version"),
        created=created,
        expires=expires,
        keys={KeyId(key): value for key, value in keys.items()},
        root=_Roles(keys).one(roles["root"], "/roles/root"),
        bundle=_Roles(keys).delegations(roles.get("bundle", [])),
        release=_Roles(keys).named(roles.get("release", {}), "/roles/release"),
        rollback=_Roles(keys).rollbacks(roles.get("rollback", {})),
        audit=_Roles(keys).named(roles.get("audit", {}), "/roles/audit"),
        heartbeat=_Roles(keys).optional(roles, "heartbeat"),
        commit=_Roles(keys).optional(roles, "commit"),
        ci=_Roles(keys).optional(roles, "ci"),
        revoked={KeyId(key): value for key, value in revoked.items()},
        serial_floors=serial_floors,
        bundle_floors=bundle_floors,
        reset=_mapping(members.get("reset", {}), "/reset", _NAME, _reset),
        grandfathered=_grandfathered(members.get("grandfathered", [])),
    )


class _Roles:
    """Reads roles whose keys must be among those of the document."""

    def __init__(self, keys: Mapping[str, PublicKey]) -> None:
        self._keys = keys

    def one(self, value: object, pointer: str, *more: str) -> WireRole:
        members = _members(value, pointer, {"keys", "threshold", *more}, _OPTIONAL_ROLE)
        keys = tuple(
            self._key(key, f"{pointer}/keys/{index}")
            for index, key in enumerate(_list(members["keys"], f"{pointer}/keys", KEYS_MAX))
        )
        if len(set(keys)) != len(keys):
            raise MalformedRoot(f"{pointer}/keys", "names a key twice")
        threshold = _number(members["threshold"], f"{pointer}/threshold")
        owners = len({self._keys[key].owner for key in keys})
        if threshold > owners:
            raise MalformedRoot(
                f"{pointer}/threshold",
                f"{threshold} is more than the {owners} owners of its keys",
                hint="a threshold counts owners, not keys",
            )
        if _flag(members.get("exclude_author", False), f"{pointer}/exclude_author"):
            raise MalformedRoot(
                f"{pointer}/exclude_author",
                "is reserved and not supported yet",
                hint="leave it out, or set it to false; a threshold over owners does not need it",
            )
        return WireRole(keys, threshold)

    def optional(self, roles: Mapping[str, object], name: str) -> WireRole | None:
        return self.one(roles[name], f"/roles/{name}") if name in roles else None

    def named(self, value: object, pointer: str) -> dict[str, WireRole]:
        return _mapping(value, pointer, _NAME, self.one)

    def rollbacks(self, value: object) -> dict[str, WireRollback]:
        return _mapping(value, "/roles/rollback", _NAME, self._rollback)

    def delegations(self, value: object) -> tuple[WireDelegation, ...]:
        return tuple(
            self._delegation(item, f"/roles/bundle/{index}")
            for index, item in enumerate(_list(value, "/roles/bundle", ROLES_MAX))
        )

    def _key(self, value: object, pointer: str) -> KeyId:
        if not (isinstance(value, str) and value in self._keys):
            raise MalformedRoot(pointer, "is not among keys")
        return KeyId(value)

    def _rollback(self, value: object, pointer: str) -> WireRollback:
        role = self.one(value, pointer, "max_age")
        assert isinstance(value, dict)
        return WireRollback(role, _age(value["max_age"], f"{pointer}/max_age"))

    def _delegation(self, value: object, pointer: str) -> WireDelegation:
        wanted = {"paths", "rails", "terminating", "keys", "threshold"}
        members = _members(value, pointer, wanted - {"terminating"}, wanted | _OPTIONAL_ROLE)
        paths = _texts(members["paths"], f"{pointer}/paths", _PATTERN, "a glob below bundles/")
        rails = _texts(members["rails"], f"{pointer}/rails", _NAME, "a rail's name")
        terminating = _flag(members.get("terminating", False), f"{pointer}/terminating")
        mine = {"paths", "rails", "terminating"}
        role = {name: item for name, item in members.items() if name not in mine}
        return WireDelegation(paths, frozenset(rails), terminating, self.one(role, pointer))


_OPTIONAL_ROLE = {"exclude_author"}


def _keys(value: object, revoked: Mapping[str, Revocation]) -> dict[str, PublicKey]:
    if isinstance(value, dict) and len(value) > KEYS_MAX:
        raise MalformedRoot("/keys", f"more than {KEYS_MAX} keys")

    def read_one(item: object, pointer: str) -> PublicKey:
        key_id = pointer.removeprefix("/keys/").replace("~1", "/").replace("~0", "~")
        return _key(item, pointer, revoked.get(key_id))

    keys = _mapping(value, "/keys", None, read_one)
    seen: dict[bytes, str] = {}
    for key_id, key in keys.items():
        twin = seen.setdefault(key.material, key_id)
        if twin != key_id:
            raise MalformedRoot(
                f"/keys/{strictjson.escape(key_id)}", f"is the same key as {twin}, under another id"
            )
    for key_id, key in keys.items():
        if key_id != key.id:
            raise MalformedRoot(
                f"/keys/{strictjson.escape(key_id)}", f"the key's fingerprint is {key.id}"
            )
    return keys


def _key(value: object, pointer: str, revocation: Revocation | None) -> PublicKey:
    optional = {"not_before", "not_after"}
    members = _members(value, pointer, {"scheme", "public", "owner"}, optional)
    line = members["public"]
    if not isinstance(line, str):
        raise MalformedRoot(f"{pointer}/public", "must be an OpenSSH public key line")
    try:
        public = parse_public_line(line)
    except Refused as error:
        raise MalformedRoot(f"{pointer}/public", str(error), hint=error.hint) from error
    scheme = next((one for one in Scheme if one == members["scheme"]), None)
    if scheme is None:
        raise MalformedRoot(f"{pointer}/scheme", "must be 'ed25519' or 'sshsig'")
    if public.kind is Kind.SK_ED25519 and scheme is not Scheme.SSHSIG:
        raise MalformedRoot(f"{pointer}/scheme", "a security key signs as 'sshsig' only")
    not_before = _date(members, "not_before", pointer)
    not_after = _date(members, "not_after", pointer)
    if not_before is not None and not_after is not None and not_after <= not_before:
        raise MalformedRoot(f"{pointer}/not_after", "is not after not_before")
    return PublicKey(
        public=public,
        id=public.id,
        scheme=scheme,
        owner=_text(members["owner"], f"{pointer}/owner", _OWNER, "1 to 200 visible ASCII letters"),
        not_before=not_before,
        not_after=not_after,
        revoked_at=None if revocation is None else revocation.at,
        revoked_reason="" if revocation is None else revocation.reason,
    )


def _date(members: Mapping[str, object], name: str, pointer: str) -> datetime | None:
    """Return a date that may be absent; `null` is not the way to say so."""
    if name not in members:
        return None
    if members[name] is None:
        hint = "leave it out: without it the key counts on that side for as long as the root does"
        raise MalformedRoot(f"{pointer}/{name}", "is null", hint=hint)
    return _instant(members[name], f"{pointer}/{name}")


def _revocation(value: object, pointer: str) -> Revocation:
    members = _members(value, pointer, {"at", "reason"}, set())
    reason = members["reason"]
    if not (isinstance(reason, str) and len(reason) <= 200 and reason.isprintable()):
        raise MalformedRoot(f"{pointer}/reason", "must be a text of at most 200 characters")
    return Revocation(_instant(members["at"], f"{pointer}/at"), reason)


def _reset(value: object, pointer: str) -> Reset:
    members = _members(value, pointer, {"serial", "sha256"}, set())
    digest = _text(members["sha256"], f"{pointer}/sha256", _DIGEST, "64 lower-case hex digits")
    return Reset(_number(members["serial"], f"{pointer}/serial"), Digest(digest))


def _floors(value: object) -> tuple[dict[str, int], dict[str, int]]:
    floors = _mapping(value, "/floors", _NAME, lambda item, _pointer: item)
    bundles = floors.pop(RESERVED_ENVIRONMENT, {})
    serials = _mapping(floors, "/floors", _NAME, _serial_floor)
    return serials, _mapping(bundles, f"/floors/{RESERVED_ENVIRONMENT}", _BUNDLE, _number)


def _serial_floor(value: object, pointer: str) -> int:
    members = _members(value, pointer, {"serial"}, set())
    return _number(members["serial"], f"{pointer}/serial")


def _grandfathered(value: object) -> tuple[Digest, ...]:
    return tuple(
        Digest(_text(item, f"/grandfathered/{index}", _DIGEST, "64 lower-case hex digits"))
        for index, item in enumerate(_list(value, "/grandfathered", ROLES_MAX))
    )


def _members(
    value: object, pointer: str, required: set[str], optional: set[str]
) -> dict[str, object]:
    if not isinstance(value, dict):
        raise MalformedRoot(pointer, "must be an object")
    missing, unknown = required - value.keys(), value.keys() - required - optional
    if missing:
        raise MalformedRoot(pointer, f"lacks {min(missing)!r}")
    if unknown:
        raise MalformedRoot(pointer, f"has an unknown member {min(unknown)[:64]!r}")
    return value


def _mapping(
    value: object,
    pointer: str,
    name: re.Pattern[str] | None,
    read_one: Callable[[Any, str], T],
) -> dict[str, T]:
    if not isinstance(value, dict) or len(value) > ROLES_MAX:
        raise MalformedRoot(pointer, f"must be an object of at most {ROLES_MAX} members")
    for key in value:
        if name is not None and not name.fullmatch(key):
            raise MalformedRoot(pointer, f"{key[:64]!r} is not a name")
    reserved = pointer in {"/roles/release", "/roles/rollback", "/reset"}
    if reserved and RESERVED_ENVIRONMENT in value:
        raise MalformedRoot(pointer, f"no environment may be called {RESERVED_ENVIRONMENT!r}")
    return {
        key: read_one(item, f"{pointer}/{strictjson.escape(key)}") for key, item in value.items()
    }


def _list(value: object, pointer: str, most: int) -> list[object]:
    if not isinstance(value, list) or len(value) > most:
        raise MalformedRoot(pointer, f"must be a list of at most {most}")
    return value


def _texts(value: object, pointer: str, pattern: re.Pattern[str], what: str) -> tuple[str, ...]:
    items = _list(value, pointer, TEXTS_MAX)
    if not items:
        raise MalformedRoot(pointer, "must not be empty")
    return tuple(
        _text(item, f"{pointer}/{index}", pattern, what) for index, item in enumerate(items)
    )


def _text(value: object, pointer: str, pattern: re.Pattern[str], what: str) -> str:
    if not (isinstance(value, str) and pattern.fullmatch(value)):
        raise MalformedRoot(pointer, f"must be {what}")
    return value


def _number(value: object, pointer: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= NUMBER_MAX:
        raise MalformedRoot(pointer, f"must be a whole number from 1 to {NUMBER_MAX}")
    return value


def _flag(value: object, pointer: str) -> bool:
    if not isinstance(value, bool):
        raise MalformedRoot(pointer, "must be true or false")
    return value


def _instant(value: object, pointer: str) -> datetime:
    try:
        return parse_instant(value if isinstance(value, str) else "")
    except NotAnInstant as error:
        raise MalformedRoot(pointer, str(error), hint=error.hint) from None


def _age(value: object, pointer: str) -> timedelta:
    match = _AGE.fullmatch(value) if isinstance(value, str) else None
    age = timedelta(days=int(match[1] or 0), hours=int(match[2] or 0)) if match else timedelta()
    if not age:
        raise MalformedRoot(pointer, "must be an age such as 'P30D' or 'PT12H'")
    return age
