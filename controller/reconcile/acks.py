"""The acknowledgements of an environment: which plans people signed for though a guard stops.

They stand in `environments/<env>/acks/`; several signers of one acknowledgement add a file each.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from controller.artifacts import ack, layout, levels, walk
from controller.kernel.canonical import Digest
from controller.kernel.errors import Refused, Untrusted
from controller.kernel.objects import Objects
from controller.reconcile import signed
from controller.reconcile.succession import SignedRelease
from controller.trust.envelope import IN_TOTO, Envelope, parse
from controller.trust.keys import KeyId
from controller.trust.verify import verify

FILES_MAX = 256
SIZE_MAX_BYTES = 64 * 1024


class MalformedAck(Refused):
    """Enough owners signed an acknowledgement that says nothing we can read."""

    code = "acks.malformed"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"{path}: {reason}", hint="remove it, and acknowledge again: `countersign ack`"
        )
        self.path, self.reason = path, reason


class TooManyAcks(Refused):
    """An environment holds more acknowledgements than we look through."""

    code = "acks.too_many"

    def __init__(self, path: str, count: int) -> None:
        super().__init__(
            f"{path}: {count:,} files is more than the {FILES_MAX} we read",
            hint="remove those of plans that were applied long ago: each holds for one plan only",
        )
        self.path, self.count = path, count


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A plan that enough signers accepted: the statement's digest, and who."""

    plan: Digest
    sha256: Digest
    signers: frozenset[KeyId]


def acknowledged(
    objects: Objects, release: SignedRelease, now: datetime
) -> dict[Digest, Acknowledged]:
    """Return the acknowledged plans by their digest.

    One that too few have signed yet does not count; it is no error, more may sign.
    """
    environment = release.statement.environment
    path = layout.acks_dir(environment)
    entry = walk.find(objects, release.tree, path)
    if entry is None or not entry.is_tree:
        return {}
    envelopes: dict[Digest, list[Envelope]] = defaultdict(list)
    first: dict[Digest, str] = {}
    items = levels.children(objects, entry.oid, path)
    if len(items) > FILES_MAX:
        raise TooManyAcks(path, len(items))
    for item in items:
        data = walk.read_blob(objects, item.oid, f"{path}/{item.name}", SIZE_MAX_BYTES)
        envelope = parse(data, f"{path}/{item.name}")
        envelopes[envelope.digest].append(envelope)
        first.setdefault(envelope.digest, f"{path}/{item.name}")
    role = release.root.root.release_role(environment)
    found = {}
    for digest, some in envelopes.items():
        try:
            verified = verify(some, role, payload_type=IN_TOTO, now=now)
        except Untrusted:
            continue
        said = _said(verified.payload, first[digest])
        if (said.repository, said.environment) != (release.root.root.repository, environment):
            raise signed.WrongPlace(first[digest], said=said.environment, place=environment)
        found[said.plan] = Acknowledged(said.plan, verified.digest, verified.signers)
    return found


def _said(payload: bytes, path: str) -> ack.AckStatement:
    try:
        return ack.parse(payload)
    except Refused as error:
        raise MalformedAck(path, str(error)) from None
