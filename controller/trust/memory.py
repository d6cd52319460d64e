"""What was verified once need not be verified again: the cryptography of an envelope, remembered.

Whether a signature is good never changes, so it is remembered. Whether its key counts does change,
so that is judged anew each time: windows, revocation and the threshold over owners. A memory
answers only when every key that signed counts at this instant; in every other case the signatures
are verified once more, and whatever is refused is refused as if nothing had been remembered.

What finds a record is `VERSION`, the digest of the root in force, and the SHA-256 of each of the
envelopes' files; the role is compared as a whole beside it. Another root, another role, another
byte: nothing is found. A record holds values, not bytes: it is not made to be stored anywhere, so
it ends with the process and with the code that filled it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from controller.kernel.canonical import Digest
from controller.trust.core import Role, reason_not_in_force
from controller.trust.envelope import merge, parse
from controller.trust.keys import PublicKey
from controller.trust.verify import Verified, verify

VERSION = 1
"""Counted up with every change of what `verify` accepts."""

RECORDS_MAX = 10_000

Key: TypeAlias = tuple[int | str | bytes, ...]
"""`VERSION`, the root's digest, and the SHA-256 of each file, in order."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """Envelopes that were accepted, the role they were held against, and the keys that count."""

    verified: Verified
    role: Role[PublicKey]
    author: str | None
    judged: tuple[PublicKey, ...]


class VerifiedMemory(Protocol):
    """Where accepted envelopes are remembered between passes of one process."""

    def get(self, key: Key) -> Remembered | None:
        """Return what was put for a key, or `None`."""
        ...

    def put(self, key: Key, remembered: Remembered) -> None:
        """Keep a record."""
        ...


class NothingRemembered:
    """Forgets at once: every signature is verified each time."""

    def get(self, key: Key) -> Remembered | None:
        """Return nothing."""
        del key
        return None

    def put(self, key: Key, remembered: Remembered) -> None:
        """Keep nothing."""


class LatestRemembered:
    """Remembers the latest records for as long as the process lives."""

    def __init__(self, *, records_max: int = RECORDS_MAX) -> None:
        self.records: dict[Key, Remembered] = {}
        self.records_max = records_max
        self.get = self.records.get

    def put(self, key: Key, remembered: Remembered) -> None:
        """Keep a record; the oldest goes when there are too many."""
        self.records[key] = remembered
        if len(self.records) > self.records_max:
            del self.records[next(iter(self.records))]


def verify_files(
    files: Mapping[str, bytes],
    role: Role[PublicKey],
    *,
    root: Digest,
    payload_type: str,
    now: datetime,
    memory: VerifiedMemory,
    author: str | None = None,
) -> Verified:
    """Return the one payload that the envelopes in `files` (path to bytes) hold, as `verify` does.

    `root` is the digest of the root that `role` was read from.
    """
    key: Key = (VERSION, root)
    for data in files.values():
        key += (hashlib.sha256(data).digest(),)
    known = memory.get(key)
    if known is not None and _holds(known, role, payload_type, author, now):
        return known.verified
    envelopes = [parse(data, path) for path, data in files.items()]
    verified = verify(envelopes, role, payload_type=payload_type, now=now, author=author)
    # A signature that does not count today may count tomorrow: then there would be more to say.
    if len(verified.signers) == len(merge(envelopes).signatures):
        dated = () if verified.digest in role.grandfathered else role.keys
        signed = tuple(one for one in dated if one.id in verified.signers)
        memory.put(key, Remembered(verified, role, author, signed))
    return verified


def _holds(
    known: Remembered,
    role: Role[PublicKey],
    payload_type: str,
    author: str | None,
    now: datetime,
) -> bool:
    """Whether verifying anew would give the same: same question, and every key counts now."""
    if known.verified.payload_type != payload_type or known.author != author:
        return False
    if known.role is not role and known.role != role:
        return False
    for key in known.judged:  # noqa: SIM110  a generator would take as long as all the rest
        if reason_not_in_force(key, now):
            return False
    return True
