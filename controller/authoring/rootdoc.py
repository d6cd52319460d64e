"""Root documents before they are signed: the first one, and the next one with changes.

A proposal is the payload itself, to be read and compared by those who sign it. Nothing is believed
here: the document is read back as strictly as any controller will read it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from controller.kernel.canonical import Digest
from controller.kernel.errors import Refused
from controller.kernel.instants import format_instant
from controller.trust.keys import Kind, PublicLine, Scheme
from controller.trust.root import render_root
from controller.trust.rootfile import RESERVED_ENVIRONMENT

ROLLBACK_AGE = "P30D"
"""How old a release may be that a new root lets people roll back to."""


GRANTED_LATER = ("commit", "heartbeat")
"""Roles that no first root has: the first key that is added makes them, and one owner is enough."""


class BadProposal(Refused):
    """A change cannot be made to a root document."""

    code = "authoring.bad_root_proposal"


@dataclass(frozen=True, slots=True)
class KeyOf:
    """A public key, whose it is, and how it will sign."""

    owner: str
    public: PublicLine
    scheme: Scheme = Scheme.ED25519

    @classmethod
    def usual(cls, owner: str, public: PublicLine) -> "KeyOf":
        """Return a key with the scheme its kind asks for."""
        scheme = Scheme.SSHSIG if public.kind is Kind.SK_ED25519 else Scheme.ED25519
        return cls(owner, public, scheme)


@dataclass(frozen=True, slots=True)
class FirstRoot:
    """What the first root of a repository says."""

    repository: str
    owners: tuple[KeyOf, ...]
    created: datetime
    expires: datetime
    root_threshold: int
    bundle_threshold: int
    release_threshold: int
    environments: tuple[str, ...] = ("production",)
    rails: tuple[str, ...] = ()
    rollback: tuple[KeyOf, ...] = ()
    audit: Mapping[str, KeyOf] = field(default_factory=dict)

    def payload(self) -> bytes:
        """Return the document's bytes; owners sign roots, bundles and releases alike."""
        people = _ids(self.owners)
        roles: dict[str, Any] = {
            "root": {"keys": people, "threshold": self.root_threshold},
            "bundle": [
                {
                    "paths": ["bundles/**"],
                    "rails": sorted(self.rails),
                    "keys": people,
                    "threshold": self.bundle_threshold,
                    "terminating": True,
                }
            ],
            "release": {
                environment: {"keys": people, "threshold": self.release_threshold}
                for environment in self.environments
            },
            "audit": {
                name: {"keys": _ids([key]), "threshold": 1} for name, key in self.audit.items()
            },
        }
        if self.rollback:
            roles["rollback"] = {
                environment: {
                    "keys": _ids(self.rollback),
                    "threshold": 1,
                    "max_age": ROLLBACK_AGE,
                }
                for environment in self.environments
            }
        everyone = [*self.owners, *self.rollback, *self.audit.values()]
        return render_root(
            {
                "type": "root",
                "repository": self.repository,
                "version": 1,
                "created": format_instant(self.created),
                "expires": format_instant(self.expires),
                "keys": {key.public.id: _key(key) for key in everyone},
                "roles": roles,
            }
        )


@dataclass(frozen=True, slots=True)
class Changes:
    """What a next root changes; roles are written `root`, `bundle`, `release/production`, …."""

    add: Mapping[str, Sequence[KeyOf]] = field(default_factory=dict)
    revoke: Mapping[str, str] = field(default_factory=dict)
    """Reasons by key id, or by owner for all of their keys."""
    thresholds: Mapping[str, int] = field(default_factory=dict)
    floors: Mapping[str, int] = field(default_factory=dict)
    """By environment (the lowest serial) or bundle (the lowest version)."""
    reset: Mapping[str, tuple[int, Digest]] = field(default_factory=dict)
    """By environment: the release from which serials start again, and its payload's SHA-256."""
    grandfather: Sequence[Digest] = ()
    """Payloads whose signatures count whatever became of their keys."""


