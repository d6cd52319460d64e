"""Whom an author's commands believe: the chain of roots in the repository, pinned by the host.

Without a host's pin the first root of the repository vouches for itself. That is good enough to
sign what a controller will judge by its own pin, and it is said.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from controller.artifacts.layout import ROOT_DIR, parse_root_path, root_path
from controller.authoring.view import View
from controller.kernel.errors import Untrusted
from controller.trust import root as roots
from controller.trust.core import reason_not_in_force
from controller.trust.envelope import parse
from controller.trust.keys import PublicKey, PublicLine
from controller.trust.root import Pin, Root, TrustedRoot


class NoRoot(Untrusted):
    """The repository holds no root of trust, so nobody may sign anything."""

    code = "authoring.no_root"

    def __init__(self) -> None:
        super().__init__(
            f"there is no {root_path(1)}",
            hint="make one: `countersign root init`, then `root sign`, then commit it there",
        )


class OtherRepository(Untrusted):
    """The repository's first root is not the one that this host pins."""

    code = "authoring.other_repository"


class KeyNotInRole(Untrusted):
    """A key may not sign this, or not now."""

    code = "authoring.key_not_in_role"


@dataclass(frozen=True, slots=True)
class Trusted:
    """The root in force for an author; `pinned` tells whether a host vouches for its chain."""

    held: TrustedRoot
    pinned: bool

    @property
    def root(self) -> Root:
        """The root document."""
        return self.held.root


def trusted_root(view: View, pin: Pin | None, now: datetime) -> Trusted:
    """Return the last root of the chain in the repository."""
    first = view.read(root_path(1))
    if pin is None:
        if first is None:
            raise NoRoot
        start = roots.pin(first, parse(first, root_path(1)).digest)
    else:
        start = roots.pin(pin.envelope, pin.sha256)
        opened = None if first is None else parse(first, root_path(1))
        if opened is not None and start.root.version == 1 and opened.digest != pin.sha256:
            raise OtherRepository(
                f"{root_path(1)} is not the root that this host pins",
                hint="check COUNTERSIGN_CONFIG: its [trust] belongs to another repository",
            )
    return Trusted(roots.extend(start, _later(view, start), now), pinned=pin is not None)


def signing_key(
    root: Root, keys: tuple[PublicKey, ...], signer: PublicLine, what: str, now: datetime
) -> PublicKey:
    """Return the role's key that a signer holds, in force now, or refuse the signer."""
    key = next((one for one in keys if one.id == signer.id), None)
    if key is None:
        known = root.keys.get(signer.id)
        whose = f" ({known.owner})" if known else ""
        able = ", ".join(sorted({one.owner for one in keys}))
        raise KeyNotInRole(
            f"key {signer.id}{whose} may not sign {what}", hint=f"those who may: {able}"
        )
    reason = reason_not_in_force(key, now)
    if reason:
        raise KeyNotInRole(
            f"key {signer.id} ({key.owner}) {reason}", hint="sign with a key that is in force"
        )
    return key


def latest_version(view: View) -> int:
    """Return the highest version of the root that stands in the repository, 0 without any."""
    names = (entry.name for entry in view.children(ROOT_DIR))
    return max((parse_root_path(f"{ROOT_DIR}/{name}") for name in names), default=0)


def _later(view: View, start: TrustedRoot) -> Iterator[bytes]:
    for version in range(start.root.version + 1, latest_version(view) + 1):
        envelope = view.read(root_path(version))
        if envelope is None:
            return
        parse(envelope, root_path(version))  # Whoever follows the chain knows no path to name.
        yield envelope
