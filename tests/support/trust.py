"""People with keys, roots that name them, and envelopes they signed."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from controller.kernel.canonical import sha256
from controller.trust import root as roots
from controller.trust.core import Role
from controller.trust.envelope import IN_TOTO, ROOT, Envelope
from controller.trust.keys import KeyId, PublicKey, Scheme
from controller.trust.root import TrustedRoot
from controller.trust.sign import SeedSigner, sign_envelope

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
REPOSITORY = "0d6b6e2e-4f0a-4c1c-9b6e-6a6f0d0c7a11"


@dataclass(frozen=True)
class Person:
    """Somebody with one key, always the same for the same name."""

    name: str
    signer: SeedSigner
    scheme: Scheme = Scheme.ED25519

    @classmethod
    def named(cls, name: str, *, owner: str = "", scheme: Scheme = Scheme.ED25519) -> "Person":
        seed = hashlib.sha256(b"countersign test key " + name.encode()).digest()
        return cls(owner or name, SeedSigner.of(seed), scheme)

    @property
    def id(self) -> KeyId:
        return self.signer.public.id

    @property
    def key(self) -> PublicKey:
        return PublicKey.of(self.signer.public, self.name, self.scheme)

    @property
    def entry(self) -> dict[str, Any]:
        """The person's entry among a root's keys."""
        return {"owner": self.name, "public": self.signer.public.line, "scheme": self.scheme.value}


ALICE, BOB, CAROL, DAVE = (Person.named(name) for name in ("alice", "bob", "carol", "dave"))


def role(*people: Person, threshold: int, name: str = "routing", **more: Any) -> Role[PublicKey]:
    return Role(name, tuple(person.key for person in people), threshold, **more)


def sealed(payload: bytes, *, by: Sequence[Person], payload_type: str = IN_TOTO) -> Envelope:
    return sign_envelope(payload_type, payload, [(one.signer, one.scheme) for one in by])


def granted(*people: Person, threshold: int = 1, **more: Any) -> dict[str, Any]:
    return {"keys": [person.id for person in people], "threshold": threshold, **more}


def document(*people: Person, version: int = 1, **changes: Any) -> dict[str, Any]:
    """A root document in which everybody may do everything; `roles` are merged."""
    everybody = granted(*people)
    roles: Mapping[str, Any] = {
        "root": granted(*people, threshold=len({person.name for person in people})),
        "bundle": [{"paths": ["bundles/**"], "rails": ["card-bin"], **everybody}],
        "release": {"production": everybody},
        "rollback": {"production": {**everybody, "max_age": "P30D"}},
        "audit": {"controller-a": everybody},
    }
    roles = {**roles, **changes.pop("roles", {})}
    return {
        "type": "root",
        "repository": REPOSITORY,
        "version": version,
        "created": "2026-11-01T00:00:00Z",
        "expires": "2027-11-01T00:00:00Z",
        "keys": {person.id: person.entry for person in people},
        "roles": roles,
        **changes,
    }


def signed_root(made: dict[str, Any], *, by: Sequence[Person]) -> bytes:
    return sealed(roots.render_root(made), by=by, payload_type=ROOT).to_bytes()


def pinned(made: dict[str, Any], *, by: Sequence[Person]) -> TrustedRoot:
    envelope = signed_root(made, by=by)
    return roots.pin(envelope, sha256(roots.render_root(made)))


def text64(data: bytes) -> str:
    return base64.b64encode(data).decode()
