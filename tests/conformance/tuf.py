"""TUF 1.0 metadata read into plain documents: JSON, OLPC canonical JSON, Ed25519, nothing decided.

Formats: sections 4 and 4.1 of https://theupdateframework.github.io/specification/v1.0.34/. Keys
of other types are read and accept no signature. A target is called by its SHA-256 and its path, so
that delegations by path and those by hash prefix are globs alike.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from controller.kernel import strictjson
from controller.kernel.errors import Untrusted
from controller.trust.keys import parse_public_blob
from controller.trust.sshwire import string
from tests.conformance.plain import Document

HASH_BITS_MAX = 14
_HEX = re.compile(r"(?:[0-9a-f]{2})*", re.ASCII)
_ED25519 = re.compile(r"[0-9a-f]{64}", re.ASCII)


class MalformedMetadata(Untrusted):
    """Bytes are not TUF metadata of the role they were asked for."""

    code = "tuf.malformed"


def read(role: str, data: bytes) -> Document:
    """Return the plain document of a role's metadata file; whether to believe it is not asked."""
    try:
        envelope = strictjson.parse(data)
    except strictjson.MalformedJson as error:
        raise MalformedMetadata(f"{role}: {error}") from None
    body = _object(_object(envelope, role).get("signed"), "signed")
    kind = role if role in _MEMBERS else "targets"
    if body.get("_type") != kind or not str(body.get("spec_version")).startswith("1."):
        raise MalformedMetadata(f"{role}: not {kind} metadata of version 1")
    return {
        "role": role,
        "version": body.get("version"),
        "expires": _text(body.get("expires"), "expires"),
        "signed": canonical(body),
        "signatures": _signatures(envelope.get("signatures")),
        "size": len(data),
        "digests": digests(data),
        "raw": data,
        **_MEMBERS[kind](body),
    }


def accepts(material: str, document: Document, value: str) -> bool:
    """Whether an Ed25519 key, 32 bytes in hex, made a signature, 64 bytes in hex."""
    if not (_ED25519.fullmatch(material) and _HEX.fullmatch(value)):
        return False
    try:
        key = parse_public_blob(string(b"ssh-ed25519") + string(bytes.fromhex(material)))
    except Untrusted:
        return False
    return key.accepts_raw(document["signed"], bytes.fromhex(value))


def name_of(target: str) -> str:
    """Return how a plain document calls a target path."""
    return f"{hashlib.sha256(target.encode()).hexdigest()}/{target}"


def digests(data: bytes) -> dict[str, str]:
    """Return the digests that metadata may list of some bytes."""
    return {name: hashlib.new(name, data).hexdigest() for name in ("sha256", "sha512")}


def canonical(value: Any) -> bytes:
    """Return OLPC canonical JSON: sorted keys, no spaces, only quotes and backslashes escaped."""
    return "".join(_canonical(value)).encode()


def _canonical(value: Any) -> Iterator[str]:
    match value:
        case None | True | False:
            yield {None: "null", True: "true", False: "false"}[value]
        case int():
            yield str(value)
        case str():
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            yield f'"{escaped}"'
        case list():
            yield "["
            for index, item in enumerate(value):
                yield "," if index else ""
                yield from _canonical(item)
            yield "]"
        case dict():
            yield "{"
            for index, (key, item) in enumerate(sorted(value.items())):
                yield "," if index else ""
                yield from _canonical(key)
                yield ":"
                yield from _canonical(item)
            yield "}"
        case _:
            raise MalformedMetadata(f"{type(value).__name__} has no canonical form")


def _root(body: Document) -> dict[str, Any]:
    keys = _object(body.get("keys"), "keys")
    roles = _object(body.get("roles"), "roles")
    return {
        "roles": {name: _role(_object(one, name), keys) for name, one in roles.items()},
        "consistent_snapshot": body.get("consistent_snapshot") is True,
    }


def _lists(body: Document) -> dict[str, Any]:
    meta = _object(body.get("meta"), "meta")
    return {"lists": {name.removesuffix(".json"): _facts(one) for name, one in meta.items()}}


