"""The root of trust: who may sign what, and how one root follows another.

A root document is read strictly: unknown members are refused, key ids are recomputed from the
keys, and one key under two ids is refused. The first root is pinned by the SHA-256 of its payload
(the envelope may gain signatures, the payload cannot change). Every later one, N + 1, carries the
threshold of N and its own. Expiry and the validity of keys are judged on the last root only, so
that an old chain still leads to it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from controller.kernel.canonical import Digest, Json, readable, sha256
from controller.kernel.errors import Untrusted
from controller.trust import core, delegation, rootfile
from controller.trust.core import Role
from controller.trust.envelope import PAYLOAD_TYPES, ROOT, Envelope, merge, parse
from controller.trust.keys import KeyId, PublicKey
from controller.trust.rootfile import MalformedRoot, Reset, Revocation, Wire, WireRole
from controller.trust.verify import UnknownPayloadType, WrongPayloadType, accepted, explained

ENVELOPE_MAX_BYTES = 512 * 1024
STEPS_MAX = 1024

__all__ = [
    "MalformedRoot",
    "Pin",
    "Reset",
    "Revocation",
    "Root",
    "TrustedRoot",
    "extend",
    "follow",
    "pin",
]


@dataclass(frozen=True, slots=True)
class Pin:
    """The root of trust as a host pins it: an envelope, and its payload's SHA-256."""

    envelope: bytes
    sha256: Digest


class PinMismatch(Untrusted):
    """The first root is not the one that was pinned on this host."""

    code = "trust.pin_mismatch"

    def __init__(self, pinned: Digest, found: Digest) -> None:
        super().__init__(
            f"the root's SHA-256 is {found}, pinned is {pinned}",
            hint="compare the digest with whoever holds the root keys, by voice",
        )
        self.pinned, self.found = pinned, found


class RootTooLarge(Untrusted):
    """A root's envelope, or the chain, is longer than we follow."""

    code = "trust.root_too_large"


class NoRole(Untrusted):
    """The root lets nobody sign this."""

    code = "trust.no_role"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"nobody may sign {what}",
            hint="deny by default: a new root must grant it (`countersign root propose`)",
        )
        self.what = what


class WrongRail(Untrusted):
    """A bundle's rail and its place in the repository disagree."""

    code = "trust.wrong_rail"

    def __init__(self, rail: str, path: str) -> None:
        super().__init__(f"{path!r} is not a place of rail {rail!r}")
        self.rail, self.path = rail, path


@dataclass(frozen=True, slots=True)
class RollbackRole:
    """Who may roll an environment back, and how old a release may then be."""

    role: Role[PublicKey]
    max_age: timedelta


@dataclass(frozen=True, slots=True)
class BundleGrant:
    """Who may sign bundles of these rails."""

    rails: frozenset[str]
    role: Role[PublicKey]


@dataclass(frozen=True, slots=True)
class Root:
    """One root document, read and consistent; whether to believe it is `pin`'s and `extend`'s."""

    repository: str
    version: int
    created: datetime
    expires: datetime
    keys: Mapping[KeyId, PublicKey]
    root: Role[PublicKey]
    bundle: tuple[delegation.Delegation[BundleGrant], ...]
    release: Mapping[str, Role[PublicKey]]
    rollback: Mapping[str, RollbackRole]
    audit: Mapping[str, Role[PublicKey]]
    heartbeat: Role[PublicKey] | None
    commit: Role[PublicKey] | None
    ci: Role[PublicKey] | None
    revoked: Mapping[KeyId, Revocation]
    serial_floors: Mapping[str, int]
    bundle_floors: Mapping[str, int]
    reset: Mapping[str, Reset]
    grandfathered: frozenset[Digest]
    digest: Digest

    def role_for_bundle(self, rail: str, path: str) -> Role[PublicKey]:
        """Return who signs the bundle at `path`, its directory `bundles/<rail>/<name>`.

        The first delegation that matches path and rail wins; one that matches the path and
        terminates ends the search, whatever its rails.
        """
        if not path.startswith(f"bundles/{rail}/"):
            raise WrongRail(rail, path)
        for found in delegation.search(self.bundle, path):
            if rail in found.grant.rails:
                return found.grant.role
        raise NoRole(f"bundles of rail {rail!r} at {path!r}")

    def release_role(self, environment: str) -> Role[PublicKey]:
        """Return who signs releases and acknowledgements of an environment."""
        role = self.release.get(environment)
        if role is None:
            raise NoRole(f"releases of environment {environment!r}")
        return role

    def rollback_role(self, environment: str) -> RollbackRole:
        """Return who may roll an environment back."""
        role = self.rollback.get(environment)
        if role is None:
            raise NoRole(f"rollbacks of environment {environment!r}")
        return role

    def audit_keys(self, controller: str) -> tuple[PublicKey, ...]:
        """Return the keys that sign the audit trail of a controller."""
        role = self.audit.get(controller)
        if role is None:
            raise NoRole(f"the audit trail of controller {controller!r}")
        return role.keys

    def serial_floor(self, environment: str) -> int:
        """Return the lowest serial an environment may run; 1 where the root sets none."""
        return self.serial_floors.get(environment, 1)

    def bundle_floor(self, bundle: str) -> int:
        """Return the lowest version of `<rail>/<name>` that may be live; 1 where none is set."""
        return self.bundle_floors.get(bundle, 1)

    @property
    def facts(self) -> core.RootFacts[PublicKey]:
        """Return what succession judges."""
        return core.RootFacts(self.repository, self.version, self.expires, self.root)


