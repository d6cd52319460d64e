"""The releases that stood in an environment's folder before: which they were, within a budget.

What the rules of history need of an earlier release is small: its digest, its serial, which others
it names. To get at it the whole envelope has to be read, and anybody who may commit can put
envelopes there. So each file is read once and each payload judged once, and what nobody vouches
for is bounded. A release is vouched for where one that is vouched for names it, or where its own
signers' keys stand in the root; dates are not judged, because nothing is applied for that.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias

from controller.artifacts import layout, release
from controller.artifacts.levels import Entry
from controller.artifacts.release import ReleaseRef, ReleaseStatement
from controller.kernel.canonical import Digest, sha256
from controller.kernel.errors import Refused, Untrusted
from controller.kernel.objects import History, Oid
from controller.reconcile import signed
from controller.reconcile.lookback import Lookback
from controller.source.budget import ReleasesBudget
from controller.trust import core
from controller.trust.core import Role
from controller.trust.envelope import SIGNATURES_MAX, SIZE_MAX_BYTES, Envelope, Signature
from controller.trust.keys import PublicKey

_Statement: TypeAlias = ReleaseStatement | Refused
"""What a payload says, without its bundles; or why it says nothing."""


class Earlier(NamedTuple):
    """A payload that stood in the folder."""

    commit: Oid
    digest: Digest
    said: _Statement
    counts: bool
    """Whether it is vouched for, or its owners signed it under one of the former roles."""

    @property
    def statement(self) -> ReleaseStatement:
        """Return what it says about itself, without its bundles; raise where it is no release."""
        if isinstance(self.said, Refused):
            raise self.said
        return self.said


class _File(NamedTuple):
    """An envelope that was read; its payload is let go."""

    payload_type: str
    digest: Digest
    signatures: tuple[Signature, ...]


class EarlierReleases:
    """A look at the folder of an environment in one commit after another, the newest first."""

    def __init__(
        self,
        history: History,
        environment: str,
        role: Role[PublicKey],
        offered: ReleaseStatement,
        digest: Digest,
        *,
        former: Sequence[Role[PublicKey]] = (),
    ) -> None:
        """Start from a release that its signers signed: it and those it names are vouched for.

        `former` are the roles of earlier roots; what they tell makes nothing cost less.
        """
        self._history, self._role = history, role
        self.path = layout.release_dir(environment)
        self.back = Lookback(history, self.path)
        self._budget = ReleasesBudget()
        self._files: dict[Oid, _File | None] = {}
        self._former = former
        self._said: dict[Digest, tuple[_Statement, bool]] = {}
        self._vouched = {digest, *_names(offered)}

    def at(self, commit: Oid, folder: Oid) -> Earlier | None:
        """Return what stands in the folder that a commit holds; `None` where it is no envelope.

        Raises `HistoryTooHeavy`, and what a look back at a folder does.
        """
        entries = self.back.level(folder, self.path).entries
        found = signed.envelope_files(entries, self.path, layout.RELEASE_STEM)
        read: list[Envelope] = []
        files = [self._file(commit, entry, read) for entry in found]
        known = [one for one in files if one is not None]
        if len(known) < len(files) or len({one[:2] for one in known}) != 1:
            return None
        signatures = tuple(dict.fromkeys(sig for one in known for sig in one.signatures))
        if len(signatures) > SIGNATURES_MAX:
            return None
        digest = known[0].digest
        if digest not in self._said:
            whole = replace(read[0], signatures=signatures)
            self._said[digest] = self._judge(commit, digest, whole)
        return Earlier(commit, digest, *self._said[digest])

    def _file(self, commit: Oid, entry: Entry, read: list[Envelope]) -> _File | None:
        """Return what is needed of an envelope; one that is read now is added to `read`, too."""
        if entry.oid in self._files:
            return self._files[entry.oid]
        path = f"{self.path}/{entry.name}"
        size_bytes = self._history.header(entry.oid).size_bytes
        self._files[entry.oid] = None
        if size_bytes > SIZE_MAX_BYTES:
            return None
        self._budget.read(commit, size_bytes)
        try:
            found = signed.open_envelope(self._history, entry, path)
        except (Refused, Untrusted):
            return None  # Whatever stands there is nobody's predecessor.
        read.append(found)
        file = _File(found.payload_type, sha256(found.payload), found.signatures)
        self._files[entry.oid] = file
        return file

    def _judge(self, commit: Oid, digest: Digest, found: Envelope) -> tuple[_Statement, bool]:
        size_bytes = len(found.payload)
        vouched = counts = digest in self._vouched
        if not vouched:
            self._budget.judge(commit, size_bytes)
            accepted = _Accepted(found)
            vouched = accepted.meets(self._role, digest)
            counts = vouched or any(accepted.meets(role, digest) for role in self._former)
        try:
            statement = release.parse(found.payload)
        except Refused as error:
            error.__cause__ = error.__context__ = None  # They would keep the payload.
            return error.with_traceback(None), False
        if vouched:
            self._budget.vouched(size_bytes)
            self._vouched.update(_names(statement))
        return replace(statement, bundles=()), counts


def _names(statement: ReleaseStatement) -> Iterable[Digest]:
    """Return the digests of the releases that a release names."""
    named: tuple[ReleaseRef | None, ...] = (statement.previous, statement.rollback_of)
    return [one.sha256 for one in named if one is not None]


class _Accepted:
    """The signatures of an envelope that name their key, each checked once; dates aside."""

    def __init__(self, found: Envelope) -> None:
        self._message = found.message()
        self._first: dict[str | None, bytes] = {}
        for one in found.signatures:
            self._first.setdefault(one.keyid, one.sig)
        self._known: dict[PublicKey, bool] = {}

    def meets(self, role: Role[PublicKey], digest: Digest) -> bool:
        """Whether enough owners of a role signed."""
        role = role.for_document(digest)
        return core.is_still_met(role, [one.id for one in role.keys if self._is_by(one)])

    def _is_by(self, key: PublicKey) -> bool:
        signature = self._first.get(key.id)
        if signature is None:
            return False
        if key not in self._known:
            self._known[key] = key.accepts(self._message, signature)
        return self._known[key]