def next_payload(
    current: bytes, changes: Changes, *, created: datetime, expires: datetime
) -> bytes:
    """Return the root document after `current` (a payload) with changes made.

    A revoked key leaves every role and stays listed, so that old signatures are still explained.
    """
    document: dict[str, Any] = json.loads(current)
    document["version"] += 1
    document["created"], document["expires"] = format_instant(created), format_instant(expires)
    for name, keys in changes.add.items():
        for key in keys:
            document["keys"][key.public.id] = _key(key)
            if name in GRANTED_LATER:
                document["roles"].setdefault(name, {"keys": [], "threshold": 1})
            for role in _roles(document, name):
                role["keys"] = list(dict.fromkeys([*role["keys"], key.public.id]))
    for name, threshold in changes.thresholds.items():
        for role in _roles(document, name):
            role["threshold"] = threshold
    for name, lowest in changes.floors.items():
        _raise_floor(document, name, lowest)
    _recover(document, changes)
    for named, reason in changes.revoke.items():
        for key_id in _keys_named(document, named):
            _revoke(document, key_id, reason, created)
    return render_root(document)


def _recover(document: dict[str, Any], changes: Changes) -> None:
    for environment, (serial, sha256) in changes.reset.items():
        document.setdefault("reset", {})[environment] = {"serial": serial, "sha256": sha256}
    if changes.grandfather:
        before = document.get("grandfathered", [])
        document["grandfathered"] = sorted({*before, *changes.grandfather})


def numbered(document: bytes, version: int) -> bytes:
    """Return somebody's own document, which has to be the next version."""
    value = json.loads(document)
    if not isinstance(value, dict) or value.get("version") != version:
        raise BadProposal(
            f"the document is not version {version}", hint=f'set "version" to {version}'
        )
    return render_root(value)


def _keys_named(document: dict[str, Any], named: str) -> list[str]:
    """Return the key of an id, or all of an owner's that count still."""
    if named in document["keys"]:
        return [named]
    gone = document.get("revoked", {})
    found = [
        key_id
        for key_id, key in document["keys"].items()
        if key["owner"] == named and key_id not in gone
    ]
    if not found:
        raise BadProposal(
            f"neither a key nor an owner with one is called {named}",
            hint="`countersign root show` lists keys and owners",
        )
    return found


def _revoke(document: dict[str, Any], key_id: str, reason: str, at: datetime) -> None:
    revoked = document.setdefault("revoked", {})
    revoked[key_id] = {"at": format_instant(at), "reason": reason}
    for role in _every_role(document["roles"]):
        role["keys"] = [one for one in role["keys"] if one != key_id]


def _raise_floor(document: dict[str, Any], name: str, lowest: int) -> None:
    floors = document.setdefault("floors", {})
    if "/" in name:
        floors.setdefault(RESERVED_ENVIRONMENT, {})[name] = lowest
    else:
        floors[name] = {"serial": lowest}


def _roles(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the roles that a name means: one, or all delegations for bundles."""
    kind, _, where = name.partition("/")
    found = document["roles"].get(kind)
    if isinstance(found, list):
        return found
    if isinstance(found, dict) and where:
        found = found.get(where)
    if not (isinstance(found, dict) and "keys" in found):
        known = (
            "root, bundle, release/<environment>, rollback/<environment>, audit/<controller>, "
            "commit, heartbeat"
        )
        raise BadProposal(f"the root has no role {name!r}", hint=f"roles are written {known}")
    return [found]


def _every_role(roles: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    for found in roles.values():
        if isinstance(found, list):
            yield from found
        elif "keys" in found:
            yield found
        else:
            yield from found.values()


def _ids(keys: Iterable[KeyOf]) -> list[str]:
    return [key.public.id for key in keys]


def _key(key: KeyOf) -> dict[str, str]:
    return {"owner": key.owner, "public": key.public.line, "scheme": key.scheme.value}