@dataclass(frozen=True, slots=True)
class TrustedRoot:
    """A root that the pin leads to. Only `pin` and `extend` make one.

    `envelope` is what to store; `signers` are its root keys whose signatures are good.
    """

    root: Root
    envelope: bytes
    signers: frozenset[KeyId]


def render_root(document: Mapping[str, Json]) -> bytes:
    """Return the payload of a root document, after reading it as strictly as anybody else will."""
    payload = readable(document)
    parse_root(payload)
    return payload


def parse_root(payload: bytes) -> Root:
    """Read a root document; every inconsistency is a `MalformedRoot` with its pointer."""
    wire = rootfile.read(payload)
    grandfathered = frozenset(wire.grandfathered)
    revoked = tuple(wire.keys[key] for key in wire.revoked)

    def role(name: str, wanted: WireRole) -> Role[PublicKey]:
        made = _role(name, wanted, wire)
        return replace(made, grandfathered=grandfathered, former=revoked)

    def roles(name: str, wanted: Mapping[str, WireRole]) -> dict[str, Role[PublicKey]]:
        return {where: role(f"{name}/{where}", one) for where, one in wanted.items()}

    def single(name: str, wanted: WireRole | None) -> Role[PublicKey] | None:
        return None if wanted is None else role(name, wanted)

    bundle = tuple(
        delegation.Delegation(
            one.paths, one.terminating, BundleGrant(one.rails, role(f"bundle/{index}", one.role))
        )
        for index, one in enumerate(wire.bundle)
    )
    rollback = {
        where: RollbackRole(role(f"rollback/{where}", one.role), one.max_age)
        for where, one in wire.rollback.items()
    }
    return Root(
        repository=wire.repository,
        version=wire.version,
        created=wire.created,
        expires=wire.expires,
        keys=wire.keys,
        root=_role("root", wire.root, wire),
        bundle=bundle,
        release=roles("release", wire.release),
        rollback=rollback,
        audit=roles("audit", wire.audit),
        heartbeat=single("heartbeat", wire.heartbeat),
        commit=single("commit", wire.commit),
        ci=single("ci", wire.ci),
        revoked=wire.revoked,
        serial_floors=wire.serial_floors,
        bundle_floors=wire.bundle_floors,
        reset=wire.reset,
        grandfathered=grandfathered,
        digest=sha256(payload),
    )


def pin(envelope: bytes, sha256: Digest) -> TrustedRoot:
    """Trust a first root: its payload has the pinned SHA-256 and its own threshold signed it.

    Dates are not judged here, an older pin must still lead to its successors. Call `extend` before
    using the result, also when nothing follows.
    """
    opened = _open(envelope)
    if opened.digest != sha256:
        raise PinMismatch(sha256, opened.digest)
    root = parse_root(opened.payload)
    signers = accepted(opened, root.root.keys)
    with explained(opened, root.root, others_sign=True):
        core.require(root.root, signers, now=None)
    return TrustedRoot(root, envelope, signers)


def extend(trusted: TrustedRoot, envelopes: Iterable[bytes], now: datetime) -> TrustedRoot:
    """Follow the chain from `trusted` over the roots after it, in order and without gaps.

    The last root must not have expired, and a threshold of its own keys must be in force `now`.
    With no envelopes this judges `trusted` itself: call it once a pass.
    """
    trusted = follow(trusted, envelopes)
    core.check_expiry(f"root {trusted.root.version}", trusted.root.expires, now)
    core.require(trusted.root.root, trusted.signers, now=now)
    return trusted


def follow(trusted: TrustedRoot, envelopes: Iterable[bytes]) -> TrustedRoot:
    """Follow the chain without judging dates: what it leads to is not yet good for anything."""
    for step, envelope in enumerate(envelopes, start=1):
        if step > STEPS_MAX:
            raise RootTooLarge(f"more than {STEPS_MAX} roots in one pass")
        trusted = _follow(trusted, envelope)
    return trusted


def _follow(trusted: TrustedRoot, envelope: bytes) -> TrustedRoot:
    opened = _open(envelope)
    # The trusted root's threshold comes first: a stranger's document is not even parsed.
    by_trusted = accepted(opened, trusted.root.root.keys)
    with explained(opened, trusted.root.root, others_sign=True):
        core.require(trusted.root.root, by_trusted, now=None)
    root = parse_root(opened.payload)
    by_candidate = accepted(opened, root.root.keys)
    with explained(opened, root.root, others_sign=True):
        core.next_root(
            trusted.root.facts,
            root.facts,
            accepted_by_trusted=by_trusted,
            accepted_by_candidate=by_candidate,
        )
    return TrustedRoot(root, envelope, by_candidate)


def _open(envelope: bytes) -> Envelope:
    if len(envelope) > ENVELOPE_MAX_BYTES:
        raise RootTooLarge(f"a root of {len(envelope)} bytes; we read {ENVELOPE_MAX_BYTES}")
    opened = merge([parse(envelope)])
    if opened.payload_type != ROOT:
        if opened.payload_type in PAYLOAD_TYPES:
            raise WrongPayloadType(opened.payload_type, ROOT)
        raise UnknownPayloadType(opened.payload_type)
    return opened


def _role(name: str, wanted: WireRole, wire: Wire) -> Role[PublicKey]:
    keys = tuple(wire.keys[key] for key in wanted.keys)
    return Role(name, keys, wanted.threshold)