def _targets(body: Document) -> dict[str, Any]:
    said = _object(body.get("targets"), "targets")
    given = body.get("delegations")
    return {
        "targets": {name_of(path): _facts(one) for path, one in said.items()},
        "delegations": [] if given is None else list(_delegations(_object(given, "delegations"))),
    }


_MEMBERS: Mapping[str, Callable[[Document], dict[str, Any]]] = {
    "root": _root,
    "timestamp": _lists,
    "snapshot": _lists,
    "targets": _targets,
}


def _delegations(given: Document) -> Iterator[dict[str, Any]]:
    keys = _object(given.get("keys"), "keys")
    for one in _list(given.get("roles", []), "roles"):
        role = _object(one, "roles")
        yield {
            "name": _text(role.get("name"), "name"),
            "paths": [*_globs(role.get("paths", [])), *_hashed(role.get("path_hash_prefixes", []))],
            "terminating": role.get("terminating"),
            **_role(role, keys),
        }
    if "succinct_roles" in given:
        yield from _bins(_object(given["succinct_roles"], "succinct_roles"), keys)


def _bins(role: Document, keys: Document) -> Iterator[dict[str, Any]]:
    """Yield a delegation for each bin: the first `bit_length` bits of a target's SHA-256."""
    bits = role.get("bit_length")
    if not isinstance(bits, int) or not 1 <= bits <= HASH_BITS_MAX:
        raise MalformedMetadata(f"bit_length is not 1 to {HASH_BITS_MAX}")
    digits = (bits + 3) // 4
    each = 1 << (4 * digits - bits)
    for number in range(1 << bits):
        starts = range(number * each, (number + 1) * each)
        yield {
            "name": f"{_text(role.get('name_prefix'), 'name_prefix')}-{number:0{digits}x}",
            "paths": list(_hashed([f"{start:0{digits}x}" for start in starts])),
            "terminating": True,
            **_role(role, keys),
        }


def _globs(patterns: Any) -> Iterator[str]:
    for pattern in _list(patterns, "paths"):
        # TUF knows no `**`: two stars are one, inside a segment like all of them.
        yield "*/" + re.sub(r"\*+", "*", _text(pattern, "paths"))


def _hashed(prefixes: Any) -> Iterator[str]:
    for prefix in _list(prefixes, "path_hash_prefixes"):
        yield f"{_text(prefix, 'path_hash_prefixes')}*/**"


def _role(role: Document, keys: Document) -> dict[str, Any]:
    ids = [_text(one, "keyids") for one in _list(role.get("keyids"), "keyids")]
    known = [_key(one, _object(keys[one], one)) for one in ids if one in keys]
    return {"keys": known, "threshold": role.get("threshold")}


def _key(key_id: str, key: Document) -> dict[str, str]:
    public = str(_object(key.get("keyval"), "keyval").get("public"))
    kind, scheme = key.get("keytype"), key.get("scheme")
    is_ours = kind == scheme == "ed25519"
    return {"id": key_id, "material": public.lower() if is_ours else f"{kind}/{scheme}:{public}"}


def _signatures(given: Any) -> list[dict[str, str]]:
    made = [_object(one, "signatures") for one in _list(given, "signatures")]
    ids = [_text(one.get("keyid"), "keyid") for one in made]
    if len(set(ids)) != len(ids):
        raise MalformedMetadata("a key id signs twice")
    values = [_text(one.get("sig"), "sig") for one in made]
    return [{"key": key, "value": value} for key, value in zip(ids, values, strict=True)]


def _facts(said: Any) -> dict[str, Any]:
    facts = _object(said, "meta")
    hashes = _object(facts.get("hashes", {}), "hashes")
    return {"version": facts.get("version"), "size": facts.get("length"), "digests": dict(hashes)}


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MalformedMetadata(f"{what} is not an object")
    return value


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise MalformedMetadata(f"{what} is not a list")
    return value


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise MalformedMetadata(f"{what} is not a text")
    return value
