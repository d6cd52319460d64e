"""Acknowledge: owners accept exactly one plan that a guard stopped, in a signed file.

All who acknowledge a plan sign the same bytes, so who comes second signs what the first one wrote.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from controller.adapters.gitcli import ChildEnvironment, commit_paths
from controller.artifacts import ack as acks
from controller.artifacts.ack import AckStatement
from controller.artifacts.layout import acks_dir
from controller.authoring.signing import slug
from controller.authoring.trusted import signing_key
from controller.authoring.view import View, Workspace
from controller.kernel.canonical import Digest
from controller.kernel.errors import Refused
from controller.kernel.objects import Oid
from controller.trust import envelope as envelopes
from controller.trust.core import tally
from controller.trust.envelope import IN_TOTO, Envelope, merge
from controller.trust.root import Root
from controller.trust.sign import Signer, sign_envelope
from controller.trust.verify import accepted

SHOWN_DIGITS = 16

_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


class NotAPlan(Refused):
    """A text is not a plan's digest."""

    code = "authoring.not_a_plan"


class PlanNotHeld(Refused):
    """No guard stops a plan of this digest in production, as it is now."""

    code = "authoring.plan_not_held"

    def __init__(self, plan: Digest, environment: str, *, held: Digest | None) -> None:
        super().__init__(
            f"no guard stops a plan {plan[:SHOWN_DIGITS]}… of {environment}"
            + (f"; the plan that is stopped is {held}" if held else "; no plan is stopped now"),
            hint="run `countersign plan` and read what you sign; what another host will be asked "
            "is signed with --unchecked",
        )
        self.plan, self.environment, self.held = plan, environment, held


class NoReason(Refused):
    """The first who acknowledges a plan says why."""

    code = "authoring.no_reason"


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A plan that people acknowledged; `commit` is `None` when all had done so before."""

    plan: Digest
    reason: str
    owners: frozenset[str]
    threshold: int
    commit: Oid | None
    written: tuple[str, ...]

    @property
    def missing(self) -> int:
        """Return how many more owners have to sign."""
        return max(0, self.threshold - len(self.owners))


def acknowledge(  # noqa: PLR0913
    workspace: Workspace,
    root: Root,
    environment: str,
    plan: str,
    signers: Sequence[Signer],
    reason: str,
    *,
    now: datetime,
    git: ChildEnvironment | None = None,
) -> Acknowledgement:
    """Sign the acknowledgement of a plan and commit it."""
    digest = read_plan(plan)
    role = root.release_role(environment)
    keys = [
        signing_key(root, role.keys, one.public, f"acknowledgements of {environment}", now)
        for one in signers
    ]
    held = _held(workspace.committed(), environment, digest)
    first = next(iter(held.values()), None)
    payload = first.payload if first else _payload(root, environment, digest, reason, now)
    whole = merge([Envelope(IN_TOTO, payload, ()), *held.values()])
    done = accepted(whole, keys)
    changes: dict[str, bytes | None] = {}
    for signer, key in zip(signers, keys, strict=True):
        if key.id in done:
            continue
        envelope = sign_envelope(IN_TOTO, payload, [(signer, key.scheme)])
        whole = merge([whole, envelope])
        changes[_free_path(environment, digest, slug(key.owner), {*held, *changes})] = (
            envelope.to_bytes()
        )
    said = acks.parse(payload).reason
    if changes:
        message = f"Acknowledge plan {digest[:SHOWN_DIGITS]} of {environment}\n\n{said}"
        commit_paths(workspace.folder, changes, message, env=git)
    return Acknowledgement(
        digest,
        said,
        owners=tally(role, accepted(whole, role.keys), now=now).owners,
        threshold=role.threshold,
        commit=workspace.tip() if changes else None,
        written=tuple(changes),
    )


def read_plan(text: str) -> Digest:
    """Read a plan's digest as `countersign plan` prints it."""
    if _DIGEST.fullmatch(text) is None:
        raise NotAPlan(
            f"{text[:80]!r} is not a plan's digest",
            hint="copy the 64 hex digits that `countersign plan` prints",
        )
    return Digest(text)


def _payload(root: Root, environment: str, plan: Digest, reason: str, now: datetime) -> bytes:
    if not reason:
        raise NoReason("nobody has acknowledged this plan yet", hint="say why: --reason TEXT")
    statement = AckStatement(root.repository, environment, plan, reason, now)
    payload = statement.payload()
    acks.parse(payload)
    return payload


def _held(view: View, environment: str, plan: Digest) -> dict[str, Envelope]:
    """Return the envelopes of one acknowledgement of a plan, by path."""
    found: dict[str, Envelope] = {}
    for entry in view.children(acks_dir(environment)):
        path = f"{acks_dir(environment)}/{entry.name}"
        data = view.read(path)
        if data is None or not entry.name.startswith(plan[:SHOWN_DIGITS]):
            continue
        envelope = envelopes.parse(data, path)
        first = next(iter(found.values()), envelope)
        if envelope.payload == first.payload and acks.parse(envelope.payload).plan == plan:
            found[path] = envelope
    return found


def _free_path(environment: str, plan: Digest, owner: str, taken: set[str]) -> str:
    stem = f"{acks_dir(environment)}/{plan[:SHOWN_DIGITS]}.{owner}"
    paths = [f"{stem}.dsse.json", *(f"{stem}-{count}.dsse.json" for count in range(2, 18))]
    return next(path for path in paths if path not in taken)
