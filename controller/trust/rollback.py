"""The authority to go back: proof that rollback keys, in force now, asked for it.

A `RollbackAuthority` comes from a signed revert commit or from a signed rollback statement; both
are judged against the root's rollback role, by owners and dates like everything else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from controller.kernel.canonical import Digest, sha256
from controller.trust import core
from controller.trust.commit import verify_commit
from controller.trust.envelope import IN_TOTO, Envelope
from controller.trust.keys import KeyId, PublicKey
from controller.trust.verify import verify


@dataclass(frozen=True, slots=True)
class RollbackAuthority:
    """Somebody who may has asked for a rollback. Only `by_commit` and `by_statement` make one.

    `release` is the one release it speaks of; `None` means whatever the signed commit holds.
    `evidence` is the SHA-256 of the commit object or of the statement's payload.
    """

    signers: frozenset[KeyId]
    owners: frozenset[str]
    evidence: Digest
    release: tuple[int, Digest] | None = None

    def covers(self, serial: int, sha256: Digest) -> bool:
        """Whether this release is the one, or one of those, it speaks of."""
        return self.release is None or self.release == (serial, sha256)


def by_commit(raw: bytes, role: core.Role[PublicKey], now: datetime) -> RollbackAuthority:
    """Return the authority of a signed revert commit, or raise.

    A commit carries one signature: where the role needs two owners, use a statement.
    """
    signer = verify_commit(raw, role.keys, now)
    count = core.require(role, {signer}, now=now)
    return RollbackAuthority(frozenset({signer}), count.owners, sha256(raw))


def by_statement(
    envelopes: Sequence[Envelope],
    role: core.Role[PublicKey],
    *,
    read: Callable[[bytes], tuple[int, Digest]],
    now: datetime,
) -> RollbackAuthority:
    """Return the authority of a signed rollback statement, or raise.

    `read` parses the verified payload, refuses one for another repository or environment or past
    its date, and returns serial and digest of the release to go back to.
    """
    verified = verify(envelopes, role, payload_type=IN_TOTO, now=now)
    release = read(verified.payload)
    return RollbackAuthority(verified.signers, verified.owners, verified.digest, release)
