"""Real TUF repositories: metadata files as the specification describes them, signed with Ed25519.

Whatever a test does not change is as it should be. `files` holds the metadata by file name; what a
role says is changed in its body, and takes effect when the role is published again.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from controller.trust.keys import public_of_seed, sign_with_seed
from tests.conformance import tuf

EXPIRES = "2027-11-20T12:00:00Z"
TOP = ("root", "timestamp", "snapshot", "targets")


def seed(name: str) -> bytes:
    """Return the seed of somebody's key."""
    return hashlib.sha256(b"conformance " + name.encode()).digest()


def key(name: str) -> dict[str, Any]:
    """Return somebody's public key as metadata holds it."""
    public = public_of_seed(seed(name)).point.hex()
    return {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": public}}


def key_id(name: str) -> str:
    """Return the id of somebody's key: the SHA-256 of its canonical form."""
    return hashlib.sha256(tuf.canonical(key(name))).hexdigest()


def signature(name: str, body: Mapping[str, Any], *, keyid: str = "") -> dict[str, str]:
    """Return somebody's signature over a body, under their key's id or another."""
    made = sign_with_seed(seed(name), tuf.canonical(body))
    return {"keyid": keyid or key_id(name), "sig": made.hex()}


def envelope(body: Mapping[str, Any], signatures: Sequence[Mapping[str, str]]) -> bytes:
    """Return a metadata file."""
    return json.dumps({"signatures": list(signatures), "signed": body}, indent=1).encode()


def facts(data: bytes) -> dict[str, Any]:
    """Return what metadata says of some bytes."""
    return {"length": len(data), "hashes": {"sha256": hashlib.sha256(data).hexdigest()}}


def grant(*names: str, threshold: int = 1) -> dict[str, Any]:
    """Return a role of the keys of these people."""
    return {"keyids": [key_id(name) for name in names], "threshold": threshold}


@dataclass
class TufRepository:
    """A repository with one key for each role: r, t, s and g; `listed_with_hashes` as it says."""

    listed_with_hashes: bool = True
    consistent: bool = True
    files: dict[str, bytes] = field(default_factory=dict)
    bodies: dict[str, dict[str, Any]] = field(default_factory=dict)
    signers: dict[str, list[str]] = field(default_factory=dict)
    artifacts: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Publish version 1 of everything."""
        self.signers = {name: [short] for name, short in zip(TOP, "rtsg", strict=True)}
        self.bodies = {
            "root": {
                "consistent_snapshot": self.consistent,
                "keys": {},
                "roles": {name: grant(*self.signers[name]) for name in TOP},
            },
            "targets": {"targets": {}},
            "snapshot": {"meta": {}},
            "timestamp": {"meta": {}},
        }
        for name, body in self.bodies.items():
            common = {"_type": name, "spec_version": "1.0.34", "expires": EXPIRES}
            self.bodies[name] = {**common, "version": 0, **body}
        self.knows(*"rtsg")
        self.publish_root()
        self.publish("targets")

    def knows(self, *names: str) -> None:
        """Let the root list people's keys."""
        self.bodies["root"]["keys"].update({key_id(name): key(name) for name in names})

    def role(self, name: str, *signers: str, threshold: int = 1) -> None:
        """Let the next root give a role to other keys, which sign it from now on."""
        self.knows(*signers)
        self.bodies["root"]["roles"][name] = grant(*signers, threshold=threshold)
        if name != "root":
            self.signers[name] = list(signers)

    def add(self, path: str, data: bytes, *, role: str = "targets") -> None:
        """Let a role say something of a target."""
        self.artifacts[path] = data
        self.bodies[role]["targets"][path] = facts(data)

    def delegate(self, delegator: str, name: str, *signers: str, **more: Any) -> None:
        """Let a role delegate to another, for every path where nothing else is said."""
        given = self.bodies[delegator].setdefault("delegations", {"keys": {}, "roles": []})
        given["keys"].update({key_id(one): key(one) for one in signers})
        right = {"paths": ["*"], "terminating": False} if "path_hash_prefixes" not in more else {}
        threshold = more.pop("threshold", 1)
        given["roles"].append(
            {"name": name, "terminating": False, **right, **grant(*signers, threshold=threshold)}
            | more
        )
        self.delegated(name, *signers)

    def delegated(self, name: str, *signers: str) -> None:
        """Let there be a delegated role; it is published with version 1 next."""
        if name not in self.bodies:
            common = {"_type": "targets", "spec_version": "1.0.34", "expires": EXPIRES}
            self.bodies[name] = {**common, "version": 0, "targets": {}}
            self.signers[name] = list(signers)

    def publish_root(self, *, by: Sequence[str] = "r") -> None:
        """Publish the next root, signed by these people."""
        self._publish("root", by)

    def publish(self, *roles: str) -> None:
        """Publish the next version of roles, then a snapshot and a timestamp that list them."""
        for role in roles:
            self._publish(role, self.signers[role])
        self.publish_snapshot()

    def publish_snapshot(self) -> None:
        """Publish a snapshot of what there is, and a timestamp of it."""
        names = self.bodies.keys() - {"root", "snapshot", "timestamp"}
        self.bodies["snapshot"]["meta"] = {
            f"{name}.json": self._meta(name) for name in names if self.version(name)
        }
        self._publish("snapshot", self.signers["snapshot"])
        self.publish_timestamp()

    def publish_timestamp(self) -> None:
        """Publish a timestamp of the snapshot that there is."""
        self.bodies["timestamp"]["meta"] = {"snapshot.json": self._meta("snapshot")}
        self._publish("timestamp", self.signers["timestamp"])

    def version(self, role: str) -> int:
        """Return a role's version."""
        version: int = self.bodies[role]["version"]
        return version

    def file(self, role: str) -> str:
        """Return how a role's newest file is called."""
        versioned = role == "root" or (role != "timestamp" and self.consistent)
        return f"{self.version(role)}.{role}.json" if versioned else f"{role}.json"

    def resign(self, role: str, *signatures: Mapping[str, str]) -> None:
        """Put other signatures under a role's newest file."""
        self.files[self.file(role)] = envelope(self.bodies[role], signatures)

    def _publish(self, role: str, by: Sequence[str]) -> None:
        body = self.bodies[role]
        body["version"] += 1
        self.files[self.file(role)] = envelope(body, [signature(one, body) for one in by])

    def _meta(self, role: str) -> dict[str, Any]:
        meta: dict[str, Any] = {"version": self.version(role)}
        return {**meta, **facts(self.files[self.file(role)])} if self.listed_with_hashes else meta
